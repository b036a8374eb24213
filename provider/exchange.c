/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDH in software: devices do not do it. But EC keys are made here when the
 * application prefers this provider, and without an exchange beside them each
 * handshake would export its key to the default provider.
 *
 * A context is the default provider's own; what differs are the keys.
 */
#include "exchange.h"

#include <openssl/crypto.h>

#include "key.h"
#include "provider.h"

static void *newctx(void *provctx)
{
    struct provctx *prov = provctx;

    return twins.ecdh.newctx(prov->software.provctx);
}

static void *dupctx(void *ctx)
{
    return twins.ecdh.dupctx(ctx);
}

static void freectx(void *ctx)
{
    twins.ecdh.freectx(ctx);
}

static int init(void *ctx, void *provkey, const OSSL_PARAM params[])
{
    struct key *key = provkey;
    OSSL_PARAM *copy;
    int ok;

    if (!twin_params(&params, &copy))
        return 0;
    ok = twins.ecdh.init(ctx, key != NULL ? key->twin : NULL, params);
    OPENSSL_free(copy);
    return ok;
}

static int set_peer(void *ctx, void *provkey)
{
    struct key *key = provkey;

    return twins.ecdh.set_peer(ctx, key != NULL ? key->twin : NULL);
}

static int derive(void *ctx, unsigned char *secret, size_t *secretlen, size_t outlen)
{
    return twins.ecdh.derive(ctx, secret, secretlen, outlen);
}

static int get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    return twins.ecdh.get_ctx_params(ctx, params);
}

static int set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    OSSL_PARAM *copy;
    int ok;

    if (!twin_params(&params, &copy))
        return 0;
    ok = twins.ecdh.set_ctx_params(ctx, params);
    OPENSSL_free(copy);
    return ok;
}

static const OSSL_PARAM *gettable_ctx_params(void *ctx, void *provctx)
{
    struct provctx *prov = provctx;

    return twins.ecdh.gettable_ctx_params(ctx, prov->software.provctx);
}

static const OSSL_PARAM *settable_ctx_params(void *ctx, void *provctx)
{
    struct provctx *prov = provctx;

    return twins.ecdh.settable_ctx_params(ctx, prov->software.provctx);
}

#define FN(id, f)                                                                                  \
    {                                                                                              \
        OSSL_FUNC_KEYEXCH_##id, (void (*)(void))(f)                                                \
    }

const OSSL_DISPATCH exchange_ecdh[] = {
    FN(NEWCTX, newctx),
    FN(FREECTX, freectx),
    FN(DUPCTX, dupctx),
    FN(INIT, init),
    FN(SET_PEER, set_peer),
    FN(DERIVE, derive),
    FN(GET_CTX_PARAMS, get_ctx_params),
    FN(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    FN(SET_CTX_PARAMS, set_ctx_params),
    FN(SETTABLE_CTX_PARAMS, settable_ctx_params),
    {0, NULL},
};
