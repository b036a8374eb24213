/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters that AES-CCM and ChaCha20-Poly1305 answer to. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "cipher.h"

#define COMMON_GETTABLE                                                                            \
    OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),                                             \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),                                          \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),                                    \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),                              \
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL)

#define COMMON_SETTABLE                                                                            \
    OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),                                  \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL, 0),                         \
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, 0)

#define TABLE(name, ...)                                                                           \
    const OSSL_PARAM *name(void *cctx, void *provctx)                                              \
    {                                                                                              \
        static const OSSL_PARAM table[] = {__VA_ARGS__, OSSL_PARAM_END};                           \
                                                                                                   \
        (void)cctx;                                                                                \
        (void)provctx;                                                                             \
        return table;                                                                              \
    }

TABLE(cipher_ccm_gettable_ctx_params, COMMON_GETTABLE,
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, NULL, 0),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_GET_IV_GEN, NULL, 0))

TABLE(cipher_ccm_settable_ctx_params, COMMON_SETTABLE,
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL))

TABLE(cipher_chacha_gettable_ctx_params, COMMON_GETTABLE)

TABLE(cipher_chacha_settable_ctx_params, COMMON_SETTABLE,
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
      OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL))
