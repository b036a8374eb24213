/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/akcipher.h"

#include <string.h>

#include <linux/virtio_crypto.h>

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

/* Whether a session may be used this way. */
static int check(const struct session *s, const struct akcipher_request *req)
{
    bool raw = s->ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING;
    bool rsa = s->alg->number == AKCIPHER_RSA;
    bool signature =
        req->opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN || req->opcode == VIRTIO_CRYPTO_AKCIPHER_VERIFY;

    if (req->src_len > AKCIPHER_DATA_MAX || req->digest_len > AKCIPHER_DATA_MAX)
        return VIRTIO_CRYPTO_ERR;
    if (!rsa && !signature)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (rsa && raw && signature)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (!s->ak.is_private && (req->opcode == VIRTIO_CRYPTO_AKCIPHER_DECRYPT ||
                              req->opcode == VIRTIO_CRYPTO_AKCIPHER_SIGN))
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

struct work {
    uint8_t src[AKCIPHER_DATA_MAX], digest[AKCIPHER_DATA_MAX], dst[AKCIPHER_DATA_MAX];
};

static bool fetch(const struct worker *w, const struct akcipher_request *req, struct work *k)
{
    struct cursor in = chain_in(&w->chain);

    return cursor_skip(&in, req->head) && cursor_read(&in, k->src, req->src_len) &&
           cursor_read(&in, k->digest, req->digest_len);
}

/* The request's memory may be changed by the driver at any time: what is
 * computed on is our copy. */
int akcipher_run(struct worker *w, struct session *s, const struct akcipher_request *req,
                 uint32_t *len)
{
    struct work k;
    struct engine_ak_op op = {
        .opcode = req->opcode,
        .src = k.src,
        .digest = k.digest,
        .dst = k.dst,
        .src_len = req->src_len,
        .digest_len = req->digest_len,
        .len = sizeof(k.dst),
    };
    struct cursor out = chain_out(&w->chain);
    int status = check(s, req);
    void *state;

    if (status != VIRTIO_CRYPTO_OK)
        return status;
    state = session_state(&w->e->sessions, s, w->index);
    if (state == NULL || !fetch(w, req, &k))
        return VIRTIO_CRYPTO_ERR;
    status = s->engine->run_ak(state, &op);
    if (status == VIRTIO_CRYPTO_OK &&
        (op.len > req->dst_len || !cursor_write(&out, k.dst, op.len) ||
         !cursor_zero(&out, req->dst_len - op.len)))
        status = VIRTIO_CRYPTO_ERR;
    *len = op.len;
    explicit_bzero(&k, sizeof(k));
    return status;
}
