/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-CBC as libssl uses it: once TLS_VERSION is set, each update is a whole
 * record in place. Padding and MAC of a received record are removed in
 * constant time, with a random MAC where the padding is bad; the software twin
 * is given the same parameters and does the record, so that none of that code
 * exists twice.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "cipher.h"
#include "provider.h"

static int tell_twin(struct cipher_plain *c)
{
    OSSL_PARAM params[3] = {
        OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &c->tls_version),
        OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &c->tls_mac_size),
        OSSL_PARAM_construct_end(),
    };

    return c->base.alg->software.set_ctx_params(c->base.twin.ctx, params);
}

/* The MAC stays the twin's, or in the record, until its next record. */
static int fetch_mac(struct cipher_plain *c)
{
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, (void **)(uintptr_t)&c->tls_mac,
                                       c->tls_mac_size),
        OSSL_PARAM_construct_end(),
    };

    return c->base.alg->software.get_ctx_params(c->base.twin.ctx, params);
}

int cipher_tls_record(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                      const uint8_t *in, size_t inl)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;
    size_t done = 0;

    c->tls_mac = NULL;
    if (in == NULL || in != out || !c->pad)
        return cipher_fail();
    if (!c->base.encrypting && inl >= CIPHER_BLOCK)
        memcpy(c->next, in + inl - CIPHER_BLOCK, CIPHER_BLOCK);
    stats_software(c->base.prov, SW_RECORD);
    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, c->iv, c->base.alg->info->iv_len) ||
        !tell_twin(c) || !sw->update(t->ctx, out, &done, outsize, in, inl) || !fetch_mac(c))
        return cipher_fail();
    if (done >= CIPHER_BLOCK && c->base.encrypting)
        memcpy(c->next, out + done - CIPHER_BLOCK, CIPHER_BLOCK);
    /* Records chain: TLS 1.0 has no IV of its own in each. */
    if (c->base.alg->info->iv_len != 0)
        memcpy(c->iv, c->next, sizeof(c->iv));
    memcpy(t->iv, c->iv, sizeof(t->iv));
    *outl = done;
    return 1;
}
