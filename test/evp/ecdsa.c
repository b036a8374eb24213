/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA on the device: signatures, and, where asked for, their verification. */
#include <check.h>
#include <openssl/async.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#include "support/asym.h"

static struct support s;
static uint8_t sig[ASYM_MAX], digest[64];

static void load(const char *settings)
{
    struct support_random r = {4};

    asym_start(&s, settings);
    support_fill(&r, digest, sizeof(digest));
}

/* min_bytes is 0: verification goes to the device, too. */
static void set_up(void)
{
    load(SUPPORT_ALL_OFFLOAD);
}

static void tear_down(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_unload(&s);
}

static const char *const curves[] = {"P-192", "P-224", "P-256", "P-384", "P-521"};
static const char *const digests[] = {"SHA1",     "SHA2-224", "SHA2-256", "SHA2-384",
                                      "SHA2-512", "SHA3-256", "SHA3-512"};
#define CURVES  ((int)(sizeof(curves) / sizeof(curves[0])))
#define DIGESTS ((int)(sizeof(digests) / sizeof(digests[0])))

START_TEST(curves_and_digests)
{
    EVP_PKEY *key = asym_ec(&s, curves[_i / DIGESTS]);
    struct asym_scheme scheme = {.md = digests[_i % DIGESTS]};
    size_t len = asym_md_size(&s, scheme.md), n;

    for (unsigned i = 0; i < 8; i++) {
        n = asym_sign(&s, OURS, key, &scheme, digest, len, sig);
        ck_assert_uint_ne(n, 0);
        ck_assert(asym_verify(&s, THEIRS, key, &scheme, digest, len, sig, n));
        asym_did(&s, 1, 0);
        ck_assert(asym_verify(&s, OURS, key, &scheme, digest, len, sig, n));
        digest[1] ^= 0x40;
        ck_assert(!asym_verify(&s, OURS, key, &scheme, digest, len, sig, n));
        asym_did(&s, 2, 0);
        n = asym_sign(&s, THEIRS, key, &scheme, digest, len, sig);
        ck_assert(asym_verify(&s, OURS, key, &scheme, digest, len, sig, n));
        asym_did(&s, 1, 0);
    }
    EVP_PKEY_free(key);
}
END_TEST

/* RFC 6979, appendix A.2.3 to A.2.7: the message "sample". */
static const struct vector {
    const char *curve, *md, *private, *r, *s;
} vectors[] = {
    {"P-192", "SHA2-256", "6fab034934e4c0fc9ae67f5b5659a9d7d1fefd187ee09fd4",
     "4b0b8ce98a92866a2820e20aa6b75b56382e0f9bfd5ecb55",
     "ccdb006926ea9565cbadc840829d8c384e06de1f1e381b85"},
    {"P-224", "SHA2-256", "f220266e1105bfe3083e03ec7a3a654651f45e37167e88600bf257c1",
     "61aa3da010e8e8406c656bc477a7a7189895e7e840cdfe8ff42307ba",
     "bc814050dab5d23770879494f9e0a680dc1af7161991bde692b10101"},
    {"P-256", "SHA1", "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
     "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32",
     "6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb"},
    {"P-256", "SHA2-256", "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
     "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
     "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
    {"P-256", "SHA2-512", "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
     "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00",
     "2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe"},
    {"P-384", "SHA2-384",
     "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8"
     "96d5724e4c70a825f872c9ea60d2edf5",
     "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
     "81a648152e44acf96e36dd1e80fabe46",
     "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f"
     "a329c145786e679e7b82c71a38628ac8"},
    {"P-521", "SHA2-512",
     "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75c"
     "aa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538",
     "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f1"
     "74e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
     "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af2"
     "82623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a"},
};
#define VECTORS ((int)(sizeof(vectors) / sizeof(vectors[0])))

static BIGNUM *number(const char *hex)
{
    BIGNUM *n = NULL;

    ck_assert_int_gt(BN_hex2bn(&n, hex), 0);
    return n;
}

/* The public key is worked out by the default provider. */
static EVP_PKEY *public_key(const struct vector *v)
{
    char name[8];
    EC_GROUP *group = EC_GROUP_new_by_curve_name_ex(s.libctx, NULL, EC_curve_nist2nid(v->curve));
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *d = number(v->private);
    uint8_t octets[133];
    size_t len;
    OSSL_PARAM params[3];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, "EC", OURS);
    EVP_PKEY *key = NULL;

    snprintf(name, sizeof(name), "%s", v->curve);
    ck_assert_int_eq(EC_POINT_mul(group, point, d, NULL, NULL, NULL), 1);
    len =
        EC_POINT_point2oct(group, point, POINT_CONVERSION_COMPRESSED, octets, sizeof(octets), NULL);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets, len);
    params[2] = OSSL_PARAM_construct_end();
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    BN_free(d);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

static size_t encode(const BIGNUM *r, const BIGNUM *t, uint8_t *out)
{
    ECDSA_SIG *both = ECDSA_SIG_new();
    int n;

    ck_assert_int_eq(ECDSA_SIG_set0(both, BN_dup(r), BN_dup(t)), 1);
    n = i2d_ECDSA_SIG(both, &out);
    ck_assert_int_gt(n, 0);
    ECDSA_SIG_free(both);
    return (size_t)n;
}

START_TEST(published)
{
    const struct vector *v = &vectors[_i];
    struct asym_scheme scheme = {.md = v->md};
    EVP_PKEY *key = public_key(v);
    BIGNUM *r = number(v->r), *t = number(v->s);
    size_t n = encode(r, t, sig);

    ck_assert(asym_is_ours(key));
    ck_assert(asym_digest_verify(&s, OURS, key, &scheme, "sample", 6, sig, n));
    ck_assert(!asym_digest_verify(&s, OURS, key, &scheme, "samplf", 6, sig, n));
    asym_did(&s, 2, 0);
    BN_free(r);
    BN_free(t);
    EVP_PKEY_free(key);
}
END_TEST

/* None of these is a signature, on the device as little as in software. */
START_TEST(malformed)
{
    EVP_PKEY *key = asym_ec(&s, "P-256");
    struct asym_scheme scheme = {.md = "SHA2-256"};
    BIGNUM *zero = BN_new(), *one = BN_new(), *huge = BN_new();
    const BIGNUM *pairs[][2] = {{zero, one}, {one, zero}, {one, huge}, {huge, one}, {one, one}};
    const char *const queries[] = {THEIRS, OURS};
    size_t n;

    BN_zero(zero);
    ck_assert_int_eq(BN_one(one), 1);
    ck_assert_int_eq(BN_set_bit(huge, 300), 1);
    for (unsigned q = 0; q < 2; q++) {
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
            n = encode(pairs[i][0], pairs[i][1], sig);
            ck_assert(!asym_verify(&s, queries[q], key, &scheme, digest, 32, sig, n));
        }
        n = asym_sign(&s, queries[q], key, &scheme, digest, 32, sig);
        ck_assert(!asym_verify(&s, queries[q], key, &scheme, digest, 32, sig, n - 1));
        sig[n] = 0;
        ck_assert(!asym_verify(&s, queries[q], key, &scheme, digest, 32, sig, n + 1));
        sig[0] = 0x31;
        ck_assert(!asym_verify(&s, queries[q], key, &scheme, digest, 32, sig, n));
        ck_assert(!asym_verify(&s, queries[q], key, &scheme, digest, 32, sig, 0));
        ERR_clear_error();
    }
    BN_free(zero);
    BN_free(one);
    BN_free(huge);
    EVP_PKEY_free(key);
}
END_TEST

/* Curves that have no number for devices. */
START_TEST(other_curves)
{
    static const char *const others[] = {"secp256k1", "brainpoolP256r1", "brainpoolP384r1",
                                         "sect283k1"};
    EVP_PKEY *key = asym_ec(&s, others[_i]);
    struct asym_scheme scheme = {.md = "SHA2-256"};
    size_t n = asym_sign(&s, OURS, key, &scheme, digest, 32, sig);

    ck_assert(asym_verify(&s, THEIRS, key, &scheme, digest, 32, sig, n));
    asym_did(&s, 0, 1);
    ck_assert(asym_verify(&s, OURS, key, &scheme, digest, 32, sig, n));
    asym_did(&s, 0, 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), 2);
    EVP_PKEY_free(key);
}
END_TEST

/* Without a digest set, any length will do. */
START_TEST(bare_digests)
{
    EVP_PKEY *key = asym_ec(&s, "P-384");
    struct asym_scheme none = {.md = NULL}, sha256 = {.md = "SHA2-256"};

    for (size_t len = 1; len <= 64; len += 9) {
        size_t n = asym_sign(&s, OURS, key, &none, digest, len, sig);

        ck_assert(asym_verify(&s, THEIRS, key, &none, digest, len, sig, n));
        asym_did(&s, 1, 0);
    }
    ck_assert_uint_eq(asym_sign(&s, OURS, key, &sha256, digest, 31, sig), 0);
    ck_assert_uint_eq(asym_sign(&s, OURS, key, &sha256, digest, 33, sig), 0);
    asym_did(&s, 0, 2);
    ERR_clear_error();
    EVP_PKEY_free(key);
}
END_TEST

/* A good signature is one, or nothing was found out: it is never a wrong one for
 * the device's failures. */
START_TEST(no_verdict)
{
    EVP_PKEY *theirs, *key;
    EVP_PKEY_CTX *ctx;
    unsigned good = 0, none = 0;
    size_t n;

    support_unload(&s);
    load("sync = offload\nmin_bytes = 0\nfallback = no\nemulator_fault = error:2\n");
    theirs = asym_ec(&s, "P-256");
    key = asym_moved(&s, theirs, OURS);
    n = asym_sign(&s, THEIRS, theirs, &(struct asym_scheme){.md = "SHA2-256"}, digest, 32, sig);
    ctx = asym_context(&s, OURS, key, false, &(struct asym_scheme){.md = "SHA2-256"});
    for (unsigned i = 0; i < 8; i++) {
        int rc = EVP_PKEY_verify(ctx, sig, n, digest, 32);

        ck_assert_int_ne(rc, 0);
        ck_assert(rc == 1 || ERR_peek_error() != 0);
        good += rc == 1;
        none += rc < 0;
        ERR_clear_error();
    }
    ck_assert_uint_eq(good, 4);
    ck_assert_uint_eq(none, 4);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    EVP_PKEY_free(theirs);
}
END_TEST

struct signing {
    EVP_PKEY_CTX *ctx;
    size_t len;
};

static int sign_main(void *arg)
{
    struct signing *f = *(struct signing **)arg;

    return EVP_PKEY_sign(f->ctx, sig, &f->len, digest, 32);
}

/* On this one thread, where nobody else uses it, but for the job. */
START_TEST(key_changes_while_paused)
{
    struct asym_scheme scheme = {.md = "SHA2-256"};
    ASYNC_WAIT_CTX *wait = ASYNC_WAIT_CTX_new();
    EVP_PKEY *theirs, *key;
    ASYNC_JOB *job = NULL;
    unsigned paused = 0;
    uint8_t *point = NULL;

    support_unload(&s);
    load("fallback = no\nemulator_latency_us = 20000\n");
    theirs = asym_ec(&s, "P-256");
    key = asym_moved(&s, theirs, OURS);
    for (unsigned i = 0; i < 4; i++) {
        struct signing signing = {asym_context(&s, OURS, key, true, &scheme), sizeof(sig)};
        struct signing *arg = &signing;
        size_t len = EVP_PKEY_get1_encoded_public_key(key, &point);
        int ret = 0, rc;

        ck_assert_uint_ne(len, 0);
        while ((rc = ASYNC_start_job(&job, wait, &ret, sign_main, &arg, sizeof(arg))) ==
               ASYNC_PAUSE)
            if (paused++ % 64 == 0)
                /* To the same point, and the form that it is written in. */
                ck_assert(EVP_PKEY_set1_encoded_public_key(key, point, len) == 1 &&
                          EVP_PKEY_set_utf8_string_param(
                              key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                              i % 2 == 0 ? "compressed" : "uncompressed") == 1);
        OPENSSL_free(point);
        ck_assert_int_eq(rc, ASYNC_FINISH);
        ck_assert_int_eq(ret, 1);
        ck_assert(asym_verify(&s, THEIRS, theirs, &scheme, digest, 32, sig, signing.len));
        EVP_PKEY_CTX_free(signing.ctx);
    }
    ck_assert_uint_gt(paused, 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 4);
    EVP_PKEY_free(key);
    EVP_PKEY_free(theirs);
    ASYNC_WAIT_CTX_free(wait);
}
END_TEST

START_TEST(small_buffers)
{
    for (int i = 0; i < CURVES; i++) {
        EVP_PKEY *key = asym_ec(&s, curves[i]);
        struct asym_scheme scheme = {.md = "SHA2-256"};
        EVP_PKEY_CTX *ctx = asym_context(&s, OURS, key, true, &scheme);
        size_t size = (size_t)EVP_PKEY_get_size(key), n = 0;

        ck_assert_int_eq(EVP_PKEY_sign(ctx, NULL, &n, digest, 32), 1);
        ck_assert_uint_eq(n, size);
        n = size - 1;
        ck_assert_int_ne(EVP_PKEY_sign(ctx, sig, &n, digest, 32), 1);
        ERR_clear_error();
        asym_did(&s, 0, 1);
        /* The longest there is fits, and the device does it. */
        n = size;
        ck_assert_int_eq(EVP_PKEY_sign(ctx, sig, &n, digest, 32), 1);
        ck_assert_uint_le(n, size);
        asym_did(&s, 1, 0);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(key);
    }
}
END_TEST

/* One key, signing and verifying, is one session. */
START_TEST(one_session)
{
    EVP_PKEY *key = asym_ec(&s, "P-256");
    struct asym_scheme scheme = {.md = "SHA2-256"};

    for (unsigned i = 0; i < 10; i++) {
        size_t n = asym_sign(&s, OURS, key, &scheme, digest, 32, sig);

        ck_assert(asym_verify(&s, OURS, key, &scheme, digest, 32, sig, n));
    }
    asym_did(&s, 20, 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-sessions-created"), 1);
    EVP_PKEY_free(key);
    support_settle(&s, "vcrypto-live-sessions", 0);
}
END_TEST

/* Where verification goes: digest bytes against min_bytes. */
static const struct {
    const char *settings;
    unsigned requests; /* of a verification with SHA-256 */
} thresholds[] = {
    {"sync = offload\n", 0},
    {"sync = offload\nmin_bytes = 0\n", 1},
    {"sync = offload\nmin_bytes = 4096\n", 0},
    {"sync = offload\nmin_bytes = ECDSA:dec:0\n", 1},
    {"sync = offload\nmin_bytes = ECDSA:32\n", 1},
    {"sync = offload\nmin_bytes = EC:dec:33\n", 0},
};
#define THRESHOLDS ((int)(sizeof(thresholds) / sizeof(thresholds[0])))

START_TEST(verification_threshold)
{
    struct asym_scheme scheme = {.md = "SHA2-256"};
    EVP_PKEY *key;
    size_t n;

    load(thresholds[_i].settings);
    key = asym_ec(&s, "P-256");
    n = asym_sign(&s, OURS, key, &scheme, digest, 32, sig);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 1);
    ck_assert(asym_verify(&s, OURS, key, &scheme, digest, 32, sig, n));
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 1 + thresholds[_i].requests);
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

START_TEST(refused_thresholds)
{
    static const char *const bad[] = {"min_bytes = RSA:0\n", "min_bytes = ECDSA:enc:0\n",
                                      "min_bytes = RSA-PSS:dec:1\n", "algorithms = ECDSB\n"};
    struct support none;

    ck_assert(!support_try_load(&none, bad[_i]));
    ERR_clear_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecdsa");
    TCase *tc = tcase_create("device"), *config = tcase_create("configuration");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, curves_and_digests, 0, CURVES * DIGESTS);
    tcase_add_loop_test(tc, published, 0, VECTORS);
    tcase_add_test(tc, malformed);
    tcase_add_loop_test(tc, other_curves, 0, 4);
    tcase_add_test(tc, bare_digests);
    tcase_add_test(tc, no_verdict);
    tcase_add_test(tc, key_changes_while_paused);
    tcase_add_test(tc, small_buffers);
    tcase_add_test(tc, one_session);
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(config, verification_threshold, 0, THRESHOLDS);
    tcase_add_loop_test(config, refused_thresholds, 0, 4);
    suite_add_tcase(suite, config);
    return support_run(suite);
}
