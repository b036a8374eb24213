/* SPDX-License-Identifier: Apache-2.0 */
#include "algorithms.h"

#include <string.h>
#include <strings.h>

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>

#include "cipher.h"
#include "provider.h"

/* Everything that EVP asks about a mode; the key size comes from the row. */
#define MODE_ECB EVP_CIPH_ECB_MODE, false, false, 16, 0, 0
#define MODE_CBC EVP_CIPH_CBC_MODE, false, false, 16, 16, 0
#define MODE_CTR EVP_CIPH_CTR_MODE, false, false, 1, 16, 0
#define MODE_XTS EVP_CIPH_XTS_MODE, false, true, 1, 16, 0
#define MODE_GCM EVP_CIPH_GCM_MODE, true, true, 1, 12, TAGS_GCM
#define MODE_CCM EVP_CIPH_CCM_MODE, true, true, 1, 12, TAGS_CCM
/* No mode of a block cipher. */
#define MODE_CHACHA EVP_CIPH_STREAM_CIPHER, true, true, 1, 12, 1u << 16

/* NIST SP 800-38D, 5.2.1.2. */
#define TAGS_GCM (1u << 4 | 1u << 8 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15 | 1u << 16)

/* NIST SP 800-38C, A.1. */
#define TAGS_CCM (1u << 4 | 1u << 6 | 1u << 8 | 1u << 10 | 1u << 12 | 1u << 14 | 1u << 16)

/*
 * The smallest requests that are worth a trip to the emulated function, measured
 * with 16 jobs against the default provider on one CPU (vcrypto-probe
 * --calibrate). It gains by doing many at once: nothing where software too has
 * several blocks of one message under way, as in decryption and in the counter
 * modes. What is real does the work of another processor, which only a
 * measurement on the spot can tell: see algorithms_expect_functions.
 */
#define NEVER ((size_t)1 << 30)
#ifdef VCRYPTO_IPSEC_MB
#define MANY(n) (n)
#else
#define MANY(n) NEVER
#endif
#define FUNCTION_MIN 2048

/*
 * Row, family of functions, what the device calls it, mode, names, key bytes,
 * and the smallest requests: encryption, decryption.
 */
#define CIPHERS(X)                                                                                 \
    X(AES_128_ECB, block, HW_AES_ECB, ECB, "AES-128-ECB:2.16.840.1.101.3.4.1.1", 16, NEVER, NEVER) \
    X(AES_192_ECB, block, HW_AES_ECB, ECB, "AES-192-ECB:2.16.840.1.101.3.4.1.21", 24, NEVER,       \
      NEVER)                                                                                       \
    X(AES_256_ECB, block, HW_AES_ECB, ECB, "AES-256-ECB:2.16.840.1.101.3.4.1.41", 32, NEVER,       \
      NEVER)                                                                                       \
    X(AES_128_CBC, block, HW_AES_CBC, CBC, "AES-128-CBC:AES128:2.16.840.1.101.3.4.1.2", 16,        \
      MANY(4096), NEVER)                                                                           \
    X(AES_192_CBC, block, HW_AES_CBC, CBC, "AES-192-CBC:AES192:2.16.840.1.101.3.4.1.22", 24,       \
      MANY(4096), NEVER)                                                                           \
    X(AES_256_CBC, block, HW_AES_CBC, CBC, "AES-256-CBC:AES256:2.16.840.1.101.3.4.1.42", 32,       \
      MANY(3072), NEVER)                                                                           \
    X(AES_128_CTR, ctr, HW_AES_CTR, CTR, "AES-128-CTR", 16, NEVER, NEVER)                          \
    X(AES_192_CTR, ctr, HW_AES_CTR, CTR, "AES-192-CTR", 24, NEVER, NEVER)                          \
    X(AES_256_CTR, ctr, HW_AES_CTR, CTR, "AES-256-CTR", 32, NEVER, NEVER)                          \
    X(AES_128_XTS, xts, HW_AES_XTS, XTS, "AES-128-XTS:1.3.111.2.1619.0.1.1", 32, NEVER, NEVER)     \
    X(AES_256_XTS, xts, HW_AES_XTS, XTS, "AES-256-XTS:1.3.111.2.1619.0.1.2", 64, NEVER, NEVER)     \
    X(AES_128_GCM, gcm, HW_AES_GCM, GCM, "AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", 16,   \
      NEVER, NEVER)                                                                                \
    X(AES_192_GCM, gcm, HW_AES_GCM, GCM, "AES-192-GCM:id-aes192-GCM:2.16.840.1.101.3.4.1.26", 24,  \
      NEVER, NEVER)                                                                                \
    X(AES_256_GCM, gcm, HW_AES_GCM, GCM, "AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", 32,  \
      NEVER, NEVER)                                                                                \
    X(AES_128_CCM, ccm, HW_AES_CCM, CCM, "AES-128-CCM:id-aes128-CCM:2.16.840.1.101.3.4.1.7", 16,   \
      MANY(8192), MANY(8192))                                                                      \
    X(AES_192_CCM, ccm, HW_AES_CCM, CCM, "AES-192-CCM:id-aes192-CCM:2.16.840.1.101.3.4.1.27", 24,  \
      NEVER, NEVER)                                                                                \
    X(AES_256_CCM, ccm, HW_AES_CCM, CCM, "AES-256-CCM:id-aes256-CCM:2.16.840.1.101.3.4.1.47", 32,  \
      MANY(4096), MANY(4096))                                                                      \
    X(CHACHA20_POLY1305, chacha, HW_CHACHA20_POLY1305, CHACHA, "ChaCha20-Poly1305", 32, NEVER,     \
      NEVER)

#define FN(id, f)                                                                                  \
    {                                                                                              \
        OSSL_FUNC_CIPHER_##id, (void (*)(void))(f)                                                 \
    }

#define FUNCTIONS_COMMON FN(GETTABLE_PARAMS, cipher_gettable_params)

#define FUNCTIONS_plain(family)                                                                    \
    FUNCTIONS_COMMON, FN(FREECTX, cipher_plain_freectx), FN(DUPCTX, cipher_plain_dupctx),          \
        FN(GET_CTX_PARAMS, cipher_plain_get_ctx_params),                                           \
        FN(GETTABLE_CTX_PARAMS, cipher_plain_gettable_ctx_params),                                 \
        FN(UPDATE, cipher_##family##_update), FN(FINAL, cipher_##family##_final),                  \
        FN(CIPHER, cipher_##family##_cipher)

#define FUNCTIONS_generic(family)                                                                  \
    FUNCTIONS_plain(family), FN(ENCRYPT_INIT, cipher_plain_einit),                                 \
        FN(DECRYPT_INIT, cipher_plain_dinit), FN(SET_CTX_PARAMS, cipher_plain_set_ctx_params),     \
        FN(SETTABLE_CTX_PARAMS, cipher_plain_settable_ctx_params)

#define FUNCTIONS_block FUNCTIONS_generic(block)
#define FUNCTIONS_ctr   FUNCTIONS_generic(ctr)
#define FUNCTIONS_xts                                                                              \
    FUNCTIONS_plain(xts), FN(ENCRYPT_INIT, cipher_xts_einit), FN(DECRYPT_INIT, cipher_xts_dinit),  \
        FN(SET_CTX_PARAMS, cipher_xts_set_ctx_params),                                             \
        FN(SETTABLE_CTX_PARAMS, cipher_xts_settable_ctx_params)
#define FUNCTIONS_gcm                                                                              \
    FUNCTIONS_COMMON, FN(FREECTX, cipher_gcm_freectx), FN(DUPCTX, cipher_gcm_dupctx),              \
        FN(ENCRYPT_INIT, cipher_gcm_einit), FN(DECRYPT_INIT, cipher_gcm_dinit),                    \
        FN(UPDATE, cipher_gcm_update), FN(FINAL, cipher_gcm_final), FN(CIPHER, cipher_gcm_cipher), \
        FN(GET_CTX_PARAMS, cipher_gcm_get_ctx_params),                                             \
        FN(SET_CTX_PARAMS, cipher_gcm_set_ctx_params),                                             \
        FN(GETTABLE_CTX_PARAMS, cipher_gcm_gettable_ctx_params),                                   \
        FN(SETTABLE_CTX_PARAMS, cipher_gcm_settable_ctx_params)

#define FUNCTIONS_mirror(family)                                                                   \
    FUNCTIONS_COMMON, FN(FREECTX, cipher_mirror_freectx), FN(DUPCTX, cipher_mirror_dupctx),        \
        FN(ENCRYPT_INIT, cipher_mirror_einit), FN(DECRYPT_INIT, cipher_mirror_dinit),              \
        FN(UPDATE, cipher_mirror_update), FN(FINAL, cipher_mirror_final),                          \
        FN(CIPHER, cipher_mirror_cipher), FN(GET_CTX_PARAMS, cipher_mirror_get_ctx_params),        \
        FN(SET_CTX_PARAMS, cipher_mirror_set_ctx_params),                                          \
        FN(GETTABLE_CTX_PARAMS, cipher_##family##_gettable_ctx_params),                            \
        FN(SETTABLE_CTX_PARAMS, cipher_##family##_settable_ctx_params)
#define FUNCTIONS_ccm    FUNCTIONS_mirror(ccm)
#define FUNCTIONS_chacha FUNCTIONS_mirror(chacha)

#define NEWCTX_block  cipher_plain_newctx
#define NEWCTX_ctr    cipher_plain_newctx
#define NEWCTX_xts    cipher_plain_newctx
#define NEWCTX_gcm    cipher_gcm_newctx
#define NEWCTX_ccm    cipher_mirror_newctx
#define NEWCTX_chacha cipher_mirror_newctx

static const struct algorithm_info table[ALG_COUNT];

/* The two functions that EVP calls without saying which row it means. */
#define ROW_FUNCTIONS(id, family, alg, mode, names, key, enc, dec)                                 \
    static void *newctx_##id(void *provctx)                                                        \
    {                                                                                              \
        struct provctx *prov = provctx;                                                            \
                                                                                                   \
        return NEWCTX_##family(prov, &prov->algorithms[ALG_##id]);                                 \
    }                                                                                              \
    static int get_params_##id(OSSL_PARAM params[])                                                \
    {                                                                                              \
        return cipher_get_params(&table[ALG_##id], params);                                        \
    }                                                                                              \
    static const OSSL_DISPATCH dispatch_##id[] = {                                                 \
        FN(NEWCTX, newctx_##id), FN(GET_PARAMS, get_params_##id), FUNCTIONS_##family, {0, NULL}};
CIPHERS(ROW_FUNCTIONS)

#define ROW(id, family, alg, mode, names, key, enc, dec)                                           \
    [ALG_##id] = {names, dispatch_##id, alg, MODE_##mode, key, {enc, dec}},

static const struct algorithm_info table[ALG_COUNT] = {CIPHERS(ROW)};

void algorithms_reset(struct provctx *prov)
{
    for (int i = 0; i < ALG_COUNT; i++) {
        struct algorithm *a = &prov->algorithms[i];

        memset(a, 0, sizeof(*a));
        a->info = &table[i];
        a->wanted = true;
        memcpy(a->min_bytes, table[i].min_bytes, sizeof(a->min_bytes));
    }
}

void algorithms_expect_functions(struct provctx *prov)
{
    for (int i = 0; i < ALG_COUNT; i++)
        for (int op = HW_ENCRYPT; op <= HW_DECRYPT; op++)
            prov->algorithms[i].min_bytes[op] = FUNCTION_MIN;
}

bool algorithms_has_name(const char *names, const char *name, size_t len)
{
    for (;;) {
        size_t n = strcspn(names, ":");

        if (n == len && strncasecmp(names, name, len) == 0)
            return true;
        if (names[n] == '\0')
            return false;
        names += n + 1;
    }
}

int algorithms_find(const char *name, size_t len)
{
    for (int i = 0; i < ALG_COUNT; i++)
        if (algorithms_has_name(table[i].names, name, len))
            return i;
    return -1;
}

int algorithms_offer(struct provctx *prov)
{
    /* A pool of no devices: fallback = yes, and all that is wanted is software. */
    bool devices = hw_pool_devices(prov->pool) != 0;
    OSSL_ALGORITHM *out = prov->ciphers;

    for (int i = 0; i < ALG_COUNT; i++) {
        struct algorithm *a = &prov->algorithms[i];

        if (!a->wanted)
            continue;
        a->on_device =
            devices && hw_pool_supports(prov->pool, table[i].hw_alg, table[i].key_len, &a->limits);
        if (devices && !a->on_device)
            continue;
        if (!software_cipher_find(&prov->software, table[i].names, &a->software)) {
            errors_load(prov, ERRORS_NO_SOFTWARE, "it lacks %s", table[i].names);
            return 0;
        }
        out->algorithm_names = table[i].names;
        out->property_definition = "provider=vcrypto";
        out->implementation = table[i].dispatch;
        out->algorithm_description = NULL;
        out++;
    }
    return 1;
}
