/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature contexts, RSA's and ECDSA's: streaming, copies, parameters, what
 * restricted keys refuse, and signing in jobs.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "support/asym.h"

static struct support s;
static uint8_t sig[ASYM_MAX], sig2[ASYM_MAX], msg[5000];

static void set_up(void)
{
    struct support_random r = {2};

    /* Verification stays in software. */
    asym_start(&s, "sync = offload\nfallback = no\n");
    support_fill(&r, msg, sizeof(msg));
}

static void tear_down(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_unload(&s);
}

enum { RSA_PKCS1, RSA_PSS_256, P256, P384, P521, KINDS };

static EVP_PKEY *key_of(int kind)
{
    static const char *const groups[] = {[P256] = "P-256", [P384] = "P-384", [P521] = "P-521"};

    return kind < P256 ? asym_rsa(&s, 2048) : asym_ec(&s, groups[kind]);
}

static struct asym_scheme scheme_of(int kind)
{
    switch (kind) {
    case RSA_PKCS1: return PKCS1("SHA2-256");
    case RSA_PSS_256: return PSS("SHA2-256", NULL, RSA_PSS_SALTLEN_DIGEST);
    default: return (struct asym_scheme){.md = "SHA2-256"};
    }
}

START_TEST(one_shot)
{
    EVP_PKEY *key = key_of(_i);
    struct asym_scheme scheme = scheme_of(_i);
    size_t n, m;

    for (size_t len = 0; len <= sizeof(msg); len += 1000) {
        n = asym_digest_sign(&s, OURS, key, &scheme, msg, len, sig);
        m = asym_digest_sign(&s, THEIRS, key, &scheme, msg, len, sig2);
        ck_assert_uint_ne(n, 0);
        asym_did(&s, 1, 0);
        ck_assert(asym_digest_verify(&s, THEIRS, key, &scheme, msg, len, sig, n));
        ck_assert(asym_digest_verify(&s, OURS, key, &scheme, msg, len, sig2, m));
        msg[0] ^= 1;
        ck_assert(len == 0 || !asym_digest_verify(&s, OURS, key, &scheme, msg, len, sig, n));
        ERR_clear_error();
    }
    EVP_PKEY_free(key);
}
END_TEST

/* Updates of all lengths; finals that do not end the stream; a copy that goes
 * its own way; and again with another digest. */
START_TEST(streaming)
{
    EVP_PKEY *key = key_of(_i);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    struct asym_scheme scheme = scheme_of(_i), other = {.md = "SHA3-384"};
    size_t n = sizeof(sig), at = 0;

    scheme.padding = other.padding = _i < P256 ? RSA_PKCS1_PADDING : 0;
    scheme.has_saltlen = false;
    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, scheme.md, s.libctx, OURS, key, NULL), 1);
    for (size_t step = 0; at + step <= sizeof(msg); at += step++)
        ck_assert_int_eq(EVP_DigestSignUpdate(ctx, msg + at, step), 1);
    ck_assert_int_eq(EVP_DigestSignFinal(ctx, sig, &n), 1);
    ck_assert(asym_digest_verify(&s, THEIRS, key, &scheme, msg, at, sig, n));
    ck_assert_int_eq(EVP_MD_CTX_copy_ex(copy, ctx), 1);
    ck_assert_int_eq(EVP_DigestSignUpdate(ctx, msg + at, sizeof(msg) - at), 1);
    n = sizeof(sig);
    ck_assert_int_eq(EVP_DigestSignFinal(ctx, sig, &n), 1);
    ck_assert(asym_digest_verify(&s, THEIRS, key, &scheme, msg, sizeof(msg), sig, n));
    n = sizeof(sig);
    ck_assert_int_eq(EVP_DigestSignFinal(copy, sig, &n), 1);
    ck_assert(asym_digest_verify(&s, THEIRS, key, &scheme, msg, at, sig, n));
    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, other.md, s.libctx, OURS, key, NULL), 1);
    n = sizeof(sig);
    ck_assert_int_eq(EVP_DigestSign(ctx, sig, &n, msg, 77), 1);
    ck_assert(asym_digest_verify(&s, THEIRS, key, &other, msg, 77, sig, n));
    asym_did(&s, 4, 0);
    EVP_MD_CTX_free(ctx);
    EVP_MD_CTX_free(copy);
    EVP_PKEY_free(key);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
}
END_TEST

START_TEST(sizes_are_told)
{
    EVP_PKEY *key = key_of(_i);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 0;

    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", s.libctx, OURS, key, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, NULL, &n, msg, 100), 1);
    ck_assert_uint_eq(n, (size_t)EVP_PKEY_get_size(key));
    asym_did(&s, 0, 0);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}
END_TEST

/* Before a digest is settled it can be set, afterwards it cannot. */
START_TEST(digest_is_settled)
{
    EVP_PKEY *key = key_of(_i);
    const char *const queries[] = {THEIRS, OURS};
    bool listed[2];

    for (unsigned i = 0; i < 2; i++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx;
        OSSL_PARAM set[] = {
            OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)"SHA512", 6),
            OSSL_PARAM_END,
        };

        ck_assert_int_eq(
            EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", s.libctx, queries[i], key, NULL), 1);
        ck_assert_int_ne(EVP_PKEY_CTX_set_params(pctx, set), 1);
        ERR_clear_error();
        listed[i] = OSSL_PARAM_locate_const(EVP_PKEY_CTX_settable_params(pctx),
                                            OSSL_SIGNATURE_PARAM_DIGEST) != NULL;
        /* From OpenSSL 3.4 on ECDSA lists it all the same. */
        ck_assert(!listed[i] || _i >= P256);
        EVP_MD_CTX_free(ctx);
    }
    ck_assert(listed[0] == listed[1]);
    EVP_PKEY_free(key);
}
END_TEST

/* What certificates say of their signatures. */
START_TEST(algorithm_ids)
{
    EVP_PKEY *key = key_of(_i);
    struct asym_scheme scheme = scheme_of(_i);
    const char *const queries[] = {THEIRS, OURS};
    uint8_t ids[2][256];
    size_t lens[2];

    for (unsigned i = 0; i < 2; i++) {
        EVP_PKEY_CTX *ctx = asym_context(&s, queries[i], key, true, &scheme);
        OSSL_PARAM get[] = {
            OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, ids[i], sizeof(ids[i])),
            OSSL_PARAM_END};

        ck_assert_ptr_nonnull(ctx);
        ck_assert_int_eq(EVP_PKEY_CTX_get_params(ctx, get), 1);
        lens[i] = get[0].return_size;
        EVP_PKEY_CTX_free(ctx);
    }
    ck_assert_uint_gt(lens[0], 8);
    ck_assert_uint_eq(lens[0], lens[1]);
    ck_assert_mem_eq(ids[0], ids[1], lens[0]);
    EVP_PKEY_free(key);
}
END_TEST

/* A property query that the digest's provider could not meet. */
START_TEST(queries_are_not_for_digests)
{
    EVP_PKEY *key = key_of(_i);
    struct asym_scheme scheme = scheme_of(_i);
    EVP_PKEY_CTX *ctx = asym_context(&s, OURS, key, true, &scheme);
    OSSL_PARAM set[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PROPERTIES, (char *)OURS, sizeof(OURS) - 1),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)"SHA384", 6),
        OSSL_PARAM_END,
    };
    size_t n = sizeof(sig);

    scheme.md = "SHA384";
    ck_assert_int_eq(EVP_PKEY_CTX_set_params(ctx, set), 1);
    ck_assert_int_eq(EVP_PKEY_sign(ctx, sig, &n, msg, 48), 1);
    ck_assert(asym_verify(&s, THEIRS, key, &scheme, msg, 48, sig, n));
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}
END_TEST

/* ---- RSA-PSS keys ---- */

START_TEST(pss_keys)
{
    EVP_PKEY *key = asym_rsa_pss(&s, NULL, NULL, 0);
    struct asym_scheme wide = PSS("SHA2-512", "SHA1", 5), pkcs1 = PKCS1("SHA2-256");
    size_t n;

    n = asym_digest_sign(&s, OURS, key, &wide, msg, 99, sig);
    ck_assert(asym_digest_verify(&s, THEIRS, key, &wide, msg, 99, sig, n));
    asym_did(&s, 1, 0);
    ck_assert_uint_eq(asym_digest_sign(&s, OURS, key, &pkcs1, msg, 99, sig), 0);
    ERR_clear_error();
    asym_did(&s, 0, 0);
    EVP_PKEY_free(key);
}
END_TEST

/* Restricted to SHA-256, MGF1 with SHA-256, and a salt of at least 32. */
START_TEST(restricted_keys)
{
    static const struct {
        struct asym_scheme scheme;
        bool allowed;
    } cases[] = {
        {{.md = "SHA2-256"}, true},
        {{.md = "SHA2-256", .saltlen = 32, .has_saltlen = true}, true},
        {{.md = "SHA2-256", .saltlen = 40, .has_saltlen = true}, true},
        {{.md = "SHA2-256", .saltlen = RSA_PSS_SALTLEN_DIGEST, .has_saltlen = true}, true},
        {{.md = "SHA2-256", .saltlen = RSA_PSS_SALTLEN_MAX, .has_saltlen = true}, true},
        {{.md = "SHA2-256", .mgf1 = "SHA2-256"}, true},
        {{.md = "SHA2-256", .saltlen = 31, .has_saltlen = true}, false},
        {{.md = "SHA2-256", .saltlen = 0, .has_saltlen = true}, false},
        {{.md = "SHA2-256", .mgf1 = "SHA1"}, false},
        {{.md = "SHA1"}, false},
        {{.md = "SHA2-512"}, false},
    };
    EVP_PKEY *key = asym_rsa_pss(&s, "SHA2-256", "SHA2-256", 32);
    EVP_PKEY *moved = asym_moved(&s, key, OURS);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct asym_scheme *scheme = &cases[i].scheme;
        size_t m = asym_digest_sign(&s, THEIRS, key, scheme, msg, 64, sig2), n;

        ERR_clear_error();
        n = asym_digest_sign(&s, OURS, i % 2 == 0 ? key : moved, scheme, msg, 64, sig);
        ERR_clear_error();
        ck_assert_msg((n != 0) == cases[i].allowed && n == m, "case %zu", i);
        asym_did(&s, cases[i].allowed, 0);
        ck_assert(n == 0 || asym_digest_verify(&s, THEIRS, key, scheme, msg, 64, sig, n));
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(moved);
}
END_TEST

/* ---- jobs ---- */

struct work {
    EVP_PKEY *key;
    struct asym_scheme scheme;
    size_t n;
};

static int sign_in_job(void *arg)
{
    struct work *w = arg;

    w->n = asym_digest_sign(&s, OURS, w->key, &w->scheme, msg, 321, sig);
    return w->n != 0;
}

START_TEST(in_jobs)
{
    struct work w = {key_of(_i), scheme_of(_i), 0};
    unsigned pauses;

    support_unload(&s);
    asym_start(&s, "emulator_latency_us = 20000\n");
    EVP_PKEY_free(w.key);
    w.key = key_of(_i);
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(support_in_job(sign_in_job, &w, &pauses), 1);
        ck_assert_uint_gt(pauses, 0);
        asym_did(&s, 1, 0);
        ck_assert(asym_digest_verify(&s, THEIRS, w.key, &w.scheme, msg, 321, sig, w.n));
    }
    /* Outside a job it is software's. */
    ck_assert_int_eq(sign_in_job(&w), 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-no-job"), 1);
    asym_did(&s, 0, 1);
    EVP_PKEY_free(w.key);
    support_settle(&s, "vcrypto-live-keys", 0);
    support_settle(&s, "vcrypto-live-sessions", 0);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-dma-bytes", 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signature contexts");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, one_shot, 0, KINDS);
    tcase_add_loop_test(tc, streaming, 0, KINDS);
    tcase_add_loop_test(tc, sizes_are_told, 0, KINDS);
    tcase_add_loop_test(tc, digest_is_settled, 0, KINDS);
    tcase_add_loop_test(tc, algorithm_ids, 0, KINDS);
    tcase_add_loop_test(tc, queries_are_not_for_digests, 0, KINDS);
    tcase_add_test(tc, pss_keys);
    tcase_add_test(tc, restricted_keys);
    tcase_add_loop_test(tc, in_jobs, 0, KINDS);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
