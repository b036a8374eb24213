/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that go wrong in RSA and ECDSA: answers come from software instead
 * and are right, what was wrong is never seen, and each time is counted.
 */
#include <check.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "support/asym.h"

static struct support s;
static uint8_t sig[ASYM_MAX], want[ASYM_MAX], digest[32];

static const struct fault {
    const char *settings;
    const char *count; /* what it is counted as */
} faults[] = {
    {"emulator_fault = flip:1\n", "vcrypto-software-device-error"},
    {"emulator_fault = error:1\n", "vcrypto-software-device-error"},
    {"emulator_fault = badmsg:1\n", "vcrypto-software-device-error"},
    {"emulator_fault = status:1:3\n", "vcrypto-software-unsupported"},
    /* "Signature wrong" is no answer to signing. */
    {"emulator_fault = status:1:6\n", "vcrypto-software-device-error"},
    /* "Done", with nothing written. */
    {"emulator_fault = status:1:0\n", "vcrypto-software-device-error"},
    {"emulator_fault = bad_id:1\n", "vcrypto-software-total"},
    {"emulator_fault = lose:1\ntimeout_ms = 30\n", "vcrypto-software-total"},
    {"emulator_fault = late:1:600\ntimeout_ms = 150\n", "vcrypto-software-timeout"},
};
#define FAULTS ((int)(sizeof(faults) / sizeof(faults[0])))

static void load(const struct fault *f, const char *more)
{
    char settings[256];

    snprintf(settings, sizeof(settings), "sync = offload\n%s%s", more, f->settings);
    asym_start(&s, settings);
    for (unsigned i = 0; i < sizeof(digest); i++)
        digest[i] = (uint8_t)(i * 11);
    memset(sig, 0xa5, sizeof(sig));
}

static void counted(const struct fault *f, uint64_t n)
{
    ck_assert_msg(support_stat(&s, f->count) == n, "%s: %s is %llu", f->settings, f->count,
                  (unsigned long long)support_stat(&s, f->count));
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), n);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(rsa_signature)
{
    const struct fault *f = &faults[_i];
    struct asym_scheme pkcs1 = PKCS1("SHA2-256"), pss = PSS("SHA2-256", NULL, 32);
    EVP_PKEY *key;
    size_t n;

    load(f, "");
    key = asym_rsa(&s, 2048);
    ck_assert_uint_eq(asym_sign(&s, OURS, key, &pkcs1, digest, 32, sig), 256);
    ck_assert_uint_eq(asym_sign(&s, THEIRS, key, &pkcs1, digest, 32, want), 256);
    ck_assert_mem_eq(sig, want, 256);
    counted(f, 1);
    n = asym_sign(&s, OURS, key, &pss, digest, 32, sig);
    ck_assert(asym_verify(&s, THEIRS, key, &pss, digest, 32, sig, n));
    counted(f, 2);
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

START_TEST(ecdsa_signature)
{
    const struct fault *f = &faults[_i];
    struct asym_scheme scheme = {.md = "SHA2-256"};
    EVP_PKEY *key;
    size_t n;

    load(f, "");
    key = asym_ec(&s, "P-384");
    n = asym_sign(&s, OURS, key, &scheme, digest, 32, sig);
    ck_assert(asym_verify(&s, THEIRS, key, &scheme, digest, 32, sig, n));
    counted(f, 1);
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

static size_t crypt(EVP_PKEY *key, int padding, const char *query, const uint8_t *in, size_t len,
                    uint8_t *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, query);
    size_t n = ASYM_MAX;
    bool encrypts = strcmp(query, THEIRS) == 0;
    int rc;

    ck_assert_int_eq(encrypts ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
    rc = encrypts ? EVP_PKEY_encrypt(ctx, out, &n, in, len)
                  : EVP_PKEY_decrypt(ctx, out, &n, in, len);
    EVP_PKEY_CTX_free(ctx);
    return rc == 1 ? n : 0;
}

/* A wrong result would look like wrong padding: that is what must not be. */
START_TEST(rsa_decryption)
{
    static const int paddings[] = {RSA_PKCS1_PADDING, RSA_PKCS1_OAEP_PADDING, RSA_NO_PADDING};
    const struct fault *f = &faults[_i];
    uint8_t block[256] = {0};
    EVP_PKEY *key;

    load(f, "");
    key = asym_rsa(&s, 2048);
    memcpy(block + 1, digest, 32);
    for (unsigned i = asym_rejects_implicitly(&s) ? 1 : 0, n = 1; i < 3; i++, n++) {
        size_t len = paddings[i] == RSA_NO_PADDING ? 256 : 33;

        ck_assert_uint_eq(crypt(key, paddings[i], THEIRS, block, len, want), 256);
        ck_assert_uint_eq(crypt(key, paddings[i], OURS, want, 256, sig), len);
        ck_assert_mem_eq(sig, block, len);
        counted(f, n);
    }
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

/* Without software behind it, the operation fails and gives nothing out. */
START_TEST(no_fallback)
{
    const struct fault *f = &faults[_i];
    struct asym_scheme pkcs1 = PKCS1("SHA2-256"), ecdsa = {.md = "SHA2-256"};
    EVP_PKEY *rsa, *ec;
    uint8_t untouched[256];
    bool may = strcmp(f->count, "vcrypto-software-unsupported") == 0;

    load(f, "fallback = no\n");
    memset(untouched, 0xa5, sizeof(untouched));
    rsa = asym_rsa(&s, 2048);
    ec = asym_ec(&s, "P-256");
    ck_assert_int_eq(asym_sign(&s, OURS, rsa, &pkcs1, digest, 32, sig) != 0, may);
    ck_assert(may || memcmp(sig, untouched, 256) == 0);
    ck_assert_int_eq(ERR_peek_error() == 0, may);
    ERR_clear_error();
    memset(sig, 0xa5, sizeof(sig));
    ck_assert_int_eq(asym_sign(&s, OURS, ec, &ecdsa, digest, 32, sig) != 0, may);
    ck_assert(may || memcmp(sig, untouched, 256) == 0);
    ck_assert_int_eq(ERR_peek_error() == 0, may);
    ERR_clear_error();
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    support_unload(&s);
}
END_TEST

/* Every third result is wrong: the others come from the device. */
START_TEST(now_and_then)
{
    struct fault f = {"emulator_fault = flip:3\n", "vcrypto-software-device-error"};
    struct asym_scheme pkcs1 = PKCS1("SHA2-256");
    EVP_PKEY *key;

    load(&f, "");
    key = asym_rsa(&s, 1024);
    ck_assert_uint_eq(asym_sign(&s, THEIRS, key, &pkcs1, digest, 32, want), 128);
    for (unsigned i = 1; i <= 30; i++) {
        ck_assert_uint_eq(asym_sign(&s, OURS, key, &pkcs1, digest, 32, sig), 128);
        ck_assert_mem_eq(sig, want, 128);
        counted(&f, i / 3);
    }
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 30);
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

/* ECDSA verification on the device, where asked for: what fails is not taken
 * for a wrong signature, nor a wrong signature for a failure. */
START_TEST(ecdsa_verification)
{
    const struct fault *f = &faults[_i];
    struct asym_scheme scheme = {.md = "SHA2-256"};
    EVP_PKEY *key;
    size_t n;
    bool answers = strstr(f->settings, "status:1:6") != NULL;
    bool believed = strstr(f->settings, "status:1:0") != NULL ||
                    strstr(f->settings, "flip") != NULL; /* there is nothing to flip */

    load(f, "min_bytes = ECDSA:dec:0\n");
    key = asym_ec(&s, "P-256");
    n = asym_sign(&s, THEIRS, key, &scheme, digest, 32, sig);
    ck_assert_int_eq(asym_verify(&s, OURS, key, &scheme, digest, 32, sig, n), !answers);
    counted(f, !answers && !believed);
    EVP_PKEY_free(key);
    support_unload(&s);
}
END_TEST

/* A device whose self tests fail is not asked; a family that it does not have
 * is not there. */
START_TEST(liars)
{
    EVP_SIGNATURE *sig_rsa, *sig_ecdsa;
    const char *const settings[] = {"emulator_fault = liar:rsa\n", "emulator_fault = no_algo:rsa\n",
                                    "algorithms = ECDSA\n"};

    asym_start(&s, settings[_i]);
    sig_rsa = EVP_SIGNATURE_fetch(s.libctx, "RSA", OURS);
    sig_ecdsa = EVP_SIGNATURE_fetch(s.libctx, "ECDSA", OURS);
    ck_assert_ptr_null(sig_rsa);
    ck_assert_ptr_nonnull(sig_ecdsa);
    EVP_SIGNATURE_free(sig_ecdsa);
    ck_assert_ptr_null(EVP_KEYMGMT_fetch(s.libctx, "RSA", OURS));
    ck_assert_ptr_null(EVP_KEYMGMT_fetch(s.libctx, "RSA-PSS", OURS));
    ck_assert_ptr_null(EVP_ASYM_CIPHER_fetch(s.libctx, "RSA", OURS));
    ERR_clear_error();
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("asymmetric faults");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rsa_signature, 0, FAULTS);
    tcase_add_loop_test(tc, ecdsa_signature, 0, FAULTS);
    tcase_add_loop_test(tc, rsa_decryption, 0, FAULTS);
    tcase_add_loop_test(tc, no_fallback, 0, FAULTS);
    tcase_add_loop_test(tc, ecdsa_verification, 0, FAULTS);
    tcase_add_test(tc, now_and_then);
    tcase_add_loop_test(tc, liars, 0, 3);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
