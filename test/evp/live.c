/* SPDX-License-Identifier: Apache-2.0 */
/* How many contexts are alive, asked while threads make and free them: each is
 * counted as made before it is counted as freed. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

#include "support.h"

#define THREADS 2
#define ASKED   200000

static EVP_CIPHER *cipher;
static atomic_bool stop;

static void *make_and_free(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

        (void)EVP_EncryptInit_ex(c, cipher, NULL, NULL, NULL);
        EVP_CIPHER_CTX_free(c);
    }
    return NULL;
}

START_TEST(test_live_contexts)
{
    pthread_t threads[THREADS];
    struct support s;
    uint64_t most = 0;

    support_load(&s, NULL);
    cipher = support_cipher(&s, "AES-128-CBC");
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_free, NULL), 0);
    while (support_stat(&s, "vcrypto-contexts") < THREADS)
        ;
    for (int i = 0; i < ASKED; i++) {
        uint64_t n = support_stat(&s, "vcrypto-live-contexts");

        most = n > most ? n : most;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    /* Those made while it was counted are in it, but nothing below zero. */
    ck_assert_uint_le(most, support_stat(&s, "vcrypto-contexts"));
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    EVP_CIPHER_free(cipher);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("live");
    TCase *tc = tcase_create("live");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_live_contexts);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
