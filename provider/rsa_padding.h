/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA's paddings, for results that a device computed without any.
 *
 * Unpadding is libcrypto's own code: RSA_padding_check_... is deprecated, but
 * public and in constant time, and nothing that is not deprecated takes a
 * block that is already decrypted. (A key whose exponents are 1 would make
 * the default provider do so, but it takes two fifths of the time of a private
 * operation, and converts the secret with code that is not meant for secrets.)
 *
 * The blocks to be signed are made here: of them libcrypto gives out only one
 * half. They are public, and each signature is checked before it is released.
 */
#ifndef VCRYPTO_RSA_PADDING_H
#define VCRYPTO_RSA_PADDING_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* EMSA-PKCS1-v1_5 of RFC 8017, section 9.2. md NULL, or MD5-SHA1: without
 * DigestInfo. False: too long, or a digest that has no DigestInfo. */
bool rsa_pad_pkcs1(uint8_t *block, size_t size, const EVP_MD *md, const uint8_t *tbs, size_t len);

struct rsa_pss {
    OSSL_LIB_CTX *libctx; /* for the salt */
    const EVP_MD *md, *mgf1;
    int saltlen; /* RSA_PSS_SALTLEN_... are known */
};
/* EMSA-PSS of RFC 8017, section 9.1.1, for a modulus of so many bits; salt: as
 * much memory as block has. False: too long for the modulus. */
bool rsa_pad_pss(uint8_t *block, size_t bits, const struct rsa_pss *pss, const uint8_t *digest,
                 uint8_t *salt);

/*
 * block is a decrypted one of size bytes. *len is the room at out, then how
 * much of it is used, unchanged where the padding is wrong: then the result is
 * 0. Neither time nor memory accesses tell which it is.
 */
int rsa_unpad_pkcs1(const uint8_t *block, size_t size, uint8_t *out, size_t *len);

struct rsa_oaep {
    const EVP_MD *md, *mgf1;
    const uint8_t *label;
    size_t label_len;
};
int rsa_unpad_oaep(const uint8_t *block, size_t size, const struct rsa_oaep *oaep, uint8_t *out,
                   size_t *len);

/*
 * The premaster secret of TLS up to 1.2: 48 bytes that begin with one of two
 * versions, or, whatever is wrong with them, 48 random ones (RFC 5246, section
 * 7.4.7.1). other 0: there is only one version. 0: no random numbers.
 */
#define RSA_PREMASTER 48
int rsa_unpad_premaster(const uint8_t *block, size_t size, OSSL_LIB_CTX *libctx, unsigned version,
                        unsigned other, uint8_t *out);

#endif
