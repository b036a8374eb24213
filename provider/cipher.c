/* SPDX-License-Identifier: Apache-2.0 */
#include "cipher.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include "params.h"
#include "provider.h"

const OSSL_PARAM *cipher_gettable_params(void *provctx)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_CTS, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, NULL),
        OSSL_PARAM_int(OSSL_CIPHER_PARAM_HAS_RAND_KEY, NULL),
        OSSL_PARAM_END,
    };

    (void)provctx;
    return gettable;
}

int cipher_get_params(const struct algorithm_info *info, OSSL_PARAM params[])
{
    return params_put_uint(params, OSSL_CIPHER_PARAM_MODE, info->mode) &&
           params_put_int(params, OSSL_CIPHER_PARAM_AEAD, info->aead) &&
           params_put_int(params, OSSL_CIPHER_PARAM_CUSTOM_IV, info->custom_iv) &&
           params_put_int(params, OSSL_CIPHER_PARAM_CTS, 0) &&
           params_put_int(params, OSSL_CIPHER_PARAM_TLS1_MULTIBLOCK, 0) &&
           params_put_int(params, OSSL_CIPHER_PARAM_HAS_RAND_KEY, 0) &&
           params_put_size(params, OSSL_CIPHER_PARAM_KEYLEN, info->key_len) &&
           params_put_size(params, OSSL_CIPHER_PARAM_BLOCK_SIZE, info->block_size) &&
           params_put_size(params, OSSL_CIPHER_PARAM_IVLEN, info->iv_len);
}

void *cipher_new(struct provctx *prov, const struct algorithm *alg, size_t size)
{
    struct cipher *c = OPENSSL_zalloc(size);

    if (c == NULL) {
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return NULL;
    }
    c->prov = prov;
    c->alg = alg;
    stats_context_opened(prov);
    return c;
}

void *cipher_dup(const struct cipher *from, size_t size)
{
    struct cipher *c = OPENSSL_memdup(from, size);

    if (c == NULL) {
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return NULL;
    }
    c->offload = NULL;
    memset(&c->twin, 0, sizeof(c->twin));
    if (c->key != NULL)
        hw_key_ref(c->key);
    stats_context_opened(c->prov);
    return c;
}

void cipher_free(struct cipher *c, size_t size)
{
    /* Before the key: a request names the key until the offload lets go. */
    offload_free(c->offload);
    twin_free(&c->twin, &c->alg->software);
    if (c->key != NULL)
        hw_key_unref(c->key);
    stats_context_closed(c->prov);
    OPENSSL_clear_free(c, size);
}

bool cipher_make_key(const struct cipher *c, const uint8_t *key, size_t len, struct hw_key **made)
{
    const struct hw_key_spec spec = {.alg = c->alg->info->hw_alg, .bytes = key, .len = len};

    *made = NULL;
    if (key == NULL)
        return true;
    if (len != c->alg->info->key_len) {
        ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_KEY_LENGTH);
        return false;
    }
    if (c->key != NULL && hw_key_equals(c->key, key, len))
        *made = hw_key_ref(c->key);
    else
        *made = hw_key_new(&spec);
    if (*made == NULL)
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
    return *made != NULL;
}

void cipher_take_key(struct cipher *c, struct hw_key *made)
{
    if (made == NULL)
        return;
    if (made == c->key) {
        hw_key_unref(made);
        return;
    }
    /* The last request still names the old key. */
    offload_free(c->offload);
    c->offload = NULL;
    twin_forget(&c->twin);
    if (c->key != NULL)
        hw_key_unref(c->key);
    c->key = made;
}

struct hw_request *cipher_request(struct cipher *c, size_t len, const uint8_t *iv, size_t iv_len)
{
    enum hw_op op = c->encrypting ? HW_ENCRYPT : HW_DECRYPT;
    const struct offload_want want = {
        .alg = c->alg->info->hw_alg,
        .key_len = c->alg->info->key_len,
        .len = len,
        .min_bytes = c->alg->min_bytes[op],
    };
    struct hw_request *req = offload_begin(&c->offload, c->prov, &want);

    if (req == NULL)
        return NULL;
    req->key = c->key;
    req->op = op;
    memcpy(req->iv, iv, iv_len);
    req->iv_len = (uint8_t)iv_len;
    req->tag_len = 0;
    req->aad = NULL;
    req->aad_len = 0;
    req->nsrc = req->ndst = 0;
    return req;
}

int cipher_fail(void)
{
    ERR_raise(ERR_LIB_PROV, PROV_R_CIPHER_OPERATION_FAILED);
    return 0;
}
