/* SPDX-License-Identifier: Apache-2.0 */
#include "software.h"

#include <string.h>

#include <openssl/core_names.h>
#include <pthread.h>

#define FUNC(id, member, getter)                                                                   \
    case id: out->member = getter(d); break

/*
 * One for the whole process, and never freed: each thread that needed random
 * numbers has a generator in it, which libcrypto ends with the thread, however
 * long after the provider has gone.
 */
static struct {
    pthread_mutex_t lock;
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool take_shared(struct software *sw)
{
    pthread_mutex_lock(&shared.lock);
    if (shared.libctx == NULL)
        shared.libctx = OSSL_LIB_CTX_new();
    if (shared.libctx != NULL && shared.provider == NULL)
        shared.provider = OSSL_PROVIDER_load(shared.libctx, "default");
    sw->libctx = shared.libctx;
    sw->provider = shared.provider;
    pthread_mutex_unlock(&shared.lock);
    return sw->provider != NULL;
}

int software_open(struct software *sw)
{
    int no_cache = 0;

    if (!take_shared(sw))
        return 0;
    sw->provctx = OSSL_PROVIDER_get0_provider_ctx(sw->provider);
    sw->ciphers = OSSL_PROVIDER_query_operation(sw->provider, OSSL_OP_CIPHER, &no_cache);
    return sw->ciphers != NULL;
}

void software_close(struct software *sw)
{
    if (sw->ciphers != NULL)
        OSSL_PROVIDER_unquery_operation(sw->provider, OSSL_OP_CIPHER, sw->ciphers);
    memset(sw, 0, sizeof(*sw));
}

static void take_functions(const OSSL_DISPATCH *d, struct software_cipher *out)
{
    for (; d->function_id != 0; d++) {
        switch (d->function_id) {
            FUNC(OSSL_FUNC_CIPHER_NEWCTX, newctx, OSSL_FUNC_cipher_newctx);
            FUNC(OSSL_FUNC_CIPHER_FREECTX, freectx, OSSL_FUNC_cipher_freectx);
            FUNC(OSSL_FUNC_CIPHER_DUPCTX, dupctx, OSSL_FUNC_cipher_dupctx);
            FUNC(OSSL_FUNC_CIPHER_ENCRYPT_INIT, encrypt_init, OSSL_FUNC_cipher_encrypt_init);
            FUNC(OSSL_FUNC_CIPHER_DECRYPT_INIT, decrypt_init, OSSL_FUNC_cipher_decrypt_init);
            FUNC(OSSL_FUNC_CIPHER_UPDATE, update, OSSL_FUNC_cipher_update);
            FUNC(OSSL_FUNC_CIPHER_FINAL, final, OSSL_FUNC_cipher_final);
            FUNC(OSSL_FUNC_CIPHER_CIPHER, cipher, OSSL_FUNC_cipher_cipher);
            FUNC(OSSL_FUNC_CIPHER_GET_CTX_PARAMS, get_ctx_params, OSSL_FUNC_cipher_get_ctx_params);
            FUNC(OSSL_FUNC_CIPHER_SET_CTX_PARAMS, set_ctx_params, OSSL_FUNC_cipher_set_ctx_params);
        default: break;
        }
    }
}

/* Whether two colon-separated lists begin with the same name. */
static bool same_first_name(const char *a, const char *b)
{
    size_t len = strcspn(a, ":");

    return len == strcspn(b, ":") && strncmp(a, b, len) == 0;
}

int software_cipher_find(const struct software *sw, const char *names, struct software_cipher *out)
{
    memset(out, 0, sizeof(*out));
    for (const OSSL_ALGORITHM *a = sw->ciphers; a->algorithm_names != NULL; a++) {
        if (!same_first_name(a->algorithm_names, names))
            continue;
        out->provctx = sw->provctx;
        take_functions(a->implementation, out);
        break;
    }
    return out->newctx != NULL && out->freectx != NULL && out->dupctx != NULL &&
           out->encrypt_init != NULL && out->decrypt_init != NULL && out->update != NULL &&
           out->final != NULL && out->cipher != NULL && out->get_ctx_params != NULL &&
           out->set_ctx_params != NULL;
}

static int twin_init(struct twin *t, const struct software_cipher *sc, const struct hw_key *key,
                     bool encrypting, const uint8_t *iv, size_t iv_len)
{
    const void *bytes = key != NULL ? hw_key_bytes(key) : NULL;
    size_t len = key != NULL ? hw_key_len(key) : 0;

    if (iv == NULL)
        iv_len = 0;
    if (!(encrypting ? sc->encrypt_init : sc->decrypt_init)(t->ctx, bytes, len, iv, iv_len, NULL))
        return 0;
    if (key != NULL)
        t->keyed = true;
    t->encrypting = encrypting;
    t->iv_lost = false;
    if (iv_len != 0 && iv_len <= sizeof(t->iv))
        memcpy(t->iv, iv, iv_len);
    return 1;
}

/* The block modes schedule the key for one direction. */
static bool has_key(const struct twin *t, bool encrypting)
{
    return t->keyed && t->encrypting == encrypting;
}

static int has_context(struct twin *t, const struct software_cipher *sc)
{
    if (t->ctx == NULL)
        t->ctx = sc->newctx(sc->provctx);
    return t->ctx != NULL;
}

int twin_ready(struct twin *t, const struct software_cipher *sc, const struct hw_key *key,
               bool encrypting, const uint8_t *iv, size_t iv_len)
{
    if (has_key(t, encrypting)) {
        if (iv == NULL || (!t->iv_lost && memcmp(t->iv, iv, iv_len) == 0))
            return 1;
        key = NULL;
    }
    return has_context(t, sc) && twin_init(t, sc, key, encrypting, iv, iv_len);
}

int twin_restart(struct twin *t, const struct software_cipher *sc, const struct hw_key *key,
                 bool encrypting, const uint8_t *iv, size_t iv_len)
{
    return has_context(t, sc) &&
           twin_init(t, sc, has_key(t, encrypting) ? NULL : key, encrypting, iv, iv_len);
}

int twin_run(struct twin *t, const struct software_cipher *sc, uint8_t *out, const uint8_t *in,
             size_t len)
{
    size_t done = 0;

    return sc->cipher(t->ctx, out, &done, len, in, len);
}

void twin_forget(struct twin *t)
{
    t->keyed = false;
}

void twin_free(struct twin *t, const struct software_cipher *sc)
{
    if (t->ctx != NULL)
        sc->freectx(t->ctx);
    t->ctx = NULL;
    t->keyed = false;
}
