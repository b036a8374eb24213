/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA signatures in eight lanes. Nonces are uniform: as many random bits as
 * the order has, until they make a number from 1 to the order less 1.
 */
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/engine_crypto_mb.h"

#include <crypto_mb/ec_nistp256.h>
#include <crypto_mb/ec_nistp384.h>
#include <crypto_mb/ec_nistp521.h>

typedef mbx_status sign_fn(int8u *r[CRYPTO_MB_LANES], int8u *s[CRYPTO_MB_LANES],
                           const int8u *const digest[CRYPTO_MB_LANES],
                           const int64u *const nonce[CRYPTO_MB_LANES],
                           const int64u *const key[CRYPTO_MB_LANES], int8u *buffer);

struct curve {
    unsigned bytes, words;
    int64u top; /* the bits of its highest word that the order may have */
    int64u order[CRYPTO_MB_EC_WORDS];
    sign_fn *sign;
};

/* By VIRTIO_CRYPTO_CURVE_*. */
static const struct curve curves[] = {
    [VIRTIO_CRYPTO_CURVE_NIST_P256] = {32,
                                       4,
                                       ~0ull,
                                       {0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff,
                                        0xffffffff00000000},
                                       mbx_nistp256_ecdsa_sign_mb8},
    [VIRTIO_CRYPTO_CURVE_NIST_P384] = {48,
                                       6,
                                       ~0ull,
                                       {0xecec196accc52973, 0x581a0db248b0a77a, 0xc7634d81f4372ddf,
                                        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff},
                                       mbx_nistp384_ecdsa_sign_mb8},
    [VIRTIO_CRYPTO_CURVE_NIST_P521] = {66,
                                       9,
                                       0x1ff,
                                       {0xbb6fb71e91386409, 0x3bb5c9b8899c47ae, 0x7fcc0148f709a5d0,
                                        0x51868783bf2f966b, 0xfffffffffffffffa, 0xffffffffffffffff,
                                        0xffffffffffffffff, 0xffffffffffffffff, 0x1ff},
                                       mbx_nistp521_ecdsa_sign_mb8},
};

static const struct curve *curve_of(const struct crypto_mb_state *st)
{
    return &curves[st->kind->size];
}

/* Whether it is one of 1 to the order less 1, without a word on which. */
static bool in_range(const struct curve *c, const int64u *number)
{
    int64u any = 0;
    unsigned borrow = 0;

    for (unsigned i = 0; i < c->words; i++) {
        int64u less = number[i] - c->order[i];

        borrow = (number[i] < c->order[i]) | (less < borrow);
        any |= number[i];
    }
    return any != 0 && borrow;
}

static bool take(struct crypto_mb_state *st, const struct akcipher_key *key)
{
    const struct curve *c = curve_of(st);

    return crypto_mb_number(&key->numbers[0], st->ec, c->words) && in_range(c, st->ec);
}

static bool can(const struct crypto_mb_state *st, const struct engine_ak_op *op)
{
    /* Of the only order whose bits make no whole bytes no digest is longer. */
    return op->opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN && op->src_len != 0 &&
           (op->src_len < curve_of(st)->bytes || curve_of(st)->bytes % 8 == 0);
}

static bool random_words(struct crypto_mb_worker *w, int64u *out, size_t size)
{
    if (w->random == NULL)
        w->random = crypto_mb_random_new();
    return w->random != NULL && crypto_mb_random_bytes(w->random, out, size);
}

/* Those of all lanes are made with the first: most of what it takes is not the
 * numbers. They live no longer than one call of the library takes: none is there
 * twice after a fork. */
static bool nonce(struct crypto_mb_worker *w, const struct curve *c, unsigned lane)
{
    int64u *out = w->lanes.ec.nonce[lane];

    if (lane == 0 && !random_words(w, out, sizeof(w->lanes.ec.nonce))) {
        /* Nor is what is there now another lane's. */
        explicit_bzero(w->lanes.ec.nonce, sizeof(w->lanes.ec.nonce));
        return false;
    }
    out[c->words - 1] &= c->top;
    while (!in_range(c, out)) {
        if (!random_words(w, out, c->words * sizeof(*out)))
            return false;
        out[c->words - 1] &= c->top;
    }
    return true;
}

/* The leftmost bits of a long digest, as a number. The library refuses one that
 * is not below the order, as one of 2^32 is. */
static bool put(struct crypto_mb_worker *w, unsigned lane, const struct engine_ak_op *op)
{
    const struct curve *c = curve_of(w->states[lane]);
    uint32_t len = op->src_len < c->bytes ? op->src_len : c->bytes;

    memset(w->lanes.ec.digest[lane], 0, c->bytes - len);
    memcpy(w->lanes.ec.digest[lane] + c->bytes - len, op->src, len);
    return nonce(w, c, lane);
}

static void compute(struct crypto_mb_worker *w)
{
    const int64u *nonces[CRYPTO_MB_LANES], *keys[CRYPTO_MB_LANES];
    const int8u *digests[CRYPTO_MB_LANES];
    int8u *r[CRYPTO_MB_LANES], *s[CRYPTO_MB_LANES];

    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
        unsigned from = i < w->n ? i : 0;

        nonces[i] = w->lanes.ec.nonce[from];
        keys[i] = w->states[from]->ec;
        digests[i] = w->lanes.ec.digest[from];
        r[i] = w->lanes.ec.r[i];
        s[i] = w->lanes.ec.s[i];
    }
    w->status = curve_of(w->states[0])->sign(r, s, digests, nonces, keys, NULL);
}

/* A positive INTEGER in its shortest form; answers its end. */
static uint8_t *put_integer(uint8_t *out, const uint8_t *number, unsigned len)
{
    for (; len > 1 && *number == 0; len--)
        number++;
    *out++ = DER_INTEGER;
    *out++ = (uint8_t)(len + (*number >> 7));
    if (*number >> 7)
        *out++ = 0;
    memcpy(out, number, len);
    return out + len;
}

static bool get(struct crypto_mb_worker *w, unsigned lane, struct engine_ak_op *op)
{
    uint8_t both[2 * (2 + 1 + CRYPTO_MB_EC_BYTES)], head[3] = {DER_SEQUENCE, 0x81};
    unsigned bytes = curve_of(w->states[lane])->bytes, nhead;
    uint32_t len;

    len = (uint32_t)(put_integer(put_integer(both, w->lanes.ec.r[lane], bytes), w->lanes.ec.s[lane],
                                 bytes) -
                     both);
    nhead = len < 0x80 ? 2 : 3;
    head[nhead - 1] = (uint8_t)len;
    if (op->len < nhead + len)
        return false;
    memcpy(op->dst, head, nhead);
    memcpy(op->dst + nhead, both, len);
    op->len = nhead + len;
    return true;
}

#define KIND(curve, least)                                                                         \
    {                                                                                              \
        AKCIPHER_ECDSA, VIRTIO_CRYPTO_CURVE_NIST_##curve, least, take, can, put, compute, get      \
    }

const struct crypto_mb_kind crypto_mb_ecdsa[] = {
    KIND(P256, 3),
    KIND(P384, 1),
    KIND(P521, 2),
};

const unsigned crypto_mb_ecdsa_count = sizeof(crypto_mb_ecdsa) / sizeof(crypto_mb_ecdsa[0]);
