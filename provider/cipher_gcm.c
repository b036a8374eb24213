/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM: the entry points and the rules about IVs and tags around a message. */
#include "cipher_gcm.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include "direct.h"

void *cipher_gcm_newctx(struct provctx *prov, const struct algorithm *alg)
{
    struct cipher_gcm *c = cipher_new(prov, alg, sizeof(*c));

    if (c == NULL)
        return NULL;
    aead_init(&c->aead);
    c->iv_len = alg->info->iv_len;
    return c;
}

void cipher_gcm_freectx(void *vctx)
{
    struct cipher_gcm *c = vctx;

    aead_free(&c->aead);
    cipher_free(&c->aead.base, sizeof(*c));
}

void *cipher_gcm_dupctx(void *vctx)
{
    struct cipher_gcm *from = vctx;
    struct cipher_gcm *c = cipher_dup(&from->aead.base, sizeof(*c));

    if (c == NULL)
        return NULL;
    if (!(from->direct ? gcm_direct_dup(c, from) : aead_dup(&c->aead, &from->aead))) {
        (void)cipher_fail();
        cipher_gcm_freectx(c);
        return NULL;
    }
    return c;
}

/* Nothing but the defaults so far. */
static bool is_fresh(const struct cipher_gcm *c)
{
    return c->iv_state == IV_NONE && c->iv_len == c->aead.base.alg->info->iv_len &&
           !c->tls_aad_set && c->aead.tag_len == AEAD_NO_TAG;
}

/* Whether an init with these makes or leaves messages the twin's. */
static bool goes_direct(struct cipher_gcm *c, bool encrypting, const uint8_t *key,
                        const uint8_t *iv)
{
    c->counted = false;
    /* Something stays as it is: so does this. */
    if (c->direct && (iv == NULL || c->direct_tls))
        return true;
    if (iv == NULL ? key == NULL || !is_fresh(c)
                   : c->iv_gen || c->tls_aad_set || (key == NULL && c->aead.base.key == NULL))
        return false;
    /* Like the last, until AAD or data tell. */
    if (c->direct)
        return true;
    c->cause = SW_SMALL;
    return direct_never(c->aead.base.alg, encrypting);
}

/* The message begins. That there was no job before said nothing about it. */
DIRECT_NOT void decide(struct cipher_gcm *c)
{
    enum software_cause cause =
        direct_message(c->aead.base.prov, c->aead.base.alg, c->aead.base.encrypting);

    c->undecided = false;
    if (cause == SW_CAUSES) {
        if (c->direct)
            gcm_direct_leave(c);
        return;
    }
    c->cause = cause;
    /* Where it cannot begin the message goes its way, which ends in software. */
    if (!c->direct && c->aead.base.key != NULL && c->iv_state == IV_SET && !c->iv_gen &&
        !c->tls_aad_set)
        (void)gcm_direct_begin(c, c->iv, c->iv_len);
}

static int gcm_init(struct cipher_gcm *c, bool encrypting, const uint8_t *key, size_t key_len,
                    const uint8_t *iv, size_t iv_len, const OSSL_PARAM params[])
{
    struct hw_key *made;

    /* First: nothing has changed where it fails. */
    if (!cipher_make_key(&c->aead.base, key, key_len, &made))
        return 0;
    if (goes_direct(c, encrypting, key, iv))
        return gcm_direct_init(c, encrypting, made, iv, iv_len, params);
    if (iv != NULL && (iv_len == 0 || iv_len > sizeof(c->iv))) {
        hw_key_unref(made);
        ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_IV_LENGTH);
        return 0;
    }
    /* A message that another key or direction began cannot go on. */
    if (key != NULL || iv != NULL || c->aead.base.encrypting != encrypting) {
        aead_reset(&c->aead);
        if (c->iv_state == IV_IN_USE)
            c->iv_state = IV_SPENT;
    }
    c->aead.base.encrypting = encrypting;
    if (iv != NULL) {
        memcpy(c->iv, iv, iv_len);
        c->iv_len = iv_len;
        c->iv_state = IV_SET;
        c->undecided = true;
    }
    if (made != NULL) {
        cipher_take_key(&c->aead.base, made);
        c->tls_records = 0;
    }
    return cipher_gcm_set_ctx_params(c, params);
}

int cipher_gcm_einit(void *vctx, const unsigned char *key, size_t key_len, const unsigned char *iv,
                     size_t iv_len, const OSSL_PARAM params[])
{
    return gcm_init(vctx, true, key, key_len, iv, iv_len, params);
}

int cipher_gcm_dinit(void *vctx, const unsigned char *key, size_t key_len, const unsigned char *iv,
                     size_t iv_len, const OSSL_PARAM params[])
{
    return gcm_init(vctx, false, key, key_len, iv, iv_len, params);
}

/* Whatever comes first, AAD, data or the end, begins the message. */
static int message_begun(struct cipher_gcm *c)
{
    if (c->aead.base.key == NULL || c->iv_state == IV_SPENT)
        return 0;
    if (c->iv_state == IV_NONE && (!c->aead.base.encrypting || !gcm_iv_random(c)))
        return 0;
    if (c->iv_state == IV_SET) {
        aead_begin(&c->aead, c->iv, c->iv_len);
        c->iv_state = IV_IN_USE;
    }
    return 1;
}

/* Without an error of its own. */
static int message_update(struct cipher_gcm *c, uint8_t *out, size_t *outl, const uint8_t *in,
                          size_t inl)
{
    int ok;

    if (c->tls_aad_set)
        return gcm_tls_record(c, out, outl, in, inl);
    if (!message_begun(c))
        return 0;
    ok = out == NULL ? aead_aad(&c->aead, in, inl) : aead_data(&c->aead, out, in, inl);
    if (ok)
        *outl = inl;
    return ok;
}

static int message_final(struct cipher_gcm *c)
{
    size_t none = 0;
    bool lost;
    int ok;

    if (c->tls_aad_set) /* no record, so it fails, and the AAD is used up */
        return gcm_tls_record(c, NULL, &none, NULL, 0);
    if (!message_begun(c))
        return 0;
    if (!c->aead.base.encrypting && c->aead.tag_len == AEAD_NO_TAG)
        return 0;
    lost = c->aead.stage == MESSAGE_LOST;
    ok = aead_final(&c->aead);
    c->iv_state = IV_SPENT;
    return ok || (lost && cipher_fail());
}

/* Data is counted, once for a message. */
static void count_direct(struct cipher_gcm *c, const uint8_t *out, const uint8_t *in)
{
    if (c->counted || out == NULL || in == NULL)
        return;
    stats_count(&c->aead.base.prov->stats, c->cause);
    c->counted = true;
}

DIRECT_NOT int gcm_update(struct cipher_gcm *c, uint8_t *out, size_t *outl, size_t outsize,
                          const uint8_t *in, size_t inl)
{
    *outl = 0;
    if (inl == 0)
        return 1;
    if (outsize < inl) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    return (in != NULL && message_update(c, out, outl, in, inl)) || cipher_fail();
}

int cipher_gcm_update(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    struct cipher_gcm *c = vctx;

    if (c->undecided && inl != 0)
        decide(c);
    if (!c->direct)
        return gcm_update(c, out, outl, outsize, in, inl);
    count_direct(c, out, in);
    return c->aead.base.alg->software.update(c->aead.base.twin.ctx, out, outl, outsize, in, inl);
}

int cipher_gcm_final(void *vctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct cipher_gcm *c = vctx;

    if (c->direct)
        return gcm_direct_final(c, out, outl, outsize);
    *outl = 0;
    /* No error in the queue: a wrong tag is an answer, and the default provider
     * gives it in the same way. */
    return message_final(c);
}

int cipher_gcm_cipher(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    struct cipher_gcm *c = vctx;

    if (c->undecided && in != NULL)
        decide(c);
    if (c->direct) {
        if (in == NULL)
            return gcm_direct_final(c, out, outl, outsize);
        count_direct(c, out, in);
        return c->aead.base.alg->software.cipher(c->aead.base.twin.ctx, out, outl, outsize, in,
                                                 inl);
    }
    *outl = 0;
    if (outsize < inl) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if (in == NULL)
        return message_final(c);
    return inl == 0 ? message_begun(c) : message_update(c, out, outl, in, inl);
}
