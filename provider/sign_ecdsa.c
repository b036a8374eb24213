/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA signatures on a device. Verifying takes software hardly longer than
 * the trip, so the device does it only where min_bytes says so.
 *
 * A signature is not verified before it is released: that would take longer
 * than signing. It must be well-formed.
 */
#include <openssl/core_names.h>
#include <string.h>

#include "der.h"
#include "provider.h"
#include "sign.h"
#include "stats.h"

/* Bytes of the longest signature: two INTEGERs, each with a bit for the sign,
 * in a SEQUENCE. */
static size_t longest(struct key *key)
{
    size_t two = 2 * (2 + key_bits(key) / 8 + 1);

    return two + (two < 0x80 ? 2 : 3);
}

/* How long a digest the twin insists on; 0: any. */
static bool fits(struct sign_ctx *ctx, size_t tbslen)
{
    size_t size = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_size_t(OSSL_SIGNATURE_PARAM_DIGEST_SIZE, &size),
                           OSSL_PARAM_END};

    return ctx->alg->twin->get_ctx_params(ctx->twin, params) && (size == 0 || size == tbslen) &&
           tbslen <= EVP_MAX_MD_SIZE;
}

static struct hw_request *begin(struct sign_ctx *ctx, size_t len, size_t min)
{
    struct offload_want want = {
        .alg = HW_ECDSA, .key_len = key_bits(ctx->key), .len = len, .min_bytes = min};

    return offload_begin(&ctx->offload, ctx->prov, &want);
}

static enum offload_result sign(struct sign_ctx *ctx, uint8_t *sig, size_t *siglen,
                                const uint8_t *tbs, size_t tbslen)
{
    struct hw_request *req = begin(ctx, tbslen, 0);
    const struct key_device *device = req != NULL ? key_device(ctx->key) : NULL;
    enum offload_result result;
    size_t len;

    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    /* With no room for the longest the twin refuses. */
    if (device == NULL || !device->is_private || *siglen < longest(ctx->key) ||
        !fits(ctx, tbslen) || sign_work(ctx, longest(ctx->key)) == NULL)
        return sign_unsupported(ctx);
    req->key = device->hw;
    req->op = HW_SIGN;
    req->src[0] = (struct iovec){(void *)(uintptr_t)tbs, tbslen};
    req->dst[0] = (struct iovec){ctx->work, longest(ctx->key)};
    req->nsrc = req->ndst = 1;
    result = offload_run(ctx->offload, false);
    len = req->result_len;
    if (result == OFFLOAD_REJECTED ||
        (result == OFFLOAD_DONE && !der_is_signature(ctx->work, len, device->size)))
        return offload_wrong(ctx->offload);
    if (result == OFFLOAD_DONE) {
        memcpy(sig, ctx->work, len);
        *siglen = len;
    }
    return result;
}

static enum offload_result verify(struct sign_ctx *ctx, const uint8_t *sig, size_t siglen,
                                  const uint8_t *tbs, size_t tbslen)
{
    size_t min = ctx->prov->families[FAMILY_EC].min_verify;
    const struct key_device *device;
    struct hw_request *req;

    /* Never asked for: nothing that could have been a request. */
    if (min == SIZE_MAX)
        return OFFLOAD_SOFTWARE;
    req = begin(ctx, tbslen, min);
    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    device = key_device(ctx->key);
    if (device == NULL || !fits(ctx, tbslen) || siglen > longest(ctx->key))
        return sign_unsupported(ctx);
    req->key = device->hw;
    req->op = HW_VERIFY;
    req->src[0] = (struct iovec){(void *)(uintptr_t)sig, siglen};
    req->src[1] = (struct iovec){(void *)(uintptr_t)tbs, tbslen};
    req->nsrc = 2;
    return offload_run(ctx->offload, false);
}

const struct sign_alg sign_ecdsa = {&twins.ecdsa, sign, verify};
