/* SPDX-License-Identifier: Apache-2.0 */
/* XTS: one update is one data unit, and its tweak is the IV. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include "cipher.h"
#include "direct.h"
#include "params.h"

/* IEEE Std 1619-2018, 5.1: no data unit has more blocks. */
#define MAX_UNIT ((size_t)CIPHER_BLOCK << 20)

static int xts_init(struct cipher_plain *c, bool encrypting, const uint8_t *key, size_t key_len,
                    const uint8_t *iv, size_t iv_len, const OSSL_PARAM params[])
{
    struct hw_key *made;

    if (iv != NULL && !cipher_plain_fits_iv(c, iv_len))
        return cipher_plain_not_begun(c, encrypting);
    /* Equal halves weaken XTS, but what was once encrypted so must stay readable. */
    if (key != NULL && encrypting && key_len == c->base.alg->info->key_len &&
        CRYPTO_memcmp(key, key + key_len / 2, key_len / 2) == 0) {
        ERR_raise(ERR_LIB_PROV, PROV_R_XTS_DUPLICATED_KEYS);
        return cipher_plain_not_begun(c, encrypting);
    }
    if (!cipher_make_key(&c->base, key, key_len, &made))
        return cipher_plain_not_begun(c, encrypting);
    c->lost = false;
    if (iv != NULL)
        cipher_plain_drop_direct(c);
    else
        cipher_plain_undirect(c);
    c->base.encrypting = encrypting;
    if (iv != NULL)
        cipher_plain_set_iv(c, iv);
    cipher_take_key(&c->base, made);
    return cipher_xts_set_ctx_params(c, params);
}

int cipher_xts_einit(void *vctx, const unsigned char *key, size_t key_len, const unsigned char *iv,
                     size_t iv_len, const OSSL_PARAM params[])
{
    return xts_init(vctx, true, key, key_len, iv, iv_len, params);
}

int cipher_xts_dinit(void *vctx, const unsigned char *key, size_t key_len, const unsigned char *iv,
                     size_t iv_len, const OSSL_PARAM params[])
{
    return xts_init(vctx, false, key, key_len, iv, iv_len, params);
}

static int run_software(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;

    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, c->iv, sizeof(c->iv)) ||
        !twin_run(t, sw, out, in, len))
        return cipher_fail();
    cipher_plain_go_direct(c);
    return 1;
}

/* A data unit cannot be split, and a device that takes whole blocks only
 * cannot steal ciphertext. */
static bool device_takes(const struct cipher_plain *c, size_t len)
{
    const struct algorithm *a = c->base.alg;

    return !a->on_device || (len <= a->limits.max_len &&
                             (a->limits.granularity <= 1 || len % a->limits.granularity == 0));
}

static int run(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    struct hw_request *req;

    if (!device_takes(c, len)) {
        stats_software(c->base.prov, SW_UNSUPPORTED);
        return run_software(c, out, in, len);
    }
    req = cipher_request(&c->base, len, c->iv, sizeof(c->iv));
    if (req == NULL)
        return run_software(c, out, in, len);
    req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)in, len};
    req->dst[req->ndst++] = (struct iovec){out, len};
    switch (offload_run(c->base.offload, false)) {
    case OFFLOAD_DONE: return 1;
    case OFFLOAD_SOFTWARE: return run_software(c, out, in, len);
    default: return cipher_fail();
    }
}

DIRECT_NOT int xts_cipher(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                          const uint8_t *in, size_t inl)
{
    cipher_plain_undirect(c);
    *outl = 0;
    if (c->base.key == NULL || !c->iv_set || c->lost || out == NULL || in == NULL ||
        inl < CIPHER_BLOCK)
        return cipher_fail();
    if (outsize < inl) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if (inl > MAX_UNIT) {
        ERR_raise(ERR_LIB_PROV, PROV_R_XTS_DATA_UNIT_IS_TOO_LARGE);
        return 0;
    }
    if (!run(c, out, in, inl))
        return 0;
    *outl = inl;
    return 1;
}

int cipher_xts_cipher(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    struct cipher_plain *c = vctx;

    if (direct_blocks(c, out, in, inl))
        return c->direct(c->base.twin.ctx, out, outl, outsize, in, inl);
    return xts_cipher(c, out, outl, outsize, in, inl);
}

int cipher_xts_update(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    return cipher_xts_cipher(vctx, out, outl, outsize, in, inl);
}

int cipher_xts_final(void *vctx, unsigned char *out, size_t *outl, size_t outsize)
{
    (void)vctx;
    (void)out;
    (void)outsize;
    *outl = 0;
    return 1;
}

const OSSL_PARAM *cipher_xts_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM settable[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_END,
    };

    (void)cctx;
    (void)provctx;
    return settable;
}

int cipher_xts_set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct cipher_plain *c = vctx;
    size_t key_len = c->base.alg->info->key_len;

    if (params == NULL)
        return 1;
    if (!params_take_size(params, OSSL_CIPHER_PARAM_KEYLEN, &key_len, NULL))
        return 0;
    if (key_len != c->base.alg->info->key_len) {
        ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_KEY_LENGTH);
        return 0;
    }
    return 1;
}
