/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-CBC as libssl uses it: once TLS_VERSION is set, each update is a whole
 * record in place.
 *
 * The device encrypts all records, and decrypts those with encrypt-then-MAC
 * (RFC 7366): they have been authenticated before, so nothing about their
 * padding is secret. Where padding and MAC of a received record must be removed
 * in constant time, with a random MAC in place of a bad one, the software twin
 * is given the same parameters and does the record, so that none of that code
 * exists twice.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/prov_ssl.h>

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

static int record_by_twin(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                          const uint8_t *in, size_t inl)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;
    size_t done = 0;
    bool ok;

    stats_software(c->base.prov, SW_RECORD);
    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, c->iv, c->base.alg->info->iv_len))
        return cipher_fail();
    ok = tell_twin(c) && sw->update(t->ctx, out, &done, outsize, in, inl) && fetch_mac(c);
    /* Records chain: TLS 1.0 has no IV of its own in each. One that is refused has
     * been decrypted, too. */
    if (c->base.alg->info->iv_len != 0)
        memcpy(c->iv, cipher_plain_twin_iv(c), sizeof(c->iv));
    memcpy(t->iv, c->iv, sizeof(t->iv));
    if (!ok)
        return cipher_fail();
    *outl = done;
    return 1;
}

/* RFC 5246, 6.2.3.2: n + 1 bytes of value n. */
static int encrypt_record(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                          size_t inl)
{
    size_t pad = CIPHER_BLOCK - inl % CIPHER_BLOCK;

    if (outsize < inl || outsize - inl < pad)
        return cipher_fail();
    memset(out + inl, (int)(pad - 1), pad);
    if (!cipher_block_run(c, out, out, inl + pad)) {
        c->lost = true;
        return 0;
    }
    *outl = inl + pad;
    return 1;
}

/* Explicit IV and padding are taken off the length; libssl skips the IV. */
static int decrypt_record(struct cipher_plain *c, uint8_t *record, size_t *outl, size_t len)
{
    size_t front = c->tls_version == TLS1_VERSION ? 0 : CIPHER_BLOCK;
    uint8_t n;

    if (len % CIPHER_BLOCK != 0 || len < front + CIPHER_BLOCK)
        return cipher_fail();
    if (!cipher_block_run(c, record, record, len)) {
        c->lost = true;
        return 0;
    }
    n = record[len - 1];
    if ((size_t)n + 1 > len - front)
        return cipher_fail();
    for (size_t i = len - 1 - n; i < len; i++) {
        if (record[i] != n)
            return cipher_fail();
    }
    *outl = len - front - n - 1;
    return 1;
}

int cipher_tls_record(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                      const uint8_t *in, size_t inl)
{
    c->tls_mac = NULL;
    if (in == NULL || in != out || !c->pad)
        return cipher_fail();
    if (c->tls_version == SSL3_VERSION || (!c->base.encrypting && c->tls_mac_size != 0))
        return record_by_twin(c, out, outl, outsize, in, inl);
    return c->base.encrypting ? encrypt_record(c, out, outl, outsize, inl)
                              : decrypt_record(c, out, outl, inl);
}
