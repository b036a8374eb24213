/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA decryption: the device's raw operation, then libcrypto's unpadding. The
 * twin keeps all parameters and does the rest, encryption among it.
 */
#include "decrypt_rsa.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "key.h"
#include "offload.h"
#include "provider.h"
#include "rsa_padding.h"
#include "rsa_private.h"
#include "stats.h"

/* What an operation that may be paused needs hangs from here. */
struct decrypt_ctx {
    struct provctx *prov;
    struct key *key;
    void *twin;
    struct offload *offload;
    uint8_t *work; /* of struct rsa_work */
    size_t work_len;
};

static void freectx(void *vctx)
{
    struct decrypt_ctx *ctx = vctx;

    if (ctx == NULL)
        return;
    offload_free(ctx->offload);
    if (ctx->twin != NULL)
        twins.rsa_cipher.freectx(ctx->twin);
    key_unref(ctx->key);
    OPENSSL_clear_free(ctx->work, ctx->work_len);
    stats_context_closed(ctx->prov);
    OPENSSL_free(ctx);
}

/* Takes the twin over. */
static struct decrypt_ctx *wrap(struct provctx *prov, void *twin)
{
    struct decrypt_ctx *ctx = OPENSSL_zalloc(sizeof(*ctx));

    if (ctx == NULL) {
        if (twin != NULL)
            twins.rsa_cipher.freectx(twin);
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return NULL;
    }
    ctx->prov = prov;
    ctx->twin = twin;
    stats_context_opened(prov);
    if (twin == NULL) {
        freectx(ctx);
        return NULL;
    }
    return ctx;
}

static void *newctx(void *provctx)
{
    struct provctx *prov = provctx;

    return wrap(prov, twins.rsa_cipher.newctx(prov->software.provctx));
}

static void *dupctx(void *vctx)
{
    struct decrypt_ctx *from = vctx;
    struct decrypt_ctx *ctx = wrap(from->prov, twins.rsa_cipher.dupctx(from->twin));

    if (ctx != NULL)
        ctx->key = key_ref(from->key);
    return ctx;
}

typedef int init_fn(void *ctx, void *provkey, const OSSL_PARAM params[]);

static int init(struct decrypt_ctx *ctx, init_fn *twin_init, struct key *key,
                const OSSL_PARAM params[])
{
    OSSL_PARAM *copy;
    int ok;

    if (ctx == NULL || key == NULL || !twin_params(&params, &copy))
        return 0;
    ok = twin_init(ctx->twin, key->twin, params);
    OPENSSL_free(copy);
    if (ok) {
        key_ref(key);
        key_unref(ctx->key);
        ctx->key = key;
    }
    return ok;
}

static int encrypt_init(void *ctx, void *provkey, const OSSL_PARAM params[])
{
    return init(ctx, twins.rsa_cipher.encrypt_init, provkey, params);
}

static int decrypt_init(void *ctx, void *provkey, const OSSL_PARAM params[])
{
    return init(ctx, twins.rsa_cipher.decrypt_init, provkey, params);
}

static int encrypt(void *vctx, unsigned char *out, size_t *outlen, size_t outsize,
                   const unsigned char *in, size_t inlen)
{
    struct decrypt_ctx *ctx = vctx;

    return twins.rsa_cipher.encrypt(ctx->twin, out, outlen, outsize, in, inlen);
}

/* How the twin would unpad. */
struct scheme {
    int padding;
    char md[64], mgf1[64]; /* of OAEP; empty: none */
    void *label;           /* the twin's */
    size_t label_len;
    unsigned version, other; /* of TLS */
};

static bool take_scheme(const struct decrypt_ctx *ctx, struct scheme *s)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, &s->padding),
        OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, s->md, sizeof(s->md)),
        OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, s->mgf1, sizeof(s->mgf1)),
        OSSL_PARAM_octet_ptr(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, &s->label, 0),
        OSSL_PARAM_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &s->version),
        OSSL_PARAM_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &s->other),
        OSSL_PARAM_END,
    };

    memset(s, 0, sizeof(*s));
    if (!twins.rsa_cipher.get_ctx_params(ctx->twin, params))
        return false;
    s->label_len = s->label != NULL ? params[3].return_size : 0;
    return true;
}

/* What is unpadded here; the twin does, or refuses, the rest. Where libcrypto
 * answers wrong PKCS#1 padding with something made from the key and the
 * ciphertext, only the twin can, and both ways must not be told apart. */
static bool can_unpad(const struct decrypt_ctx *ctx, const struct scheme *s)
{
    switch (s->padding) {
    case RSA_NO_PADDING: return true;
    case RSA_PKCS1_PADDING:
        return OSSL_PARAM_locate_const(
                   twins.rsa_cipher.settable_ctx_params(ctx->twin, ctx->prov->software.provctx),
                   "implicit-rejection") == NULL;
    case RSA_PKCS1_OAEP_PADDING: return s->md[0] != '\0';
    case RSA_PKCS1_WITH_TLS_PADDING: return s->version != 0;
    default: return false;
    }
}

static int unpad_oaep(const struct decrypt_ctx *ctx, const struct scheme *s, const uint8_t *block,
                      size_t size, uint8_t *out, size_t *len)
{
    OSSL_LIB_CTX *libctx = ctx->prov->software.libctx;
    EVP_MD *md = EVP_MD_fetch(libctx, s->md, NULL), *mgf1 = EVP_MD_fetch(libctx, s->mgf1, NULL);
    struct rsa_oaep oaep = {md, mgf1, s->label, s->label_len};
    int ok = md != NULL && mgf1 != NULL && rsa_unpad_oaep(block, size, &oaep, out, len);

    EVP_MD_free(md);
    EVP_MD_free(mgf1);
    return ok;
}

static int unpad(const struct decrypt_ctx *ctx, const struct scheme *s, const uint8_t *block,
                 size_t size, uint8_t *out, size_t *len)
{
    switch (s->padding) {
    case RSA_NO_PADDING:
        memcpy(out, block, size);
        *len = size;
        return 1;
    case RSA_PKCS1_PADDING: return rsa_unpad_pkcs1(block, size, out, len);
    case RSA_PKCS1_OAEP_PADDING: return unpad_oaep(ctx, s, block, size, out, len);
    default:
        *len = RSA_PREMASTER;
        return rsa_unpad_premaster(block, size, ctx->prov->software.libctx, s->version, s->other,
                                   out);
    }
}

/* Memory, and in it the ciphertext as long as the modulus is; false: there is
 * no such number for this key. */
static bool take_block(struct decrypt_ctx *ctx, const struct key_device *device, const uint8_t *in,
                       size_t len, struct rsa_work *w)
{
    size_t size = rsa_work_size(device);

    if (len > device->size)
        return false;
    if (ctx->work_len < size) {
        OPENSSL_clear_free(ctx->work, ctx->work_len);
        /* Without it software does it: no error. */
        ERR_set_mark();
        ctx->work = OPENSSL_malloc(size);
        ERR_pop_to_mark();
        ctx->work_len = ctx->work != NULL ? size : 0;
        if (ctx->work == NULL)
            return false;
    }
    *w = rsa_work_at(device, ctx->work);
    memset(w->block, 0, device->size - len);
    memcpy(w->block + device->size - len, in, len);
    return rsa_in_range(device, w->block);
}

/* OFFLOAD_DONE: the block is decrypted at w->result. */
static enum offload_result on_device(struct decrypt_ctx *ctx, const uint8_t *in, size_t len,
                                     struct rsa_work *w, struct scheme *s, size_t *room)
{
    struct offload_want want = {.alg = HW_RSA, .key_len = key_bits(ctx->key)};
    struct hw_request *req = offload_begin(&ctx->offload, ctx->prov, &want);
    const struct key_device *device = req != NULL ? key_device(ctx->key) : NULL;

    if (req == NULL)
        return OFFLOAD_SOFTWARE;
    if (device == NULL || !ctx->prov->families[FAMILY_RSA].limits.rsa_raw || !take_scheme(ctx, s) ||
        !can_unpad(ctx, s) ||
        *room < (s->padding == RSA_PKCS1_WITH_TLS_PADDING ? RSA_PREMASTER : device->size) ||
        !take_block(ctx, device, in, len, w)) {
        stats_software(ctx->prov, SW_UNSUPPORTED);
        return OFFLOAD_SOFTWARE;
    }
    req->op = HW_DECRYPT;
    req->rsa_padding = HW_RSA_RAW;
    req->src[0] = (struct iovec){w->block, device->size};
    req->nsrc = 1;
    return rsa_private(ctx->offload, req, device, w);
}

static void forget(struct decrypt_ctx *ctx)
{
    if (ctx->work != NULL)
        OPENSSL_cleanse(ctx->work, ctx->work_len);
}

static int decrypt(void *vctx, unsigned char *out, size_t *outlen, size_t outsize,
                   const unsigned char *in, size_t inlen)
{
    struct decrypt_ctx *ctx = vctx;
    size_t len = outsize;
    struct rsa_work w;
    struct scheme s;
    int ok;

    if (out != NULL) {
        switch (on_device(ctx, in, inlen, &w, &s, &len)) {
        case OFFLOAD_DONE:
            ok = unpad(ctx, &s, w.result, (size_t)(w.result - w.block) - 1, out, &len);
            forget(ctx);
            *outlen = len;
            return ok;
        /* What the device gave may be right all the same. */
        case OFFLOAD_FAILED: forget(ctx); return 0;
        default: forget(ctx); break;
        }
    }
    return twins.rsa_cipher.decrypt(ctx->twin, out, outlen, outsize, in, inlen);
}

static int get_ctx_params(void *vctx, OSSL_PARAM *params)
{
    struct decrypt_ctx *ctx = vctx;

    return ctx != NULL && twins.rsa_cipher.get_ctx_params(ctx->twin, params);
}

static const OSSL_PARAM *gettable_ctx_params(void *vctx, void *provctx)
{
    struct decrypt_ctx *ctx = vctx;
    struct provctx *prov = provctx;

    return twins.rsa_cipher.gettable_ctx_params(ctx != NULL ? ctx->twin : NULL,
                                                prov->software.provctx);
}

static int set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct decrypt_ctx *ctx = vctx;
    OSSL_PARAM *copy;
    int ok;

    if (ctx == NULL || !twin_params(&params, &copy))
        return 0;
    ok = twins.rsa_cipher.set_ctx_params(ctx->twin, params);
    OPENSSL_free(copy);
    return ok;
}

static const OSSL_PARAM *settable_ctx_params(void *vctx, void *provctx)
{
    struct decrypt_ctx *ctx = vctx;
    struct provctx *prov = provctx;

    return twins.rsa_cipher.settable_ctx_params(ctx != NULL ? ctx->twin : NULL,
                                                prov->software.provctx);
}

#define FN(id, f)                                                                                  \
    {                                                                                              \
        OSSL_FUNC_ASYM_CIPHER_##id, (void (*)(void))(f)                                            \
    }

const OSSL_DISPATCH asym_cipher_rsa[] = {
    FN(NEWCTX, newctx),
    FN(FREECTX, freectx),
    FN(DUPCTX, dupctx),
    FN(ENCRYPT_INIT, encrypt_init),
    FN(ENCRYPT, encrypt),
    FN(DECRYPT_INIT, decrypt_init),
    FN(DECRYPT, decrypt),
    FN(GET_CTX_PARAMS, get_ctx_params),
    FN(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    FN(SET_CTX_PARAMS, set_ctx_params),
    FN(SETTABLE_CTX_PARAMS, settable_ctx_params),
    {0, NULL},
};
