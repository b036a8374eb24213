/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA's private operation in eight lanes, by the Chinese remainder theorem.
 * Public ones are so short that the way here costs more than can be won, and
 * unpadding is libcrypto's.
 */
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/engine_crypto_mb.h"

#include <crypto_mb/rsa.h>

/* What stands before a digest in a PKCS#1 signature (RFC 8017, 9.2), by
 * VIRTIO_CRYPTO_RSA_*: SEQUENCE { SEQUENCE { OID, NULL }, OCTET STRING }. */
static const struct prefix {
    uint8_t len, digest;
    const char *bytes;
} prefixes[] = {
    [VIRTIO_CRYPTO_RSA_MD5] = {18, 16,
                               "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05"
                               "\x00\x04\x10"},
    [VIRTIO_CRYPTO_RSA_SHA1] = {15, 20,
                                "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"},
    [VIRTIO_CRYPTO_RSA_SHA256] = {19, 32,
                                  "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
                                  "\x05\x00\x04\x20"},
    [VIRTIO_CRYPTO_RSA_SHA384] = {19, 48,
                                  "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02"
                                  "\x05\x00\x04\x30"},
    [VIRTIO_CRYPTO_RSA_SHA512] = {19, 64,
                                  "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03"
                                  "\x05\x00\x04\x40"},
    [VIRTIO_CRYPTO_RSA_SHA224] = {19, 28,
                                  "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04"
                                  "\x05\x00\x04\x1c"},
};

#define NPREFIXES (sizeof(prefixes) / sizeof(prefixes[0]))
#define MIN_PAD   8

static uint32_t size_of(const struct crypto_mb_state *st)
{
    return st->kind->size / 8;
}

/* The library's primes have half the modulus's bits each. */
static bool take(struct crypto_mb_state *st, const struct akcipher_key *key)
{
    unsigned half = st->kind->size / 2;

    for (unsigned i = 0; i < RSA_NUMBERS; i++)
        if (!crypto_mb_number(&key->numbers[3 + i], st->rsa.numbers[i], half / 64))
            return false;
    memcpy(st->rsa.n, key->numbers[0].at, key->numbers[0].len);
    return der_bits(&key->numbers[3]) == half && der_bits(&key->numbers[4]) == half &&
           (key->numbers[3].at[key->numbers[3].len - 1] & 1) &&
           (key->numbers[4].at[key->numbers[4].len - 1] & 1);
}

static bool raw(const struct crypto_mb_state *st)
{
    return st->key.ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING;
}

static const struct prefix *prefix_of(const struct crypto_mb_state *st)
{
    static const struct prefix none = {0, 0, ""};

    return st->key.ak.hash < NPREFIXES ? &prefixes[st->key.ak.hash] : &none;
}

static bool can(const struct crypto_mb_state *st, const struct engine_ak_op *op)
{
    const struct prefix *prefix = prefix_of(st);

    if (op->len < size_of(st))
        return false;
    if (raw(st))
        return op->opcode == VIRTIO_CRYPTO_AKCIPHER_DECRYPT && op->src_len == size_of(st);
    return op->opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN &&
           (st->key.ak.hash == VIRTIO_CRYPTO_RSA_NO_HASH ||
            (prefix->len != 0 && op->src_len == prefix->digest)) &&
           prefix->len + op->src_len + 3 + MIN_PAD <= size_of(st);
}

/* 0, 1, ff..., 0, prefix, digest. */
static void pad(const struct crypto_mb_state *st, const struct engine_ak_op *op, uint8_t *block)
{
    const struct prefix *prefix = prefix_of(st);
    uint32_t size = size_of(st), text = size - op->src_len - prefix->len;

    memset(block, 0xff, text);
    block[0] = 0;
    block[1] = 1;
    block[text - 1] = 0;
    memcpy(block + text, prefix->bytes, prefix->len);
    memcpy(block + text + prefix->len, op->src, op->src_len);
}

static bool put(struct crypto_mb_worker *w, unsigned lane, const struct engine_ak_op *op)
{
    const struct crypto_mb_state *st = w->states[lane];

    if (raw(st))
        memcpy(w->lanes.rsa.src[lane], op->src, size_of(st));
    else
        pad(st, op, w->lanes.rsa.src[lane]);
    return memcmp(w->lanes.rsa.src[lane], st->rsa.n, size_of(st)) < 0;
}

static void compute(struct crypto_mb_worker *w)
{
    const int64u *numbers[RSA_NUMBERS][CRYPTO_MB_LANES];
    const int8u *src[CRYPTO_MB_LANES];
    int8u *dst[CRYPTO_MB_LANES];

    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
        unsigned from = i < w->n ? i : 0;

        src[i] = w->lanes.rsa.src[from];
        dst[i] = w->lanes.rsa.dst[i];
        for (unsigned k = 0; k < RSA_NUMBERS; k++)
            numbers[k][i] = w->states[from]->rsa.numbers[k];
    }
    w->status = mbx_rsa_private_crt_mb8(src, dst, numbers[RSA_P], numbers[RSA_Q], numbers[RSA_DP],
                                        numbers[RSA_DQ], numbers[RSA_IQ],
                                        (int)w->states[0]->kind->size, NULL, w->room);
}

static bool get(struct crypto_mb_worker *w, unsigned lane, struct engine_ak_op *op)
{
    op->len = size_of(w->states[lane]);
    memcpy(op->dst, w->lanes.rsa.dst[lane], op->len);
    return true;
}

#define KIND(bits, least)                                                                          \
    {                                                                                              \
        AKCIPHER_RSA, bits, least, take, can, put, compute, get                                    \
    }

const struct crypto_mb_kind crypto_mb_rsa[] = {
    KIND(1024, 2),
    KIND(2048, 4),
    KIND(3072, 7),
    KIND(4096, 7),
};

const unsigned crypto_mb_rsa_count = sizeof(crypto_mb_rsa) / sizeof(crypto_mb_rsa[0]);
