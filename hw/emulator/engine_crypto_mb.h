/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within the engine by crypto_mb: what a worker and a key hold, and how each
 * kind of key is done by the library (engine_crypto_mb_rsa.c, _ecdsa.c).
 */
#ifndef VCRYPTO_EMULATOR_ENGINE_CRYPTO_MB_H
#define VCRYPTO_EMULATOR_ENGINE_CRYPTO_MB_H

/* Its other API takes BIGNUMs. */
#define BN_OPENSSL_DISABLE
#include <crypto_mb/defs.h>
#include <crypto_mb/status.h>

#include "emulator/akcipher.h"
#include "emulator/engine.h"

#define CRYPTO_MB_LANES 8

#define CRYPTO_MB_RSA_BYTES (4096 / 8)
#define CRYPTO_MB_RSA_WORDS (4096 / 2 / 64) /* of a prime, or what is as long */
#define CRYPTO_MB_EC_BYTES  66
#define CRYPTO_MB_EC_WORDS  9

/* The library takes up to 21 KiB, which is too much for the stack of a job. */
#define CRYPTO_MB_STACK (48 * 1024)
/* What its RSA works in. */
#define CRYPTO_MB_ROOM (112 * 1024)

enum { RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_IQ, RSA_NUMBERS };

/* Least significant word first. */
struct crypto_mb_state {
    union {
        struct {
            int64u numbers[RSA_NUMBERS][CRYPTO_MB_RSA_WORDS];
            uint8_t n[CRYPTO_MB_RSA_BYTES]; /* as on the wire */
        } rsa;
        int64u ec[CRYPTO_MB_EC_WORDS];
    };
    const struct crypto_mb_kind *kind;
    struct engine_crypto_mb *engine;
    struct engine_key key; /* as given */
    void *other;           /* libcrypto's, NULL until first used */
};

struct crypto_mb_random;

/* Secret memory, see secret.h. */
struct crypto_mb_worker {
    _Alignas(64) uint8_t stack[CRYPTO_MB_STACK];
    _Alignas(64) uint8_t room[CRYPTO_MB_ROOM];
    /* Of one call, cleansed after it. */
    union {
        struct {
            uint8_t src[CRYPTO_MB_LANES][CRYPTO_MB_RSA_BYTES];
            uint8_t dst[CRYPTO_MB_LANES][CRYPTO_MB_RSA_BYTES];
        } rsa;
        struct {
            int64u nonce[CRYPTO_MB_LANES][CRYPTO_MB_EC_WORDS];
            uint8_t digest[CRYPTO_MB_LANES][CRYPTO_MB_EC_BYTES];
            uint8_t r[CRYPTO_MB_LANES][CRYPTO_MB_EC_BYTES], s[CRYPTO_MB_LANES][CRYPTO_MB_EC_BYTES];
        } ec;
    } lanes;
    const struct crypto_mb_state *states[CRYPTO_MB_LANES];
    unsigned n; /* lanes in use: the rest compute what the first does, for nobody */
    mbx_status status;
    struct crypto_mb_random *random; /* NULL until first used */
};

/* Keys whose operations share lanes. */
struct crypto_mb_kind {
    uint32_t number; /* AKCIPHER_* */
    uint32_t size;   /* RSA: bits; ECDSA: VIRTIO_CRYPTO_CURVE_* */
    /* So many take no longer together than one by one in libcrypto, with all
     * that belongs to it. */
    unsigned least;
    /* Takes over a private key's numbers. False: the library cannot. */
    bool (*take)(struct crypto_mb_state *st, const struct akcipher_key *key);
    /* Whether it does this; libcrypto does, or refuses, all else. */
    bool (*can)(const struct crypto_mb_state *st, const struct engine_ak_op *op);
    /* Puts an operation of states[lane] into a lane; false: it cannot be. */
    bool (*put)(struct crypto_mb_worker *w, unsigned lane, const struct engine_ak_op *op);
    /* Computes all lanes, sets status. */
    void (*compute)(struct crypto_mb_worker *w);
    /* Takes the result out of a lane that succeeded. False: no room for it. */
    bool (*get)(struct crypto_mb_worker *w, unsigned lane, struct engine_ak_op *op);
};

extern const struct crypto_mb_kind crypto_mb_rsa[], crypto_mb_ecdsa[];
extern const unsigned crypto_mb_rsa_count, crypto_mb_ecdsa_count;

/* The number, in so many words; false: it is longer. */
bool crypto_mb_number(const struct der *number, int64u *out, unsigned words);

/* A worker's random numbers, which no other worker has. NULL: none to be had. */
struct crypto_mb_random *crypto_mb_random_new(void);
void crypto_mb_random_free(struct crypto_mb_random *r);
bool crypto_mb_random_bytes(struct crypto_mb_random *r, void *out, size_t len);

#endif
