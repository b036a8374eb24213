/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECB and CBC: buffering and padding are done here, so that every block may go
 * to the device; software is asked for whole blocks only.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/proverr.h>

#include "cipher.h"
#include "direct.h"

static bool chains(const struct cipher_plain *c)
{
    return c->base.alg->info->iv_len != 0;
}

/*
 * One run of whole blocks: a kept-back block, if any, and len bytes that follow
 * it. out may be in, or overlap it behind: the device reads all before any is
 * written.
 */
struct span {
    const uint8_t *kept; /* one block, or NULL */
    const uint8_t *in;
    size_t len;
};

/* The last block of input, which decryption may be about to overwrite, chains
 * to the next run. */
static void note_next_iv(struct cipher_plain *c, const struct span *s)
{
    if (chains(c) && !c->base.encrypting)
        memcpy(c->next, s->len != 0 ? s->in + s->len - CIPHER_BLOCK : s->kept, CIPHER_BLOCK);
}

static void advance_iv(struct cipher_plain *c, const uint8_t *out, size_t total)
{
    if (chains(c))
        memcpy(c->iv, c->base.encrypting ? out + total - CIPHER_BLOCK : c->next, CIPHER_BLOCK);
}

static int run_software(struct cipher_plain *c, uint8_t *out, const struct span *s)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;
    size_t kept = s->kept != NULL ? CIPHER_BLOCK : 0;

    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, chains(c) ? c->iv : NULL,
                    sizeof(c->iv)) ||
        (kept != 0 && !twin_run(t, sw, out, s->kept, kept)) ||
        (s->len != 0 && !twin_run(t, sw, out + kept, s->in, s->len)))
        return cipher_fail();
    advance_iv(c, out, kept + s->len);
    memcpy(t->iv, c->iv, sizeof(t->iv));
    return 1;
}

static int run_request(struct cipher_plain *c, uint8_t *out, const struct span *s)
{
    size_t total = s->len + (s->kept != NULL ? CIPHER_BLOCK : 0);
    struct hw_request *req = cipher_request(&c->base, total, c->iv, chains(c) ? sizeof(c->iv) : 0);

    note_next_iv(c, s);
    if (req == NULL)
        return run_software(c, out, s);
    if (s->kept != NULL)
        req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)s->kept, CIPHER_BLOCK};
    if (s->len != 0)
        req->src[req->nsrc++] = (struct iovec){(void *)(uintptr_t)s->in, s->len};
    req->dst[req->ndst++] = (struct iovec){out, total};
    switch (offload_run(c->base.offload, false)) {
    case OFFLOAD_DONE: advance_iv(c, out, total); return 1;
    case OFFLOAD_SOFTWARE: return run_software(c, out, s);
    default: return cipher_fail();
    }
}

/* As many requests as the device's longest makes necessary. Each starts where
 * the one before it ended, so they go one after the other. */
static int run_blocks(struct cipher_plain *c, uint8_t *out, struct span s)
{
    size_t most = c->base.alg->limits.max_len & ~(size_t)(CIPHER_BLOCK - 1);
    size_t left = s.len;

    for (;;) {
        size_t kept = s.kept != NULL ? CIPHER_BLOCK : 0;

        s.len = most > kept && left > most - kept ? most - kept : left;
        if (!run_request(c, out, &s))
            return 0;
        left -= s.len;
        /* Before in is moved on: it may be NULL where nothing but kept is done. */
        if (left == 0)
            return 1;
        out += kept + s.len;
        s.in += s.len;
        s.kept = NULL;
    }
}

int cipher_block_run(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len)
{
    return run_blocks(c, out, (struct span){NULL, in, len});
}

/* How many of inl further bytes are due now; the rest is kept back. Decryption
 * with padding keeps a whole last block back: it may be the padding. */
static size_t bytes_due(const struct cipher_plain *c, size_t inl)
{
    size_t all = c->buf_len + inl;
    size_t due = all & ~(size_t)(CIPHER_BLOCK - 1);

    if (!c->base.encrypting && c->pad && due == all && due != 0)
        due -= CIPHER_BLOCK;
    return due;
}

DIRECT_NOT int block_update(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                            const uint8_t *in, size_t inl)
{
    struct span s = {NULL, in, 0};
    size_t due;

    cipher_plain_undirect(c);
    *outl = 0;
    if (!cipher_plain_ready(c))
        return 0;
    if (c->tls_version != 0)
        return cipher_tls_record(c, out, outl, outsize, in, inl);
    due = bytes_due(c, inl);
    if (outsize < due) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if ((in == NULL && inl != 0) || (out == NULL && due != 0))
        return cipher_fail();
    if (due != 0 && c->buf_len != 0) {
        size_t fill = CIPHER_BLOCK - c->buf_len;

        /* A whole block may be kept back: then nothing fills it up, and in may
         * be NULL. */
        if (in != NULL)
            memcpy(c->buf + c->buf_len, in, fill);
        c->buf_len = 0;
        s.kept = c->buf;
        s.in += fill;
        inl -= fill;
    }
    if (due != 0) {
        s.len = due - (s.kept != NULL ? CIPHER_BLOCK : 0);
        if (!run_blocks(c, out, s)) {
            c->lost = true;
            return 0;
        }
        s.in += s.len;
        inl -= s.len;
    }
    if (s.in != NULL)
        memcpy(c->buf + c->buf_len, s.in, inl);
    c->buf_len += inl;
    *outl = due;
    cipher_plain_go_direct(c);
    return 1;
}

int cipher_block_update(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                        const unsigned char *in, size_t inl)
{
    struct cipher_plain *c = vctx;

    if (direct_blocks(c, out, in, inl))
        return c->direct(c->base.twin.ctx, out, outl, outsize, in, inl);
    return block_update(c, out, outl, outsize, in, inl);
}

/* The same time whatever the padding, bad or good, though nothing that is not
 * authenticated should be unpadded at all. */
static int unpad(struct cipher_plain *c)
{
    unsigned pad = c->buf[CIPHER_BLOCK - 1];
    unsigned bad = (unsigned)(pad == 0) | (unsigned)(pad > CIPHER_BLOCK);

    for (unsigned i = 0; i < CIPHER_BLOCK; i++)
        bad |= (unsigned)(i + pad >= CIPHER_BLOCK) & (unsigned)(c->buf[i] != pad);
    if (bad != 0) {
        ERR_raise(ERR_LIB_PROV, PROV_R_BAD_DECRYPT);
        return 0;
    }
    c->buf_len = CIPHER_BLOCK - pad;
    return 1;
}

static int final_encrypt(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize)
{
    const struct span s = {c->buf, NULL, 0};

    if (c->pad) {
        size_t pad = CIPHER_BLOCK - c->buf_len;

        memset(c->buf + c->buf_len, (int)pad, pad);
    } else if (c->buf_len == 0) {
        return 1;
    } else {
        ERR_raise(ERR_LIB_PROV, PROV_R_WRONG_FINAL_BLOCK_LENGTH);
        return 0;
    }
    if (outsize < CIPHER_BLOCK || out == NULL) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if (!run_blocks(c, out, s))
        return 0;
    c->buf_len = 0;
    *outl = CIPHER_BLOCK;
    return 1;
}

static int final_decrypt(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize)
{
    const struct span s = {c->buf, NULL, 0};

    if (c->buf_len == 0 && !c->pad)
        return 1;
    if (c->buf_len != CIPHER_BLOCK) {
        ERR_raise(ERR_LIB_PROV, PROV_R_WRONG_FINAL_BLOCK_LENGTH);
        return 0;
    }
    if (!run_blocks(c, c->buf, s) || (c->pad && !unpad(c)))
        return 0;
    if (outsize < c->buf_len || (out == NULL && c->buf_len != 0)) {
        ERR_raise(ERR_LIB_PROV, PROV_R_OUTPUT_BUFFER_TOO_SMALL);
        return 0;
    }
    if (c->buf_len != 0)
        memcpy(out, c->buf, c->buf_len);
    *outl = c->buf_len;
    c->buf_len = 0;
    return 1;
}

int cipher_block_final(void *vctx, unsigned char *out, size_t *outl, size_t outsize)
{
    struct cipher_plain *c = vctx;

    cipher_plain_undirect(c);
    *outl = 0;
    if (!cipher_plain_ready(c))
        return 0;
    if (c->tls_version != 0)
        return cipher_fail(); /* records are never finalised */
    return c->base.encrypting ? final_encrypt(c, out, outl, outsize)
                              : final_decrypt(c, out, outl, outsize);
}

/* EVP_Cipher on part of a block is whatever the default provider makes of it. */
static int partial_block(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t inl)
{
    const struct software_cipher *sw = &c->base.alg->software;
    struct twin *t = &c->base.twin;

    stats_software(c->base.prov, SW_UNSUPPORTED);
    if (!twin_ready(t, sw, c->base.key, c->base.encrypting, chains(c) ? c->iv : NULL,
                    sizeof(c->iv)) ||
        !twin_run(t, sw, out, in, inl))
        return cipher_fail();
    if (chains(c))
        memcpy(c->iv, cipher_plain_twin_iv(c), sizeof(c->iv));
    memcpy(t->iv, c->iv, sizeof(t->iv));
    return 1;
}

DIRECT_NOT int block_cipher(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                            const uint8_t *in, size_t inl)
{
    const struct span s = {NULL, in, inl};

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
    if (inl != 0 &&
        !(inl % CIPHER_BLOCK != 0 ? partial_block(c, out, in, inl) : run_blocks(c, out, s))) {
        c->lost = true;
        return 0;
    }
    cipher_plain_go_direct(c);
    *outl = inl;
    return 1;
}

int cipher_block_cipher(void *vctx, unsigned char *out, size_t *outl, size_t outsize,
                        const unsigned char *in, size_t inl)
{
    struct cipher_plain *c = vctx;

    if (direct_blocks(c, out, in, inl))
        return c->direct(c->base.twin.ctx, out, outl, outsize, in, inl);
    return block_cipher(c, out, outl, outsize, in, inl);
}
