/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines compute. They see contiguous memory and lengths that crypto.c and
 * akcipher.c have checked against the algorithm's row, and nothing of rings or
 * requests.
 *
 * A state is one key made ready for one direction; an asymmetric one for all
 * that its key can do. It is used by one thread at a time: each service thread
 * opens its own.
 */
#ifndef VCRYPTO_EMULATOR_ENGINE_H
#define VCRYPTO_EMULATOR_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/algs.h"

/* What a session of an asymmetric key adds. */
struct engine_ak {
    bool is_private;
    uint32_t padding, hash; /* RSA: VIRTIO_CRYPTO_RSA_* */
    uint32_t curve;         /* ECDSA: VIRTIO_CRYPTO_CURVE_* */
};

struct engine_key {
    const struct alg *alg;
    bool encrypt;       /* not for asymmetric keys */
    const uint8_t *key; /* outlives the state */
    uint32_t key_len;
    uint32_t tag_len; /* AEAD only */
    struct engine_ak ak;
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

/* One asymmetric operation. */
struct engine_ak_op {
    uint32_t opcode;       /* VIRTIO_CRYPTO_AKCIPHER_* */
    const uint8_t *src;    /* to verify: the signature */
    const uint8_t *digest; /* that is to be verified */
    uint8_t *dst;
    uint32_t src_len, digest_len;
    uint32_t len; /* in: room at dst; out: bytes of result */
};

struct engine_ops {
    const char *name;
    /* The engine for one function. NULL: not available. */
    void *(*start)(void);
    void (*stop)(void *engine);

    /* NULL: the engine does not do this, or refuses the key. */
    void *(*open)(void *engine, const struct engine_key *key);
    /* Both answer VIRTIO_CRYPTO_*; which it is goes by the key's service. */
    int (*run)(void *state, const struct engine_op *op);
    int (*run_ak)(void *state, struct engine_ak_op *op);
    void (*close)(void *state);

    /* Called on a service thread before it ends. */
    void (*thread_end)(void);
};

extern const struct engine_ops engine_libcrypto;

#endif
