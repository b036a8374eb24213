/* SPDX-License-Identifier: Apache-2.0 */
#include "cipher_aead.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "provider.h"

void aead_init(struct cipher_aead *c)
{
    c->tag_len = AEAD_NO_TAG;
}

void aead_free(struct cipher_aead *c)
{
    OPENSSL_clear_free(c->aad, c->aad_room);
    c->aad = NULL;
}

void aead_reset(struct cipher_aead *c)
{
    if (c->base.offload != NULL)
        offload_drop(c->base.offload);
    c->stage = MESSAGE_AAD;
    c->updates = 0;
    c->aad_len = 0;
}

void aead_begin(struct cipher_aead *c, const uint8_t *iv, size_t iv_len)
{
    aead_reset(c);
    memcpy(c->msg_iv, iv, iv_len);
    c->msg_iv_len = iv_len;
}

/* The twin at the start of this message, with the AAD so far. */
static int stream_prepare(struct cipher_aead *c)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;

    return twin_restart(t, sw, c->base.key, c->base.encrypting, c->msg_iv, c->msg_iv_len) &&
           (c->aad_len == 0 || twin_run(t, sw, NULL, c->aad, c->aad_len));
}

static int stream_start(struct cipher_aead *c)
{
    c->stage = stream_prepare(c) ? MESSAGE_STREAM : MESSAGE_LOST;
    return c->stage == MESSAGE_STREAM;
}

/*
 * Brings the twin to where a message stands whose first update the device
 * served. Its input is gone, perhaps overwritten by its output: what the
 * opposite direction makes of the output kept is that input again. A twin that
 * has not all of it must not go on: it would use keystream twice.
 */
static int stream_replay(struct cipher_aead *c, const uint8_t *kept, size_t len)
{
    enum { CHUNK = 4096 };
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin back = {.ctx = NULL};
    uint8_t *buf = OPENSSL_malloc(CHUNK);
    int ok = buf != NULL && stream_prepare(c) &&
             twin_restart(&back, sw, c->base.key, !c->base.encrypting, c->msg_iv, c->msg_iv_len);

    while (ok && len != 0) {
        size_t n = len < CHUNK ? len : CHUNK;

        ok = twin_run(&back, sw, buf, kept, n) && twin_run(&c->base.twin, sw, buf, buf, n);
        kept += n;
        len -= n;
    }
    if (ok)
        c->stage = MESSAGE_STREAM;
    twin_free(&back, sw);
    OPENSSL_clear_free(buf, CHUNK);
    return ok;
}

static int stream_from_device(struct cipher_aead *c)
{
    size_t len;
    const void *kept = offload_kept(c->base.offload, &len);
    int ok;

    stats_software(c->base.prov, SW_STREAM);
    ok = kept != NULL && stream_replay(c, kept, len);
    offload_drop(c->base.offload);
    if (!ok)
        c->stage = MESSAGE_LOST;
    return ok;
}

static int stream_data(struct cipher_aead *c, uint8_t *out, const uint8_t *in, size_t len)
{
    return twin_run(&c->base.twin, &c->base.alg->software, out, in, len);
}

/* The twin's tag, or its verdict on ours. */
static int stream_final(struct cipher_aead *c)
{
    const struct software_cipher *sw = &c->base.alg->software;
    void *twin = c->base.twin.ctx;
    size_t none = 0;
    OSSL_PARAM tag[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, c->tag,
                                          c->base.encrypting ? AEAD_TAG_MAX : c->tag_len),
        OSSL_PARAM_construct_end(),
    };

    if (!c->base.encrypting)
        return sw->set_ctx_params(twin, tag) && sw->final(twin, NULL, &none, 0);
    if (!sw->final(twin, NULL, &none, 0) || !sw->get_ctx_params(twin, tag))
        return 0;
    c->tag_len = AEAD_TAG_MAX;
    return 1;
}

int aead_dup(struct cipher_aead *c, const struct cipher_aead *from)
{
    const struct software_cipher *sw = &c->base.alg->software;
    size_t len;
    const void *kept;

    c->aad = NULL;
    if (from->aad != NULL) {
        c->aad = OPENSSL_memdup(from->aad, from->aad_room);
        if (c->aad == NULL)
            return 0;
    }
    switch (from->stage) {
    case MESSAGE_AAD:
    case MESSAGE_LOST: return 1;
    case MESSAGE_STREAM:
        c->base.twin = from->base.twin;
        c->base.twin.ctx = sw->dupctx(from->base.twin.ctx);
        return c->base.twin.ctx != NULL;
    case MESSAGE_DEVICE: break;
    }
    /* What is kept belongs to the original, which goes on as it was. */
    kept = offload_kept(from->base.offload, &len);
    stats_software(c->base.prov, SW_STREAM);
    return kept != NULL && stream_replay(c, kept, len);
}

static int collect_aad(struct cipher_aead *c, const uint8_t *aad, size_t len)
{
    size_t need = c->aad_len + len;

    if (need > c->aad_room) {
        size_t room = need < 64 ? 64 : need * 2;
        uint8_t *bigger = OPENSSL_clear_realloc(c->aad, c->aad_room, room);

        if (bigger == NULL) {
            c->stage = MESSAGE_LOST;
            ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
            return 0;
        }
        c->aad = bigger;
        c->aad_room = room;
    }
    memcpy(c->aad + c->aad_len, aad, len);
    c->aad_len = need;
    return 1;
}

int aead_aad(struct cipher_aead *c, const uint8_t *aad, size_t len)
{
    const struct algorithm *a = c->base.alg;
    size_t most = AEAD_AAD_MAX;

    if (a->on_device && a->limits.max_aad < most)
        most = a->limits.max_aad;
    switch (c->stage) {
    case MESSAGE_DEVICE: /* AAD comes before data */
    case MESSAGE_LOST: return 0;
    case MESSAGE_STREAM: return stream_data(c, NULL, aad, len);
    case MESSAGE_AAD: break;
    }
    if (len <= most && c->aad_len <= most - len)
        return collect_aad(c, aad, len);
    stats_software(c->base.prov, SW_UNSUPPORTED);
    return stream_start(c) && stream_data(c, NULL, aad, len);
}

struct oneshot {
    const uint8_t *aad, *in;
    uint8_t *out, *tag; /* in for decryption, out for encryption */
    size_t aad_len, len, tag_len;
    bool keep;
};

/* Whether the device can do a message of one update, and why not. */
static bool device_takes(const struct cipher_aead *c, const struct oneshot *m,
                         enum software_cause *why)
{
    const struct algorithm *a = c->base.alg;

    *why = SW_UNSUPPORTED;
    if (c->msg_iv_len != a->info->iv_len || (a->info->tag_lens >> m->tag_len & 1) == 0)
        return false;
    if (a->on_device && (m->len > a->limits.max_len || m->aad_len > a->limits.max_aad ||
                         (a->limits.granularity > 1 && m->len % a->limits.granularity != 0)))
        return false;
    *why = SW_STREAM;
    return !c->streams;
}

/* OFFLOAD_SOFTWARE has been counted. */
static enum offload_result device_run(struct cipher_aead *c, const struct oneshot *m)
{
    struct hw_request *req;
    enum software_cause why;
    enum offload_result result;

    if (!device_takes(c, m, &why)) {
        stats_software(c->base.prov, why);
        return OFFLOAD_SOFTWARE;
    }
    req = cipher_request(&c->base, m->len, c->msg_iv, c->msg_iv_len);
    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    req->aad = m->aad;
    req->aad_len = m->aad_len;
    req->tag_len = (uint8_t)m->tag_len;
    if (!c->base.encrypting)
        memcpy(req->tag, m->tag, m->tag_len);
    if (m->len != 0) {
        req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)m->in, m->len};
        req->dst[req->ndst++] = (struct iovec){m->out, m->len};
    }
    result = offload_run(c->base.offload, m->keep);
    if (result == OFFLOAD_DONE && c->base.encrypting)
        memcpy(m->tag, req->tag, m->tag_len);
    return result;
}

/* A first update that is taken for the whole message. */
static int first_data(struct cipher_aead *c, uint8_t *out, const uint8_t *in, size_t len)
{
    const struct oneshot m = {
        .aad = c->aad,
        .aad_len = c->aad_len,
        .in = in,
        .out = out,
        .len = len,
        .tag = c->device_tag,
        .tag_len = c->base.encrypting ? AEAD_TAG_MAX : c->tag_len,
        .keep = true,
    };

    if (!c->base.encrypting) {
        /* Without a tag the device cannot begin. */
        if (!c->tag_fresh) {
            stats_software(c->base.prov, SW_STREAM);
            return stream_start(c) && stream_data(c, out, in, len);
        }
        memcpy(c->device_tag, c->tag, sizeof(c->tag));
    }
    c->device_tag_len = m.tag_len;
    switch (device_run(c, &m)) {
    case OFFLOAD_DONE: c->stage = MESSAGE_DEVICE; return 1;
    case OFFLOAD_REJECTED:
        /* Perhaps the tag is over more than this: the end will tell. */
        stats_software(c->base.prov, SW_STREAM);
        break;
    case OFFLOAD_SOFTWARE: break;
    case OFFLOAD_FAILED: c->stage = MESSAGE_LOST; return 0;
    }
    return stream_start(c) && stream_data(c, out, in, len);
}

int aead_data(struct cipher_aead *c, uint8_t *out, const uint8_t *in, size_t len)
{
    c->updates++;
    switch (c->stage) {
    case MESSAGE_AAD: return first_data(c, out, in, len);
    case MESSAGE_STREAM: return stream_data(c, out, in, len);
    case MESSAGE_LOST: return 0;
    case MESSAGE_DEVICE: break;
    }
    c->streams = true;
    return stream_from_device(c) && stream_data(c, out, in, len);
}

/* A message without data. */
static int final_empty(struct cipher_aead *c)
{
    const struct oneshot m = {
        .aad = c->aad,
        .aad_len = c->aad_len,
        .tag = c->tag,
        .tag_len = c->base.encrypting ? AEAD_TAG_MAX : c->tag_len,
    };

    switch (device_run(c, &m)) {
    case OFFLOAD_DONE: c->tag_len = m.tag_len; return 1;
    case OFFLOAD_SOFTWARE: break;
    default: return 0;
    }
    return stream_start(c) && stream_final(c);
}

static int final_device(struct cipher_aead *c)
{
    if (c->base.encrypting) {
        memcpy(c->tag, c->device_tag, sizeof(c->tag));
        c->tag_len = AEAD_TAG_MAX;
        return 1;
    }
    if (c->tag_len == c->device_tag_len && CRYPTO_memcmp(c->tag, c->device_tag, c->tag_len) == 0)
        return 1;
    /* Another tag than the one that the device found right was set since. */
    return stream_from_device(c) && stream_final(c);
}

int aead_final(struct cipher_aead *c)
{
    int ok = 0;

    switch (c->stage) {
    case MESSAGE_AAD: ok = final_empty(c); break;
    case MESSAGE_DEVICE: ok = final_device(c); break;
    case MESSAGE_STREAM: ok = stream_final(c); break;
    case MESSAGE_LOST: break;
    }
    /* Nor is the last message's tag this one's. */
    if (!ok && c->base.encrypting)
        c->tag_len = AEAD_NO_TAG;
    if (c->updates <= 1)
        c->streams = false;
    c->tag_fresh = false;
    aead_reset(c);
    return ok;
}

static int oneshot_software(struct cipher_aead *c, const struct oneshot *m)
{
    struct twin *t = &c->base.twin;
    const struct software_cipher *sw = &c->base.alg->software;

    c->aad_len = 0;
    if (!stream_start(c) || !twin_run(t, sw, NULL, m->aad, m->aad_len) ||
        (m->len != 0 && !twin_run(t, sw, m->out, m->in, m->len)))
        return 0;
    c->tag_len = AEAD_TAG_MAX;
    if (!c->base.encrypting)
        memcpy(c->tag, m->tag, AEAD_TAG_MAX);
    if (!stream_final(c))
        return 0;
    if (c->base.encrypting)
        memcpy(m->tag, c->tag, AEAD_TAG_MAX);
    return 1;
}

int aead_oneshot(struct cipher_aead *c, const uint8_t *aad, size_t aad_len, uint8_t *out,
                 const uint8_t *in, size_t len, uint8_t tag[AEAD_TAG_MAX])
{
    const struct oneshot m = {
        .aad = aad,
        .aad_len = aad_len,
        .in = in,
        .out = out,
        .len = len,
        .tag = tag,
        .tag_len = AEAD_TAG_MAX,
    };
    int ok = 0;

    c->streams = false;
    switch (device_run(c, &m)) {
    case OFFLOAD_DONE: ok = 1; break;
    case OFFLOAD_SOFTWARE: ok = oneshot_software(c, &m); break;
    case OFFLOAD_REJECTED:
    case OFFLOAD_FAILED: break;
    }
    aead_reset(c);
    if (!ok && !c->base.encrypting)
        OPENSSL_cleanse(out, len);
    return ok;
}
