/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RSA and ECDSA signatures share. All parameters, checks, and all that is
 * done in software are the twin's; data to be digested is digested here, since
 * a twin that does so would not give the digest out, only a signature.
 *
 * The twin is nevertheless initialised as for digesting first, since that is
 * what its rules for the digest go by, and then once more, as for taking
 * digests: from OpenSSL 3.4 on its sign and verify would else digest what they
 * are given, which is a digest already.
 */
#ifndef VCRYPTO_SIGN_H
#define VCRYPTO_SIGN_H

#include <openssl/evp.h>
#include <stdint.h>

#include "key.h"
#include "offload.h"

struct sign_ctx;

struct sign_alg {
    const struct twin_signature *twin;
    /* Sign or verify a digest on the device. OFFLOAD_SOFTWARE: it did not, the
     * cause has been counted. *siglen is the room at sig, then how much of it
     * is used. */
    enum offload_result (*sign)(struct sign_ctx *ctx, uint8_t *sig, size_t *siglen,
                                const uint8_t *tbs, size_t tbslen);
    enum offload_result (*verify)(struct sign_ctx *ctx, const uint8_t *sig, size_t siglen,
                                  const uint8_t *tbs, size_t tbslen); /* NULL: software */
};

/* What an operation that may be paused needs hangs from here. */
struct sign_ctx {
    struct provctx *prov;
    const struct sign_alg *alg;
    struct key *key;
    void *twin;
    EVP_MD *md;                 /* the digest last used, so that it is not fetched each time */
    EVP_MD_CTX *mdctx;          /* NULL: not digesting */
    const OSSL_PARAM *settable; /* while digesting: the twin's list */
    struct offload *offload;
    uint8_t *work; /* see sign_work */
    size_t work_len;
};

/* Memory of this context that is cleansed with it; NULL: no memory. */
uint8_t *sign_work(struct sign_ctx *ctx, size_t len);
/* A digest of the default provider, kept by the context; NULL: none such. */
const EVP_MD *sign_digest(struct sign_ctx *ctx, const char *name);

/* Counts an operation that the device does not do; OFFLOAD_SOFTWARE. */
enum offload_result sign_unsupported(const struct sign_ctx *ctx);

extern const struct sign_alg sign_rsa, sign_ecdsa;
extern const OSSL_DISPATCH signature_rsa[], signature_ecdsa[];

#endif
