/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/akcipher.h"

#include <endian.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/batch.h"
#include "emulator/crypto.h"
#include "emulator/device.h"

/* Bytes of a field element, by VIRTIO_CRYPTO_CURVE_*; and the curve's object
 * identifier as it stands in a key. */
static const struct curve {
    uint8_t field, oid_len;
    const char *oid;
} curves[] = {
    [VIRTIO_CRYPTO_CURVE_NIST_P192] = {24, 10, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01"},
    [VIRTIO_CRYPTO_CURVE_NIST_P224] = {28, 7, "\x06\x05\x2b\x81\x04\x00\x21"},
    [VIRTIO_CRYPTO_CURVE_NIST_P256] = {32, 10, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"},
    [VIRTIO_CRYPTO_CURVE_NIST_P384] = {48, 7, "\x06\x05\x2b\x81\x04\x00\x22"},
    [VIRTIO_CRYPTO_CURVE_NIST_P521] = {66, 7, "\x06\x05\x2b\x81\x04\x00\x23"},
};

#define NCURVES (sizeof(curves) / sizeof(curves[0]))

/* MD2, MD3 and MD4 are on the wire, but nobody computes them any more. */
#define HASHES                                                                                     \
    (1u << VIRTIO_CRYPTO_RSA_NO_HASH | 1u << VIRTIO_CRYPTO_RSA_MD5 |                               \
     1u << VIRTIO_CRYPTO_RSA_SHA1 | 1u << VIRTIO_CRYPTO_RSA_SHA224 |                               \
     1u << VIRTIO_CRYPTO_RSA_SHA256 | 1u << VIRTIO_CRYPTO_RSA_SHA384 |                             \
     1u << VIRTIO_CRYPTO_RSA_SHA512)

static int parse_rsa(const struct engine_key *key, struct der all, struct akcipher_key *out)
{
    struct der version;
    size_t bits;

    if (key->ak.padding > VIRTIO_CRYPTO_RSA_PKCS1_PADDING)
        return VIRTIO_CRYPTO_NOTSUPP;
    /* Raw sessions ignore the hash. */
    if (key->ak.padding == VIRTIO_CRYPTO_RSA_PKCS1_PADDING &&
        (key->ak.hash >= 32 || !(HASHES >> key->ak.hash & 1)))
        return VIRTIO_CRYPTO_NOTSUPP;
    if (key->ak.is_private) {
        if (!der_take_uint(&all, &version))
            return VIRTIO_CRYPTO_ERR;
        /* 1 is for keys of more than two primes. */
        if (version.len != 0)
            return VIRTIO_CRYPTO_NOTSUPP;
    }
    out->nnumbers = key->ak.is_private ? AKCIPHER_NUMBERS : 2;
    for (unsigned i = 0; i < out->nnumbers; i++)
        if (!der_take_uint(&all, &out->numbers[i]) || out->numbers[i].len == 0)
            return VIRTIO_CRYPTO_ERR;
    if (all.len != 0)
        return VIRTIO_CRYPTO_ERR;
    bits = der_bits(&out->numbers[0]);
    if (bits < AKCIPHER_BITS_MIN || bits > AKCIPHER_BITS_MAX)
        return VIRTIO_CRYPTO_NOTSUPP;
    return VIRTIO_CRYPTO_OK;
}

/* The uncompressed form; on the curve or not is for the engine to see. */
static bool good_point(const struct der *point, const struct curve *curve)
{
    return point->len == 1 + 2u * curve->field && point->at[0] == 4;
}

static bool parse_ec_private(struct der all, const struct curve *curve, struct akcipher_key *out)
{
    struct der version, sub;

    if (!der_take_uint(&all, &version) || version.len != 1 || version.at[0] != 1)
        return false;
    if (!der_take(&all, DER_OCTET_STRING, &out->numbers[0]) || out->numbers[0].len == 0 ||
        out->numbers[0].len > curve->field)
        return false;
    out->nnumbers = 1;
    if (der_take(&all, DER_CONTEXT(0), &sub) &&
        (sub.len != curve->oid_len || memcmp(sub.at, curve->oid, sub.len) != 0))
        return false;
    if (der_take(&all, DER_CONTEXT(1), &sub)) {
        if (!der_take(&sub, DER_BIT_STRING, &out->point) || out->point.len == 0 ||
            out->point.at[0] != 0)
            return false;
        /* The count of unused bits. */
        out->point.at++;
        out->point.len--;
        if (!good_point(&out->point, curve))
            return false;
    }
    return all.len == 0;
}

int akcipher_parse(const struct engine_key *key, struct akcipher_key *out)
{
    struct der der = {key->key, key->key_len}, all;
    const struct curve *curve;

    memset(out, 0, sizeof(*out));
    if (key->alg->number == AKCIPHER_RSA) {
        if (!der_take(&der, DER_SEQUENCE, &all) || der.len != 0)
            return VIRTIO_CRYPTO_ERR;
        return parse_rsa(key, all, out);
    }
    if (key->ak.curve >= NCURVES || curves[key->ak.curve].field == 0)
        return VIRTIO_CRYPTO_NOTSUPP;
    curve = &curves[key->ak.curve];
    if (!key->ak.is_private) {
        out->point = der;
        return good_point(&der, curve) ? VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_ERR;
    }
    if (!der_take(&der, DER_SEQUENCE, &all) || der.len != 0 || !parse_ec_private(all, curve, out))
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

int akcipher_check(const struct unit *u, uint64_t stated)
{
    const struct engine_key *key = &u->session->key;
    uint32_t opcode = le32toh(u->header.opcode);
    bool raw = key->ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING;
    bool rsa = key->alg->number == AKCIPHER_RSA;
    bool signature =
        opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN || opcode == VIRTIO_CRYPTO_AKCIPHER_VERIFY;

    (void)stated;
    if (u->src_len > AKCIPHER_DATA_MAX || u->aad_len > AKCIPHER_DATA_MAX)
        return VIRTIO_CRYPTO_ERR;
    if (!rsa && !signature)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (rsa && raw && signature)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (!key->ak.is_private &&
        (opcode == VIRTIO_CRYPTO_AKCIPHER_DECRYPT || opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN))
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

bool akcipher_place(struct worker *w, struct unit *u, uint8_t *room)
{
    struct cursor in = chain_in(&u->chain);
    struct ak_buffers *b = worker_ak_buffers(w);

    (void)room;
    if (b == NULL)
        return false;
    u->ak = b;
    u->work.task.ak = (struct engine_ak_op){
        .opcode = le32toh(u->header.opcode),
        .src = b->src,
        .digest = b->digest,
        .dst = b->dst,
        .src_len = u->src_len,
        .digest_len = u->aad_len,
        .len = sizeof(b->dst),
    };
    u->out = chain_out(&u->chain);
    if (cursor_skip(&in, u->chain.in_len - u->src_len - u->aad_len) &&
        cursor_read(&in, b->src, u->src_len) && cursor_read(&in, b->digest, u->aad_len))
        return true;
    explicit_bzero(b, sizeof(*b));
    return false;
}

int akcipher_finish(struct unit *u)
{
    const struct engine_ak_op *op = &u->work.task.ak;
    int status = u->work.task.status;

    if (status == VIRTIO_CRYPTO_OK &&
        (op->len > u->dst_len || !cursor_write(&u->out, u->ak->dst, op->len) ||
         !cursor_zero(&u->out, u->dst_len - op->len)))
        status = VIRTIO_CRYPTO_ERR;
    if (status == VIRTIO_CRYPTO_OK)
        u->result = op->len;
    explicit_bzero(u->ak, sizeof(*u->ak));
    return status;
}
