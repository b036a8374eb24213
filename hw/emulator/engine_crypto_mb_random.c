/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers by libcrypto, in a library context of their own, so that
 * nothing that the application configures is found, and by a generator of
 * their own: those of RAND_priv_bytes_ex hang from threads, and a thread of the
 * application's may outlive the library context.
 */
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "emulator/engine_crypto_mb.h"
#include "emulator/errors.h"

#define STRENGTH 256

struct crypto_mb_random {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    EVP_RAND_CTX *ctx;
};

void crypto_mb_random_free(struct crypto_mb_random *r)
{
    if (r == NULL)
        return;
    EVP_RAND_CTX_free(r->ctx);
    if (r->provider != NULL)
        OSSL_PROVIDER_unload(r->provider);
    OSSL_LIB_CTX_free(r->libctx);
    free(r);
}

/* It takes its entropy from the system, and again in a forked child. */
static EVP_RAND_CTX *generator(OSSL_LIB_CTX *libctx)
{
    char cipher[] = "AES-256-CTR";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
                           OSSL_PARAM_END};
    EVP_RAND *rand = EVP_RAND_fetch(libctx, "CTR-DRBG", NULL);
    EVP_RAND_CTX *ctx = rand != NULL ? EVP_RAND_CTX_new(rand, NULL) : NULL;

    EVP_RAND_free(rand);
    params[0].data_size = sizeof(cipher) - 1;
    if (ctx == NULL || EVP_RAND_instantiate(ctx, STRENGTH, 0, NULL, 0, params) == 1)
        return ctx;
    EVP_RAND_CTX_free(ctx);
    return NULL;
}

struct crypto_mb_random *crypto_mb_random_new(void)
{
    struct crypto_mb_random *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    errors_mark();
    r->libctx = OSSL_LIB_CTX_new();
    if (r->libctx != NULL)
        r->provider = OSSL_PROVIDER_load(r->libctx, "default");
    if (r->provider != NULL)
        r->ctx = generator(r->libctx);
    errors_unmark();
    if (r->ctx != NULL)
        return r;
    crypto_mb_random_free(r);
    return NULL;
}

bool crypto_mb_random_bytes(struct crypto_mb_random *r, void *out, size_t len)
{
    bool ok;

    errors_mark();
    ok = EVP_RAND_generate(r->ctx, out, len, STRENGTH, 0, NULL, 0) == 1;
    errors_unmark();
    return ok;
}
