/* SPDX-License-Identifier: Apache-2.0 */
/* A cipher's functions below EVP: what EVP sees to itself, or hides. */
#ifndef TEST_FUNCTIONS_H
#define TEST_FUNCTIONS_H

#include <openssl/core_dispatch.h>

#include "support.h"

struct functions {
    OSSL_FUNC_cipher_newctx_fn *newctx;
    OSSL_FUNC_cipher_freectx_fn *freectx;
    OSSL_FUNC_cipher_dupctx_fn *dupctx;
    OSSL_FUNC_cipher_encrypt_init_fn *einit;
    OSSL_FUNC_cipher_update_fn *update;
    OSSL_FUNC_cipher_final_fn *final;
    OSSL_FUNC_cipher_cipher_fn *cipher;
    OSSL_FUNC_cipher_get_ctx_params_fn *get;
};

/* Ours; all of them are there, or the test has failed. */
void functions_take(const struct support *s, const char *name, struct functions *f);

#endif
