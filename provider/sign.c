/* SPDX-License-Identifier: Apache-2.0 */
#include "sign.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/proverr.h>

#include "provider.h"
#include "stats.h"

static void freectx(void *vctx)
{
    struct sign_ctx *ctx = vctx;

    if (ctx == NULL)
        return;
    offload_free(ctx->offload);
    if (ctx->twin != NULL)
        ctx->alg->twin->freectx(ctx->twin);
    EVP_MD_CTX_free(ctx->mdctx);
    EVP_MD_free(ctx->md);
    key_unref(ctx->key);
    OPENSSL_clear_free(ctx->work, ctx->work_len);
    stats_context_closed(ctx->prov);
    OPENSSL_free(ctx);
}

/* Takes the twin over. */
static struct sign_ctx *wrap(struct provctx *prov, const struct sign_alg *alg, void *twin)
{
    struct sign_ctx *ctx = OPENSSL_zalloc(sizeof(*ctx));

    if (ctx == NULL) {
        if (twin != NULL)
            alg->twin->freectx(twin);
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return NULL;
    }
    ctx->prov = prov;
    ctx->alg = alg;
    ctx->twin = twin;
    stats_context_opened(prov);
    if (twin == NULL) {
        freectx(ctx);
        return NULL;
    }
    return ctx;
}

/* The application's property query is about providers that the twin does not
 * know. */
static void *newctx(void *provctx, const struct sign_alg *alg)
{
    struct provctx *prov = provctx;

    return wrap(prov, alg, alg->twin->newctx(prov->software.provctx, NULL));
}

static void *newctx_rsa(void *provctx, const char *propq)
{
    (void)propq;
    return newctx(provctx, &sign_rsa);
}

static void *newctx_ecdsa(void *provctx, const char *propq)
{
    (void)propq;
    return newctx(provctx, &sign_ecdsa);
}

static void *dupctx(void *vctx)
{
    struct sign_ctx *from = vctx;
    struct sign_ctx *ctx = wrap(from->prov, from->alg, from->alg->twin->dupctx(from->twin));

    if (ctx == NULL)
        return NULL;
    ctx->key = key_ref(from->key);
    ctx->settable = from->settable;
    if (from->md != NULL && EVP_MD_up_ref(from->md))
        ctx->md = from->md;
    if (from->mdctx != NULL) {
        ctx->mdctx = EVP_MD_CTX_new();
        if (ctx->mdctx == NULL || !EVP_MD_CTX_copy_ex(ctx->mdctx, from->mdctx)) {
            freectx(ctx);
            return NULL;
        }
    }
    return ctx;
}

uint8_t *sign_work(struct sign_ctx *ctx, size_t len)
{
    if (ctx->work_len < len) {
        OPENSSL_clear_free(ctx->work, ctx->work_len);
        /* Without it software does it: no error. */
        ERR_set_mark();
        ctx->work = OPENSSL_malloc(len);
        ERR_pop_to_mark();
        ctx->work_len = ctx->work != NULL ? len : 0;
    }
    return ctx->work;
}

const EVP_MD *sign_digest(struct sign_ctx *ctx, const char *name)
{
    if (ctx->md == NULL || !EVP_MD_is_a(ctx->md, name)) {
        EVP_MD_free(ctx->md);
        ctx->md = EVP_MD_fetch(ctx->prov->software.libctx, name, NULL);
    }
    return ctx->md;
}

enum offload_result sign_unsupported(const struct sign_ctx *ctx)
{
    stats_software(ctx->prov, SW_UNSUPPORTED);
    return OFFLOAD_SOFTWARE;
}

/* The same key again, or NULL, is fine: then the twin keeps its own, too. */
static void take_key(struct sign_ctx *ctx, struct key *key)
{
    if (key == NULL)
        return;
    key_ref(key);
    key_unref(ctx->key);
    ctx->key = key;
}

typedef int init_fn(void *ctx, void *provkey, const OSSL_PARAM params[]);

static int init(struct sign_ctx *ctx, init_fn *twin_init, struct key *key,
                const OSSL_PARAM params[])
{
    OSSL_PARAM *copy;
    int ok;

    if (ctx == NULL || !twin_params(&params, &copy))
        return 0;
    EVP_MD_CTX_free(ctx->mdctx);
    ctx->mdctx = NULL;
    ok = twin_init(ctx->twin, key != NULL ? key->twin : NULL, params);
    OPENSSL_free(copy);
    if (ok)
        take_key(ctx, key);
    return ok;
}

static int sign_init(void *vctx, void *provkey, const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return init(ctx, ctx->alg->twin->sign_init, provkey, params);
}

static int verify_init(void *vctx, void *provkey, const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return init(ctx, ctx->alg->twin->verify_init, provkey, params);
}

static int verify_recover_init(void *vctx, void *provkey, const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return init(ctx, ctx->alg->twin->verify_recover_init, provkey, params);
}

static int sign(void *vctx, unsigned char *sig, size_t *siglen, size_t sigsize,
                const unsigned char *tbs, size_t tbslen)
{
    struct sign_ctx *ctx = vctx;
    size_t room = sigsize;

    if (sig != NULL) {
        switch (ctx->alg->sign(ctx, sig, &room, tbs, tbslen)) {
        case OFFLOAD_DONE: *siglen = room; return 1;
        case OFFLOAD_FAILED: return 0;
        default: break;
        }
    }
    return ctx->alg->twin->sign(ctx->twin, sig, siglen, sigsize, tbs, tbslen);
}

static int verify(void *vctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs,
                  size_t tbslen)
{
    struct sign_ctx *ctx = vctx;

    if (ctx->alg->verify != NULL) {
        switch (ctx->alg->verify(ctx, sig, siglen, tbs, tbslen)) {
        case OFFLOAD_DONE: return 1;
        case OFFLOAD_REJECTED: return 0;
        case OFFLOAD_FAILED: return -1; /* which says nothing about the signature */
        default: break;
        }
    }
    return ctx->alg->twin->verify(ctx->twin, sig, siglen, tbs, tbslen);
}

static int verify_recover(void *vctx, unsigned char *rout, size_t *routlen, size_t routsize,
                          const unsigned char *sig, size_t siglen)
{
    struct sign_ctx *ctx = vctx;

    return ctx->alg->twin->verify_recover(ctx->twin, rout, routlen, routsize, sig, siglen);
}

/* The twin has settled on a digest: so must we. */
static int start_digest(struct sign_ctx *ctx, const OSSL_PARAM params[])
{
    char name[64] = "";
    OSSL_PARAM get[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, sizeof(name)),
                        OSSL_PARAM_END};
    const EVP_MD *md = NULL;

    if (ctx->alg->twin->get_ctx_params(ctx->twin, get) && name[0] != '\0')
        md = sign_digest(ctx, name);
    if (md == NULL)
        return 0;
    ctx->mdctx = EVP_MD_CTX_new();
    if (ctx->mdctx != NULL && EVP_DigestInit_ex2(ctx->mdctx, md, params))
        return 1;
    EVP_MD_CTX_free(ctx->mdctx);
    ctx->mdctx = NULL;
    return 0;
}

typedef int digest_init_fn(void *ctx, const char *mdname, void *provkey, const OSSL_PARAM params[]);

/* The second initialisation keeps key and digest of the first, see sign.h. */
static int digest_init(struct sign_ctx *ctx, digest_init_fn *twin_digest_init, init_fn *twin_init,
                       const char *mdname, struct key *key, const OSSL_PARAM params[])
{
    OSSL_PARAM *copy;
    int ok;

    if (ctx == NULL || !twin_params(&params, &copy))
        return 0;
    EVP_MD_CTX_free(ctx->mdctx);
    ctx->mdctx = NULL;
    ok = twin_digest_init(ctx->twin, mdname, key != NULL ? key->twin : NULL, params);
    if (ok) {
        take_key(ctx, key);
        ctx->settable = ctx->alg->twin->settable_ctx_params(ctx->twin, NULL);
        ok = twin_init(ctx->twin, NULL, params) && start_digest(ctx, params);
    }
    OPENSSL_free(copy);
    return ok;
}

static int digest_sign_init(void *vctx, const char *mdname, void *provkey,
                            const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return digest_init(ctx, ctx->alg->twin->digest_sign_init, ctx->alg->twin->sign_init, mdname,
                       provkey, params);
}

static int digest_verify_init(void *vctx, const char *mdname, void *provkey,
                              const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return digest_init(ctx, ctx->alg->twin->digest_verify_init, ctx->alg->twin->verify_init, mdname,
                       provkey, params);
}

static int digest_update(void *vctx, const unsigned char *data, size_t datalen)
{
    struct sign_ctx *ctx = vctx;

    return ctx != NULL && ctx->mdctx != NULL && EVP_DigestUpdate(ctx->mdctx, data, datalen);
}

static int digest_sign_final(void *vctx, unsigned char *sig, size_t *siglen, size_t sigsize)
{
    struct sign_ctx *ctx = vctx;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (ctx == NULL || ctx->mdctx == NULL ||
        (sig != NULL && !EVP_DigestFinal_ex(ctx->mdctx, digest, &len)))
        return 0;
    return sign(ctx, sig, siglen, sigsize, digest, len);
}

static int digest_verify_final(void *vctx, const unsigned char *sig, size_t siglen)
{
    struct sign_ctx *ctx = vctx;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (ctx == NULL || ctx->mdctx == NULL || !EVP_DigestFinal_ex(ctx->mdctx, digest, &len))
        return 0;
    /* Negative for some that are malformed: not a truth value. */
    return verify(ctx, sig, siglen, digest, len);
}

static int get_ctx_params(void *vctx, OSSL_PARAM *params)
{
    struct sign_ctx *ctx = vctx;

    return ctx != NULL && ctx->alg->twin->get_ctx_params(ctx->twin, params);
}

static const OSSL_PARAM *gettable_ctx_params(void *vctx, const struct sign_alg *alg)
{
    struct sign_ctx *ctx = vctx;

    return alg->twin->gettable_ctx_params(ctx != NULL ? ctx->twin : NULL, NULL);
}

/* While digesting, the digest stays what it is. */
static bool same_digest(const struct sign_ctx *ctx, const OSSL_PARAM params[])
{
    const OSSL_PARAM *name, *size;
    size_t n;

    if (ctx->mdctx == NULL || params == NULL)
        return true;
    name = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    size = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST_SIZE);
    if ((name == NULL ||
         (name->data_type == OSSL_PARAM_UTF8_STRING && EVP_MD_is_a(ctx->md, name->data))) &&
        (size == NULL ||
         (OSSL_PARAM_get_size_t(size, &n) && n == (size_t)EVP_MD_get_size(ctx->md))))
        return true;
    ERR_raise(ERR_LIB_PROV, PROV_R_DIGEST_NOT_ALLOWED);
    return false;
}

static int set_ctx_params(void *vctx, const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;
    OSSL_PARAM *copy;
    int ok;

    if (ctx == NULL || !same_digest(ctx, params) || !twin_params(&params, &copy))
        return 0;
    ok = ctx->alg->twin->set_ctx_params(ctx->twin, params);
    OPENSSL_free(copy);
    return ok;
}

static const OSSL_PARAM *settable_ctx_params(void *vctx, const struct sign_alg *alg)
{
    struct sign_ctx *ctx = vctx;

    if (ctx != NULL && ctx->mdctx != NULL)
        return ctx->settable;
    return alg->twin->settable_ctx_params(ctx != NULL ? ctx->twin : NULL, NULL);
}

/* These are called without a context, too. */
#define PARAM_LISTS(name)                                                                          \
    static const OSSL_PARAM *gettable_ctx_params_##name(void *ctx, void *provctx)                  \
    {                                                                                              \
        (void)provctx;                                                                             \
        return gettable_ctx_params(ctx, &sign_##name);                                             \
    }                                                                                              \
    static const OSSL_PARAM *settable_ctx_params_##name(void *ctx, void *provctx)                  \
    {                                                                                              \
        (void)provctx;                                                                             \
        return settable_ctx_params(ctx, &sign_##name);                                             \
    }

PARAM_LISTS(rsa)
PARAM_LISTS(ecdsa)

static int get_ctx_md_params(void *vctx, OSSL_PARAM *params)
{
    struct sign_ctx *ctx = vctx;

    return ctx->mdctx != NULL && EVP_MD_CTX_get_params(ctx->mdctx, params);
}

static const OSSL_PARAM *gettable_ctx_md_params(void *vctx)
{
    struct sign_ctx *ctx = vctx;

    return ctx->mdctx != NULL ? EVP_MD_gettable_ctx_params(EVP_MD_CTX_get0_md(ctx->mdctx)) : NULL;
}

static int set_ctx_md_params(void *vctx, const OSSL_PARAM params[])
{
    struct sign_ctx *ctx = vctx;

    return ctx->mdctx != NULL && EVP_MD_CTX_set_params(ctx->mdctx, params);
}

static const OSSL_PARAM *settable_ctx_md_params(void *vctx)
{
    struct sign_ctx *ctx = vctx;

    return ctx->mdctx != NULL ? EVP_MD_settable_ctx_params(EVP_MD_CTX_get0_md(ctx->mdctx)) : NULL;
}

#define FN(id, f)                                                                                  \
    {                                                                                              \
        OSSL_FUNC_SIGNATURE_##id, (void (*)(void))(f)                                              \
    }

#define FUNCTIONS(name)                                                                            \
    FN(NEWCTX, newctx_##name), FN(FREECTX, freectx), FN(DUPCTX, dupctx), FN(SIGN_INIT, sign_init), \
        FN(SIGN, sign), FN(VERIFY_INIT, verify_init), FN(VERIFY, verify),                          \
        FN(DIGEST_SIGN_INIT, digest_sign_init), FN(DIGEST_SIGN_UPDATE, digest_update),             \
        FN(DIGEST_SIGN_FINAL, digest_sign_final), FN(DIGEST_VERIFY_INIT, digest_verify_init),      \
        FN(DIGEST_VERIFY_UPDATE, digest_update), FN(DIGEST_VERIFY_FINAL, digest_verify_final),     \
        FN(GET_CTX_PARAMS, get_ctx_params), FN(GETTABLE_CTX_PARAMS, gettable_ctx_params_##name),   \
        FN(SET_CTX_PARAMS, set_ctx_params), FN(SETTABLE_CTX_PARAMS, settable_ctx_params_##name),   \
        FN(GET_CTX_MD_PARAMS, get_ctx_md_params),                                                  \
        FN(GETTABLE_CTX_MD_PARAMS, gettable_ctx_md_params),                                        \
        FN(SET_CTX_MD_PARAMS, set_ctx_md_params),                                                  \
        FN(SETTABLE_CTX_MD_PARAMS, settable_ctx_md_params)

const OSSL_DISPATCH signature_rsa[] = {
    FUNCTIONS(rsa),
    FN(VERIFY_RECOVER_INIT, verify_recover_init),
    FN(VERIFY_RECOVER, verify_recover),
    {0, NULL},
};

const OSSL_DISPATCH signature_ecdsa[] = {FUNCTIONS(ecdsa), {0, NULL}};
