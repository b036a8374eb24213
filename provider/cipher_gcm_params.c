/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM's parameters. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include "cipher_gcm.h"
#include "params.h"

/* OSSL_CIPHER_PARAM_AEAD_IV_GENERATED, where libcrypto has it: from 3.4 on. */
#define IV_GENERATED "iv-generated"

static int fail(int reason)
{
    ERR_raise(ERR_LIB_PROV, reason);
    return 0;
}

const OSSL_PARAM *cipher_gcm_gettable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, NULL, 0),
#ifdef OSSL_CIPHER_PARAM_AEAD_IV_GENERATED
        OSSL_PARAM_uint(IV_GENERATED, NULL),
#endif
        OSSL_PARAM_END,
    };

    (void)cctx;
    (void)provctx;
    return gettable;
}

const OSSL_PARAM *cipher_gcm_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM settable[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)cctx;
    (void)provctx;
    return settable;
}

static int get_iv(struct cipher_gcm *c, OSSL_PARAM params[], const char *key)
{
    const OSSL_PARAM *p = params_find(params, key);

    if (p == NULL)
        return 1;
    if (c->iv_state == IV_NONE)
        return fail(PROV_R_INVALID_STATE);
    if (c->iv_len > p->data_size)
        return fail(PROV_R_INVALID_IV_LENGTH);
    return params_put_octets(params, key, c->iv, c->iv_len);
}

/* As many of the tag's bytes as were asked for. */
static int get_tag(struct cipher_gcm *c, OSSL_PARAM params[])
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_AEAD_TAG);

    if (p == NULL)
        return 1;
    if (p->data_size == 0 || p->data_size > AEAD_TAG_MAX || !c->aead.base.encrypting ||
        c->aead.tag_len == AEAD_NO_TAG || c->aead.stage == MESSAGE_LOST)
        return fail(PROV_R_INVALID_TAG);
    if (!OSSL_PARAM_set_octet_string(p, c->aead.tag, p->data_size))
        return fail(PROV_R_FAILED_TO_SET_PARAMETER);
    return 1;
}

static int get_iv_gen(struct cipher_gcm *c, OSSL_PARAM params[])
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN);

    if (p == NULL)
        return 1;
    if (p->data == NULL || p->data_type != OSSL_PARAM_OCTET_STRING ||
        !gcm_iv_generate(c, p->data, p->data_size))
        return fail(PROV_R_FAILED_TO_SET_PARAMETER);
    return 1;
}

int cipher_gcm_get_ctx_params(void *vctx, OSSL_PARAM params[])
{
    struct cipher_gcm *c = vctx;
    size_t tag_len = c->aead.tag_len != AEAD_NO_TAG ? c->aead.tag_len : AEAD_TAG_MAX;

    if (c->direct)
        return gcm_direct_get_params(c, params);
    return params_put_size(params, OSSL_CIPHER_PARAM_IVLEN, c->iv_len) &&
           params_put_size(params, OSSL_CIPHER_PARAM_KEYLEN, c->aead.base.alg->info->key_len) &&
           params_put_size(params, OSSL_CIPHER_PARAM_AEAD_TAGLEN, tag_len) &&
           get_iv(c, params, OSSL_CIPHER_PARAM_IV) &&
           get_iv(c, params, OSSL_CIPHER_PARAM_UPDATED_IV) &&
           params_put_size(params, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, c->tls_pad) &&
           params_put_uint(params, IV_GENERATED, c->iv_random) && get_tag(c, params) &&
           get_iv_gen(c, params);
}

static int set_tag(struct cipher_gcm *c, const OSSL_PARAM params[])
{
    const void *tag;
    size_t len;

    if (!params_take_octets(params, OSSL_CIPHER_PARAM_AEAD_TAG, &tag, &len))
        return 0;
    if (tag == NULL)
        return 1;
    if (len > AEAD_TAG_MAX)
        return fail(PROV_R_FAILED_TO_GET_PARAMETER);
    if (len == 0 || c->aead.base.encrypting)
        return fail(PROV_R_INVALID_TAG);
    memcpy(c->aead.tag, tag, len);
    c->aead.tag_len = len;
    c->aead.tag_fresh = true;
    return 1;
}

static int set_iv_len(struct cipher_gcm *c, const OSSL_PARAM params[])
{
    size_t len = c->iv_len;

    if (!params_take_size(params, OSSL_CIPHER_PARAM_AEAD_IVLEN, &len, NULL))
        return 0;
    if (len == 0 || len > sizeof(c->iv))
        return fail(PROV_R_INVALID_IV_LENGTH);
    if (len != c->iv_len) {
        /* The IV at hand is of another length. */
        if (c->iv_state != IV_NONE)
            c->iv_state = IV_SPENT;
        c->iv_len = len;
    }
    return 1;
}

/* The parameters of TLS 1.2: how each is applied, and what it raises. */
static const struct {
    const char *key;
    int (*apply)(struct cipher_gcm *c, const uint8_t *data, size_t len);
    int reason;
} tls_params[] = {
    {OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, gcm_tls_set_aad, PROV_R_INVALID_AAD},
    {OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, gcm_iv_fixed, PROV_R_FAILED_TO_GET_PARAMETER},
    {OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, gcm_iv_invocation, PROV_R_FAILED_TO_GET_PARAMETER},
};

int cipher_gcm_set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct cipher_gcm *c = vctx;

    if (params == NULL)
        return 1;
    if (c->direct)
        return gcm_direct_set_params(c, params);
    if (!set_tag(c, params) || !set_iv_len(c, params))
        return 0;
    for (size_t i = 0; i < sizeof(tls_params) / sizeof(tls_params[0]); i++) {
        const void *data;
        size_t len;

        if (!params_take_octets(params, tls_params[i].key, &data, &len))
            return 0;
        if (data != NULL && !tls_params[i].apply(c, data, len))
            return fail(tls_params[i].reason);
    }
    return 1;
}
