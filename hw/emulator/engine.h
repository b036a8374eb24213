/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines compute. They see contiguous memory and lengths that crypto.c has
 * checked against the algorithm's row, and nothing of rings or requests.
 *
 * A state is one key made ready for one direction. It is used by one thread
 * at a time: each service thread opens its own.
 */
#ifndef VCRYPTO_EMULATOR_ENGINE_H
#define VCRYPTO_EMULATOR_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/algs.h"

struct engine_key {
    const struct alg *alg;
    bool encrypt;
    const uint8_t *key; /* outlives the state */
    uint32_t key_len;
    uint32_t tag_len; /* AEAD only */
};

/* One operation; src and dst are equal or do not overlap. */
struct engine_op {
    const uint8_t *iv;
    const uint8_t *aad;
    const uint8_t *src;
    uint8_t *dst;
    uint8_t *tag; /* read when decrypting, written when encrypting */
    uint32_t iv_len, aad_len, len;
};

struct engine_ops {
    const char *name;
    /* The engine for one function. NULL: not available. */
    void *(*start)(void);
    void (*stop)(void *engine);

    /* NULL: the engine does not do this, or refuses the key. */
    void *(*open)(void *engine, const struct engine_key *key);
    /* Answers VIRTIO_CRYPTO_*. */
    int (*run)(void *state, const struct engine_op *op);
    void (*close)(void *state);

    /* Called on a service thread before it ends. */
    void (*thread_end)(void);
};

extern const struct engine_ops engine_libcrypto;

#endif
