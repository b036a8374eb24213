/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA signatures on a device. The block to be signed is made here, whatever the
 * device: its private operation is then the raw one, or, where a device has no
 * such, the PKCS#1 signature whose block must be the same.
 *
 * Verifying is not worth a trip.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "provider.h"
#include "rsa_padding.h"
#include "rsa_private.h"
#include "sign.h"
#include "stats.h"

/* What the twin would do. */
struct scheme {
    int padding, saltlen;
    char md[64], mgf1[64]; /* empty: none */
};

static bool take_scheme(const struct sign_ctx *ctx, struct scheme *s)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &s->padding),
        OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &s->saltlen),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, s->md, sizeof(s->md)),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, s->mgf1, sizeof(s->mgf1)),
        OSSL_PARAM_END,
    };

    memset(s, 0, sizeof(*s));
    return ctx->alg->twin->get_ctx_params(ctx->twin, params);
}

/* The digests that devices put into a PKCS#1 signature. */
static enum hw_digest wire_digest(const EVP_MD *md)
{
    static const struct {
        const char *name;
        enum hw_digest hw;
    } all[] = {
        {"MD5", HW_DIGEST_MD5},         {"SHA1", HW_DIGEST_SHA1},
        {"SHA2-224", HW_DIGEST_SHA224}, {"SHA2-256", HW_DIGEST_SHA256},
        {"SHA2-384", HW_DIGEST_SHA384}, {"SHA2-512", HW_DIGEST_SHA512},
    };

    for (size_t i = 0; md != NULL && i < sizeof(all) / sizeof(all[0]); i++)
        if (EVP_MD_is_a(md, all[i].name))
            return all[i].hw;
    return HW_DIGEST_NONE;
}

static bool pad_pss(struct sign_ctx *ctx, const struct scheme *s, const EVP_MD *md,
                    const uint8_t *digest, const struct rsa_work *w)
{
    OSSL_LIB_CTX *libctx = ctx->prov->software.libctx;
    bool own = s->mgf1[0] != '\0' && !EVP_MD_is_a(md, s->mgf1);
    EVP_MD *mgf1 = own ? EVP_MD_fetch(libctx, s->mgf1, NULL) : NULL;
    struct rsa_pss pss = {libctx, md, own ? mgf1 : md, s->saltlen};
    bool ok =
        pss.mgf1 != NULL && rsa_pad_pss(w->block, key_bits(ctx->key), &pss, digest, w->result);

    EVP_MD_free(mgf1);
    return ok;
}

/* Makes the block. What cannot be made here, because it is wrong or rare, is
 * the twin's to do or to refuse. */
static bool pad(struct sign_ctx *ctx, const struct scheme *s, const struct key_device *device,
                const struct rsa_work *w, const EVP_MD *md, const uint8_t *tbs, size_t len)
{
    if (md != NULL && len != (size_t)EVP_MD_get_size(md))
        return false;
    switch (s->padding) {
    case RSA_PKCS1_PADDING: return rsa_pad_pkcs1(w->block, device->size, md, tbs, len);
    case RSA_PKCS1_PSS_PADDING: return md != NULL && pad_pss(ctx, s, md, tbs, w);
    case RSA_NO_PADDING:
        if (md != NULL || len != device->size)
            return false;
        memcpy(w->block, tbs, len);
        return rsa_in_range(device, w->block);
    default: return false;
    }
}

/* Whether the device can do it one way or the other; then req is filled in. */
static bool fill_in(const struct sign_ctx *ctx, const struct scheme *s,
                    const struct key_device *device, const struct rsa_work *w, const EVP_MD *md,
                    const uint8_t *tbs, size_t len, struct hw_request *req)
{
    const struct hw_limits *limits = &ctx->prov->families[FAMILY_RSA].limits;

    if (limits->rsa_raw) {
        req->op = HW_DECRYPT;
        req->rsa_padding = HW_RSA_RAW;
        req->src[0] = (struct iovec){w->block, device->size};
    } else {
        req->op = HW_SIGN;
        req->rsa_padding = HW_RSA_PKCS1;
        req->digest = (uint8_t)wire_digest(md);
        req->src[0] = (struct iovec){(void *)(uintptr_t)tbs, len};
        if (s->padding != RSA_PKCS1_PADDING || req->digest == HW_DIGEST_NONE)
            return false;
    }
    req->nsrc = 1;
    return true;
}

/* Block and request, in memory at w. False: it is the twin's. */
static bool prepare(struct sign_ctx *ctx, const struct key_device *device, const uint8_t *tbs,
                    size_t len, struct rsa_work *w, struct hw_request *req)
{
    const EVP_MD *md = NULL;
    struct scheme s;

    if (!take_scheme(ctx, &s) || (s.md[0] != '\0' && (md = sign_digest(ctx, s.md)) == NULL) ||
        sign_work(ctx, rsa_work_size(device)) == NULL)
        return false;
    *w = rsa_work_at(device, ctx->work);
    return pad(ctx, &s, device, w, md, tbs, len) && fill_in(ctx, &s, device, w, md, tbs, len, req);
}

static enum offload_result sign(struct sign_ctx *ctx, uint8_t *sig, size_t *siglen,
                                const uint8_t *tbs, size_t tbslen)
{
    struct offload_want want = {.alg = HW_RSA, .key_len = key_bits(ctx->key)};
    struct hw_request *req = offload_begin(&ctx->offload, ctx->prov, &want);
    const struct key_device *device = req != NULL ? key_device(ctx->key) : NULL;
    enum offload_result result;
    struct rsa_work w;
    bool ready;

    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    /* What cannot be prepared is no error where software does it. */
    ERR_set_mark();
    ready = device != NULL && *siglen >= device->size && prepare(ctx, device, tbs, tbslen, &w, req);
    ERR_pop_to_mark();
    if (!ready)
        return sign_unsupported(ctx);
    result = rsa_private(ctx->offload, req, device, &w);
    if (result == OFFLOAD_DONE) {
        memcpy(sig, w.result, device->size);
        *siglen = device->size;
    }
    return result;
}

const struct sign_alg sign_rsa = {&twins.rsa_signature, sign, NULL};
