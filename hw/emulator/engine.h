/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines compute. They see contiguous memory and lengths that crypto.c and
 * akcipher.c have checked against the algorithm's row, and nothing of rings or
 * requests.
 *
 * A state is one key made ready for one direction; an asymmetric one for all
 * that its key can do. It belongs to one worker: each opens its own.
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

/* One operation of one key. */
struct engine_task {
    void *state; /* the engine's, opened for the worker that runs it */
    union {
        struct engine_op op;    /* cipher, AEAD */
        struct engine_ak_op ak; /* AKCIPHER */
    };
    int status; /* out: VIRTIO_CRYPTO_* */
};

/* The longest batch. */
#define ENGINE_BATCH 32

struct engine_ops {
    const char *name;
    /* The engine of one function, for so many workers, numbered from 0: a
     * worker is used by one thread at a time, not always by the same. NULL: not
     * available, for want of memory or of a processor that can. */
    void *(*start)(unsigned workers);
    void (*stop)(void *engine);

    /* The smallest number of operations of keys like this one (algorithm,
     * direction, size) together that makes this engine the better one. 1:
     * always; 0: it does not do such keys. */
    unsigned (*least)(void *engine, const struct engine_key *key);
    /* A key for one worker. NULL: the engine refuses it, or has no memory. */
    void *(*open)(void *engine, const struct engine_key *key);
    /* At most ENGINE_BATCH tasks of this engine's states, of any mixture; sets
     * the status of each. It may run on the small stack of a job. */
    void (*run)(void *engine, unsigned worker, struct engine_task *const *tasks, unsigned n);
    void (*close)(void *state);

    /* Called on a service thread before it ends; may be NULL. */
    void (*thread_end)(void);
    /* In the child of a fork, where nothing of the engine is used: the parent's
     * functions are not. May be NULL. */
    void (*forked)(void);
};

extern const struct engine_ops engine_libcrypto;
#ifdef VCRYPTO_IPSEC_MB
extern const struct engine_ops engine_ipsec_mb;
#endif
#ifdef VCRYPTO_CRYPTO_MB
extern const struct engine_ops engine_crypto_mb;
#endif

#endif
