/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse: an error in the queue, and a context that can still be freed and
 * used again. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/proverr.h>
#include <string.h>

#include "support/functions.h"

static struct support s;
static EVP_CIPHER_CTX *ctx;
static uint8_t key[64] = {1, 2, 3}, iv[16] = {4, 5, 6}, buf[256];

static void set_up(void)
{
    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ctx = EVP_CIPHER_CTX_new();
}

static void tear_down(void)
{
    EVP_CIPHER_CTX_free(ctx);
    support_unload(&s);
}

static void init(const char *name, const uint8_t *k, const uint8_t *v, int enc)
{
    EVP_CIPHER *c = support_cipher(&s, name);

    ck_assert_int_eq(EVP_CipherInit_ex(ctx, c, NULL, k, v, enc), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 1); /* which outlives a change of ciphers */
    EVP_CIPHER_free(c);
}

static void failed_with(int ok, int reason)
{
    ck_assert_int_le(ok, 0);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), reason);
    ERR_clear_error();
}

/* The context does its work after all. */
static void works(const char *name)
{
    uint8_t out[64], want[64];
    int n, m;
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    EVP_CIPHER *c = support_default(&s, name);

    ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, 1), 1);
    ck_assert_int_eq(EVP_CipherInit_ex(ref, c, NULL, key, iv, 1), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, out, &n, buf, 48), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ref, want, &m, buf, 48), 1);
    ck_assert_int_eq(n, m);
    ck_assert_mem_eq(out, want, (size_t)n);
    EVP_CIPHER_CTX_free(ref);
    EVP_CIPHER_free(c);
}

static const struct {
    const char *name;
    int update, final; /* reason without a key; 0: no error */
} unkeyed[] = {
    {"AES-128-ECB", PROV_R_NO_KEY_SET, PROV_R_NO_KEY_SET},
    {"AES-256-CBC", PROV_R_NO_KEY_SET, PROV_R_NO_KEY_SET},
    {"AES-192-CTR", PROV_R_NO_KEY_SET, PROV_R_NO_KEY_SET},
    {"AES-128-XTS", PROV_R_CIPHER_OPERATION_FAILED, 0},
    {"AES-256-GCM", PROV_R_CIPHER_OPERATION_FAILED, -1},
};

START_TEST(test_no_key)
{
    int n;

    for (int enc = 0; enc < 2; enc++) {
        init(unkeyed[_i].name, NULL, iv, enc);
        failed_with(EVP_CipherUpdate(ctx, buf, &n, buf, 32), unkeyed[_i].update);
        if (unkeyed[_i].final > 0)
            failed_with(EVP_CipherFinal_ex(ctx, buf, &n), unkeyed[_i].final);
        else
            ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), unkeyed[_i].final == 0);
        ck_assert_int_le(EVP_Cipher(ctx, buf, buf, 32), 0);
        ERR_clear_error();
    }
    works(unkeyed[_i].name);
}
END_TEST

START_TEST(test_no_iv)
{
    int n;

    init("AES-128-XTS", key, NULL, 1);
    failed_with(EVP_CipherUpdate(ctx, buf, &n, buf, 32), PROV_R_CIPHER_OPERATION_FAILED);
    works("AES-128-XTS");
    init("AES-128-GCM", key, NULL, 0);
    failed_with(EVP_CipherUpdate(ctx, buf, &n, buf, 32), PROV_R_CIPHER_OPERATION_FAILED);
    works("AES-128-GCM");
}
END_TEST

START_TEST(test_wrong_lengths)
{
    int n;

    init("AES-128-CBC", key, iv, 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, 17), 1);
    failed_with(EVP_CipherFinal_ex(ctx, buf, &n), PROV_R_WRONG_FINAL_BLOCK_LENGTH);
    init("AES-128-CBC", key, iv, 0);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, 17), 1);
    failed_with(EVP_CipherFinal_ex(ctx, buf, &n), PROV_R_WRONG_FINAL_BLOCK_LENGTH);
    init("AES-128-CBC", key, iv, 0);
    failed_with(EVP_CipherFinal_ex(ctx, buf, &n), PROV_R_WRONG_FINAL_BLOCK_LENGTH);
    init("AES-256-XTS", key, iv, 1);
    failed_with(EVP_CipherUpdate(ctx, buf, &n, buf, 15), PROV_R_CIPHER_OPERATION_FAILED);
}
END_TEST

START_TEST(test_bad_padding)
{
    int n;

    init("AES-256-CBC", key, iv, 0);
    memset(buf, 0, 32);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, 32), 1);
    failed_with(EVP_CipherFinal_ex(ctx, buf + n, &n), PROV_R_BAD_DECRYPT);
    works("AES-256-CBC");
}
END_TEST

START_TEST(test_xts_units)
{
    static uint8_t big[(16 << 20) + 16];
    static uint8_t same[64];
    int n;

    init("AES-128-XTS", NULL, iv, 1);
    failed_with(EVP_CipherInit_ex(ctx, NULL, NULL, same, iv, 1), PROV_R_XTS_DUPLICATED_KEYS);
    ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, same, iv, 0), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, 32), 1);
    ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, 1), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, big, &n, big, 16 << 20), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, big, &n, big, (16 << 20) + 1), 0);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()), PROV_R_XTS_DATA_UNIT_IS_TOO_LARGE);
}
END_TEST

START_TEST(test_gcm_tags)
{
    int n;

    init("AES-128-GCM", key, iv, 1);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, buf), PROV_R_INVALID_TAG);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, buf), PROV_R_INVALID_TAG);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 1);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 17, buf), PROV_R_INVALID_TAG);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 0, buf), PROV_R_INVALID_TAG);
    init("AES-128-GCM", key, iv, 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 17, buf), 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 0, buf), 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, NULL), 0);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 0);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 0, NULL),
                PROV_R_INVALID_IV_LENGTH);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 129, NULL),
                PROV_R_INVALID_IV_LENGTH);
}
END_TEST

START_TEST(test_gcm_generated_ivs)
{
    init("AES-128-GCM", key, NULL, 1);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_IV_GEN, 8, buf), 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 3, buf), 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 5, buf), 0);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 200, buf), 0);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 4, buf), 1);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IV_INV, 8, buf), 0);
    init("AES-128-GCM", key, NULL, 0);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 4, buf), 1);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IV_INV, 200, buf), 0);
    ck_assert_int_ne((int)ERR_peek_error(), 0);
    /* Generated for twelve bytes, and then there are fewer than are counted. */
    init("AES-128-GCM", key, NULL, 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 4, buf), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 1, NULL), 1);
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_IV_GEN, 8, buf), 0);
}
END_TEST

START_TEST(test_gcm_records)
{
    uint8_t header[13] = {0};
    int n;

    init("AES-128-GCM", key, iv, 1);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, 12, header), PROV_R_INVALID_AAD);
    failed_with(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, 13, header), PROV_R_INVALID_AAD);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, 4, iv), 1);
    for (int i = 0; i < 3; i++) {
        header[12] = 100;
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, 13, header), 16);
        /* Not in place, too short, the end. */
        if (i == 0)
            ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf + 128, 124), 0);
        else if (i == 1)
            ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, 23), 0);
        else
            ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 0);
    }
    works("AES-128-GCM");
}
END_TEST

START_TEST(test_parameters)
{
    unsigned num = 16;
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_NUM, &num),
        OSSL_PARAM_construct_end(),
    };

    init("AES-128-CBC", key, iv, 1);
    failed_with(EVP_CIPHER_CTX_set_params(ctx, params), PROV_R_FAILED_TO_GET_PARAMETER);
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_PADDING, buf, 3);
    failed_with(EVP_CIPHER_CTX_set_params(ctx, params), PROV_R_FAILED_TO_GET_PARAMETER);
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_IV, buf, 3);
    failed_with(EVP_CIPHER_CTX_get_params(ctx, params), PROV_R_FAILED_TO_SET_PARAMETER);
    ck_assert_int_eq(EVP_CIPHER_CTX_set_key_length(ctx, 24), 0);
    init("AES-128-XTS", key, iv, 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_set_key_length(ctx, 64), 0);
    works("AES-128-XTS");
}
END_TEST

/* Below EVP, which sees to buffer sizes itself: the provider's own checks. */
static const struct {
    const char *name;
    size_t key_len, iv_len;
    bool pads;
} rows[] = {
    {"AES-128-ECB", 16, 0, true},   {"AES-128-CBC", 16, 16, true},  {"AES-128-CTR", 16, 16, false},
    {"AES-128-XTS", 32, 16, false}, {"AES-128-GCM", 16, 12, false},
};

START_TEST(test_small_buffers)
{
    struct functions f;
    size_t n = 99;
    void *c;

    functions_take(&s, rows[_i].name, &f);
    c = f.newctx(OSSL_PROVIDER_get0_provider_ctx(s.vcrypto));
    failed_with(f.einit(c, key, rows[_i].key_len + 1, NULL, 0, NULL), PROV_R_INVALID_KEY_LENGTH);
    if (rows[_i].iv_len != 0)
        failed_with(f.einit(c, NULL, 0, iv, 200, NULL), PROV_R_INVALID_IV_LENGTH);
    ck_assert_int_eq(f.einit(c, key, rows[_i].key_len, iv, rows[_i].iv_len, NULL), 1);
    failed_with(f.update(c, buf, &n, 31, buf, 32), PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(n, 0);
    failed_with(f.cipher(c, buf, &n, 31, buf, 32), PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    ck_assert_int_eq(f.update(c, buf, &n, 32, NULL, 32), 0);
    if (rows[_i].pads)
        failed_with(f.final(c, buf, &n, 15), PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    ck_assert_int_eq(f.update(c, buf, &n, 32, buf, 32), 1);
    ck_assert_uint_eq(n, 32);
    f.freectx(c);
}
END_TEST

/* Whatever comes of it, it is the default provider's, and no error is left: libssl
 * would take it for a failure. */
START_TEST(test_part_of_a_block)
{
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    EVP_CIPHER *c = support_default(&s, "AES-128-CBC");
    uint8_t out[2][64] = {{0}};

    init("AES-128-CBC", key, iv, 1);
    ck_assert_int_eq(EVP_CipherInit_ex(ref, c, NULL, key, iv, 1), 1);
    for (unsigned len = 16; len > 4; len -= 6) {
        ck_assert_int_eq(EVP_Cipher(ctx, out[0], buf, len), EVP_Cipher(ref, out[1], buf, len));
        ck_assert_uint_eq(ERR_peek_error(), 0);
        ck_assert_mem_eq(out[0], out[1], 64);
        ck_assert_int_eq(EVP_CIPHER_CTX_get_updated_iv(ctx, out[0], 16), 1);
        ck_assert_int_eq(EVP_CIPHER_CTX_get_updated_iv(ref, out[1], 16), 1);
        ck_assert_mem_eq(out[0], out[1], 64);
        ERR_clear_error();
    }
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), 1);
    EVP_CIPHER_CTX_free(ref);
    EVP_CIPHER_free(c);
}
END_TEST

START_TEST(test_finalised_twice)
{
    int n;

    init("AES-128-CBC", key, iv, 1);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 1);
    ck_assert_int_eq(n, 16);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 1);
    ck_assert_int_eq(n, 16);
    works("AES-128-CBC");
    init("AES-128-GCM", key, iv, 1);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 1);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, buf, &n), 0);
    works("AES-128-GCM");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("misuse");
    TCase *tc = tcase_create("misuse");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, test_no_key, 0, (int)(sizeof(unkeyed) / sizeof(unkeyed[0])));
    tcase_add_test(tc, test_no_iv);
    tcase_add_test(tc, test_wrong_lengths);
    tcase_add_test(tc, test_bad_padding);
    tcase_add_test(tc, test_xts_units);
    tcase_add_test(tc, test_gcm_tags);
    tcase_add_test(tc, test_gcm_generated_ivs);
    tcase_add_test(tc, test_gcm_records);
    tcase_add_test(tc, test_parameters);
    tcase_add_loop_test(tc, test_small_buffers, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_test(tc, test_part_of_a_block);
    tcase_add_test(tc, test_finalised_twice);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
