/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the function can compute, as the bus sees it: one row per algorithm.
 * Who computes it is an engine (engine.h).
 */
#ifndef VCRYPTO_EMULATOR_ALGS_H
#define VCRYPTO_EMULATOR_ALGS_H

#include <stddef.h>
#include <stdint.h>

#define ALG_KEY_LENS 3

struct alg {
    const char *name; /* in fault strings */
    uint8_t service;  /* VIRTIO_CRYPTO_SERVICE_* */
    uint8_t number;   /* VIRTIO_CRYPTO_CIPHER_*, VIRTIO_CRYPTO_AEAD_*, AKCIPHER_*:
                         a bit of the mask too */
    /* The rest is zero for asymmetric keys, see akcipher.c. */
    uint8_t key_lens[ALG_KEY_LENS]; /* bytes, 0: no further */
    uint8_t granule;                /* the data length is a multiple of it */
    uint8_t min_len;                /* shortest data other than none */
    uint8_t iv_min, iv_max;         /* bytes of IV used */
    uint8_t iv_at;                  /* where they start in the IV field */
    uint8_t tag_min, tag_max, tag_step;
};

extern const struct alg algs[];
extern const size_t algs_count;

/* NULL: no such algorithm. */
const struct alg *alg_find(uint32_t service, uint32_t number);

#endif
