/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured: a library context, and operations in it as applications
 * make them, through EVP.
 */
#ifndef VCRYPTO_PROBE_WORK_H
#define VCRYPTO_PROBE_WORK_H

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A library context. vcrypto: with vcrypto, which is preferred, beside the
 * default provider; else the default provider alone.
 */
struct work_context {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *vcrypto; /* NULL: without */
};

/*
 * module is the file, or NULL for the provider that is linked into this
 * program; settings are lines "key = value" for its section. False: it was not
 * loaded, and the error queue says why.
 */
bool work_open_vcrypto(struct work_context *c, const char *module, const char *settings);
bool work_open_default(struct work_context *c);
void work_close(struct work_context *c);
/* A figure of vcrypto's, by the name of its parameter; 0 without vcrypto. */
uint64_t work_figure(const struct work_context *c, const char *name);

/* name: a cipher's; or "RSA-2048" and the like, or "P-256" and the like, for
 * signatures. */
bool work_is_signature(const char *name);

/*
 * One operation's contexts and buffers. Ciphers take len bytes, without
 * padding; AEAD operations are whole messages with an IV and a tag of their own
 * and 13 bytes of AAD, as in a TLS record. Signatures are of a SHA-256 digest;
 * key is one of work_key. NULL: the error queue says why.
 */
struct work *work_new(const struct work_context *c, const char *name, bool encrypts, size_t len,
                      EVP_PKEY *key);
void work_free(struct work *w);
/* arg is a struct work. */
bool work_do(void *arg);

/* A new key for signatures. */
EVP_PKEY *work_key(const struct work_context *c, const char *name);

#endif
