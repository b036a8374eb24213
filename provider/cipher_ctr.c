/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CTR. The context keeps the rest of the last keystream block. A request for
 * part of a block sends zeros for what is missing: what comes back in their
 * place is the keystream itself.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/proverr.h>

#include "cipher.h"
#include "direct.h"

static const uint8_t zeros[CIPHER_BLOCK];

/* Adds n to the big-endian 128-bit counter. */
static void counter_add(uint8_t counter[CIPHER_BLOCK], uint64_t n)
{
    for (int i = CIPHER_BLOCK - 1; i >= 0 && n != 0; i--) {
        n += counter[i];
        counter[i] = (uint8_t)n;
        n >>= 8;
    }
}

static void advance(struct cipher_plain *c, size_t len)
{
    counter_add(c->iv, (len + CIPHER_BLOCK - 1) / CIPHER_BLOCK);
    c->num = (unsigned)(len % CIPHER_BLOCK);
}

static void xor_keystream(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len,
                          size_t from)
{
    for (size_t i = 0; i < len; i++)
        out[i] = in[i] ^ c->buf[from + i];
}

/* The twin is given whole blocks only, so that its counter is always ours. */
static int run_software(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;
    size_t rest = len % CIPHER_BLOCK, whole = len - rest;

    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, c->iv, sizeof(c->iv)) ||
        (whole != 0 && !twin_run(t, sw, out, in, whole)) ||
        (rest != 0 && !twin_run(t, sw, c->buf, zeros, CIPHER_BLOCK)))
        return cipher_fail();
    xor_keystream(c, out + whole, in + whole, rest, 0);
    advance(c, len);
    memcpy(t->iv, c->iv, sizeof(t->iv));
    return 1;
}

static int run_request(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    size_t rest = len % CIPHER_BLOCK;
    struct hw_request *req = cipher_request(&c->base, len, c->iv, sizeof(c->iv));

    if (req == NULL)
        return run_software(c, out, in, len);
    req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)in, len};
    req->dst[req->ndst++] = (struct iovec){out, len};
    if (rest != 0) {
        req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)zeros, CIPHER_BLOCK - rest};
        req->dst[req->ndst++] = (struct iovec){c->buf + rest, CIPHER_BLOCK - rest};
    }
    switch (offload_run(c->base.offload, false)) {
    case OFFLOAD_DONE: advance(c, len); return 1;
    case OFFLOAD_SOFTWARE: return run_software(c, out, in, len);
    default: return cipher_fail();
    }
}

static int run(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    size_t most = c->base.alg->limits.max_len & ~(size_t)(CIPHER_BLOCK - 1);

    if (c->num != 0) {
        size_t rest = CIPHER_BLOCK - c->num, n = len < rest ? len : rest;

        xor_keystream(c, out, in, n, c->num);
        c->num = (c->num + (unsigned)n) % CIPHER_BLOCK;
        out += n;
        in += n;
        len -= n;
    }
    while (len != 0) {
        size_t n = most != 0 && len > most ? most : len;

        if (!run_request(c, out, in, n)) {
            c->lost = true;
            return 0;
        }
        out += n;
        in += n;
        len -= n;
    }
    cipher_plain_go_direct(c);
    return 1;
}

/* A TLS version means that the MAC at a received record's end is handed out
 * apart from it. */
static int take_tls_mac(struct cipher_plain *c, uint8_t *out, size_t *outl)
{
    if (c->tls_version == 0 || c->base.encrypting || c->tls_mac_size == 0)
        return 1;
    if (*outl < c->tls_mac_size)
        return cipher_fail();
    *outl -= c->tls_mac_size;
    c->tls_mac = out + *outl;
    return 1;
}

DIRECT_NOT int ctr_cipher(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                          const uint8_t *in, size_t inl)
{
    cipher_plain_undirect(c);
    *outl = 0;
    if (!cipher_plain_ready(c))
        return 0;
    if (outsize < inl) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if (inl != 0 && (in == NULL || out == NULL))
        return cipher_fail();
    if (!run(c, out, in, inl))
        return 0;
    *outl = inl;
    return 1;
}

DIRECT_NOT int ctr_update(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                          const uint8_t *in, size_t inl)
{
    return ctr_cipher(c, out, outl, outsize, in, inl) && (inl == 0 || take_tls_mac(c, out, outl));
}

int cipher_ctr_update(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    struct cipher_plain *c = vctx;

    if (direct_blocks(c, out, in, inl))
        return c->direct(c->base.twin.ctx, out, outl, outsize, in, inl);
    return ctr_update(c, out, outl, outsize, in, inl);
}

int cipher_ctr_cipher(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                      const unsigned char *in, size_t inl)
{
    struct cipher_plain *c = vctx;

    if (direct_blocks(c, out, in, inl))
        return c->direct(c->base.twin.ctx, out, outl, outsize, in, inl);
    return ctr_cipher(c, out, outl, outsize, in, inl);
}

int cipher_ctr_final(void *vctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct cipher_plain *c = vctx;

    (void)out;
    (void)outsize;
    *outl = 0;
    if (!cipher_plain_ready(c))
        return 0;
    return 1;
}
