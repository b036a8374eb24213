/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Software: the default provider in a library context of our own, so that
 * nothing fetched there can be one of our own algorithms. All providers of a
 * process share it.
 *
 * Its functions are called directly, without the EVP layer between: operations
 * that are too small for the device must cost as little as if the application
 * had used the default provider.
 */
#ifndef VCRYPTO_SOFTWARE_H
#define VCRYPTO_SOFTWARE_H

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw.h"

struct software {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *provider;
    void *provctx;
    const OSSL_ALGORITHM *ciphers; /* the default provider's table */
};

/* 0 without an error in the queue beyond libcrypto's own. */
int software_open(struct software *sw);
void software_close(struct software *sw);

/* The functions of one of the default provider's ciphers. */
struct software_cipher {
    void *provctx;
    OSSL_FUNC_cipher_newctx_fn *newctx;
    OSSL_FUNC_cipher_freectx_fn *freectx;
    OSSL_FUNC_cipher_dupctx_fn *dupctx;
    OSSL_FUNC_cipher_encrypt_init_fn *encrypt_init;
    OSSL_FUNC_cipher_decrypt_init_fn *decrypt_init;
    OSSL_FUNC_cipher_update_fn *update;
    OSSL_FUNC_cipher_final_fn *final;
    OSSL_FUNC_cipher_cipher_fn *cipher;
    OSSL_FUNC_cipher_get_ctx_params_fn *get_ctx_params;
    OSSL_FUNC_cipher_set_ctx_params_fn *set_ctx_params;
};

/* names as in OSSL_ALGORITHM; 0 where the default provider lacks it. */
int software_cipher_find(const struct software *sw, const char *names, struct software_cipher *out);

/*
 * The software twin of a cipher context: made at first use, then kept. It
 * remembers which IV it stands at, so that a run of software operations sets
 * none.
 */
struct twin {
    void *ctx;
    bool keyed; /* has the context's present key */
    bool encrypting;
    bool iv_lost; /* iv is not where it stands */
    uint8_t iv[HW_IV_MAX];
};

/* Brings the twin to the given key and direction, and to iv unless that is
 * NULL (iv_len may then be anything). Where it is already there, nothing is
 * done; AEAD contexts need twin_restart for a message's IV. */
int twin_ready(struct twin *t, const struct software_cipher *sc, const struct hw_key *key,
               bool encrypting, const uint8_t *iv, size_t iv_len);
/* Sets the IV even where the twin stands at it. */
int twin_restart(struct twin *t, const struct software_cipher *sc, const struct hw_key *key,
                 bool encrypting, const uint8_t *iv, size_t iv_len);
/* Raw, without padding or buffering. AEAD: out == NULL is AAD. */
int twin_run(struct twin *t, const struct software_cipher *sc, uint8_t *out, const uint8_t *in,
             size_t len);
/* The context has a new key. */
void twin_forget(struct twin *t);
void twin_free(struct twin *t, const struct software_cipher *sc);

#endif
