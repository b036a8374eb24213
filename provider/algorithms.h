/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what the provider can offer, and what one provider context
 * offers of it.
 */
#ifndef VCRYPTO_ALGORITHMS_H
#define VCRYPTO_ALGORITHMS_H

#include <openssl/core.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw.h"
#include "software.h"

struct provctx;

/* One row. The names are the default provider's, so that a property query
 * alone decides who answers. */
struct algorithm_info {
    const char *names;
    const OSSL_DISPATCH *dispatch;
    enum hw_alg hw_alg;
    unsigned mode; /* EVP_CIPH_..._MODE */
    bool aead;
    bool custom_iv;
    size_t block_size; /* as EVP reports it */
    size_t iv_len;
    uint32_t tag_lens;   /* AEAD: bit n for tags of n bytes, as far as standards allow them;
                            other lengths, which OpenSSL takes too, are for software */
    size_t key_len;      /* bytes; XTS: both halves */
    size_t min_bytes[2]; /* HW_ENCRYPT, HW_DECRYPT: for the emulator */
};

enum algorithm_id {
    ALG_AES_128_ECB,
    ALG_AES_192_ECB,
    ALG_AES_256_ECB,
    ALG_AES_128_CBC,
    ALG_AES_192_CBC,
    ALG_AES_256_CBC,
    ALG_AES_128_CTR,
    ALG_AES_192_CTR,
    ALG_AES_256_CTR,
    ALG_AES_128_XTS,
    ALG_AES_256_XTS,
    ALG_AES_128_GCM,
    ALG_AES_192_GCM,
    ALG_AES_256_GCM,
    ALG_AES_128_CCM,
    ALG_AES_192_CCM,
    ALG_AES_256_CCM,
    ALG_CHACHA20_POLY1305,
    ALG_COUNT
};

/* A row in one provider context. Read-only once the provider is loaded. */
struct algorithm {
    const struct algorithm_info *info;
    bool wanted;    /* by the configuration */
    bool on_device; /* some device does it: limits are valid */
    struct hw_limits limits;
    size_t min_bytes[2]; /* after configuration */
    struct software_cipher software;
};

/* Sets all rows of prov to what the table says. */
void algorithms_reset(struct provctx *prov);
/* Not, or not only, the emulated one: other smallest requests. Before those of
 * the configuration are set. */
void algorithms_expect_functions(struct provctx *prov);
/* Whether it is one of these names, which colons part, whatever the case. */
bool algorithms_has_name(const char *names, const char *name, size_t len);
/* The row that has this name among its names, whatever the case, or -1. */
int algorithms_find(const char *name, size_t len);
/* After configuration, pool and software: what is wanted and possible becomes
 * prov->ciphers. 0: the default provider lacks one of them. */
int algorithms_offer(struct provctx *prov);

#endif
