/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no device is in question for goes straight to the default provider: when
 * that begins and ends, and what is known behind it.
 */
#include <check.h>
#include <openssl/err.h>
#include <string.h>

#include "support/functions.h"

static struct support s;
static EVP_CIPHER_CTX *ctx;
static const uint8_t key[32] = {1, 2, 3}, iv[16] = {4, 5, 6};
static uint8_t buf[1024];

static void set_up(void)
{
    support_load(&s, "sync = software\nmin_bytes = 0\n");
    ctx = EVP_CIPHER_CTX_new();
}

static void tear_down(void)
{
    EVP_CIPHER_CTX_free(ctx);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_unload(&s);
}

/* Who complains tells where it went. */
static bool goes_straight(const struct functions *f, void *c)
{
    const char *file = NULL;
    size_t n;

    ERR_clear_error();
    ck_assert_int_eq(f->update(c, buf, &n, 15, buf, 16), 0);
    ck_assert_int_ne((int)ERR_peek_last_error_all(&file, NULL, NULL, NULL, NULL), 0);
    ck_assert_ptr_nonnull(file);
    return strstr(file, "cipher_block.c") == NULL;
}

/* An IV means nothing to ECB, and some give one to all modes. */
START_TEST(test_ecb_with_iv)
{
    struct functions f;
    size_t n;
    void *c;

    functions_take(&s, "AES-128-ECB", &f);
    c = f.newctx(OSSL_PROVIDER_get0_provider_ctx(s.vcrypto));
    ck_assert_int_eq(f.einit(c, key, 16, NULL, 0, NULL), 1);
    ck_assert(!goes_straight(&f, c));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(f.update(c, buf, &n, 16, buf, 16), 1);
        ck_assert(goes_straight(&f, c));
        ck_assert_int_eq(f.einit(c, NULL, 0, iv, sizeof(iv), NULL), 1);
    }
    f.freectx(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("direct");
    TCase *tc = tcase_create("direct");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, test_ecb_with_iv);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
