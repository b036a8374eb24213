/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates of a TLS test, made once by creds_make. They are kept
 * as PEM, so that each library context decodes them itself, as a server that
 * reads its files does.
 */
#ifndef TEST_TLS_CREDS_H
#define TEST_TLS_CREDS_H

#include <openssl/ssl.h>
#include <stdbool.h>

enum cred {
    CRED_RSA,
    CRED_PSS,
    CRED_PSS_SHA256, /* restricted to SHA-256 and 32 bytes of salt */
    CRED_P256,
    CRED_P384,
    CRED_P521,
    CRED_DSA,
    CRED_COUNT
};

/* An unchecked fixture, once before all tests: makes the keys in the default
 * library context, which has to be a plain one. */
void creds_make(void);

const char *cred_name(enum cred cred);

/* Key and certificate decoded in libctx and given to ctx. */
void cred_use(SSL_CTX *ctx, OSSL_LIB_CTX *libctx, enum cred cred);
/* The issuer of all certificates. */
void creds_trust(SSL_CTX *ctx, OSSL_LIB_CTX *libctx);
/* A fresh copy of the public key, in the default library context. */
EVP_PKEY *cred_public(enum cred cred);

#endif
