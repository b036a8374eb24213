/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default provider's functions for asymmetric keys. Keys, signature
 * contexts and the like of ours each wrap one of the default provider's, their
 * twin, made in the library context of struct software.
 *
 * Some of the functions that a key management offers are called without any
 * context, so the tables are the process's: libcrypto has one default
 * provider, and its functions are the same in each library context.
 */
#ifndef VCRYPTO_TWIN_ASYM_H
#define VCRYPTO_TWIN_ASYM_H

#include <openssl/core_dispatch.h>
#include <openssl/params.h>
#include <stdbool.h>

struct software;

enum key_type { KEY_RSA, KEY_RSA_PSS, KEY_EC, KEY_TYPES };

struct twin_keymgmt {
    OSSL_FUNC_keymgmt_new_fn *new;
    OSSL_FUNC_keymgmt_free_fn *free;
    OSSL_FUNC_keymgmt_gen_init_fn *gen_init;
    OSSL_FUNC_keymgmt_gen_set_template_fn *gen_set_template; /* EC */
    OSSL_FUNC_keymgmt_gen_set_params_fn *gen_set_params;
    OSSL_FUNC_keymgmt_gen_settable_params_fn *gen_settable_params;
    OSSL_FUNC_keymgmt_gen_fn *gen;
    OSSL_FUNC_keymgmt_gen_cleanup_fn *gen_cleanup;
    OSSL_FUNC_keymgmt_get_params_fn *get_params;
    OSSL_FUNC_keymgmt_gettable_params_fn *gettable_params;
    OSSL_FUNC_keymgmt_set_params_fn *set_params;                     /* EC */
    OSSL_FUNC_keymgmt_settable_params_fn *settable_params;           /* EC */
    OSSL_FUNC_keymgmt_query_operation_name_fn *query_operation_name; /* not RSA */
    OSSL_FUNC_keymgmt_has_fn *has;
    OSSL_FUNC_keymgmt_validate_fn *validate;
    OSSL_FUNC_keymgmt_match_fn *match;
    OSSL_FUNC_keymgmt_import_fn *import;
    OSSL_FUNC_keymgmt_import_types_fn *import_types;
    OSSL_FUNC_keymgmt_export_fn *export;
    OSSL_FUNC_keymgmt_export_types_fn *export_types;
    OSSL_FUNC_keymgmt_dup_fn *dup;
};

struct twin_signature {
    OSSL_FUNC_signature_newctx_fn *newctx;
    OSSL_FUNC_signature_freectx_fn *freectx;
    OSSL_FUNC_signature_dupctx_fn *dupctx;
    OSSL_FUNC_signature_sign_init_fn *sign_init;
    OSSL_FUNC_signature_sign_fn *sign;
    OSSL_FUNC_signature_verify_init_fn *verify_init;
    OSSL_FUNC_signature_verify_fn *verify;
    OSSL_FUNC_signature_verify_recover_init_fn *verify_recover_init; /* RSA */
    OSSL_FUNC_signature_verify_recover_fn *verify_recover;           /* RSA */
    OSSL_FUNC_signature_digest_sign_init_fn *digest_sign_init;
    OSSL_FUNC_signature_digest_verify_init_fn *digest_verify_init;
    OSSL_FUNC_signature_get_ctx_params_fn *get_ctx_params;
    OSSL_FUNC_signature_gettable_ctx_params_fn *gettable_ctx_params;
    OSSL_FUNC_signature_set_ctx_params_fn *set_ctx_params;
    OSSL_FUNC_signature_settable_ctx_params_fn *settable_ctx_params;
};

struct twin_asym_cipher {
    OSSL_FUNC_asym_cipher_newctx_fn *newctx;
    OSSL_FUNC_asym_cipher_freectx_fn *freectx;
    OSSL_FUNC_asym_cipher_dupctx_fn *dupctx;
    OSSL_FUNC_asym_cipher_encrypt_init_fn *encrypt_init;
    OSSL_FUNC_asym_cipher_encrypt_fn *encrypt;
    OSSL_FUNC_asym_cipher_decrypt_init_fn *decrypt_init;
    OSSL_FUNC_asym_cipher_decrypt_fn *decrypt;
    OSSL_FUNC_asym_cipher_get_ctx_params_fn *get_ctx_params;
    OSSL_FUNC_asym_cipher_gettable_ctx_params_fn *gettable_ctx_params;
    OSSL_FUNC_asym_cipher_set_ctx_params_fn *set_ctx_params;
    OSSL_FUNC_asym_cipher_settable_ctx_params_fn *settable_ctx_params;
};

struct twin_exchange {
    OSSL_FUNC_keyexch_newctx_fn *newctx;
    OSSL_FUNC_keyexch_freectx_fn *freectx;
    OSSL_FUNC_keyexch_dupctx_fn *dupctx;
    OSSL_FUNC_keyexch_init_fn *init;
    OSSL_FUNC_keyexch_derive_fn *derive;
    OSSL_FUNC_keyexch_set_peer_fn *set_peer;
    OSSL_FUNC_keyexch_get_ctx_params_fn *get_ctx_params;
    OSSL_FUNC_keyexch_gettable_ctx_params_fn *gettable_ctx_params;
    OSSL_FUNC_keyexch_set_ctx_params_fn *set_ctx_params;
    OSSL_FUNC_keyexch_settable_ctx_params_fn *settable_ctx_params;
};

struct twins {
    struct twin_keymgmt keymgmt[KEY_TYPES];
    struct twin_signature rsa_signature, ecdsa;
    struct twin_asym_cipher rsa_cipher;
    struct twin_exchange ecdh;
};

/* Written by the first twins_open, read-only from then on. */
extern struct twins twins;

/* Finds the functions. False where the default provider lacks one. */
bool twins_open(const struct software *sw);

/*
 * Parameters as a twin may have them: its library context knows no provider
 * but the default one, so property queries are left out. *params is exchanged
 * for *copy, to be given to OPENSSL_free, where there are some; otherwise *copy
 * is NULL. False: no memory, an error is raised.
 */
bool twin_params(const OSSL_PARAM **params, OSSL_PARAM **copy);

#endif
