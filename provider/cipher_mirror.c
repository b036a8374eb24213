/* SPDX-License-Identifier: Apache-2.0 */
#include "cipher_mirror.h"

#include <string.h>

#include "direct.h"

void *cipher_mirror_newctx(struct provctx *prov, const struct algorithm *alg)
{
    struct cipher_mirror *c = cipher_new(prov, alg, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->base.twin.ctx = alg->software.newctx(alg->software.provctx);
    if (c->base.twin.ctx == NULL) {
        cipher_free(&c->base, sizeof(*c));
        return NULL;
    }
    c->nonce_len = mirror_rules(c)->nonce_default;
    c->tag_len = mirror_rules(c)->tag_default;
    c->total = SIZE_MAX;
    c->cause = SW_CAUSES;
    return c;
}

void cipher_mirror_freectx(void *vctx)
{
    struct cipher_mirror *c = vctx;

    cipher_free(&c->base, sizeof(*c));
}

void mirror_forget_message(struct cipher_mirror *c)
{
    if (c->base.offload != NULL)
        offload_drop(c->base.offload);
    c->cause = SW_CAUSES;
    c->stage = MIRROR_TWIN;
    c->ended = false;
    c->undecided = false;
    c->aad_len = 0;
    c->total = SIZE_MAX;
}

void *cipher_mirror_dupctx(void *vctx)
{
    struct cipher_mirror *from = vctx;
    struct cipher_mirror *c = cipher_dup(&from->base, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->base.twin.ctx = mirror_software(c)->dupctx(mirror_twin(from));
    if (c->base.twin.ctx == NULL) {
        cipher_mirror_freectx(c);
        return NULL;
    }
    /* A message that allows no more data needs only the tag, which is copied. */
    if (c->stage == MIRROR_SERVED && !c->ended && !mirror_rules(c)->one_update) {
        if (!mirror_twin_catches_up(c, from->base.offload)) {
            (void)cipher_fail();
            cipher_mirror_freectx(c);
            return NULL;
        }
        c->stage = MIRROR_TWIN;
    }
    return c;
}

/*
 * Inits without an IV behind what the device has done. The other way: the
 * message goes on, or not, so that no tag is taken for right that is not. With
 * a key: it begins again, and is the twin's. CCM wants an IV after either.
 */
static void turn_round(struct cipher_mirror *c)
{
    if (mirror_rules(c)->one_update)
        c->stage = MIRROR_LOST;
    else if (!c->ended)
        (void)mirror_twin_goes_on(c);
}

static void begin_again(struct cipher_mirror *c)
{
    offload_drop(c->base.offload);
    mirror_to_twin(c);
    if (mirror_rules(c)->one_update)
        c->stage = MIRROR_LOST;
}

static int mirror_init(struct cipher_mirror *c, bool encrypting, const uint8_t *key, size_t key_len,
                       const uint8_t *iv, size_t iv_len, const OSSL_PARAM params[])
{
    const struct software_cipher *sw = mirror_software(c);
    struct hw_key *made;

    /* Before the twin has it: each would have another. */
    if (!cipher_make_key(&c->base, key, key_len, &made))
        return 0;
    if (c->stage == MIRROR_SERVED && key == NULL && iv == NULL && c->base.encrypting != encrypting)
        turn_round(c);
    if (!(encrypting ? sw->encrypt_init : sw->decrypt_init)(mirror_twin(c), key, key_len, iv,
                                                            iv_len, NULL)) {
        hw_key_unref(made);
        return 0;
    }
    c->base.encrypting = encrypting;
    cipher_take_key(&c->base, made);
    if (iv != NULL) {
        mirror_forget_message(c);
        /* The twin has taken it, so it is of a length that fits. */
        memcpy(c->nonce, iv, iv_len < MIRROR_NONCE_MAX ? iv_len : MIRROR_NONCE_MAX);
        c->nonce_len = iv_len;
        /* libssl gives ChaCha20's fixed IV in this way. */
        if (iv_len == mirror_rules(c)->tls_fixed_len)
            memcpy(c->tls_fixed, iv, iv_len);
        c->stage = MIRROR_OPEN;
        c->undecided = true;
    } else if (c->stage == MIRROR_SERVED && key != NULL) {
        begin_again(c);
    } else if (c->stage == MIRROR_OPEN && c->aad_len != 0) {
        /* Half a message begun: what the twin makes of this is its own. */
        mirror_to_twin(c);
    }
    return cipher_mirror_set_ctx_params(c, params);
}

int cipher_mirror_einit(void *vctx, const unsigned char *key, size_t key_len,
                        const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    return mirror_init(vctx, true, key, key_len, iv, iv_len, params);
}

int cipher_mirror_dinit(void *vctx, const unsigned char *key, size_t key_len,
                        const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    return mirror_init(vctx, false, key, key_len, iv, iv_len, params);
}

/*
 * What comes before the data, and the twin has accepted: AAD, or with NULL the
 * data's length. In CCM each replaces the AAD there was.
 */
static void note_head(struct cipher_mirror *c, const uint8_t *aad, size_t len)
{
    if (c->stage != MIRROR_OPEN)
        return;
    if (mirror_rules(c)->one_update && (aad == NULL || len != 0))
        c->aad_len = 0;
    if (aad == NULL) {
        c->total = len;
        return;
    }
    if (len > MIRROR_AAD_MAX - c->aad_len) {
        mirror_to_twin(c);
        return;
    }
    memcpy(c->aad + c->aad_len, aad, len);
    c->aad_len += len;
}

/* 1 or 0: it is done; -1: the twin is to do it. */
static int mirror_data(struct cipher_mirror *c, uint8_t *out, size_t *outl, const uint8_t *in,
                       size_t len)
{
    if (c->stage == MIRROR_SERVED) {
        int rc = mirror_twin_goes_on(c);

        c->streams = c->streams || rc != 0;
        c->one_so_far = false;
        return rc;
    }
    if (c->stage != MIRROR_OPEN)
        return -1;
    c->stage = MIRROR_TWIN;
    c->one_so_far = true;
    if (mirror_rules(c)->one_update && c->total != SIZE_MAX && c->total != len)
        return -1;
    switch (mirror_device_data(c, out, in, len)) {
    case OFFLOAD_DONE:
        c->stage = MIRROR_SERVED;
        if (mirror_rules(c)->one_update)
            mirror_twin_ends(c);
        *outl = len;
        return 1;
    case OFFLOAD_FAILED:
        c->stage = MIRROR_LOST;
        if (mirror_rules(c)->one_update)
            mirror_twin_ends(c);
        return 0;
    case OFFLOAD_REJECTED:
        /* The twin judges: over more data to come, or now, in its own way. */
        stats_software(c->base.prov, SW_STREAM);
        return -1;
    default: return -1;
    }
}

/* An update of nothing is all data that a CCM message has, unless it had some.
 * 1: it is done; -1: the twin is to do it. */
static int mirror_no_data(struct cipher_mirror *c, size_t *outl)
{
    if (!mirror_rules(c)->one_update)
        return -1;
    if (c->stage != MIRROR_SERVED) {
        c->stage = MIRROR_TWIN;
        return -1;
    }
    *outl = 0;
    return 1;
}

/* 1 or 0: it is done; -1: the twin is to do it. */
static int mirror_update(struct cipher_mirror *c, uint8_t *out, size_t *outl, const uint8_t *in,
                         size_t len)
{
    if (c->stage == MIRROR_LOST)
        return 0;
    if (c->tls)
        return out == in && in != NULL ? mirror_device_record(c, out, outl, len) : -1;
    if (in == NULL)
        return -1;
    /* AAD behind data is a mistake, of which the twin makes something. */
    if (out == NULL)
        return c->stage == MIRROR_SERVED && !mirror_rules(c)->one_update ? mirror_twin_goes_on(c)
                                                                         : -1;
    return len == 0 ? mirror_no_data(c, outl) : mirror_data(c, out, outl, in, len);
}

/* Whether the twin has the message for good; data is then counted, once. */
static bool is_twins(struct cipher_mirror *c, const uint8_t *out, const uint8_t *in)
{
    if (c->stage != MIRROR_TWIN || c->tls)
        return false;
    c->one_so_far = false;
    if (c->cause != SW_CAUSES && in != NULL && out != NULL) {
        stats_count(&c->base.prov->stats, c->cause);
        c->cause = SW_CAUSES;
    }
    return true;
}

/* AAD or data begin the message: they, not the init, may come in a job. */
DIRECT_NOT void decide(struct cipher_mirror *c)
{
    enum software_cause cause = direct_message(c->base.prov, c->base.alg, c->base.encrypting);

    c->undecided = false;
    if (cause == SW_CAUSES || c->stage != MIRROR_OPEN)
        return;
    c->stage = MIRROR_TWIN;
    c->cause = cause;
}

/* by_twin: the twin's function for the same call. */
DIRECT_NOT int update(struct cipher_mirror *c, OSSL_FUNC_cipher_update_fn *by_twin, uint8_t *out,
                      size_t *outl, size_t outsize, const uint8_t *in, size_t inl)
{
    bool record = c->tls;
    int rc = outsize < inl ? -1 : mirror_update(c, out, outl, in, inl);

    if (rc < 0) {
        rc = by_twin(mirror_twin(c), out, outl, outsize, in, inl);
        /* What it refuses is no part of the message. */
        if (rc > 0 && out == NULL && !record)
            note_head(c, in, inl);
    } else if (rc == 0) {
        rc = cipher_fail();
    }
    if (record)
        c->tls = false;
    return rc;
}

int cipher_mirror_update(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                         const unsigned char *in, size_t inl)
{
    struct cipher_mirror *c = vctx;

    if (c->undecided && in != NULL)
        decide(c);
    if (is_twins(c, out, in))
        return mirror_software(c)->update(mirror_twin(c), out, outl, outsize, in, inl);
    return update(c, mirror_software(c)->update, out, outl, outsize, in, inl);
}

int cipher_mirror_final(void *vctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct cipher_mirror *c = vctx;

    /* The next message has one of its own, or one that is set behind its data. */
    c->tag_given = false;
    if (c->stage == MIRROR_SERVED) {
        /* Found right once: not for whatever tag has been set since the end. */
        bool right = c->base.encrypting || mirror_rules(c)->one_update || !c->ended;

        /* It stays served, so that the tag is ours. */
        offload_drop(c->base.offload);
        c->streams = false;
        c->ended = true;
        *outl = 0;
        return right;
    }
    if (c->stage == MIRROR_LOST)
        return cipher_fail();
    if (c->one_so_far)
        c->streams = false;
    /* What comes behind the end of a message without data the twin knows. */
    c->stage = MIRROR_TWIN;
    return mirror_software(c)->final(mirror_twin(c), out, outl, outsize);
}

int cipher_mirror_cipher(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                         const unsigned char *in, size_t inl)
{
    struct cipher_mirror *c = vctx;

    if (c->undecided && in != NULL)
        decide(c);
    if (is_twins(c, out, in))
        return mirror_software(c)->cipher(mirror_twin(c), out, outl, outsize, in, inl);
    if (in == NULL && c->stage == MIRROR_SERVED)
        return cipher_mirror_final(vctx, out, outl, outsize);
    return update(c, mirror_software(c)->cipher, out, outl, outsize, in, inl);
}
