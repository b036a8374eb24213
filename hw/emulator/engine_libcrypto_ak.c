/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asymmetric keys in the libcrypto engine. Each state has parsed the key for
 * itself: threads share neither locks nor blinding factors, and what an
 * operation needs is set up once.
 *
 * Keys are handed to libcrypto as numbers, not as DER: its decoders look for
 * more than the device is to take.
 */
#include "emulator/engine_libcrypto.h"

#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "emulator/akcipher.h"

#define OPS 4 /* encrypt, decrypt, sign, verify */

struct state {
    struct engine_libcrypto_state head;
    OSSL_LIB_CTX *libctx;
    EVP_PKEY *pkey;
    struct engine_ak ak;
    bool rsa;
    EVP_PKEY_CTX *ctx[OPS]; /* made ready at the operation's first use */
};

/* By VIRTIO_CRYPTO_RSA_*. NULL: not done. */
static const char *const hashes[] = {
    [VIRTIO_CRYPTO_RSA_NO_HASH] = "",        [VIRTIO_CRYPTO_RSA_MD5] = "MD5",
    [VIRTIO_CRYPTO_RSA_SHA1] = "SHA1",       [VIRTIO_CRYPTO_RSA_SHA256] = "SHA2-256",
    [VIRTIO_CRYPTO_RSA_SHA384] = "SHA2-384", [VIRTIO_CRYPTO_RSA_SHA512] = "SHA2-512",
    [VIRTIO_CRYPTO_RSA_SHA224] = "SHA2-224",
};

/* By VIRTIO_CRYPTO_CURVE_*. */
static const char *const curves[] = {
    [VIRTIO_CRYPTO_CURVE_NIST_P192] = "P-192", [VIRTIO_CRYPTO_CURVE_NIST_P224] = "P-224",
    [VIRTIO_CRYPTO_CURVE_NIST_P256] = "P-256", [VIRTIO_CRYPTO_CURVE_NIST_P384] = "P-384",
    [VIRTIO_CRYPTO_CURVE_NIST_P521] = "P-521",
};

/* Numbers as libcrypto takes them: little-endian, one behind the other. */
struct numbers {
    OSSL_PARAM params[AKCIPHER_NUMBERS + 3];
    unsigned n;
    uint8_t bytes[AKCIPHER_KEY_MAX + 64];
    size_t used;
};

static uint8_t *room_for(struct numbers *nums, size_t len)
{
    uint8_t *at = nums->bytes + nums->used;

    if (len > sizeof(nums->bytes) - nums->used)
        return NULL;
    nums->used += len;
    return at;
}

static bool put_number(struct numbers *nums, const char *name, const struct der *value)
{
    /* A number of no bytes is none: 0 takes one. */
    size_t len = value->len != 0 ? value->len : 1;
    uint8_t *at = room_for(nums, len);

    if (at == NULL)
        return false;
    at[0] = 0;
    for (size_t i = 0; i < value->len; i++)
        at[i] = value->at[value->len - 1 - i];
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "OSSL_PARAM numbers are in host order"
#endif
    nums->params[nums->n++] = OSSL_PARAM_construct_BN(name, at, len);
    return true;
}

static bool put_rsa(struct numbers *nums, const struct akcipher_key *key)
{
    static const char *const names[AKCIPHER_NUMBERS] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };

    for (unsigned i = 0; i < key->nnumbers; i++)
        if (!put_number(nums, names[i], &key->numbers[i]))
            return false;
    return true;
}

static bool put_ec(struct numbers *nums, const struct akcipher_key *key, uint32_t curve)
{
    uint8_t *point;

    nums->params[nums->n++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                               (char *)(uintptr_t)curves[curve], 0);
    if (key->point.len != 0) {
        point = room_for(nums, key->point.len);
        if (point == NULL)
            return false;
        memcpy(point, key->point.at, key->point.len);
        nums->params[nums->n++] =
            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, key->point.len);
    }
    return key->nnumbers == 0 || put_number(nums, OSSL_PKEY_PARAM_PRIV_KEY, &key->numbers[0]);
}

static bool make_key(struct state *st, const struct engine_key *key)
{
    struct numbers *nums = calloc(1, sizeof(*nums));
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(st->libctx, st->rsa ? "RSA" : "EC", NULL);
    int selection = key->ak.is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    struct akcipher_key parsed;
    bool ok;

    ok = nums != NULL && ctx != NULL && akcipher_parse(key, &parsed) == VIRTIO_CRYPTO_OK &&
         (st->rsa ? put_rsa(nums, &parsed) : put_ec(nums, &parsed, key->ak.curve));
    if (ok) {
        nums->params[nums->n] = OSSL_PARAM_construct_end();
        ok = EVP_PKEY_fromdata_init(ctx) == 1 &&
             EVP_PKEY_fromdata(ctx, &st->pkey, selection, nums->params) == 1;
    }
    if (nums != NULL)
        explicit_bzero(nums, sizeof(*nums));
    free(nums);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static void close_state(void *state)
{
    struct state *st = state;

    for (unsigned i = 0; i < OPS; i++)
        EVP_PKEY_CTX_free(st->ctx[i]);
    EVP_PKEY_free(st->pkey);
    free(st);
}

static int (*const inits[OPS])(EVP_PKEY_CTX *ctx) = {
    EVP_PKEY_encrypt_init,
    EVP_PKEY_decrypt_init,
    EVP_PKEY_sign_init,
    EVP_PKEY_verify_init,
};

static bool set_up(const struct state *st, EVP_PKEY_CTX *ctx, unsigned op)
{
    bool raw = st->ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING;
    bool signs = op >= 2;

    if (inits[op](ctx) != 1)
        return false;
    if (!st->rsa)
        return true;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, raw ? RSA_NO_PADDING : RSA_PKCS1_PADDING) != 1)
        return false;
    if (!signs || hashes[st->ak.hash][0] == '\0')
        return true;
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)(uintptr_t)hashes[st->ak.hash],
                               0),
        OSSL_PARAM_END,
    };
    params[0].data_size = strlen(hashes[st->ak.hash]);
    return EVP_PKEY_CTX_set_params(ctx, params) == 1;
}

static EVP_PKEY_CTX *context(struct state *st, unsigned op)
{
    EVP_PKEY_CTX *ctx = st->ctx[op];

    if (ctx != NULL)
        return ctx;
    ctx = EVP_PKEY_CTX_new_from_pkey(st->libctx, st->pkey, NULL);
    if (ctx == NULL || !set_up(st, ctx, op)) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    return st->ctx[op] = ctx;
}

static int run(struct state *st, struct engine_ak_op *op)
{
    unsigned which = op->opcode & 0xff;
    EVP_PKEY_CTX *ctx = which < OPS ? context(st, which) : NULL;
    size_t len = op->len;
    int rc = 0;

    if (ctx == NULL)
        return VIRTIO_CRYPTO_ERR;
    /* Raw sources are as long as the key; libcrypto takes shorter ones. */
    if (st->rsa && st->ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING &&
        op->src_len != (uint32_t)EVP_PKEY_get_size(st->pkey))
        return VIRTIO_CRYPTO_ERR;
    switch (op->opcode) {
    case VIRTIO_CRYPTO_AKCIPHER_ENCRYPT:
        rc = EVP_PKEY_encrypt(ctx, op->dst, &len, op->src, op->src_len);
        break;
    case VIRTIO_CRYPTO_AKCIPHER_DECRYPT:
        rc = EVP_PKEY_decrypt(ctx, op->dst, &len, op->src, op->src_len);
        break;
    case VIRTIO_CRYPTO_AKCIPHER_SIGN:
        rc = EVP_PKEY_sign(ctx, op->dst, &len, op->src, op->src_len);
        break;
    case VIRTIO_CRYPTO_AKCIPHER_VERIFY:
        len = 0;
        rc = EVP_PKEY_verify(ctx, op->src, op->src_len, op->digest, op->digest_len);
        /* Malformed is wrong, too. */
        if (rc != 1)
            return VIRTIO_CRYPTO_KEY_REJECTED;
        break;
    default: break;
    }
    if (rc != 1 || len > op->len)
        return VIRTIO_CRYPTO_ERR;
    op->len = (uint32_t)len;
    return VIRTIO_CRYPTO_OK;
}

static int run_task(void *state, struct engine_task *task)
{
    return run(state, &task->ak);
}

void *engine_libcrypto_ak_open(OSSL_LIB_CTX *libctx, const struct engine_key *key)
{
    struct state *st = calloc(1, sizeof(*st));

    if (st == NULL)
        return NULL;
    st->head.close = close_state;
    st->head.run = run_task;
    st->libctx = libctx;
    st->ak = key->ak;
    st->rsa = key->alg->number == AKCIPHER_RSA;
    if (!make_key(st, key)) {
        close_state(st);
        return NULL;
    }
    return st;
}
