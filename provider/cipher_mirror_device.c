/* SPDX-License-Identifier: Apache-2.0 */
/* What the device is asked, and what differs between the modes. */
#include <string.h>

#include "cipher_mirror.h"

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

enum offload_result mirror_device_data(struct cipher_mirror *c, uint8_t *out, const uint8_t *in,
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

int mirror_device_record(struct cipher_mirror *c, uint8_t *record, size_t *outl, size_t len)
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
