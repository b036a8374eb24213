/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters that AES-CCM and ChaCha20-Poly1305 answer to. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "cipher_mirror.h"
#include "params.h"

#define COMMON_GETTABLE                                                                            \
    OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),                                             \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),                                          \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),                                    \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),                              \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL)

#define COMMON_SETTABLE                                                                            \
    OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),                                  \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL, 0),                         \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, 0)

#define TABLE(name, ...)                                                                           \
    const OSSL_PARAM *name(void *cctx, void *provctx)                                              \
    {                                                                                              \
        static const OSSL_PARAM table[] = {__VA_ARGS__, OSSL_PARAM_END};                           \
                                                                                                   \
        (void)cctx;                                                                                \
        (void)provctx;                                                                             \
        return table;                                                                              \
    }

TABLE(cipher_ccm_gettable_ctx_params, COMMON_GETTABLE,
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, NULL, 0))

TABLE(cipher_ccm_settable_ctx_params, COMMON_SETTABLE,
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL))

TABLE(cipher_chacha_gettable_ctx_params, COMMON_GETTABLE)

TABLE(cipher_chacha_settable_ctx_params, COMMON_SETTABLE,
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL))

/* A served encryption's tag is ours, and a lost one has none; everything else the
 * twin knows. It is asked one by one: for a tag that it has not it would answer
 * none of them. */
static int get_with_tag(struct cipher_mirror *c, OSSL_PARAM params[])
{
    for (OSSL_PARAM *p = params; p->key != NULL; p++) {
        OSSL_PARAM one[2] = {*p, OSSL_PARAM_END};

        if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TAG) == 0) {
            if (c->stage == MIRROR_LOST || p->data_size == 0 || p->data_size > c->made_len)
                return cipher_fail();
            if (!params_put_octets(one, OSSL_CIPHER_PARAM_AEAD_TAG, c->tag, p->data_size))
                return 0;
        } else if (!mirror_software(c)->get_ctx_params(mirror_twin(c), one)) {
            return 0;
        }
        p->return_size = one[0].return_size;
    }
    return 1;
}

int cipher_mirror_get_ctx_params(void *vctx, OSSL_PARAM params[])
{
    struct cipher_mirror *c = vctx;

    /* EVP asks for it with each init. */
    if (params_only(params, OSSL_CIPHER_PARAM_IVLEN))
        return params_put_size(params, OSSL_CIPHER_PARAM_IVLEN, c->nonce_len);
    if ((c->stage == MIRROR_SERVED || c->stage == MIRROR_LOST) && c->base.encrypting &&
        params_find(params, OSSL_CIPHER_PARAM_AEAD_TAG) != NULL)
        return get_with_tag(c, params);
    return mirror_software(c)->get_ctx_params(mirror_twin(c), params);
}

/* 0: the message cannot go on with it. */
static int note_tag(struct cipher_mirror *c, const OSSL_PARAM *p)
{
    bool other = p->data_size != c->tag_len ||
                 (p->data != NULL && CRYPTO_memcmp(p->data, c->tag, p->data_size) != 0);

    c->tag_len = p->data_size;
    c->tag_given = p->data != NULL;
    if (p->data != NULL)
        memcpy(c->tag, p->data, p->data_size);
    /* The device has found another one right: the twin judges. CCM has judged
     * with its data. */
    return !other || c->stage != MIRROR_SERVED || c->base.encrypting || c->ended ||
           mirror_rules(c)->one_update || mirror_twin_goes_on(c) != 0 || cipher_fail();
}

/* The twin has accepted the parameters: what the device needs is noted. */
static int note_params(struct cipher_mirror *c, const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = params_find(params, OSSL_CIPHER_PARAM_AEAD_TAG);
    size_t overhead, n;

    if (p != NULL && !note_tag(c, p))
        return 0;
    p = params_find(params, OSSL_CIPHER_PARAM_AEAD_IVLEN);
    if (p != NULL && OSSL_PARAM_get_size_t(p, &n) && n != c->nonce_len) {
        c->nonce_len = n;
        /* What the device has done stays done. */
        if (c->stage == MIRROR_OPEN)
            mirror_to_twin(c);
    }
    p = params_find(params, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED);
    if (p != NULL)
        memcpy(c->tls_fixed, p->data, mirror_rules(c)->tls_fixed_len);
    p = params_find(params, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD);
    if (p == NULL)
        return 1;
    /* In the AAD proper stands the payload's length. */
    memcpy(c->tls_aad, p->data, sizeof(c->tls_aad));
    overhead = mirror_rules(c)->tls_explicit_len + (c->base.encrypting ? 0 : c->tag_len);
    n = ((size_t)c->tls_aad[11] << 8 | c->tls_aad[12]) - overhead;
    c->tls_aad[11] = (uint8_t)(n >> 8);
    c->tls_aad[12] = (uint8_t)n;
    c->tls = true;
    mirror_forget_message(c);
    return 1;
}

int cipher_mirror_set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct cipher_mirror *c = vctx;

    /* With each init EVP sets the padding, which these modes ignore. */
    if (params == NULL || params_only(params, OSSL_CIPHER_PARAM_PADDING))
        return 1;
    if (!mirror_software(c)->set_ctx_params(mirror_twin(c), params))
        return 0;
    return note_params(c, params);
}
