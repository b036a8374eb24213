/* SPDX-License-Identifier: Apache-2.0 */
/* Key, IV, its length, tag and padding, in every order that is legal, and all
 * at once as parameters of one init. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "support.h"

#define LEN 100

enum step { KEY, IV, IV_LEN, TAG, PADDING, STEPS };

static const struct {
    const char *name;
    unsigned steps; /* one bit each */
    int iv_len;
} rows[] = {
    {"AES-128-CBC", 1u << KEY | 1u << IV | 1u << PADDING, 16},
    {"AES-256-CTR", 1u << KEY | 1u << IV, 16},
    {"AES-128-XTS", 1u << KEY | 1u << IV, 16},
    {"AES-192-GCM", 1u << KEY | 1u << IV | 1u << IV_LEN | 1u << TAG, 12},
    {"AES-192-GCM", 1u << KEY | 1u << IV | 1u << IV_LEN | 1u << TAG, 16},
};

#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static struct support s;
static EVP_CIPHER *ours, *theirs;
static uint8_t key[64], iv[16], plain[LEN], crypted[LEN + 16], tag[16];
static int crypted_len;

static void set_up(void)
{
    support_load(&s, SUPPORT_ALL_OFFLOAD);
}

static void tear_down(void)
{
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_unload(&s);
}

static void reference(int row)
{
    struct support_random random = {.state = 3};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, end = 0;

    ours = support_cipher(&s, rows[row].name);
    theirs = support_default(&s, rows[row].name);
    support_fill(&random, key, sizeof(key));
    support_fill(&random, iv, sizeof(iv));
    support_fill(&random, plain, sizeof(plain));
    ck_assert_int_eq(EVP_EncryptInit_ex(c, theirs, NULL, NULL, NULL), 1);
    if (rows[row].steps & 1u << IV_LEN)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, rows[row].iv_len, NULL),
                         1);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, key, iv), 1);
    if (rows[row].steps & 1u << PADDING)
        EVP_CIPHER_CTX_set_padding(c, 0);
    crypted_len = rows[row].steps & 1u << PADDING ? LEN / 16 * 16 : LEN;
    ck_assert_int_eq(EVP_EncryptUpdate(c, crypted, &n, plain, crypted_len), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(c, crypted + n, &end), 1);
    ck_assert_int_eq(n + end, crypted_len);
    if (rows[row].steps & 1u << TAG)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(c);
}

static void do_step(EVP_CIPHER_CTX *c, int row, enum step step)
{
    int ok = 0;

    switch (step) {
    case KEY: ok = EVP_DecryptInit_ex(c, NULL, NULL, key, NULL); break;
    case IV: ok = EVP_DecryptInit_ex(c, NULL, NULL, NULL, iv); break;
    case IV_LEN:
        ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, rows[row].iv_len, NULL);
        break;
    case TAG: ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, tag); break;
    case PADDING: ok = EVP_CIPHER_CTX_set_padding(c, 0); break;
    case STEPS: break;
    }
    ck_assert_int_eq(ok, 1);
}

static void check_decrypts(EVP_CIPHER_CTX *c)
{
    uint8_t out[LEN + 16];
    int n = 0, end = 0;

    ck_assert_int_eq(EVP_DecryptUpdate(c, out, &n, crypted, crypted_len), 1);
    ck_assert_int_eq(EVP_DecryptFinal_ex(c, out + n, &end), 1);
    ck_assert_int_eq(n + end, crypted_len);
    ck_assert_mem_eq(out, plain, (size_t)crypted_len);
}

/* All orders of the steps left, after those in done. */
static int permute(int row, enum step *done, int count, unsigned left)
{
    int orders = 0;

    if (left == 0) {
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

        ck_assert_int_eq(EVP_DecryptInit_ex(c, ours, NULL, NULL, NULL), 1);
        for (int i = 0; i < count; i++)
            do_step(c, row, done[i]);
        check_decrypts(c);
        EVP_CIPHER_CTX_free(c);
        return 1;
    }
    for (int step = 0; step < STEPS; step++) {
        /* An IV is as long as was said before. */
        if ((left & 1u << step) == 0 || (step == IV && (left & 1u << IV_LEN) != 0))
            continue;
        done[count] = (enum step)step;
        orders += permute(row, done, count + 1, left & ~(1u << step));
    }
    return orders;
}

START_TEST(test_orders)
{
    enum step done[STEPS];
    uint64_t device;
    int orders;

    reference(_i);
    device = support_stat(&s, "vcrypto-requests");
    orders = permute(_i, done, 0, rows[_i].steps);
    ck_assert_int_ge(orders, 2);
    if (rows[_i].iv_len == 12 || (rows[_i].steps & 1u << IV_LEN) == 0)
        ck_assert_uint_ge(support_stat(&s, "vcrypto-requests") - device, (unsigned)orders);
}
END_TEST

START_TEST(test_all_at_once)
{
    size_t iv_len = (size_t)rows[_i].iv_len;
    unsigned no = 0;
    OSSL_PARAM params[4], *p = params;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    reference(_i);
    if (rows[_i].steps & 1u << TAG)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16);
    if (rows[_i].steps & 1u << IV_LEN)
        *p++ = OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &iv_len);
    if (rows[_i].steps & 1u << PADDING)
        *p++ = OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_PADDING, &no);
    *p = OSSL_PARAM_construct_end();
    ck_assert_int_eq(EVP_DecryptInit_ex2(c, ours, key, iv, params), 1);
    check_decrypts(c);
    EVP_CIPHER_CTX_free(c);
}
END_TEST

/* The IV again, without naming it: CBC starts over, CTR goes on. */
START_TEST(test_init_without_anything)
{
    static const char *const names[] = {"AES-128-ECB", "AES-128-CBC", "AES-128-CTR"};
    EVP_CIPHER_CTX *c[2] = {EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new()};
    uint8_t out[2][64];
    int n;

    ours = support_cipher(&s, names[_i]);
    theirs = support_default(&s, names[_i]);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(EVP_EncryptInit_ex(c[i], i == 0 ? ours : theirs, NULL, key, iv), 1);
        ck_assert_int_eq(EVP_EncryptUpdate(c[i], out[i], &n, plain, 23), 1);
        ck_assert_int_eq(EVP_EncryptInit_ex(c[i], NULL, NULL, NULL, NULL), 1);
        ck_assert_int_eq(EVP_EncryptUpdate(c[i], out[i], &n, plain, 48), 1);
        EVP_CIPHER_CTX_free(c[i]);
    }
    ck_assert_mem_eq(out[0], out[1], 48);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tc = tcase_create("order");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, test_orders, 0, ROWS);
    tcase_add_loop_test(tc, test_all_at_once, 0, ROWS);
    tcase_add_loop_test(tc, test_init_without_anything, 0, 3);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
