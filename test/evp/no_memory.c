/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory runs out where an AEAD message goes on behind what the device has done
 * and the default provider is to be brought there: nothing more is taken until
 * the next message, since to begin again would use keystream twice, and there is
 * no tag, which would be of a part.
 */
#include <check.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define LEN   640
#define FIRST 200

static const char *const names[] = {"ChaCha20-Poly1305", "AES-128-GCM"};

#define NAMES (int)(sizeof(names) / sizeof(names[0]))

/* OpenSSL's allocator, and the module's: from now on this one is refused, and
 * all that follow. Less than 0: none is. */
static atomic_int refuse_from = -1;

static bool refused(void)
{
    int n = atomic_load(&refuse_from);

    if (n > 0)
        atomic_fetch_sub(&refuse_from, 1);
    return n == 0;
}

static void *get_memory(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return refused() ? NULL : malloc(n);
}

static void *get_other_memory(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return refused() ? NULL : realloc(p, n);
}

static void give_memory(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static int update(EVP_CIPHER_CTX *c, uint8_t *out, const uint8_t *in, int len)
{
    int n = 0;

    return EVP_EncryptUpdate(c, out, &n, in, len);
}

static void whole(EVP_CIPHER_CTX *c, const uint8_t *iv, uint8_t *out, const uint8_t *in)
{
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv), 1);
    ck_assert_int_eq(update(c, out, in, LEN), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(c, out, &n), 1);
}

START_TEST(test_no_memory_to_go_on)
{
    static const uint8_t key[32] = {1}, iv[12] = {2}, plain[LEN] = {3};
    uint8_t want[LEN], out[LEN];
    struct support s;
    EVP_CIPHER *ours, *theirs;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int failed = 0, went_on = 0, n;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ours = support_cipher(&s, names[_i]);
    theirs = support_default(&s, names[_i]);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, theirs, NULL, key, NULL), 1);
    whole(c, iv, want, plain);
    for (int at = 0; went_on == 0; at++) {
        uint64_t before = support_stat(&s, "vcrypto-requests");

        EVP_CIPHER_CTX_free(c);
        c = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_EncryptInit_ex(c, ours, NULL, key, iv), 1);
        ck_assert_int_eq(update(c, out, plain, FIRST), 1);
        ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), before + 1);
        atomic_store(&refuse_from, at);
        went_on = update(c, out + FIRST, plain + FIRST, LEN - FIRST);
        atomic_store(&refuse_from, -1);
        ERR_clear_error();
        if (went_on == 1) {
            ck_assert_mem_eq(out, want, LEN);
            break;
        }
        failed++;
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(update(c, i == 1 ? NULL : out, plain, LEN), 0);
            ERR_clear_error();
        }
        ck_assert_int_eq(EVP_EncryptFinal_ex(c, out, &n), 0);
        ERR_clear_error();
        whole(c, iv, out, plain);
        ck_assert_mem_eq(out, want, LEN);
    }
    ck_assert_int_ge(failed, 2);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tc = tcase_create("no_memory");

    if (CRYPTO_set_mem_functions(get_memory, get_other_memory, give_memory) != 1)
        return EXIT_FAILURE;
    tcase_add_loop_test(tc, test_no_memory_to_go_on, 0, NAMES);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
