/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as VIRTIO 1.2, section 5.9.7, lays them out, with and without
 * VIRTIO_CRYPTO_F_REVISION_1. A service is a row in the tables of crypto.c
 * (data queues) and control.c (control queue).
 *
 * -EINVAL: the chain cannot be answered at all (no room for the outcome, no
 * header), the device needs a reset; emulator_fail has been called.
 */
#ifndef VCRYPTO_EMULATOR_CRYPTO_H
#define VCRYPTO_EMULATOR_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_crypto.h>

#include "emulator/chain.h"
#include "emulator/engines.h"
#include "emulator/faults.h"
#include "emulator/ring.h"

struct ak_buffers;
struct session;
struct worker;
struct service_row;

#define CRYPTO_IV_FIELD 16u
#define CRYPTO_TAG_MAX  16u

/* A data request: where it is, what it says, and what came of it. */
struct unit {
    struct chain chain;
    struct taken taken;
    struct fault_strike strike;

    const struct service_row *row; /* NULL: no such service */
    struct virtio_crypto_op_header header;
    bool encrypt;
    uint32_t iv_len;           /* as stated */
    uint32_t iv_field;         /* bytes that it takes in the request */
    uint32_t src_len, dst_len; /* as stated */
    uint32_t aad_len, tag_len; /* 0: not an AEAD; aad_len: what is verified, too */
    uint32_t len;              /* of the text itself */

    uint64_t stated;         /* bytes of content behind the fields */
    struct session *session; /* a reference, from crypto_find to crypto_end */
    struct cursor out;       /* where the result goes */
    uint8_t iv[CRYPTO_IV_FIELD], tag[CRYPTO_TAG_MAX];
    uint8_t *dst;          /* in the chain; NULL: op.dst is scratch */
    struct ak_buffers *ak; /* of an asymmetric operation */
    struct engine_work work;
    bool waits;      /* work is to be run */
    int status;      /* VIRTIO_CRYPTO_*, or -EINVAL */
    uint32_t result; /* bytes of the destination that are good */
};

/* The steps of the request in u->chain. First: reads what it says. */
void crypto_read(struct worker *w, struct unit *u);
/* Between sessions_lock and sessions_unlock: finds its session. */
void crypto_find(struct worker *w, struct unit *u);
/* Where there is something to compute it sets waits; the caller runs u->work. A
 * request whose data lies in pieces is run at once: there is one scratch
 * memory. */
void crypto_begin(struct worker *w, struct unit *u);
/* Writes the outcome into the chain; *len: how many bytes of its writable part
 * are good. */
int crypto_end(struct worker *w, struct unit *u, uint32_t *len);

/* Serves the control request in c, the seq'th of the function, from 1 on. */
int control_request(struct worker *w, struct chain *c, uint64_t seq, uint32_t *len);

#endif
