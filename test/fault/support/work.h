/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work for devices that fail: one operation of a kind that is drawn, done by
 * the module and held against the default provider.
 *
 *   shop    what all who work share: the ciphers and keys of both providers
 *   work    one's own: contexts, buffers, and numbers to draw from
 *
 * Nothing here fails a test but want of a cipher or a key: an operation that
 * goes wrong is told as a result.
 */
#ifndef TEST_FAULT_WORK_H
#define TEST_FAULT_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "support.h"

enum work_result {
    WORK_RIGHT,
    WORK_FAILED, /* an error, which is taken from the queue */
    WORK_WRONG,
    WORK_REFUSED, /* given out, and whoever gets it finds out: a wrong tag, a
                     wrong signature that is not verified before */
};

/* What may be drawn. */
enum work_kinds {
    WORK_CIPHERS = 1,
    WORK_TAGS = 2, /* GCM, encrypted only: the result's end is the tag */
    WORK_RSA = 4,
    WORK_ECDSA = 8,
    WORK_ALL = WORK_CIPHERS | WORK_RSA | WORK_ECDSA,
};

#define WORK_TEXT_MAX 1500
#define WORK_MODES    9

struct shop {
    struct support *s;
    EVP_CIPHER *ours[WORK_MODES], *theirs[WORK_MODES];
    EVP_PKEY *rsa, *ec;
};

void shop_open(struct shop *shop, struct support *s);
void shop_close(struct shop *shop);

struct work {
    const struct shop *shop;
    unsigned kinds;
    bool new_keys; /* a session for each operation */
    struct support_random random;
    EVP_CIPHER_CTX *ctx;
    uint8_t key[64], iv[16], aad[13];
    uint8_t text[WORK_TEXT_MAX], want[WORK_TEXT_MAX + 32], got[WORK_TEXT_MAX + 32];
    uint8_t tag[16], got_tag[16];
};

void work_init(struct work *w, const struct shop *shop, unsigned kinds, uint64_t seed);
void work_fini(struct work *w);
/* One operation, wherever it is called: in a job or not. */
enum work_result work_do(struct work *w);

#endif
