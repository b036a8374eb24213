/* SPDX-License-Identifier: Apache-2.0 */
/* What ciphers say about themselves: names, parameters and the tables of them
 * are the default provider's. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "support.h"

static const char *const names[] = {
    "AES-128-ECB", "AES-192-ECB", "AES-256-ECB", "AES-128-CBC", "AES-192-CBC",
    "AES-256-CBC", "AES-128-CTR", "AES-192-CTR", "AES-256-CTR", "AES-128-XTS",
    "AES-256-XTS", "AES-128-GCM", "AES-192-GCM", "AES-256-GCM",
};

#define NAMES (int)(sizeof(names) / sizeof(names[0]))

static struct support s;
static EVP_CIPHER *ours, *theirs;
static EVP_CIPHER_CTX *ctx;

static void set_up(void)
{
    support_load(&s, NULL);
}

static void tear_down(void)
{
    support_unload(&s);
}

static void open_pair(const char *name)
{
    ours = support_cipher(&s, name);
    theirs = support_default(&s, name);
    ctx = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_CipherInit_ex(ctx, ours, NULL, NULL, NULL, 1), 1);
}

static void close_pair(void)
{
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
}

static void same_tables(const OSSL_PARAM *a, const OSSL_PARAM *b, const char *what)
{
    ck_assert_ptr_nonnull(a);
    for (; b->key != NULL; a++, b++) {
        ck_assert_msg(a->key != NULL && strcmp(a->key, b->key) == 0, "%s: %s", what, b->key);
        ck_assert_msg(a->data_type == b->data_type && a->data_size == b->data_size, "%s: %s", what,
                      b->key);
    }
    ck_assert_msg(a->key == NULL, "%s: %s too", what, a->key);
}

START_TEST(test_tables)
{
    open_pair(names[_i]);
    same_tables(EVP_CIPHER_gettable_params(ours), EVP_CIPHER_gettable_params(theirs), "gettable");
    same_tables(EVP_CIPHER_gettable_ctx_params(ours), EVP_CIPHER_gettable_ctx_params(theirs),
                "gettable in a context");
    same_tables(EVP_CIPHER_settable_ctx_params(ours), EVP_CIPHER_settable_ctx_params(theirs),
                "settable in a context");
    same_tables(EVP_CIPHER_CTX_gettable_params(ctx), EVP_CIPHER_gettable_ctx_params(theirs),
                "gettable of a context");
    same_tables(EVP_CIPHER_CTX_settable_params(ctx), EVP_CIPHER_settable_ctx_params(theirs),
                "settable of a context");
    close_pair();
}
END_TEST

START_TEST(test_constants)
{
    open_pair(names[_i]);
    ck_assert_int_eq(EVP_CIPHER_get_nid(ours), EVP_CIPHER_get_nid(theirs));
    ck_assert_str_eq(EVP_CIPHER_get0_name(ours), EVP_CIPHER_get0_name(theirs));
    ck_assert_uint_eq(EVP_CIPHER_get_flags(ours), EVP_CIPHER_get_flags(theirs));
    ck_assert_int_eq(EVP_CIPHER_get_mode(ours), EVP_CIPHER_get_mode(theirs));
    ck_assert_int_eq(EVP_CIPHER_get_block_size(ours), EVP_CIPHER_get_block_size(theirs));
    ck_assert_int_eq(EVP_CIPHER_get_key_length(ours), EVP_CIPHER_get_key_length(theirs));
    ck_assert_int_eq(EVP_CIPHER_get_iv_length(ours), EVP_CIPHER_get_iv_length(theirs));
    ck_assert_int_eq(EVP_CIPHER_CTX_get_key_length(ctx), EVP_CIPHER_get_key_length(theirs));
    ck_assert_int_eq(EVP_CIPHER_CTX_get_iv_length(ctx), EVP_CIPHER_get_iv_length(theirs));
    close_pair();
}
END_TEST

static void check_name(const char *name, void *arg)
{
    ck_assert_msg(EVP_CIPHER_is_a(arg, name), "%s is not a name of the other's", name);
}

START_TEST(test_names)
{
    open_pair(names[_i]);
    ck_assert_int_eq(EVP_CIPHER_names_do_all(ours, check_name, theirs), 1);
    ck_assert_int_eq(EVP_CIPHER_names_do_all(theirs, check_name, ours), 1);
    close_pair();
}
END_TEST

/* Each parameter of the table can be asked for, in its own type, before and
 * after a key is set; the default provider gives the same answer. */
static int ask(EVP_CIPHER_CTX *c, const OSSL_PARAM *p, uint8_t out[64], size_t *len)
{
    OSSL_PARAM params[2] = {*p, OSSL_PARAM_construct_end()};
    void *ptr = NULL;
    int ok;

    memset(out, 0, 64);
    params[0].data = p->data_type == OSSL_PARAM_OCTET_PTR ? (void *)&ptr : out;
    if (params[0].data_size == 0)
        params[0].data_size = 16;
    ok = EVP_CIPHER_CTX_get_params(c, params);
    *len = ok ? params[0].return_size : 0;
    return ok;
}

START_TEST(test_answers)
{
    static const uint8_t key[64] = {1, 2, 3}, iv[16] = {9, 8, 7};
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    uint8_t a[64], b[64];
    size_t na, nb;

    open_pair(names[_i]);
    ck_assert_int_eq(EVP_CipherInit_ex(ref, theirs, NULL, NULL, NULL, 1), 1);
    for (int keyed = 0; keyed < 2; keyed++) {
        for (const OSSL_PARAM *p = EVP_CIPHER_gettable_ctx_params(theirs); p->key != NULL; p++) {
            ck_assert_msg(ask(ctx, p, a, &na) == ask(ref, p, b, &nb), "%s", p->key);
            ck_assert_msg(na == nb && memcmp(a, b, sizeof(a)) == 0, "%s", p->key);
        }
        ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, 1), 1);
        ck_assert_int_eq(EVP_CipherInit_ex(ref, NULL, NULL, key, iv, 1), 1);
    }
    EVP_CIPHER_CTX_free(ref);
    close_pair();
}
END_TEST

/* The IV as a pointer, through which programs also write (OpenSSH does). */
START_TEST(test_iv_by_pointer)
{
    static const uint8_t key[16] = {1}, iv[16] = {2}, data[48] = {3};
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX *both[2];
    uint8_t out[2][48];
    int len;

    open_pair(_i == 0 ? "AES-128-CBC" : "AES-128-CTR");
    both[0] = ctx;
    both[1] = ref;
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, NULL, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_EncryptInit_ex(ref, theirs, NULL, key, iv), 1);
    for (int i = 0; i < 2; i++) {
        uint8_t *at = NULL;
        OSSL_PARAM params[2] = {
            OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_UPDATED_IV, (void **)&at, 16),
            OSSL_PARAM_construct_end(),
        };

        ck_assert_int_eq(EVP_EncryptUpdate(both[i], out[i], &len, data, 32), 1);
        ck_assert_int_eq(EVP_CIPHER_CTX_get_params(both[i], params), 1);
        at[5] ^= 0x40;
        ck_assert_int_eq(EVP_EncryptUpdate(both[i], out[i], &len, data, 48), 1);
    }
    ck_assert_mem_eq(out[0], out[1], 48);
    EVP_CIPHER_CTX_free(ref);
    close_pair();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parameters");
    TCase *tc = tcase_create("parameters");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, test_tables, 0, NAMES);
    tcase_add_loop_test(tc, test_constants, 0, NAMES);
    tcase_add_loop_test(tc, test_names, 0, NAMES);
    tcase_add_loop_test(tc, test_answers, 0, NAMES);
    tcase_add_loop_test(tc, test_iv_by_pointer, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
