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
struct unit;
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

/* The request's memory may be changed by the driver at any time: what is
 * computed on is a copy. */
struct ak_buffers {
    uint8_t src[AKCIPHER_DATA_MAX], digest[AKCIPHER_DATA_MAX], dst[AKCIPHER_DATA_MAX];
};

/* As the others of crypto.c: whether u's session may be used this way;
 * VIRTIO_CRYPTO_*. */
int akcipher_check(const struct unit *u, uint64_t stated);
/* False: memory is missing, the driver's or ours. */
bool akcipher_place(struct worker *w, struct unit *u, uint8_t *room);
/* After the engine: writes the result, sets u->result to its length (all of
 * the destination behind it is zeroed), and answers VIRTIO_CRYPTO_*. */
int akcipher_finish(struct unit *u);

#endif
