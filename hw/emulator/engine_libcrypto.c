/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto as compute engine, in a library context of its own that holds
 * nothing but the default provider: whatever the application configures, the
 * device cannot find itself as its own cipher.
 *
 * The provider's functions are called directly, not through EVP: each keyed
 * EVP_CipherInit asks for engines, which waits for the application's
 * configuration to be loaded. When that is what loads vcrypto, its thread is
 * waiting for this one to answer the self test.
 *
 * All that may raise errors is marked, for the thread may be the application's:
 * what goes wrong with one request is not to be found in its queue, where the
 * next call of libssl takes it for its own.
 */
#include "emulator/engine_libcrypto.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <linux/virtio_crypto.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "emulator/errors.h"

struct libcrypto {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    const OSSL_ALGORITHM *ciphers; /* the default provider's table */
};

/* The functions of one of its ciphers. */
struct functions {
    OSSL_FUNC_cipher_newctx_fn *newctx;
    OSSL_FUNC_cipher_freectx_fn *freectx;
    OSSL_FUNC_cipher_encrypt_init_fn *init[2]; /* decrypt, encrypt */
    OSSL_FUNC_cipher_update_fn *update;
    OSSL_FUNC_cipher_final_fn *final;
    OSSL_FUNC_cipher_cipher_fn *cipher;
    OSSL_FUNC_cipher_get_ctx_params_fn *get;
    OSSL_FUNC_cipher_set_ctx_params_fn *set;
};

struct row;

struct state {
    struct engine_libcrypto_state head;
    const struct row *row;
    struct functions fn;
    void *ctx;
    const uint8_t *key;
    uint32_t key_len;
    uint32_t iv_len; /* that ctx was keyed for, CCM only */
    uint32_t tag_len;
    bool encrypt;
};

struct row {
    uint8_t service, number;
    const char *name; /* with %u: the key's bits */
    unsigned key_div; /* XTS has two keys in one */
    int (*run)(struct state *st, const struct engine_op *op);
};

/* Either may be NULL: no change. */
static bool init(struct state *st, const uint8_t *key, const uint8_t *iv, uint32_t iv_len)
{
    return st->fn.init[st->encrypt](st->ctx, key, key != NULL ? st->key_len : 0, iv,
                                    iv != NULL ? iv_len : 0, NULL);
}

static bool set_tag(struct state *st, uint8_t *tag)
{
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, st->tag_len),
                           OSSL_PARAM_END};

    return st->fn.set(st->ctx, params);
}

static bool get_tag(struct state *st, uint8_t *tag)
{
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, st->tag_len),
                           OSSL_PARAM_END};

    return st->fn.get(st->ctx, params);
}

static bool update(struct state *st, uint8_t *dst, const uint8_t *src, size_t len)
{
    size_t n;

    return st->fn.update(st->ctx, dst, &n, len, src, len);
}

/*
 * The cipher function goes straight to the mode's code: no buffering, no
 * padding, and XTS steals ciphertext for a last partial block.
 */
static int run_cipher(struct state *st, const struct engine_op *op)
{
    size_t n;

    if (op->len == 0)
        return VIRTIO_CRYPTO_OK;
    if (op->iv_len != 0 && !init(st, NULL, op->iv, op->iv_len))
        return VIRTIO_CRYPTO_ERR;
    /* It asks for room for a block more than it writes. */
    if (!st->fn.cipher(st->ctx, op->dst, &n, (size_t)op->len + 16, op->src, op->len) ||
        n != op->len)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* GCM and ChaCha20-Poly1305. */
static int run_aead(struct state *st, const struct engine_op *op)
{
    uint8_t none;
    size_t n;

    if (!init(st, NULL, op->iv, op->iv_len) || (!st->encrypt && !set_tag(st, op->tag)))
        return VIRTIO_CRYPTO_ERR;
    if (op->aad_len != 0 && !update(st, NULL, op->aad, op->aad_len))
        return VIRTIO_CRYPTO_ERR;
    if (op->len != 0 && !update(st, op->dst, op->src, op->len))
        return VIRTIO_CRYPTO_ERR;
    if (!st->fn.final(st->ctx, &none, &n, 0))
        return st->encrypt ? VIRTIO_CRYPTO_ERR : VIRTIO_CRYPTO_BADMSG;
    if (st->encrypt && !get_tag(st, op->tag))
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/*
 * CCM binds the nonce's length into the key's state, wants the tag and the
 * data length first, and verifies inside the only data update.
 */
static int run_ccm(struct state *st, const struct engine_op *op)
{
    const uint8_t *key = st->iv_len == op->iv_len ? NULL : st->key;
    size_t iv_len = op->iv_len;
    OSSL_PARAM length[] = {OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &iv_len),
                           OSSL_PARAM_END};
    uint8_t nothing = 0;

    st->iv_len = 0;
    if (key != NULL && !st->fn.set(st->ctx, length))
        return VIRTIO_CRYPTO_ERR;
    if (!set_tag(st, st->encrypt ? NULL : op->tag) || !init(st, key, op->iv, op->iv_len) ||
        !update(st, NULL, NULL, op->len))
        return VIRTIO_CRYPTO_ERR;
    st->iv_len = op->iv_len;
    if (op->aad_len != 0 && !update(st, NULL, op->aad, op->aad_len))
        return VIRTIO_CRYPTO_ERR;
    /* Without data the update is still what makes or checks the tag. */
    if (!update(st, op->len != 0 ? op->dst : &nothing, op->len != 0 ? op->src : &nothing, op->len))
        return st->encrypt ? VIRTIO_CRYPTO_ERR : VIRTIO_CRYPTO_BADMSG;
    if (st->encrypt && !get_tag(st, op->tag))
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

#define CIPHER(n) VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_##n
#define AEAD(n)   VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_##n

static const struct row rows[] = {
    {CIPHER(AES_ECB), "AES-%u-ECB", 1, run_cipher},
    {CIPHER(AES_CBC), "AES-%u-CBC", 1, run_cipher},
    {CIPHER(AES_CTR), "AES-%u-CTR", 1, run_cipher},
    {CIPHER(AES_XTS), "AES-%u-XTS", 2, run_cipher},
    {AEAD(GCM), "AES-%u-GCM", 1, run_aead},
    {AEAD(CCM), "AES-%u-CCM", 1, run_ccm},
    {AEAD(CHACHA20_POLY1305), "ChaCha20-Poly1305", 1, run_aead},
};

/*
 * One for the whole process, and never freed: each thread that needed random
 * numbers has a generator in it, which libcrypto ends with the thread. That may
 * be the application's, where it rang the doorbell, and outlive the function.
 *
 * A forked child makes its own, and only keeps the parent's.
 */
struct context {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    struct context *older; /* the parent's */
};

static struct {
    pthread_mutex_t lock;
    struct context *now;
    bool inherited;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Lock held. */
static struct context *own_context(void)
{
    struct context *c;

    if (shared.now != NULL && !shared.inherited)
        return shared.now;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->older = shared.now;
    shared.now = c;
    shared.inherited = false;
    return c;
}

static void take_shared(struct libcrypto *lc)
{
    struct context *c;

    pthread_mutex_lock(&shared.lock);
    c = own_context();
    if (c != NULL && c->libctx == NULL)
        c->libctx = OSSL_LIB_CTX_new();
    if (c != NULL && c->libctx != NULL && c->provider == NULL)
        c->provider = OSSL_PROVIDER_load(c->libctx, "default");
    if (c != NULL) {
        lc->libctx = c->libctx;
        lc->provider = c->provider;
    }
    pthread_mutex_unlock(&shared.lock);
}

/* Nobody held the lock, but for a fork that ran out of patience. */
static void libcrypto_forked(void)
{
    pthread_mutex_init(&shared.lock, NULL);
    shared.inherited = true;
}

static void libcrypto_stop(void *engine)
{
    struct libcrypto *lc = engine;

    if (lc->ciphers != NULL)
        OSSL_PROVIDER_unquery_operation(lc->provider, OSSL_OP_CIPHER, lc->ciphers);
    free(lc);
}

static void *libcrypto_start(unsigned workers)
{
    struct libcrypto *lc = calloc(1, sizeof(*lc));
    int no_cache;

    (void)workers;
    if (lc == NULL)
        return NULL;
    errors_mark();
    take_shared(lc);
    if (lc->provider != NULL)
        lc->ciphers = OSSL_PROVIDER_query_operation(lc->provider, OSSL_OP_CIPHER, &no_cache);
    errors_unmark();
    if (lc->ciphers == NULL) {
        libcrypto_stop(lc);
        return NULL;
    }
    return lc;
}

static void close_state(void *state)
{
    struct state *st = state;

    if (st->ctx != NULL)
        st->fn.freectx(st->ctx);
    free(st);
}

static const struct row *row_of(const struct alg *alg)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].service == alg->service && rows[i].number == alg->number)
            return &rows[i];
    return NULL;
}

#define TAKE(id, member, name)                                                                     \
    case OSSL_FUNC_CIPHER_##id: fn->member = OSSL_FUNC_cipher_##name(d); break

static bool take_functions(const OSSL_DISPATCH *d, struct functions *fn)
{
    for (; d->function_id != 0; d++) {
        switch (d->function_id) {
            TAKE(NEWCTX, newctx, newctx);
            TAKE(FREECTX, freectx, freectx);
            TAKE(DECRYPT_INIT, init[0], decrypt_init);
            TAKE(ENCRYPT_INIT, init[1], encrypt_init);
            TAKE(UPDATE, update, update);
            TAKE(FINAL, final, final);
            TAKE(CIPHER, cipher, cipher);
            TAKE(GET_CTX_PARAMS, get, get_ctx_params);
            TAKE(SET_CTX_PARAMS, set, set_ctx_params);
        default: break;
        }
    }
    return fn->newctx != NULL && fn->freectx != NULL && fn->init[0] != NULL &&
           fn->init[1] != NULL && fn->update != NULL && fn->final != NULL && fn->cipher != NULL &&
           fn->get != NULL && fn->set != NULL;
}

/* The cipher of a row for this key length, by the first of its names. */
static bool find(const struct libcrypto *lc, const struct row *row, uint32_t key_len,
                 struct functions *fn)
{
    char name[32];
    size_t len;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, sizeof(name), row->name, key_len * 8 / row->key_div);
#pragma GCC diagnostic pop
    len = strlen(name);
    for (const OSSL_ALGORITHM *a = lc->ciphers; a->algorithm_names != NULL; a++)
        if (strcspn(a->algorithm_names, ":") == len &&
            strncasecmp(a->algorithm_names, name, len) == 0)
            return take_functions(a->implementation, fn);
    return false;
}

static int run_symmetric(void *state, struct engine_task *task)
{
    struct state *st = state;

    return st->row->run(st, &task->op);
}

static void *open_symmetric(const struct libcrypto *lc, const struct engine_key *key)
{
    const struct row *row = row_of(key->alg);
    struct state *st = calloc(1, sizeof(*st));

    if (st == NULL)
        return NULL;
    st->head.close = close_state;
    st->head.run = run_symmetric;
    st->row = row;
    st->key = key->key;
    st->key_len = key->key_len;
    st->tag_len = key->tag_len;
    st->encrypt = key->encrypt;
    if (row != NULL && find(lc, row, key->key_len, &st->fn))
        st->ctx = st->fn.newctx(OSSL_PROVIDER_get0_provider_ctx(lc->provider));
    if (st->ctx == NULL || !init(st, st->key, NULL, 0)) {
        close_state(st);
        return NULL;
    }
    return st;
}

static void *libcrypto_open(void *engine, const struct engine_key *key)
{
    const struct libcrypto *lc = engine;
    void *state;

    errors_mark();
    if (key->alg->service == VIRTIO_CRYPTO_SERVICE_AKCIPHER)
        state = engine_libcrypto_ak_open(lc->libctx, key);
    else
        state = open_symmetric(lc, key);
    errors_unmark();
    return state;
}

static void libcrypto_close(void *state)
{
    struct engine_libcrypto_state *head = state;

    head->close(state);
}

/* What no other engine does is done here. */
static unsigned libcrypto_least(void *engine, const struct engine_key *key)
{
    (void)engine;
    (void)key;
    return 1;
}

static void libcrypto_run(void *engine, unsigned worker, struct engine_task *const *tasks,
                          unsigned n)
{
    (void)engine;
    (void)worker;
    errors_mark();
    for (unsigned i = 0; i < n; i++) {
        struct engine_libcrypto_state *head = tasks[i]->state;

        tasks[i]->status = head->run(head, tasks[i]);
        /* At once: the queue is short, and the mark is lost when it is full. */
        if (tasks[i]->status != VIRTIO_CRYPTO_OK) {
            errors_unmark();
            errors_mark();
        }
    }
    errors_unmark();
}

/* Thread-local data of libcrypto would else live until the process ends. */
static void libcrypto_thread_end(void)
{
    OPENSSL_thread_stop();
}

const struct engine_ops engine_libcrypto = {
    .name = "libcrypto",
    .start = libcrypto_start,
    .stop = libcrypto_stop,
    .least = libcrypto_least,
    .open = libcrypto_open,
    .run = libcrypto_run,
    .close = libcrypto_close,
    .thread_end = libcrypto_thread_end,
    .forked = libcrypto_forked,
};
