/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all ciphers share, and the functions that the rows of algorithms.c
 * name. Their prototypes are OpenSSL's (provider-cipher(7)).
 *
 * Contexts: struct cipher begins all of them. struct cipher_plain is the one
 * of ECB, CBC, CTR and XTS; AEAD modes have their own.
 */
#ifndef VCRYPTO_CIPHER_H
#define VCRYPTO_CIPHER_H

#include <openssl/core_dispatch.h>
#include <stdbool.h>
#include <stdint.h>

#include "algorithms.h"
#include "offload.h"
#include "software.h"

#define CIPHER_BLOCK 16

struct cipher {
    struct provctx *prov;
    const struct algorithm *alg;
    struct offload *offload;
    struct hw_key *key; /* NULL: none set */
    struct twin twin;
    bool encrypting;
};

struct cipher_plain {
    struct cipher base;
    /*
     * Not NULL: whole blocks may go straight to this function of the twin's.
     * Nothing is kept back then, no record is expected, and the twin alone knows
     * the IV: cipher_plain_undirect comes before all that needs one.
     */
    OSSL_FUNC_cipher_cipher_fn *direct;
    size_t min_bytes; /* while direct is set: in this direction */
    bool pad;
    bool iv_set;
    bool lost;    /* an update has failed: no way on, but an init that says where to begin */
    unsigned num; /* CTR: how much of the block in buf is used up */
    unsigned tls_version; /* not 0: each update is a TLS record */
    size_t tls_mac_size;
    const uint8_t *tls_mac; /* of the last record, in the twin or in the record */
    size_t buf_len;
    uint8_t oiv[CIPHER_BLOCK];  /* as given to init */
    uint8_t iv[CIPHER_BLOCK];   /* for the next block */
    uint8_t buf[CIPHER_BLOCK];  /* block modes: input kept back; CTR: keystream */
    uint8_t next[CIPHER_BLOCK]; /* iv after the request in flight */
};

int cipher_get_params(const struct algorithm_info *info, OSSL_PARAM params[]);
OSSL_FUNC_cipher_gettable_params_fn cipher_gettable_params;

/* For the modes' own use. */

/* A context of size bytes, zeroed but for struct cipher; NULL with an error. */
void *cipher_new(struct provctx *prov, const struct algorithm *alg, size_t size);
/* The same with the bytes of another: the key is shared, twin and offload are not. */
void *cipher_dup(const struct cipher *from, size_t size);
void cipher_free(struct cipher *c, size_t size);
/*
 * An init's key, in two steps: what can fail comes before anything has changed,
 * or the next message would have the old key with the new IV. made is a reference
 * of the caller's, or NULL where key is. Equal key bytes keep the key handle, and
 * so its device sessions. False with an error.
 */
bool cipher_make_key(const struct cipher *c, const uint8_t *key, size_t len, struct hw_key **made);
/* made's reference is the context's; NULL: the key stays. */
void cipher_take_key(struct cipher *c, struct hw_key *made);
/* A request for len bytes with key, direction and iv filled in, everything else
 * of the caller's part empty; NULL: software. */
struct hw_request *cipher_request(struct cipher *c, size_t len, const uint8_t *iv, size_t iv_len);
/* CIPHER_OPERATION_FAILED, unless something is in the queue that says more. */
int cipher_fail(void);

/* What follows goes straight to the twin, if it stands where the context does
 * and nothing else is in the way. */
void cipher_plain_go_direct(struct cipher_plain *c);
/* The IV, and all else, is the context's again. */
void cipher_plain_undirect(struct cipher_plain *c);
/* The same where the IV is about to be replaced. */
void cipher_plain_drop_direct(struct cipher_plain *c);

/* Where the twin, which has been used, keeps the IV for its next block. */
const uint8_t *cipher_plain_twin_iv(const struct cipher_plain *c);

/* Whole blocks, at least one, without buffering or padding (CBC, ECB); out may
 * be in. 0 with an error. */
int cipher_block_run(struct cipher_plain *c, uint8_t *out, const uint8_t *in, size_t len);
/* One TLS record (CBC, ECB) in place. */
int cipher_tls_record(struct cipher_plain *c, uint8_t *out, size_t *outl, size_t outsize,
                      const uint8_t *in, size_t inl);

/* ECB, CBC, CTR, XTS */
void *cipher_plain_newctx(struct provctx *prov, const struct algorithm *alg);
OSSL_FUNC_cipher_freectx_fn cipher_plain_freectx;
OSSL_FUNC_cipher_dupctx_fn cipher_plain_dupctx;
OSSL_FUNC_cipher_encrypt_init_fn cipher_plain_einit;
OSSL_FUNC_cipher_decrypt_init_fn cipher_plain_dinit;
/* False with an error. */
bool cipher_plain_fits_iv(const struct cipher_plain *c, size_t len);
void cipher_plain_set_iv(struct cipher_plain *c, const uint8_t *iv);
/* An init has failed, 0: nothing has changed, unless EVP has turned to the other
 * direction meanwhile; then nothing goes on. */
int cipher_plain_not_begun(struct cipher_plain *c, bool encrypting);
/* 0 with an error: there is no key, or an update has failed. */
int cipher_plain_ready(const struct cipher_plain *c);
OSSL_FUNC_cipher_get_ctx_params_fn cipher_plain_get_ctx_params;
OSSL_FUNC_cipher_set_ctx_params_fn cipher_plain_set_ctx_params;
OSSL_FUNC_cipher_gettable_ctx_params_fn cipher_plain_gettable_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn cipher_plain_settable_ctx_params;

/* ECB, CBC */
OSSL_FUNC_cipher_update_fn cipher_block_update;
OSSL_FUNC_cipher_final_fn cipher_block_final;
OSSL_FUNC_cipher_cipher_fn cipher_block_cipher;

OSSL_FUNC_cipher_update_fn cipher_ctr_update;
OSSL_FUNC_cipher_final_fn cipher_ctr_final;
OSSL_FUNC_cipher_cipher_fn cipher_ctr_cipher;

OSSL_FUNC_cipher_encrypt_init_fn cipher_xts_einit;
OSSL_FUNC_cipher_decrypt_init_fn cipher_xts_dinit;
OSSL_FUNC_cipher_update_fn cipher_xts_update;
OSSL_FUNC_cipher_final_fn cipher_xts_final;
OSSL_FUNC_cipher_cipher_fn cipher_xts_cipher;
OSSL_FUNC_cipher_set_ctx_params_fn cipher_xts_set_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn cipher_xts_settable_ctx_params;

void *cipher_gcm_newctx(struct provctx *prov, const struct algorithm *alg);
OSSL_FUNC_cipher_freectx_fn cipher_gcm_freectx;
OSSL_FUNC_cipher_dupctx_fn cipher_gcm_dupctx;
OSSL_FUNC_cipher_encrypt_init_fn cipher_gcm_einit;
OSSL_FUNC_cipher_decrypt_init_fn cipher_gcm_dinit;
OSSL_FUNC_cipher_update_fn cipher_gcm_update;
OSSL_FUNC_cipher_final_fn cipher_gcm_final;
OSSL_FUNC_cipher_cipher_fn cipher_gcm_cipher;
OSSL_FUNC_cipher_get_ctx_params_fn cipher_gcm_get_ctx_params;
OSSL_FUNC_cipher_set_ctx_params_fn cipher_gcm_set_ctx_params;
OSSL_FUNC_cipher_gettable_ctx_params_fn cipher_gcm_gettable_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn cipher_gcm_settable_ctx_params;

/* AES-CCM, ChaCha20-Poly1305 */
void *cipher_mirror_newctx(struct provctx *prov, const struct algorithm *alg);
OSSL_FUNC_cipher_freectx_fn cipher_mirror_freectx;
OSSL_FUNC_cipher_dupctx_fn cipher_mirror_dupctx;
OSSL_FUNC_cipher_encrypt_init_fn cipher_mirror_einit;
OSSL_FUNC_cipher_decrypt_init_fn cipher_mirror_dinit;
OSSL_FUNC_cipher_update_fn cipher_mirror_update;
OSSL_FUNC_cipher_final_fn cipher_mirror_final;
OSSL_FUNC_cipher_cipher_fn cipher_mirror_cipher;
OSSL_FUNC_cipher_get_ctx_params_fn cipher_mirror_get_ctx_params;
OSSL_FUNC_cipher_set_ctx_params_fn cipher_mirror_set_ctx_params;
OSSL_FUNC_cipher_gettable_ctx_params_fn cipher_ccm_gettable_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn cipher_ccm_settable_ctx_params;
OSSL_FUNC_cipher_gettable_ctx_params_fn cipher_chacha_gettable_ctx_params;
OSSL_FUNC_cipher_settable_ctx_params_fn cipher_chacha_settable_ctx_params;

#endif
