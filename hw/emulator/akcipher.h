/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AKCIPHER service: RSA and ECDSA keys as the driver sends them, and
 * requests that use them (VIRTIO 1.3, sections 5.9.7.2.1.5 and 5.9.7.6).
 */
#ifndef VCRYPTO_EMULATOR_AKCIPHER_H
#define VCRYPTO_EMULATOR_AKCIPHER_H

#include <stdint.h>

#include "emulator/der.h"
#include "emulator/engine.h"

struct chain;
struct session;
struct worker;

/* The specification numbers ECDSA 2; in the kernel's header that is DSA, and
 * ECDSA is 3. */
#define AKCIPHER_RSA   1
#define AKCIPHER_ECDSA 2

#define AKCIPHER_BITS_MIN 1024u /* of an RSA modulus */
#define AKCIPHER_BITS_MAX 8192u
/* A private key of 8192 bits takes 4,700 bytes. */
#define AKCIPHER_KEY_MAX 6144u
/* The longest source, signed data or result. */
#define AKCIPHER_DATA_MAX (AKCIPHER_BITS_MAX / 8)

#define AKCIPHER_NUMBERS 8

/* A key taken apart; everything points into its DER. */
struct akcipher_key {
    /* RSA: n, e, and of a private key d, p, q, d mod p-1, d mod q-1, 1/q mod p.
     * ECDSA: the private number, if there is one. */
    struct der numbers[AKCIPHER_NUMBERS];
    unsigned nnumbers;
    struct der point; /* ECDSA: may be absent from a private key */
};

/* Answers VIRTIO_CRYPTO_OK, _NOTSUPP (a size, curve, padding or hash that the
 * device does not do) or _ERR (no such key). */
int akcipher_parse(const struct engine_key *key, struct akcipher_key *out);

struct akcipher_request {
    uint32_t opcode, src_len;
    uint32_t digest_len; /* of signed data behind the source, to verify */
    uint32_t dst_len;
    uint32_t head; /* bytes before the source in the chain */
};

/* Runs a request of this session; *len is how many bytes of result there are,
 * all of the destination behind them is zeroed. Answers VIRTIO_CRYPTO_*. */
int akcipher_run(struct worker *w, struct session *s, const struct akcipher_request *req,
                 uint32_t *len);

#endif
