/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts and parameters of the modes without authentication. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/proverr.h>

#include "cipher.h"
#include "params.h"

void *cipher_plain_newctx(struct provctx *prov, const struct algorithm *alg)
{
    struct cipher_plain *c = cipher_new(prov, alg, sizeof(*c));

    if (c != NULL)
        c->pad = true;
    return c;
}

void cipher_plain_freectx(void *vctx)
{
    struct cipher_plain *c = vctx;

    cipher_free(&c->base, sizeof(*c));
}

const uint8_t *cipher_plain_twin_iv(const struct cipher_plain *c)
{
    void *at = NULL;
    OSSL_PARAM iv[2] = {
        /* A copy can be asked for, too, but libcrypto 3.5 tries a pointer first and
         * leaves an error in the queue. */
        OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_UPDATED_IV, &at, 0),
        OSSL_PARAM_construct_end(),
    };

    /* Cannot fail: the twin is keyed, and the length is the default provider's
     * own. */
    return c->base.alg->software.get_ctx_params(c->base.twin.ctx, iv) && at != NULL ? at : c->iv;
}

/* The IV for the next block, wherever it is. Nothing is written: contexts may be
 * copied, and asked, on several threads at once. */
static const uint8_t *next_iv(const struct cipher_plain *c)
{
    return c->direct == NULL || c->base.alg->info->iv_len == 0 ? c->iv : cipher_plain_twin_iv(c);
}

void *cipher_plain_dupctx(void *vctx)
{
    const struct cipher_plain *from = vctx;
    struct cipher_plain *c = cipher_dup(&from->base, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->direct = NULL;
    memcpy(c->iv, next_iv(from), c->base.alg->info->iv_len);
    c->tls_mac = NULL; /* it lies in the other's twin */
    return c;
}

int cipher_plain_ready(const struct cipher_plain *c)
{
    if (c->base.key == NULL) {
        ERR_raise(ERR_LIB_PROV, PROV_R_NO_KEY_SET);
        return 0;
    }
    return !c->lost || cipher_fail();
}

bool cipher_plain_fits_iv(const struct cipher_plain *c, size_t len)
{
    if (len == c->base.alg->info->iv_len)
        return true;
    ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_IV_LENGTH);
    return false;
}

void cipher_plain_set_iv(struct cipher_plain *c, const uint8_t *iv)
{
    memcpy(c->iv, iv, c->base.alg->info->iv_len);
    memcpy(c->oiv, iv, c->base.alg->info->iv_len);
    c->iv_set = true;
}

void cipher_plain_go_direct(struct cipher_plain *c)
{
    const struct algorithm *a = c->base.alg;
    const struct twin *t = &c->base.twin;

    if (!t->keyed || t->encrypting != c->base.encrypting || t->iv_lost ||
        memcmp(t->iv, c->iv, a->info->iv_len) != 0)
        return;
    /* Decryption with padding keeps blocks back. */
    if (c->tls_version != 0 || c->buf_len != 0 || c->num != 0 ||
        (c->pad && !c->base.encrypting && a->info->block_size != 1))
        return;
    c->min_bytes = a->min_bytes[c->base.encrypting ? HW_ENCRYPT : HW_DECRYPT];
    /* They do the same with whole blocks: the shorter one. */
    c->direct = a->info->mode == EVP_CIPH_CTR_MODE ? a->software.update : a->software.cipher;
}

void cipher_plain_drop_direct(struct cipher_plain *c)
{
    /* Where there is none, nothing is lost. */
    if (c->direct != NULL && c->base.alg->info->iv_len != 0)
        c->base.twin.iv_lost = true;
    c->direct = NULL;
}

void cipher_plain_undirect(struct cipher_plain *c)
{
    const uint8_t *iv;

    if (c->direct == NULL)
        return;
    iv = next_iv(c);
    c->direct = NULL;
    if (iv != c->iv)
        memcpy(c->iv, iv, c->base.alg->info->iv_len);
    memcpy(c->base.twin.iv, c->iv, sizeof(c->base.twin.iv));
}

int cipher_plain_not_begun(struct cipher_plain *c, bool encrypting)
{
    if (encrypting != c->base.encrypting) {
        cipher_plain_undirect(c);
        c->lost = true;
    }
    return 0;
}

static int plain_init(struct cipher_plain *c, bool encrypting, const uint8_t *key, size_t key_len,
                      const uint8_t *iv, size_t iv_len, const OSSL_PARAM params[])
{
    unsigned mode = c->base.alg->info->mode;
    struct hw_key *made;

    if (!cipher_make_key(&c->base, key, key_len, &made))
        return cipher_plain_not_begun(c, encrypting);
    if (iv != NULL && mode != EVP_CIPH_ECB_MODE && !cipher_plain_fits_iv(c, iv_len)) {
        hw_key_unref(made);
        return cipher_plain_not_begun(c, encrypting);
    }
    if (iv != NULL || (c->iv_set && mode == EVP_CIPH_CBC_MODE))
        cipher_plain_drop_direct(c);
    else
        cipher_plain_undirect(c);
    c->num = 0;
    c->buf_len = 0;
    /* Where what comes next is known again. */
    if (iv != NULL || mode == EVP_CIPH_ECB_MODE || (c->iv_set && mode == EVP_CIPH_CBC_MODE))
        c->lost = false;
    c->base.encrypting = encrypting;
    if (iv != NULL && mode != EVP_CIPH_ECB_MODE)
        cipher_plain_set_iv(c, iv);
    /* CBC starts again from the IV it was given last; CTR goes on from where
     * it is, so that no keystream is ever used twice. */
    if (iv == NULL && c->iv_set && mode == EVP_CIPH_CBC_MODE)
        memcpy(c->iv, c->oiv, sizeof(c->iv));
    cipher_take_key(&c->base, made);
    return cipher_plain_set_ctx_params(c, params);
}

int cipher_plain_einit(void *vctx, const unsigned char *key, size_t key_len,
                       const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    return plain_init(vctx, true, key, key_len, iv, iv_len, params);
}

int cipher_plain_dinit(void *vctx, const unsigned char *key, size_t key_len,
                       const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    return plain_init(vctx, false, key, key_len, iv, iv_len, params);
}

const OSSL_PARAM *cipher_plain_gettable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_NUM, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
        OSSL_PARAM_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)cctx;
    (void)provctx;
    return gettable;
}

const OSSL_PARAM *cipher_plain_settable_ctx_params(void *cctx, void *provctx)
{
    static const OSSL_PARAM settable[] = {
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_PADDING, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_NUM, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_USE_BITS, NULL),
        OSSL_PARAM_uint(OSSL_CIPHER_PARAM_TLS_VERSION, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, NULL),
        OSSL_PARAM_END,
    };

    (void)cctx;
    (void)provctx;
    return settable;
}

int cipher_plain_get_ctx_params(void *vctx, OSSL_PARAM params[])
{
    const struct cipher_plain *c = vctx;
    const struct algorithm_info *info = c->base.alg->info;
    OSSL_PARAM *mac = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_TLS_MAC);

    if (params_find(params, OSSL_CIPHER_PARAM_UPDATED_IV) != NULL &&
        !params_put_octets(params, OSSL_CIPHER_PARAM_UPDATED_IV, next_iv(c), info->iv_len))
        return 0;
    if (mac != NULL && !OSSL_PARAM_set_octet_ptr(mac, c->tls_mac, c->tls_mac_size)) {
        ERR_raise(ERR_LIB_PROV, PROV_R_FAILED_TO_SET_PARAMETER);
        return 0;
    }
    return params_put_size(params, OSSL_CIPHER_PARAM_IVLEN, info->iv_len) &&
           params_put_uint(params, OSSL_CIPHER_PARAM_PADDING, c->pad) &&
           params_put_octets(params, OSSL_CIPHER_PARAM_IV, c->oiv, info->iv_len) &&
           params_put_uint(params, OSSL_CIPHER_PARAM_NUM, c->num) &&
           params_put_size(params, OSSL_CIPHER_PARAM_KEYLEN, info->key_len);
}

int cipher_plain_set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct cipher_plain *c = vctx;
    unsigned pad = c->pad, num = 0, bits = 0;
    bool num_given = false;

    if (params == NULL)
        return 1;
    cipher_plain_undirect(c);
    if (!params_take_uint(params, OSSL_CIPHER_PARAM_PADDING, &pad, NULL) ||
        !params_take_uint(params, OSSL_CIPHER_PARAM_USE_BITS, &bits, NULL) ||
        !params_take_uint(params, OSSL_CIPHER_PARAM_TLS_VERSION, &c->tls_version, NULL) ||
        !params_take_size(params, OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &c->tls_mac_size, NULL) ||
        !params_take_uint(params, OSSL_CIPHER_PARAM_NUM, &num, &num_given))
        return 0;
    c->pad = pad != 0;
    if (num >= c->base.alg->info->block_size) {
        ERR_raise(ERR_LIB_PROV, PROV_R_FAILED_TO_GET_PARAMETER);
        return 0;
    }
    if (num_given)
        c->num = num;
    return 1;
}
