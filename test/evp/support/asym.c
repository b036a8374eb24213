/* SPDX-License-Identifier: Apache-2.0 */
#include "asym.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

EVP_PKEY *asym_rsa(const struct support *s, unsigned bits)
{
    static uint8_t der[8192];
    const struct asym_rsa_key *k = asym_rsa_keys;
    const uint8_t *p = der;
    EVP_PKEY *key;

    while (k->bits != 0 && k->bits != bits)
        k++;
    if (k->bits == 0)
        key = EVP_PKEY_Q_keygen(s->libctx, THEIRS, "RSA", (size_t)bits);
    else
        key = d2i_PrivateKey_ex(EVP_PKEY_RSA, NULL, &p, (long)support_hex(k->der, der, sizeof(der)),
                                s->libctx, THEIRS);
    ck_assert_msg(key != NULL, "no RSA key of %u bits", bits);
    ck_assert_int_eq(EVP_PKEY_get_bits(key), (int)bits);
    ck_assert(!asym_is_ours(key));
    return key;
}

EVP_PKEY *asym_ec(const struct support *s, const char *group)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(s->libctx, THEIRS, "EC", group);

    ck_assert_msg(key != NULL, "no EC key in %s", group);
    ck_assert(!asym_is_ours(key));
    return key;
}

EVP_PKEY *asym_rsa_pss(const struct support *s, const char *md, const char *mgf1, int saltlen)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s->libctx, "RSA-PSS", THEIRS);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    if (md != NULL) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_md_name(ctx, md, NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md_name(ctx, mgf1), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx, saltlen), 1);
    }
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

EVP_PKEY *asym_moved(const struct support *s, EVP_PKEY *key, const char *query)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s->libctx, EVP_PKEY_get0_type_name(key), query);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *moved = NULL;
    int selection = EVP_PKEY_KEYPAIR;

    ck_assert_ptr_nonnull(ctx);
    ck_assert_int_eq(EVP_PKEY_todata(key, selection, &params), 1);
    if (OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_RSA_D) == NULL &&
        OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PRIV_KEY) == NULL)
        selection = EVP_PKEY_PUBLIC_KEY;
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &moved, selection, params), 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return moved;
}

bool asym_is_ours(EVP_PKEY *key)
{
    return strcmp(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "vcrypto") == 0;
}

static bool set_scheme(EVP_PKEY_CTX *ctx, const struct asym_scheme *s)
{
    if (s->padding != 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, s->padding) != 1)
        return false;
    if (s->has_saltlen && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, s->saltlen) != 1)
        return false;
    return s->mgf1 == NULL || EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, s->mgf1, NULL) == 1;
}

static bool set_digest(EVP_PKEY_CTX *ctx, const char *md)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)(uintptr_t)md, 0),
        OSSL_PARAM_construct_end(),
    };

    return md == NULL || EVP_PKEY_CTX_set_params(ctx, params) == 1;
}

EVP_PKEY_CTX *asym_context(const struct support *s, const char *query, EVP_PKEY *key, bool signs,
                           const struct asym_scheme *scheme)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s->libctx, key, query);

    ck_assert_ptr_nonnull(ctx);
    if ((signs ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) == 1 &&
        set_digest(ctx, scheme->md) && set_scheme(ctx, scheme))
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

size_t asym_sign(const struct support *s, const char *query, EVP_PKEY *key,
                 const struct asym_scheme *scheme, const void *tbs, size_t len, uint8_t *sig)
{
    EVP_PKEY_CTX *ctx = asym_context(s, query, key, true, scheme);
    size_t siglen = ASYM_MAX;
    bool ok = ctx != NULL && EVP_PKEY_sign(ctx, sig, &siglen, tbs, len) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok ? siglen : 0;
}

/* From OpenSSL 3.4 on EVP notes that a provider refused, without being asked;
 * a wrong signature is an answer, and leaves nothing else. */
static void forget_refusal(void)
{
#ifdef EVP_R_PROVIDER_SIGNATURE_FAILURE
    unsigned long e = ERR_peek_error();

    if (ERR_GET_LIB(e) == ERR_LIB_EVP && ERR_GET_REASON(e) == EVP_R_PROVIDER_SIGNATURE_FAILURE)
        ERR_get_error();
#endif
}

bool asym_verify(const struct support *s, const char *query, EVP_PKEY *key,
                 const struct asym_scheme *scheme, const void *tbs, size_t len, const uint8_t *sig,
                 size_t siglen)
{
    EVP_PKEY_CTX *ctx = asym_context(s, query, key, false, scheme);
    bool ok = ctx != NULL && EVP_PKEY_verify(ctx, sig, siglen, tbs, len) == 1;

    if (!ok)
        forget_refusal();
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

size_t asym_digest_sign(const struct support *s, const char *query, EVP_PKEY *key,
                        const struct asym_scheme *scheme, const void *msg, size_t len, uint8_t *sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    size_t siglen = ASYM_MAX;
    bool ok = EVP_DigestSignInit_ex(ctx, &pctx, scheme->md, s->libctx, query, key, NULL) == 1 &&
              set_scheme(pctx, scheme) && EVP_DigestSign(ctx, sig, &siglen, msg, len) == 1;

    EVP_MD_CTX_free(ctx);
    return ok ? siglen : 0;
}

bool asym_digest_verify(const struct support *s, const char *query, EVP_PKEY *key,
                        const struct asym_scheme *scheme, const void *msg, size_t len,
                        const uint8_t *sig, size_t siglen)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool ok = EVP_DigestVerifyInit_ex(ctx, &pctx, scheme->md, s->libctx, query, key, NULL) == 1 &&
              set_scheme(pctx, scheme) && EVP_DigestVerify(ctx, sig, siglen, msg, len) == 1;

    if (!ok)
        forget_refusal();
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool asym_rejects_implicitly(const struct support *s)
{
    EVP_PKEY *key = asym_rsa(s, 2048);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s->libctx, key, THEIRS);
    bool does;

    ck_assert_int_eq(EVP_PKEY_decrypt_init(ctx), 1);
    does = OSSL_PARAM_locate_const(EVP_PKEY_CTX_settable_params(ctx), "implicit-rejection") != NULL;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return does;
}

size_t asym_md_size(const struct support *s, const char *md)
{
    EVP_MD *found = EVP_MD_fetch(s->libctx, md, NULL);
    size_t size;

    ck_assert_msg(found != NULL, "no %s", md);
    size = (size_t)EVP_MD_get_size(found);
    EVP_MD_free(found);
    return size;
}

static struct {
    uint64_t requests, software;
} last;

void asym_start(struct support *s, const char *settings)
{
    support_load(s, settings);
    memset(&last, 0, sizeof(last));
}

void asym_did_at(const struct support *s, uint64_t requests, uint64_t software, const char *what)
{
    uint64_t r = support_stat(s, "vcrypto-requests") - last.requests;
    uint64_t w = support_stat(s, "vcrypto-software-total") - last.software;

    ck_assert_msg(r == requests && w == software, "%s: %llu requests, %llu in software", what,
                  (unsigned long long)r, (unsigned long long)w);
    last.requests += r;
    last.software += w;
}
