/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as VIRTIO 1.2, section 5.9.7, lays them out, with and without
 * VIRTIO_CRYPTO_F_REVISION_1. A service is a row in the tables of crypto.c
 * (data queues) and control.c (control queue).
 *
 * Both take the chain in w->chain, write the outcome into it, and say how
 * many bytes of its writable part are good. -EINVAL: the chain cannot be
 * answered at all (no room for the outcome, no header), the device needs a
 * reset; emulator_fail has been called.
 */
#ifndef VCRYPTO_EMULATOR_CRYPTO_H
#define VCRYPTO_EMULATOR_CRYPTO_H

#include <stdint.h>

struct fault_strike;
struct worker;

int crypto_data(struct worker *w, const struct fault_strike *strike, uint32_t *len);
/* seq: it is the function's seq'th, from 1 on. */
int control_request(struct worker *w, uint64_t seq, uint32_t *len);

#endif
