/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of asymmetric keys share. All of it fails the test that calls
 * it when it cannot do its work, unless it says otherwise. */
#ifndef TEST_ASYM_H
#define TEST_ASYM_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support.h"

#define OURS   "provider=vcrypto"
#define THEIRS "provider=default"

#define ASYM_MAX 1024 /* bytes of the longest signature, block, or text */

struct asym_rsa_key {
    unsigned bits;
    const char *der;
};
extern const struct asym_rsa_key asym_rsa_keys[]; /* ends with 0 bits */

/* Keys of the default provider. Sizes that are not in the table are made. */
EVP_PKEY *asym_rsa(const struct support *s, unsigned bits);
EVP_PKEY *asym_ec(const struct support *s, const char *group);
/* An RSA-PSS key. md NULL: without restrictions. */
EVP_PKEY *asym_rsa_pss(const struct support *s, const char *md, const char *mgf1, int saltlen);

/* The same key with another provider's key management. */
EVP_PKEY *asym_moved(const struct support *s, EVP_PKEY *key, const char *query);
bool asym_is_ours(EVP_PKEY *key);

/* How to pad. 0 and NULL: as it comes. */
struct asym_scheme {
    int padding;
    const char *md, *mgf1;
    int saltlen;
    bool has_saltlen;
};

#define PKCS1(digest)                                                                              \
    (struct asym_scheme)                                                                           \
    {                                                                                              \
        .padding = RSA_PKCS1_PADDING, .md = (digest)                                               \
    }
#define PSS(digest, mask, salt)                                                                    \
    (struct asym_scheme)                                                                           \
    {                                                                                              \
        .padding = RSA_PKCS1_PSS_PADDING, .md = (digest), .mgf1 = (mask), .saltlen = (salt),       \
        .has_saltlen = true                                                                        \
    }

/* A context that signs or verifies digests so; NULL, and errors, where that is
 * refused. */
EVP_PKEY_CTX *asym_context(const struct support *s, const char *query, EVP_PKEY *key, bool signs,
                           const struct asym_scheme *scheme);

/* Signs, or verifies, with this provider. A length of 0, or false, and errors
 * in the queue: it was refused. */
size_t asym_sign(const struct support *s, const char *query, EVP_PKEY *key,
                 const struct asym_scheme *scheme, const void *tbs, size_t len, uint8_t *sig);
bool asym_verify(const struct support *s, const char *query, EVP_PKEY *key,
                 const struct asym_scheme *scheme, const void *tbs, size_t len, const uint8_t *sig,
                 size_t siglen);
/* The same for a message, which is digested first. */
size_t asym_digest_sign(const struct support *s, const char *query, EVP_PKEY *key,
                        const struct asym_scheme *scheme, const void *msg, size_t len,
                        uint8_t *sig);
bool asym_digest_verify(const struct support *s, const char *query, EVP_PKEY *key,
                        const struct asym_scheme *scheme, const void *msg, size_t len,
                        const uint8_t *sig, size_t siglen);

/* Whether libcrypto answers wrong PKCS#1 padding with random data; then such
 * decryption is never the device's. */
bool asym_rejects_implicitly(const struct support *s);

size_t asym_md_size(const struct support *s, const char *md);

/* Loads the provider, and starts counting. */
void asym_start(struct support *s, const char *settings);
/* Just so much was done by the device, and so much by software instead, since
 * the last time. */
#define asym_did(s, requests, software) asym_did_at((s), (requests), (software), __func__)
void asym_did_at(const struct support *s, uint64_t requests, uint64_t software, const char *what);

#endif
