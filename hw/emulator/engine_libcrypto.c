/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto as compute engine, in a library context of its own that holds
 * nothing but the default provider: whatever the application configures, the
 * device cannot find itself as its own cipher.
 */
#include "emulator/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include <linux/virtio_crypto.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

struct libcrypto {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
};

struct row;

struct state {
    const struct row *row;
    EVP_CIPHER_CTX *ctx;
    const uint8_t *key;
    uint32_t iv_len; /* that ctx was keyed for, CCM only */
    int tag_len;
    bool encrypt;
};

struct row {
    uint8_t service, number;
    const char *name; /* with %u: the key's bits */
    unsigned key_div; /* XTS has two keys in one */
    int (*run)(struct state *st, const struct engine_op *op);
};

/*
 * EVP_Cipher goes straight to the mode's code: no buffering, no padding, and
 * XTS steals ciphertext for a last partial block.
 */
static int run_cipher(struct state *st, const struct engine_op *op)
{
    const uint8_t *iv = op->iv_len != 0 ? op->iv : NULL;

    if (op->len == 0)
        return VIRTIO_CRYPTO_OK;
    if (iv != NULL && !EVP_CipherInit_ex2(st->ctx, NULL, NULL, iv, -1, NULL))
        return VIRTIO_CRYPTO_ERR;
    if (EVP_Cipher(st->ctx, op->dst, op->src, op->len) != (int)op->len)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* What GCM and ChaCha20-Poly1305 share, after the IV. */
static int aead_data(struct state *st, const struct engine_op *op)
{
    uint8_t none;
    int n;

    if (!st->encrypt &&
        EVP_CIPHER_CTX_ctrl(st->ctx, EVP_CTRL_AEAD_SET_TAG, st->tag_len, op->tag) <= 0)
        return VIRTIO_CRYPTO_ERR;
    if (op->aad_len != 0 && !EVP_CipherUpdate(st->ctx, NULL, &n, op->aad, (int)op->aad_len))
        return VIRTIO_CRYPTO_ERR;
    if (op->len != 0 && !EVP_CipherUpdate(st->ctx, op->dst, &n, op->src, (int)op->len))
        return VIRTIO_CRYPTO_ERR;
    if (!EVP_CipherFinal_ex(st->ctx, &none, &n))
        return st->encrypt ? VIRTIO_CRYPTO_ERR : VIRTIO_CRYPTO_BADMSG;
    if (st->encrypt &&
        EVP_CIPHER_CTX_ctrl(st->ctx, EVP_CTRL_AEAD_GET_TAG, st->tag_len, op->tag) <= 0)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

static int run_aead(struct state *st, const struct engine_op *op)
{
    if (!EVP_CipherInit_ex2(st->ctx, NULL, NULL, op->iv, -1, NULL))
        return VIRTIO_CRYPTO_ERR;
    return aead_data(st, op);
}

/*
 * CCM binds the nonce's length into the key's state, wants the tag and the
 * data length first, and verifies inside the only data update.
 */
static int run_ccm(struct state *st, const struct engine_op *op)
{
    const uint8_t *key = st->iv_len == op->iv_len ? NULL : st->key;
    uint8_t nothing = 0;
    int n;

    st->iv_len = 0;
    if (key != NULL &&
        EVP_CIPHER_CTX_ctrl(st->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)op->iv_len, NULL) <= 0)
        return VIRTIO_CRYPTO_ERR;
    if (EVP_CIPHER_CTX_ctrl(st->ctx, EVP_CTRL_AEAD_SET_TAG, st->tag_len,
                            st->encrypt ? NULL : op->tag) <= 0 ||
        !EVP_CipherInit_ex2(st->ctx, NULL, key, op->iv, -1, NULL) ||
        !EVP_CipherUpdate(st->ctx, NULL, &n, NULL, (int)op->len))
        return VIRTIO_CRYPTO_ERR;
    st->iv_len = op->iv_len;
    if (op->aad_len != 0 && !EVP_CipherUpdate(st->ctx, NULL, &n, op->aad, (int)op->aad_len))
        return VIRTIO_CRYPTO_ERR;
    /* Without data the update is still what makes or checks the tag. */
    if (!EVP_CipherUpdate(st->ctx, op->len != 0 ? op->dst : &nothing, &n,
                          op->len != 0 ? op->src : &nothing, (int)op->len))
        return st->encrypt ? VIRTIO_CRYPTO_ERR : VIRTIO_CRYPTO_BADMSG;
    if (st->encrypt &&
        EVP_CIPHER_CTX_ctrl(st->ctx, EVP_CTRL_AEAD_GET_TAG, st->tag_len, op->tag) <= 0)
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

static void libcrypto_stop(void *engine)
{
    struct libcrypto *lc = engine;

    if (lc->provider != NULL)
        OSSL_PROVIDER_unload(lc->provider);
    OSSL_LIB_CTX_free(lc->libctx);
    free(lc);
}

static void *libcrypto_start(void)
{
    struct libcrypto *lc = calloc(1, sizeof(*lc));

    if (lc == NULL)
        return NULL;
    lc->libctx = OSSL_LIB_CTX_new();
    if (lc->libctx != NULL)
        lc->provider = OSSL_PROVIDER_load(lc->libctx, "default");
    if (lc->provider == NULL) {
        libcrypto_stop(lc);
        return NULL;
    }
    return lc;
}

static void libcrypto_close(void *state)
{
    struct state *st = state;

    EVP_CIPHER_CTX_free(st->ctx);
    free(st);
}

static const struct row *row_of(const struct alg *alg)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].service == alg->service && rows[i].number == alg->number)
            return &rows[i];
    return NULL;
}

static EVP_CIPHER *fetch(const struct libcrypto *lc, const struct row *row, uint32_t key_len)
{
    char name[32];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, sizeof(name), row->name, key_len * 8 / row->key_div);
#pragma GCC diagnostic pop
    return EVP_CIPHER_fetch(lc->libctx, name, NULL);
}

static void *libcrypto_open(void *engine, const struct engine_key *key)
{
    const struct row *row = row_of(key->alg);
    EVP_CIPHER *cipher = row != NULL ? fetch(engine, row, key->key_len) : NULL;
    struct state *st = calloc(1, sizeof(*st));
    bool ok = false;

    if (cipher != NULL && st != NULL && (st->ctx = EVP_CIPHER_CTX_new()) != NULL) {
        st->row = row;
        st->key = key->key;
        st->tag_len = (int)key->tag_len;
        st->encrypt = key->encrypt;
        ok = EVP_CipherInit_ex2(st->ctx, cipher, key->key, NULL, key->encrypt, NULL);
    }
    EVP_CIPHER_free(cipher);
    if (!ok && st != NULL) {
        libcrypto_close(st);
        st = NULL;
    }
    return st;
}

static int libcrypto_run(void *state, const struct engine_op *op)
{
    struct state *st = state;

    return st->row->run(st, op);
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
    .open = libcrypto_open,
    .run = libcrypto_run,
    .close = libcrypto_close,
    .thread_end = libcrypto_thread_end,
};
