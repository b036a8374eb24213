/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM messages that no device is asked about, see struct cipher_gcm. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "cipher_gcm.h"
#include "params.h"
#include "provider.h"

static const struct software_cipher *software(const struct cipher_gcm *c)
{
    return &c->aead.base.alg->software;
}

/*
 * A tag that was set before the IV is of the message that the IV begins, and one
 * of the last message goes on being expected; encryption shows its length. The
 * twin takes one while it decrypts.
 */
static int give_tag(struct cipher_gcm *c)
{
    const struct software_cipher *sw = software(c);
    void *twin = c->aead.base.twin.ctx;
    OSSL_PARAM tag[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, c->aead.tag, c->aead.tag_len),
        OSSL_PARAM_construct_end(),
    };

    if (c->aead.tag_len == AEAD_NO_TAG)
        return 1;
    return sw->decrypt_init(twin, NULL, 0, NULL, 0, NULL) && sw->set_ctx_params(twin, tag) &&
           (!c->aead.base.encrypting || sw->encrypt_init(twin, NULL, 0, NULL, 0, NULL));
}

/* The tag of the last encryption, which goes on being the context's: a next one
 * shows it until its end, a decryption expects it where none is set. */
static void take_tag(struct cipher_gcm *c)
{
    OSSL_PARAM tag[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, c->aead.tag, AEAD_TAG_MAX),
        OSSL_PARAM_construct_end(),
    };

    if (!c->aead.base.encrypting || c->aead.tag_len == AEAD_NO_TAG)
        return;
    ERR_set_mark();
    (void)software(c)->get_ctx_params(c->aead.base.twin.ctx, tag);
    ERR_pop_to_mark();
}

void gcm_direct_leave(struct cipher_gcm *c)
{
    take_tag(c);
    c->direct = false;
}

/* The twin has the key already, unless this one is new or the direction is. */
static int init_twin(struct cipher_gcm *c, const uint8_t *iv, size_t iv_len)
{
    const struct software_cipher *sw = software(c);
    struct cipher *b = &c->aead.base;

    if (iv != NULL)
        return twin_restart(&b->twin, sw, b->key, b->encrypting, iv, iv_len);
    return twin_ready(&b->twin, sw, b->key, b->encrypting, NULL, 0);
}

int gcm_direct_begin(struct cipher_gcm *c, const uint8_t *iv, size_t iv_len)
{
    if (!init_twin(c, iv, iv_len))
        return 0;
    aead_reset(&c->aead);
    if (!give_tag(c))
        return 0;
    c->direct = true;
    return 1;
}

int gcm_direct_init(struct cipher_gcm *c, bool encrypting, struct hw_key *made, const uint8_t *iv,
                    size_t iv_len, const OSSL_PARAM params[])
{
    if (c->direct && !encrypting)
        take_tag(c);
    c->aead.base.encrypting = encrypting;
    cipher_take_key(&c->aead.base, made);
    if (!(c->direct ? init_twin(c, iv, iv_len) : gcm_direct_begin(c, iv, iv_len))) {
        /* The twin may have the key, or not: another init is to say. */
        c->direct = false;
        c->iv_state = IV_SPENT;
        return 0;
    }
    /* The twin has taken it, so it is of a length that fits. */
    if (iv != NULL && iv_len <= sizeof(c->iv)) {
        memcpy(c->iv, iv, iv_len);
        c->iv_len = iv_len;
        c->iv_state = IV_SET;
        c->undecided = true;
    }
    return params == NULL || gcm_direct_set_params(c, params);
}

int gcm_direct_final(struct cipher_gcm *c, uint8_t *out, size_t *outl, size_t outsize)
{
    /* The IV is used up, also where it was the end of nothing. */
    c->undecided = false;
    c->aead.tag_fresh = false;
    if (!software(c)->final(c->aead.base.twin.ctx, out, outl, outsize))
        return 0;
    if (c->aead.base.encrypting)
        c->aead.tag_len = AEAD_TAG_MAX;
    return 1;
}

int gcm_direct_set_params(struct cipher_gcm *c, const OSSL_PARAM params[])
{
    const OSSL_PARAM *tag = params_find(params, OSSL_CIPHER_PARAM_AEAD_TAG);
    size_t iv_len = c->iv_len;

    /* With each init EVP sets the padding, which GCM ignores. */
    if (params_only(params, OSSL_CIPHER_PARAM_PADDING))
        return 1;
    if (!software(c)->set_ctx_params(c->aead.base.twin.ctx, params))
        return 0;
    if (tag != NULL && tag->data != NULL) {
        memcpy(c->aead.tag, tag->data, tag->data_size);
        c->aead.tag_len = tag->data_size;
        c->aead.tag_fresh = true;
    }
    if (params_find(params, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD) != NULL) {
        c->direct_tls = true;
        c->counted = false;
    }
    if (params_find(params, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED) != NULL ||
        params_find(params, OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV) != NULL)
        c->direct_tls = true;
    if (!params_take_size(params, OSSL_CIPHER_PARAM_AEAD_IVLEN, &c->iv_len, NULL))
        return 0;
    /* Then the IV is none any more, or one that the twin has made. */
    if (c->iv_len != iv_len || c->direct_tls)
        c->undecided = false;
    return 1;
}

int gcm_direct_get_params(struct cipher_gcm *c, OSSL_PARAM params[])
{
    /* EVP asks for it with each init. */
    if (params_only(params, OSSL_CIPHER_PARAM_IVLEN))
        return params_put_size(params, OSSL_CIPHER_PARAM_IVLEN, c->iv_len);
    return software(c)->get_ctx_params(c->aead.base.twin.ctx, params);
}

int gcm_direct_dup(struct cipher_gcm *c, const struct cipher_gcm *from)
{
    c->aead.aad = NULL;
    c->aead.aad_len = c->aead.aad_room = 0;
    c->aead.base.twin = from->aead.base.twin;
    c->aead.base.twin.ctx = software(c)->dupctx(from->aead.base.twin.ctx);
    return c->aead.base.twin.ctx != NULL;
}
