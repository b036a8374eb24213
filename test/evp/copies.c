/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context that others are copied from, and that is asked for its parameters,
 * by several threads at once: all they do is read it.
 */
#include <check.h>
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/functions.h"

#define LEN 96

static const char *const names[] = {
    "AES-128-ECB", "AES-128-CBC", "AES-128-CTR",       "AES-128-XTS",
    "AES-128-GCM", "AES-128-CCM", "ChaCha20-Poly1305",
};

#define NAMES (int)(sizeof(names) / sizeof(names[0]))

/* What is the default provider's, from the first block on or not. */
static const char *const divisions[] = {SUPPORT_ALL_OFFLOAD, "sync = software\n"};

#define DIVISIONS (int)(sizeof(divisions) / sizeof(divisions[0]))

static const uint8_t key[64] = {1, 2, 3}, iv[16] = {4, 5, 6}, plain[LEN] = {7, 8, 9};

/* The context's own memory stays as it is when it is copied, and asked. */
static void is_left_alone(const struct functions *f, void *c)
{
    static uint8_t before[65536];
    size_t size = malloc_usable_size(c), iv_len = 0, key_len = 0;
    uint8_t got[2][16];
    OSSL_PARAM params[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, &iv_len),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, &key_len),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, got[0], 16),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, got[1], 16),
        OSSL_PARAM_END,
    };
    void *copy;

    ck_assert_uint_le(size, sizeof(before));
    memcpy(before, c, size);
    copy = f->dupctx(c);
    ck_assert_ptr_nonnull(copy);
    ck_assert_mem_eq(c, before, size);
    (void)f->get(c, params); /* not all have an IV yet */
    ERR_clear_error();
    ck_assert_mem_eq(c, before, size);
    f->freectx(copy);
}

START_TEST(test_source_is_read)
{
    const char *name = names[_i / DIVISIONS];
    struct functions f;
    struct support s;
    EVP_CIPHER *cipher;
    uint8_t out[LEN];
    size_t n;
    void *c;

    support_load(&s, divisions[_i % DIVISIONS]);
    functions_take(&s, name, &f);
    cipher = support_cipher(&s, name);
    c = f.newctx(OSSL_PROVIDER_get0_provider_ctx(s.vcrypto));
    is_left_alone(&f, c);
    ck_assert_int_eq(
        f.einit(c, key, (size_t)EVP_CIPHER_get_key_length(cipher), iv,
                strstr(name, "CCM") != NULL ? 7 : (size_t)EVP_CIPHER_get_iv_length(cipher), NULL),
        1);
    is_left_alone(&f, c);
    for (int i = 0; i < (strstr(name, "CCM") != NULL ? 1 : 3); i++) {
        ck_assert_int_eq(f.update(c, out, &n, LEN, plain, LEN), 1);
        ck_assert_uint_eq(n, LEN);
        is_left_alone(&f, c);
    }
    ck_assert_int_eq(f.final(c, out, &n, LEN), 1);
    is_left_alone(&f, c);
    f.freectx(c);
    EVP_CIPHER_free(cipher);
    support_unload(&s);
}
END_TEST

#define THREADS 3
#define ROUNDS  300

/* All threads copy it in the same moment. That one of them wrote to it is seldom
 * seen in the copies; ThreadSanitizer sees it. */
static struct {
    EVP_CIPHER_CTX *source;
    pthread_barrier_t begin, end;
    uint8_t want[LEN];
    atomic_uint wrong;
} shared;

static void *copy_source(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        uint8_t out[LEN] = {0};
        int n;

        pthread_barrier_wait(&shared.begin);
        if (EVP_CIPHER_CTX_copy(c, shared.source) != 1 ||
            EVP_EncryptUpdate(c, out, &n, plain, LEN) != 1 || memcmp(out, shared.want, LEN) != 0)
            atomic_fetch_add(&shared.wrong, 1);
        EVP_CIPHER_CTX_free(c);
        pthread_barrier_wait(&shared.end);
    }
    return NULL;
}

/* A few blocks behind the IV. */
static void prepare(EVP_CIPHER_CTX *c)
{
    uint8_t out[LEN];
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(c, out, &n, plain, 32), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(c, out, &n, plain, 16), 1);
}

START_TEST(test_copies_at_once)
{
    pthread_t threads[THREADS];
    struct support s;
    EVP_CIPHER *cipher;
    int n;

    support_load(&s, divisions[1]);
    cipher = support_cipher(&s, names[_i]);
    shared.source = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_EncryptInit_ex(shared.source, cipher, NULL, key, NULL), 1);
    prepare(shared.source);
    ck_assert_int_eq(EVP_EncryptUpdate(shared.source, shared.want, &n, plain, LEN), 1);
    pthread_barrier_init(&shared.begin, NULL, THREADS + 1);
    pthread_barrier_init(&shared.end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, copy_source, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        prepare(shared.source);
        pthread_barrier_wait(&shared.begin);
        pthread_barrier_wait(&shared.end);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&shared.wrong), 0);
    EVP_CIPHER_CTX_free(shared.source);
    EVP_CIPHER_free(cipher);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("copies");
    TCase *tc = tcase_create("copies");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, test_source_is_read, 0, NAMES * DIVISIONS);
    tcase_add_loop_test(tc, test_copies_at_once, 1, 3);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
