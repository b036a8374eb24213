/* SPDX-License-Identifier: Apache-2.0 */
#include "cipher_mirror.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "direct.h"

/* RFC 7905: the sequence number, padded in front, over the fixed IV. */
static void chacha_tls_nonce(struct cipher_mirror *c, uint8_t *record)
{
    (void)record;
    memcpy(c->nonce, c->tls_fixed, 12);
    for (unsigned i = 0; i < 8; i++)
        c->nonce[4 + i] ^= c->tls_aad[i];
    c->nonce_len = 12;
}

/* RFC 6655: the explicit part follows the fixed one; a sender uses the
 * sequence number, which cannot repeat. */
static void ccm_tls_nonce(struct cipher_mirror *c, uint8_t *record)
{
    if (c->base.encrypting)
        memcpy(record, c->tls_aad, 8);
    memcpy(c->nonce, c->tls_fixed, 4);
    memcpy(c->nonce + 4, record, 8);
    c->nonce_len = 12;
}

const struct mirror_rules mirror_chacha = {
    .nonce_min = 12,
    .nonce_max = 12,
    .nonce_default = 12,
    .tag_default = 16,
    .tls_fixed_len = 12,
    .tls_explicit_len = 0,
    .tls_nonce = chacha_tls_nonce,
};

const struct mirror_rules mirror_ccm = {
    .nonce_min = 7,
    .nonce_max = 13,
    .nonce_default = 7,
    .tag_default = 12,
    .tls_fixed_len = 4,
    .tls_explicit_len = 8,
    .one_update = true,
    .tls_nonce = ccm_tls_nonce,
    .iv_offset = 1,
};

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

/*
 * Brings the twin, which has the message's AAD, to where the device left off:
 * it does the same data again. That data is what the opposite direction makes
 * of the kept result. Counted as a stream.
 */
static int twin_catches_up(struct cipher_mirror *c, void *to, const uint8_t *kept, size_t len)
{
    enum { CHUNK = 4096 };
    const struct software_cipher *sw = mirror_software(c);
    void *back = sw->newctx(sw->provctx);
    uint8_t *buf = OPENSSL_malloc(CHUNK);
    size_t done;
    int ok =
        back != NULL && buf != NULL &&
        (c->base.encrypting ? sw->decrypt_init : sw->encrypt_init)(
            back, hw_key_bytes(c->base.key), hw_key_len(c->base.key), c->nonce, c->nonce_len, NULL);

    stats_software(c->base.prov, SW_STREAM);
    while (ok && len != 0) {
        size_t n = len < CHUNK ? len : CHUNK;

        ok = sw->update(back, buf, &done, n, kept, n) && sw->update(to, buf, &done, n, buf, n);
        kept += n;
        len -= n;
    }
    if (back != NULL)
        sw->freectx(back);
    OPENSSL_clear_free(buf, CHUNK);
    return ok;
}

int mirror_twin_goes_on(struct cipher_mirror *c)
{
    const void *kept;
    size_t len;
    bool ok;

    if (mirror_rules(c)->one_update || c->ended)
        return 0;
    kept = offload_kept(c->base.offload, &len);
    ok = kept != NULL && twin_catches_up(c, mirror_twin(c), kept, len);
    c->stage = ok ? MIRROR_TWIN : MIRROR_LOST;
    offload_drop(c->base.offload);
    return ok ? -1 : 0;
}

void *cipher_mirror_dupctx(void *vctx)
{
    struct cipher_mirror *from = vctx;
    struct cipher_mirror *c = cipher_dup(&from->base, sizeof(*c));
    const void *kept;
    size_t len;

    if (c == NULL)
        return NULL;
    c->base.twin.ctx = mirror_software(c)->dupctx(mirror_twin(from));
    if (c->base.twin.ctx == NULL) {
        cipher_mirror_freectx(c);
        return NULL;
    }
    /* A message that allows no more data needs only the tag, which is copied. */
    if (c->stage == MIRROR_SERVED && !c->ended && !mirror_rules(c)->one_update) {
        kept = offload_kept(from->base.offload, &len);
        if (kept == NULL || !twin_catches_up(c, mirror_twin(c), kept, len)) {
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

    if (c->stage == MIRROR_SERVED && key == NULL && iv == NULL && c->base.encrypting != encrypting)
        turn_round(c);
    if (!(encrypting ? sw->encrypt_init : sw->decrypt_init)(mirror_twin(c), key, key_len, iv,
                                                            iv_len, NULL))
        return 0;
    c->base.encrypting = encrypting;
    if (key != NULL && !cipher_set_key(&c->base, key, key_len))
        return 0;
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

/* A request for a whole message, or NULL: the twin's (counted). */
static struct hw_request *message_request(struct cipher_mirror *c, size_t len)
{
    const struct hw_limits *l = &c->base.alg->limits;
    size_t offset = mirror_rules(c)->iv_offset;
    struct hw_request *req;
    uint8_t iv[HW_IV_MAX] = {0};

    if (c->base.key == NULL || c->nonce_len < mirror_rules(c)->nonce_min ||
        c->nonce_len > mirror_rules(c)->nonce_max || c->tag_len > HW_TAG_MAX ||
        !(c->base.alg->info->tag_lens >> c->tag_len & 1) ||
        (c->base.alg->on_device && (len > l->max_len || c->aad_len > l->max_aad))) {
        stats_software(c->base.prov, SW_UNSUPPORTED);
        return NULL;
    }
    memcpy(iv + offset, c->nonce, c->nonce_len);
    req = cipher_request(&c->base, len, iv, sizeof(iv));
    if (req == NULL)
        return NULL;
    req->iv_len = (uint8_t)c->nonce_len;
    req->tag_len = (uint8_t)c->tag_len;
    return req;
}

static void set_buffers(struct hw_request *req, uint8_t *out, const uint8_t *in, size_t len)
{
    if (len == 0)
        return;
    req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)in, len};
    req->dst[req->ndst++] = (struct iovec){out, len};
}

/* Data of an open message, all of it as far as one can tell. */
static enum offload_result device_data(struct cipher_mirror *c, uint8_t *out, const uint8_t *in,
                                       size_t len)
{
    struct hw_request *req;
    enum offload_result result;

    if (c->streams || (!c->base.encrypting && !c->tag_given)) {
        stats_software(c->base.prov, SW_STREAM);
        return OFFLOAD_SOFTWARE;
    }
    req = message_request(c, len);
    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    req->aad = c->aad;
    req->aad_len = c->aad_len;
    if (!c->base.encrypting)
        memcpy(req->tag, c->tag, c->tag_len);
    set_buffers(req, out, in, len);
    result = offload_run(c->base.offload, !mirror_rules(c)->one_update);
    if (result == OFFLOAD_DONE && c->base.encrypting) {
        memcpy(c->tag, req->tag, c->tag_len);
        c->made_len = c->tag_len;
    }
    return result;
}

/* A record in place: 1, 0 failed, -1 the twin's. */
static int device_record(struct cipher_mirror *c, uint8_t *record, size_t *outl, size_t len)
{
    size_t head = mirror_rules(c)->tls_explicit_len, n;
    uint8_t *payload = record + head;
    struct hw_request *req;

    if (len < head + c->tag_len)
        return -1;
    n = len - head - c->tag_len;
    c->aad_len = 0;
    mirror_rules(c)->tls_nonce(c, record);
    req = message_request(c, n);
    if (req == NULL)
        return -1;
    req->aad = c->tls_aad;
    req->aad_len = sizeof(c->tls_aad);
    if (!c->base.encrypting)
        memcpy(req->tag, payload + n, c->tag_len);
    set_buffers(req, payload, payload, n);
    switch (offload_run(c->base.offload, false)) {
    case OFFLOAD_DONE: break;
    case OFFLOAD_SOFTWARE: return -1;
    default: return 0;
    }
    if (c->base.encrypting)
        memcpy(payload + n, req->tag, c->tag_len);
    *outl = c->base.encrypting ? len : n;
    return 1;
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

/*
 * CCM's twin has length and AAD of a message that the device did, and would take
 * the next one's data for its, with its nonce. A message without data takes its
 * place, whose tag is the end of it. The tag's length may be an older one.
 */
static void twin_ends(struct cipher_mirror *c)
{
    const struct software_cipher *sw = mirror_software(c);
    uint8_t none[MIRROR_TAG_MAX];
    size_t done, len = c->tag_len;
    OSSL_PARAM tag[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, none, len),
        OSSL_PARAM_construct_end(),
    };

    if (c->total == SIZE_MAX)
        return;
    ERR_set_mark();
    if (sw->encrypt_init(mirror_twin(c), NULL, 0, NULL, 0, NULL) &&
        sw->update(mirror_twin(c), NULL, &done, 0, NULL, 0) &&
        sw->update(mirror_twin(c), none, &done, sizeof(none), none, 0))
        for (len = 4; !sw->get_ctx_params(mirror_twin(c), tag) && len <= MIRROR_TAG_MAX; len += 2)
            tag[0].data_size = len;
    ERR_pop_to_mark();
    if (!c->base.encrypting)
        (void)sw->decrypt_init(mirror_twin(c), NULL, 0, NULL, 0, NULL);
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
    switch (device_data(c, out, in, len)) {
    case OFFLOAD_DONE:
        c->stage = MIRROR_SERVED;
        if (mirror_rules(c)->one_update)
            twin_ends(c);
        *outl = len;
        return 1;
    case OFFLOAD_FAILED: return 0;
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
        return out == in && in != NULL ? device_record(c, out, outl, len) : -1;
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
