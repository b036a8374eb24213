/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of ours beside the default provider's: moved to and fro, compared,
 * copied, generated, written to files and read again.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "support/asym.h"

static struct support s;

static void set_up(void)
{
    asym_start(&s, SUPPORT_ALL_OFFLOAD);
}

static void tear_down(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    support_settle(&s, "vcrypto-live-sessions", 0);
    support_unload(&s);
}

enum { PLAIN, PSS_ANY, PSS_RESTRICTED, P256, P384, P521, K256, KINDS };

static EVP_PKEY *key_of(int kind)
{
    static const char *const groups[] = {
        [P256] = "P-256", [P384] = "P-384", [P521] = "P-521", [K256] = "secp256k1"};

    switch (kind) {
    case PLAIN: return asym_rsa(&s, 2048);
    case PSS_ANY: return asym_rsa_pss(&s, NULL, NULL, 0);
    case PSS_RESTRICTED: return asym_rsa_pss(&s, "SHA2-256", "SHA2-256", 32);
    default: return asym_ec(&s, groups[kind]);
    }
}

/* Signs with a key and provider, has the other verify. */
static void signs(EVP_PKEY *key, const char *by, EVP_PKEY *other, const char *verified_by)
{
    struct asym_scheme scheme = {.md = "SHA2-256"};
    uint8_t sig[ASYM_MAX];
    size_t n = asym_digest_sign(&s, by, key, &scheme, "text", 4, sig);

    ck_assert_uint_ne(n, 0);
    ck_assert(asym_digest_verify(&s, verified_by, other, &scheme, "text", 4, sig, n));
}

START_TEST(moved_and_compared)
{
    EVP_PKEY *theirs = key_of(_i), *other = key_of(_i);
    EVP_PKEY *ours = asym_moved(&s, theirs, OURS);
    EVP_PKEY *back = asym_moved(&s, ours, THEIRS);

    ck_assert(asym_is_ours(ours));
    ck_assert(!asym_is_ours(back));
    ck_assert_int_eq(EVP_PKEY_eq(theirs, ours), 1);
    ck_assert_int_eq(EVP_PKEY_eq(ours, theirs), 1);
    ck_assert_int_eq(EVP_PKEY_eq(ours, back), 1);
    ck_assert_int_eq(EVP_PKEY_parameters_eq(ours, theirs), EVP_PKEY_parameters_eq(back, theirs));
    if (_i != PLAIN) /* whose key is always the same one */
        ck_assert_int_eq(EVP_PKEY_eq(ours, other), 0);
    ck_assert_int_eq(EVP_PKEY_get_bits(ours), EVP_PKEY_get_bits(theirs));
    ck_assert_int_eq(EVP_PKEY_get_security_bits(ours), EVP_PKEY_get_security_bits(theirs));
    ck_assert_int_eq(EVP_PKEY_get_size(ours), EVP_PKEY_get_size(theirs));
    signs(ours, OURS, theirs, THEIRS);
    signs(theirs, OURS, ours, THEIRS);
    signs(ours, THEIRS, back, OURS);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(other);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(back);
}
END_TEST

START_TEST(duplicated)
{
    EVP_PKEY *theirs = key_of(_i), *ours = asym_moved(&s, theirs, OURS), *dup;

    signs(ours, OURS, theirs, THEIRS);
    dup = EVP_PKEY_dup(ours);
    ck_assert_ptr_nonnull(dup);
    ck_assert(asym_is_ours(dup));
    EVP_PKEY_free(ours);
    ck_assert_int_eq(EVP_PKEY_eq(dup, theirs), 1);
    signs(dup, OURS, theirs, THEIRS);
    EVP_PKEY_free(dup);
    EVP_PKEY_free(theirs);
}
END_TEST

START_TEST(validated)
{
    EVP_PKEY *theirs = key_of(_i), *ours = asym_moved(&s, theirs, OURS);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, ours, OURS);

    ck_assert_int_eq(EVP_PKEY_check(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_public_check(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_private_check(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_pairwise_check(ctx), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}
END_TEST

/* All that can be asked of a key. */
START_TEST(same_parameters)
{
    EVP_PKEY *theirs = key_of(_i), *ours = asym_moved(&s, theirs, OURS);
    const OSSL_PARAM *all = EVP_PKEY_gettable_params(ours);
    unsigned n = 0;

    ck_assert_ptr_nonnull(all);
    for (; all->key != NULL; all++, n++) {
        uint8_t a[2048] = {0}, b[2048] = {0};
        OSSL_PARAM get_a[] = {{all->key, all->data_type, a, 1040, 0}, OSSL_PARAM_END};
        OSSL_PARAM get_b[] = {{all->key, all->data_type, b, 1040, 0}, OSSL_PARAM_END};

        if (all->data_type == OSSL_PARAM_INTEGER)
            get_a[0].data_size = get_b[0].data_size = sizeof(int);
        ck_assert_int_eq(EVP_PKEY_get_params(ours, get_a), EVP_PKEY_get_params(theirs, get_b));
        ck_assert_uint_eq(get_a[0].return_size, get_b[0].return_size);
        ck_assert_msg(memcmp(a, b, sizeof(a)) == 0, "%s", all->key);
    }
    ck_assert_uint_gt(n, 5);
    ERR_clear_error();
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}
END_TEST

static size_t written(EVP_PKEY *key, int how, char *out, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = 0, n;

    switch (how) {
    case 0: ok = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case 1: ok = PEM_write_bio_PUBKEY(bio, key); break;
    case 2: ok = i2d_PrivateKey_bio(bio, key); break;
    case 3: ok = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case 4: ok = EVP_PKEY_print_private(bio, key, 0, NULL); break;
    default: break;
    }
    ck_assert_msg(ok == 1, "form %d", how);
    n = BIO_read(bio, out, (int)room);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, (int)room);
    BIO_free(bio);
    return (size_t)n;
}

/* The encoders are the default provider's, and get what they would get from a
 * key of its own. */
START_TEST(written_to_files)
{
    static char a[10000], b[10000];
    EVP_PKEY *theirs = key_of(_i), *ours = asym_moved(&s, theirs, OURS);

    for (int how = 0; how < 5; how++) {
        size_t n, m;

        if (how == 3 && (_i == PSS_ANY || _i == PSS_RESTRICTED))
            continue; /* has no such form */
        n = written(ours, how, a, sizeof(a));
        m = written(theirs, how, b, sizeof(b));
        ck_assert_msg(n == m && memcmp(a, b, n) == 0, "form %d", how);
    }
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}
END_TEST

/* Read for us: the default provider decodes, and exports to us. */
START_TEST(read_from_files)
{
    static char pem[10000];
    EVP_PKEY *theirs = key_of(_i), *read;
    size_t n = written(theirs, 0, pem, sizeof(pem));
    BIO *bio = BIO_new_mem_buf(pem, (int)n);

    ck_assert_int_eq(EVP_set_default_properties(s.libctx, "?provider=vcrypto"), 1);
    read = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, s.libctx, NULL);
    ck_assert_ptr_nonnull(read);
    ck_assert_int_eq(EVP_PKEY_eq(read, theirs), 1);
    signs(read, OURS, theirs, THEIRS);
    BIO_free(bio);
    EVP_PKEY_free(read);
    EVP_PKEY_free(theirs);
}
END_TEST

/* ---- generation ---- */

static EVP_PKEY *generate(const char *type, const OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, type, OURS);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_params(ctx, params), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    ck_assert(asym_is_ours(key));
    EVP_PKEY_CTX_free(ctx);
    return key;
}

START_TEST(generated)
{
    size_t bits = 1024;
    char group[] = "P-256", md[] = "SHA2-256", query[] = OURS;
    OSSL_PARAM rsa[] = {OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits), OSSL_PARAM_END};
    OSSL_PARAM pss[] = {
        OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_RSA_DIGEST, md, sizeof(md) - 1),
        /* Of no use to the twin, who must not be told. */
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_RSA_DIGEST_PROPS, query, sizeof(query) - 1),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, md, sizeof(md) - 1),
        OSSL_PARAM_END,
    };
    OSSL_PARAM ec[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group) - 1),
                       OSSL_PARAM_END};
    const char *const types[] = {"RSA", "RSA-PSS", "EC"};
    const OSSL_PARAM *const params[] = {rsa, pss, ec};
    EVP_PKEY *ours = generate(types[_i], params[_i]), *theirs = asym_moved(&s, ours, THEIRS);

    ck_assert_str_eq(EVP_PKEY_get0_type_name(ours), types[_i]);
    signs(ours, OURS, theirs, THEIRS);
    signs(theirs, THEIRS, ours, OURS);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}
END_TEST

/* Parameters alone, then keys from them. */
START_TEST(generated_from_parameters)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, "EC", OURS);
    EVP_PKEY *params = NULL, *key = NULL;
    char name[64];

    ck_assert_int_eq(EVP_PKEY_paramgen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_group_name(ctx, "secp384r1"), 1);
    ck_assert_int_eq(EVP_PKEY_paramgen(ctx, &params), 1);
    ck_assert(asym_is_ours(params));
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, params, OURS);
    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_keygen(ctx, &key), 1);
    ck_assert_int_eq(EVP_PKEY_get_group_name(key, name, sizeof(name), NULL), 1);
    ck_assert_str_eq(name, "secp384r1");
    ck_assert_int_eq(EVP_PKEY_parameters_eq(key, params), 1);
    signs(key, OURS, key, THEIRS);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(params);
    EVP_PKEY_free(key);
}
END_TEST

/* A key whose public part is changed is another key for the device, too. */
START_TEST(changed)
{
    struct asym_scheme scheme = {.md = "SHA2-256"};
    EVP_PKEY *theirs = asym_ec(&s, "P-256"), *other = asym_ec(&s, "P-256");
    EVP_PKEY *public = EVP_PKEY_new(), *ours = asym_moved(&s, theirs, OURS);
    uint8_t sig[ASYM_MAX], *point;
    size_t n = asym_digest_sign(&s, THEIRS, theirs, &scheme, "a", 1, sig), len;

    /* Verified by the device, to which a form of the key goes. */
    ck_assert_int_eq(EVP_PKEY_copy_parameters(public, ours), 1);
    len = EVP_PKEY_get1_encoded_public_key(theirs, &point);
    ck_assert_int_eq(EVP_PKEY_set1_encoded_public_key(public, point, len), 1);
    OPENSSL_free(point);
    ck_assert(asym_is_ours(public));
    ck_assert(asym_digest_verify(&s, OURS, public, &scheme, "a", 1, sig, n));
    asym_did(&s, 1, 0);
    len = EVP_PKEY_get1_encoded_public_key(other, &point);
    ck_assert_int_eq(EVP_PKEY_set1_encoded_public_key(public, point, len), 1);
    OPENSSL_free(point);
    ck_assert(!asym_digest_verify(&s, OURS, public, &scheme, "a", 1, sig, n));
    n = asym_digest_sign(&s, THEIRS, other, &scheme, "a", 1, sig);
    ck_assert(asym_digest_verify(&s, OURS, public, &scheme, "a", 1, sig, n));
    asym_did(&s, 2, 0);
    EVP_PKEY_free(public);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(other);
}
END_TEST

/* ---- key exchange, as TLS does it ---- */

static size_t derive(const char *query, EVP_PKEY *key, const uint8_t *peer, size_t len,
                     uint8_t *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, query);
    EVP_PKEY *p = EVP_PKEY_new();
    size_t n = 100;

    ck_assert_int_eq(EVP_PKEY_copy_parameters(p, key), 1);
    ck_assert_int_eq(EVP_PKEY_set1_encoded_public_key(p, peer, len), 1);
    ck_assert_int_eq(EVP_PKEY_derive_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_derive_set_peer(ctx, p), 1);
    ck_assert_int_eq(EVP_PKEY_derive(ctx, secret, &n), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(p);
    return n;
}

START_TEST(exchanged)
{
    static const char *const groups[] = {"P-256", "P-384", "P-521", "secp256k1"};
    static const char *const queries[] = {OURS, "?provider=vcrypto", THEIRS};
    const char *group = groups[_i / 3], *query = queries[_i % 3];
    EVP_PKEY *a = EVP_PKEY_Q_keygen(s.libctx, OURS, "EC", group), *b = asym_ec(&s, group);
    uint8_t *pa, *pb, secret[100], secret2[100];
    size_t la = EVP_PKEY_get1_encoded_public_key(a, &pa);
    size_t lb = EVP_PKEY_get1_encoded_public_key(b, &pb), n, m;

    ck_assert(asym_is_ours(a));
    n = derive(query, a, pb, lb, secret);
    m = derive(THEIRS, b, pa, la, secret2);
    ck_assert_uint_gt(n, 31);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(secret, secret2, n);
    OPENSSL_free(pa);
    OPENSSL_free(pb);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);
}
END_TEST

/* A certificate that we sign. */
START_TEST(certificate)
{
    EVP_PKEY *theirs = key_of(_i), *ours = asym_moved(&s, theirs, OURS);
    X509 *x = X509_new_ex(s.libctx, "?provider=vcrypto");
    EVP_MD *md = EVP_MD_fetch(s.libctx, "SHA2-256", NULL);

    ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
    ck_assert_int_eq(X509_set_pubkey(x, ours), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(x), 0));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(x), 1000));
    ck_assert_int_gt(X509_sign(x, ours, md), 0);
    ck_assert_int_eq(X509_verify(x, theirs), 1);
    ck_assert_int_eq(X509_verify(x, ours), 1);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(x), theirs), 1);
    X509_free(x);
    EVP_MD_free(md);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}
END_TEST

/* Three primes: no device has a form for it. */
START_TEST(three_primes)
{
    size_t bits = 2048, primes = 3;
    OSSL_PARAM params[] = {OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_BITS, &bits),
                           OSSL_PARAM_size_t(OSSL_PKEY_PARAM_RSA_PRIMES, &primes), OSSL_PARAM_END};
    EVP_PKEY *key = generate("RSA", params);

    signs(key, OURS, key, THEIRS);
    asym_did(&s, 0, 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), 1);
    EVP_PKEY_free(key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("asymmetric keys");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, moved_and_compared, 0, KINDS);
    tcase_add_loop_test(tc, duplicated, 0, KINDS);
    tcase_add_loop_test(tc, validated, 0, KINDS);
    tcase_add_loop_test(tc, same_parameters, 0, KINDS);
    tcase_add_loop_test(tc, written_to_files, 0, KINDS);
    tcase_add_loop_test(tc, read_from_files, 0, KINDS);
    tcase_add_loop_test(tc, generated, 0, 3);
    tcase_add_test(tc, generated_from_parameters);
    tcase_add_test(tc, changed);
    tcase_add_loop_test(tc, exchanged, 0, 12);
    tcase_add_loop_test(tc, certificate, 0, KINDS);
    tcase_add_test(tc, three_primes);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
