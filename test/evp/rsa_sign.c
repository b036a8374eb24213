/* SPDX-License-Identifier: Apache-2.0 */
/* RSA signatures: the device's against the default provider's, both ways. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "support/asym.h"

static struct support s;
static uint8_t sig[ASYM_MAX], want[ASYM_MAX], tbs[ASYM_MAX];

static void set_up(void)
{
    struct support_random r = {1};

    asym_start(&s, SUPPORT_ALL_OFFLOAD);
    support_fill(&r, tbs, sizeof(tbs));
}

static void tear_down(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_unload(&s);
}

/* Ours equals theirs, which has no random part, and the device made it. */
static void same(EVP_PKEY *key, const struct asym_scheme *scheme, size_t len, const char *what)
{
    size_t n = asym_sign(&s, OURS, key, scheme, tbs, len, sig);
    size_t m = asym_sign(&s, THEIRS, key, scheme, tbs, len, want);

    ck_assert_msg(n != 0 && n == m && memcmp(sig, want, n) == 0, "%s", what);
    ck_assert_msg(asym_verify(&s, OURS, key, scheme, tbs, len, sig, n), "%s: verify", what);
    asym_did_at(&s, 1, 0, what);
    sig[n / 2] ^= 4;
    ck_assert_msg(!asym_verify(&s, OURS, key, scheme, tbs, len, sig, n), "%s: forged", what);
    ERR_clear_error();
}

/* They verify ours, we verify theirs. */
static void understood(EVP_PKEY *key, const struct asym_scheme *scheme, size_t len,
                       const char *what)
{
    size_t n = asym_sign(&s, OURS, key, scheme, tbs, len, sig);
    size_t m = asym_sign(&s, THEIRS, key, scheme, tbs, len, want);

    ck_assert_msg(n != 0 && n == m, "%s", what);
    asym_did_at(&s, 1, 0, what);
    ck_assert_msg(asym_verify(&s, THEIRS, key, scheme, tbs, len, sig, n), "%s: ours", what);
    ck_assert_msg(asym_verify(&s, OURS, key, scheme, tbs, len, want, m), "%s: theirs", what);
    asym_did_at(&s, 0, 0, what);
}

static const char *const digests[] = {
    "MD5",          "SHA1",     "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/224",
    "SHA2-512/256", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "MD5-SHA1", "RIPEMD160",
};
#define DIGESTS ((int)(sizeof(digests) / sizeof(digests[0])))

START_TEST(pkcs1_digests)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct asym_scheme scheme = PKCS1(digests[_i]);

    same(key, &scheme, asym_md_size(&s, digests[_i]), digests[_i]);
    EVP_PKEY_free(key);
}
END_TEST

/* Without a digest the data itself is padded; or it is the block already. */
START_TEST(without_digest)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct asym_scheme pkcs1 = PKCS1(NULL), none = {.padding = RSA_NO_PADDING};

    for (size_t len = 1; len <= 245; len += 61)
        same(key, &pkcs1, len, "PKCS#1, no digest");
    tbs[0] = 0;
    same(key, &none, 256, "no padding");
    EVP_PKEY_free(key);
}
END_TEST

static const unsigned sizes[] = {1024, 1025, 1031, 1536, 2048, 3072, 4096, 8192};
#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

START_TEST(key_sizes)
{
    EVP_PKEY *key = asym_rsa(&s, sizes[_i]);
    struct asym_scheme pkcs1 = PKCS1("SHA2-256"), bare = PSS("SHA2-256", NULL, 0);
    struct asym_scheme pss[] = {
        PSS("SHA2-256", NULL, RSA_PSS_SALTLEN_DIGEST),
        PSS("SHA2-256", NULL, RSA_PSS_SALTLEN_MAX),
        PSS("SHA2-384", "SHA2-256", RSA_PSS_SALTLEN_AUTO),
        PSS("SHA2-256", "SHA1", 17),
    };

    same(key, &pkcs1, 32, "PKCS#1");
    same(key, &bare, 32, "PSS without salt");
    for (size_t i = 0; i < sizeof(pss) / sizeof(pss[0]); i++)
        understood(key, &pss[i], asym_md_size(&s, pss[i].md), "PSS");
    EVP_PKEY_free(key);
}
END_TEST

/* Smaller and larger keys than devices take are software's. */
START_TEST(sizes_beyond)
{
    EVP_PKEY *key = asym_rsa(&s, 768);
    struct asym_scheme pkcs1 = PKCS1("SHA2-256");

    ck_assert_uint_eq(asym_sign(&s, OURS, key, &pkcs1, tbs, 32, sig), 96);
    asym_did(&s, 0, 1);
    EVP_PKEY_free(key);
}
END_TEST

static const char *const pss_digests[] = {"SHA1",     "SHA2-224", "SHA2-256",     "SHA2-384",
                                          "SHA2-512", "SHA3-256", "SHA2-512/256", "MD5"};
#define PSS_DIGESTS ((int)(sizeof(pss_digests) / sizeof(pss_digests[0])))

START_TEST(pss_digests_and_masks)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    const char *md = pss_digests[_i / PSS_DIGESTS], *mgf1 = pss_digests[_i % PSS_DIGESTS];
    struct asym_scheme bare = PSS(md, mgf1, 0), salted = PSS(md, mgf1, RSA_PSS_SALTLEN_DIGEST);

    same(key, &bare, asym_md_size(&s, md), md);
    understood(key, &salted, asym_md_size(&s, md), md);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(pss_salt_lengths)
{
    EVP_PKEY *key = asym_rsa(&s, 1024);
    struct asym_scheme scheme = PSS("SHA2-256", NULL, 0);

    /* 128 bytes less the hash and two make 94. */
    for (scheme.saltlen = 1; scheme.saltlen <= 94; scheme.saltlen += 3)
        understood(key, &scheme, 32, "salt");
    for (scheme.saltlen = 95; scheme.saltlen < 98; scheme.saltlen++) {
        ck_assert_uint_eq(asym_sign(&s, OURS, key, &scheme, tbs, 32, sig), 0);
        ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), RSA_R_DATA_TOO_LARGE_FOR_KEY_SIZE);
        ERR_clear_error();
        asym_did(&s, 0, 1);
    }
    EVP_PKEY_free(key);
}
END_TEST

/* What must be refused is refused by both, for the same reason. */
static void refused(EVP_PKEY *key, const struct asym_scheme *scheme, size_t len)
{
    unsigned long reason;

    ck_assert_uint_eq(asym_sign(&s, THEIRS, key, scheme, tbs, len, want), 0);
    reason = ERR_peek_error();
    ERR_clear_error();
    ck_assert_uint_eq(asym_sign(&s, OURS, key, scheme, tbs, len, sig), 0);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), ERR_GET_REASON(reason));
    ERR_clear_error();
}

START_TEST(refusals)
{
    EVP_PKEY *key = asym_rsa(&s, 1024);
    struct asym_scheme schemes[] = {
        PKCS1("SHA2-256"),                          /* 31 bytes are no such digest */
        PSS("SHA2-256", NULL, 0),                   /* likewise */
        PSS("SHA2-512", NULL, 64),                  /* does not fit */
        {.padding = RSA_PKCS1_OAEP_PADDING},        /* not for signatures */
        {.padding = RSA_NO_PADDING},                /* 31 bytes are no block */
        {.padding = RSA_NO_PADDING, .md = "SHA1"},  /* neither are 20 */
        {.padding = RSA_X931_PADDING, .md = "MD5"}, /* has no number there */
    };
    size_t lens[] = {31, 31, 64, 32, 31, 20, 16};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        refused(key, &schemes[i], lens[i]);
    /* More than the modulus. */
    memset(tbs, 0xff, 128);
    refused(key, &schemes[4], 128);
    EVP_PKEY_free(key);
}
END_TEST

/* The device has no such thing; the family is whole nevertheless. */
START_TEST(x931_in_software)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct asym_scheme scheme = {.padding = RSA_X931_PADDING, .md = "SHA2-256"};
    size_t n = asym_sign(&s, OURS, key, &scheme, tbs, 32, sig);

    ck_assert_uint_eq(n, 256);
    ck_assert(asym_verify(&s, THEIRS, key, &scheme, tbs, 32, sig, n));
    asym_did(&s, 0, 1);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(small_buffers)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct asym_scheme scheme = PKCS1("SHA2-256");
    EVP_PKEY_CTX *ctx = asym_context(&s, OURS, key, true, &scheme);
    size_t len = 0;

    ck_assert_int_eq(EVP_PKEY_sign(ctx, NULL, &len, tbs, 32), 1);
    ck_assert_uint_eq(len, 256);
    len = 255;
    ck_assert_int_ne(EVP_PKEY_sign(ctx, sig, &len, tbs, 32), 1);
    ERR_clear_error();
    len = 256;
    ck_assert_int_eq(EVP_PKEY_sign(ctx, sig, &len, tbs, 32), 1);
    ck_assert_uint_eq(len, 256);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(public_key_only)
{
    EVP_PKEY *key = asym_rsa(&s, 2048), *public = NULL;
    struct asym_scheme scheme = PKCS1("SHA2-256");
    OSSL_PARAM *params;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, "RSA", OURS);
    size_t n;

    ck_assert_int_eq(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &public, EVP_PKEY_PUBLIC_KEY, params), 1);
    ck_assert(asym_is_ours(public));
    n = asym_sign(&s, OURS, key, &scheme, tbs, 32, sig);
    ck_assert(asym_verify(&s, OURS, public, &scheme, tbs, 32, sig, n));
    asym_did(&s, 1, 0);
    ck_assert_uint_eq(asym_sign(&s, OURS, public, &scheme, tbs, 32, sig), 0);
    ERR_clear_error();
    asym_did(&s, 0, 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(public);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(recovery)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct asym_scheme scheme = PKCS1("SHA2-384");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, OURS);
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)"SHA384", 6),
                           OSSL_PARAM_END};
    uint8_t digest[ASYM_MAX];
    size_t n = asym_sign(&s, OURS, key, &scheme, tbs, 48, sig), len = sizeof(digest);

    ck_assert_int_eq(EVP_PKEY_verify_recover_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_params(ctx, params), 1);
    ck_assert_int_eq(EVP_PKEY_verify_recover(ctx, digest, &len, sig, n), 1);
    ck_assert_uint_eq(len, 48);
    ck_assert_mem_eq(digest, tbs, 48);
    sig[100] ^= 1;
    ck_assert_int_ne(EVP_PKEY_verify_recover(ctx, digest, &len, sig, n), 1);
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}
END_TEST

/* RSA Laboratories, pss-vect.txt, example 1.1. */
START_TEST(published_pss)
{
    static const char n_hex[] =
        "a56e4a0e701017589a5187dc7ea841d156f2ec0e36ad52a44dfeb1e61f7ad991d8c51056ffedb162b4c0f283"
        "a12a88a394dff526ab7291cbb307ceabfce0b1dfd5cd9508096d5b2b8b6df5d671ef6377c0921cb23c270a70"
        "e2598e6ff89d19f105acc2d3f0cb35f29280e1386b6f64c4ef22e1e1f20d0ce8cffb2249bd9a2137";
    static const char digest_hex[] = "cd8b6538cb8e8de566b68bd067569dbf1ee2718e";
    static const char sig_hex[] =
        "9074308fb598e9701b2294388e52f971faac2b60a5145af185df5287b5ed2887e57ce7fd44dc8634e407c8e0"
        "e4360bc226f3ec227f9d9e54638e8d31f5051215df6ebb9c2f9579aa77598a38f914b5b9c1bd83c4e2f9f382"
        "a0d0aa3542ffee65984a601bc69eb28deb27dca12c82c2d4c3f66cd500f1ff2b994d8a4e30cbb33c";
    uint8_t n[128], le[128], digest[20];
    unsigned e = 65537;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, le, sizeof(le)),
                           OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_E, &e),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, "RSA", OURS);
    struct asym_scheme scheme = PSS("SHA1", NULL, 20);
    EVP_PKEY *key = NULL;

    support_hex(n_hex, n, sizeof(n));
    support_hex(digest_hex, digest, sizeof(digest));
    support_hex(sig_hex, sig, sizeof(sig));
    for (unsigned i = 0; i < sizeof(n); i++)
        le[i] = n[sizeof(n) - 1 - i];
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    ck_assert(asym_verify(&s, OURS, key, &scheme, digest, sizeof(digest), sig, 128));
    digest[3] ^= 1;
    ck_assert(!asym_verify(&s, OURS, key, &scheme, digest, sizeof(digest), sig, 128));
    ERR_clear_error();
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsa signatures");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, pkcs1_digests, 0, DIGESTS);
    tcase_add_test(tc, without_digest);
    tcase_add_loop_test(tc, key_sizes, 0, SIZES);
    tcase_add_test(tc, sizes_beyond);
    tcase_add_loop_test(tc, pss_digests_and_masks, 0, PSS_DIGESTS * PSS_DIGESTS);
    tcase_add_test(tc, pss_salt_lengths);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, x931_in_software);
    tcase_add_test(tc, small_buffers);
    tcase_add_test(tc, public_key_only);
    tcase_add_test(tc, recovery);
    tcase_add_test(tc, published_pss);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
