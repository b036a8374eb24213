/* SPDX-License-Identifier: Apache-2.0 */
/* The provider as a whole: loading, what it says about itself, keeping out of
 * the random generator's way. */
#include <check.h>
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* What no device can do for us: a pool of none. */
#define ABSENT "device = pci:ffff:1f:1f.7\n"

static const char *text_param(const struct support *s, const char *key)
{
    const char *text = NULL;
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_utf8_ptr(key, (char **)(uintptr_t)&text, 0),
        OSSL_PARAM_construct_end(),
    };

    ck_assert_int_eq(OSSL_PROVIDER_get_params(s->vcrypto, params), 1);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* One request of 1,024 bytes, or software in its place. */
static void encrypt(const struct support *s)
{
    static const uint8_t key[16], iv[16];
    uint8_t buf[1040] = {0};
    EVP_CIPHER *c = support_cipher(s, "AES-128-CBC");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, c, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &n, buf, 1024), 1);
    ck_assert_int_eq(n, 1024);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(c);
}

START_TEST(test_says_what_it_is)
{
    struct support s;
    int status = 0;
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status),
        OSSL_PARAM_construct_end(),
    };

    support_load(&s, NULL);
    ck_assert_ptr_nonnull(strstr(text_param(&s, OSSL_PROV_PARAM_NAME), "vcrypto"));
    ck_assert_str_ne(text_param(&s, OSSL_PROV_PARAM_VERSION), "");
    ck_assert_str_ne(text_param(&s, OSSL_PROV_PARAM_BUILDINFO), "");
    ck_assert_str_eq(text_param(&s, "vcrypto-warning"), "");
    ck_assert_int_eq(OSSL_PROVIDER_get_params(s.vcrypto, params), 1);
    ck_assert_int_eq(status, 1);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_unload(&s);
}
END_TEST

START_TEST(test_every_figure_can_be_asked_for)
{
    struct support s;
    unsigned figures = 0;

    support_load(&s, NULL);
    for (const OSSL_PARAM *p = OSSL_PROVIDER_gettable_params(s.vcrypto); p->key != NULL; p++) {
        if (p->data_type != OSSL_PARAM_UNSIGNED_INTEGER)
            continue;
        ck_assert_uint_eq(support_stat(&s, p->key), strcmp(p->key, "vcrypto-devices") == 0);
        figures++;
    }
    ck_assert_uint_ge(figures, 25);
    support_unload(&s);
}
END_TEST

/* Loading opens no device and leaves nothing behind. */
START_TEST(test_light)
{
    struct support s;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-devices"), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-dma-bytes"), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-sessions"), 0);
    encrypt(&s);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-devices"), 1);
    support_unload(&s);
}
END_TEST

START_TEST(test_again_and_again)
{
    struct support s;

    for (int i = 0; i < 5; i++) {
        support_load(&s, SUPPORT_ALL_OFFLOAD);
        ck_assert_uint_eq(support_stat(&s, "vcrypto-live-devices"), 0);
        encrypt(&s);
        ck_assert_uint_ge(support_stat(&s, "vcrypto-requests"), 1);
        support_unload(&s);
    }
}
END_TEST

START_TEST(test_two_contexts)
{
    struct support a, b;

    support_load(&a, SUPPORT_ALL_OFFLOAD);
    support_load(&b, "sync = software\n");
    encrypt(&a);
    encrypt(&b);
    ck_assert_uint_eq(support_stat(&a, "vcrypto-software-total"), 0);
    ck_assert_uint_eq(support_stat(&b, "vcrypto-software-total"), 1);
    support_unload(&a);
    encrypt(&b);
    ck_assert_uint_eq(support_stat(&b, "vcrypto-software-total"), 2);
    support_unload(&b);
}
END_TEST

START_TEST(test_no_device)
{
    struct support s;

    support_load(&s, ABSENT "sync = offload\nmin_bytes = 0\n");
    ck_assert_uint_eq(support_stat(&s, "vcrypto-devices"), 0);
    ck_assert_str_ne(text_param(&s, "vcrypto-warning"), "");
    ck_assert_uint_eq(ERR_peek_error(), 0);
    encrypt(&s);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-no-device"), 1);
    support_unload(&s);
    ck_assert(!support_try_load(&s, ABSENT "fallback = no\n"));
}
END_TEST

/* The generator's own ciphers: with the pin that the sample has, none of them
 * is ours; without it they are, which shows that this test can tell. */
START_TEST(test_random_generator)
{
    static uint8_t buf[65536];
    struct support s;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ck_assert_int_eq(EVP_set_default_properties(s.libctx, "?provider=vcrypto"), 1);
    ck_assert_int_eq(RAND_bytes_ex(s.libctx, buf, sizeof(buf), 0), 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-contexts"), 0);
    support_unload(&s);

    support_load(&s, "sync = software\n");
    ck_assert_int_eq(
        RAND_set_DRBG_type(s.libctx, "CTR-DRBG", "?provider=vcrypto", "AES-256-CTR", NULL), 1);
    ck_assert_int_eq(RAND_bytes_ex(s.libctx, buf, sizeof(buf), 0), 1);
    /* Later a generator takes its ciphers from its own provider only. */
    if (OpenSSL_version_num() < 0x30100000)
        ck_assert_uint_gt(support_stat(&s, "vcrypto-contexts"), 0);
    support_unload(&s);
}
END_TEST

/* What a child that loads, encrypts once and unloads writes to standard error. */
static void child_says(const char *stats, char *out, size_t room)
{
    int fd[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe(fd), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct support s;

        dup2(fd[1], STDERR_FILENO);
        setenv("VCRYPTO_STATS", stats, 1);
        support_load(&s, SUPPORT_ALL_OFFLOAD "algorithms = AES-128-CBC\n");
        encrypt(&s);
        support_unload(&s);
        exit(0);
    }
    close(fd[1]);
    while ((got = read(fd[0], out + n, room - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    close(fd[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_statistics)
{
    char text[2048];
    const char *second;

    child_says("1", text, sizeof(text));
    ck_assert_msg(strncmp(text, "vcrypto: emulator0 requests=1 completions=1 interrupts=", 55) == 0,
                  "%s", text);
    second = strchr(text, '\n');
    ck_assert_ptr_nonnull(second);
    ck_assert_msg(strncmp(second + 1,
                          "vcrypto: software total=0 small=0 no-job=0 unsupported=0 no-device=0 "
                          "timeout=0 backlog=0",
                          88) == 0,
                  "%s", text);
    child_says("0", text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

static pthread_barrier_t stage;

/* An IV of the generator that software has, with or without a device. */
static void *encrypt_and_stay(void *arg)
{
    static const uint8_t key[16];
    uint8_t buf[64] = {0};
    EVP_CIPHER *c = support_cipher(arg, "AES-128-GCM");
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, c, NULL, key, NULL), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &n, buf, 64), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(c);
    pthread_barrier_wait(&stage);
    pthread_barrier_wait(&stage);
    return NULL;
}

/* libcrypto's generators hang from threads. What is freed is overwritten here:
 * to use it would go unnoticed. */
START_TEST(test_thread_outlives_provider)
{
    struct support s;
    pthread_t thread;

    (void)mallopt(M_PERTURB, 0x5a); /* a sanitizer knows without */
    ck_assert_int_eq(pthread_barrier_init(&stage, NULL, 2), 0);
    support_load(&s, _i == 0 ? NULL : SUPPORT_ALL_OFFLOAD);
    ck_assert_int_eq(pthread_create(&thread, NULL, encrypt_and_stay, &s), 0);
    pthread_barrier_wait(&stage);
    support_unload(&s);
    pthread_barrier_wait(&stage);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loading");
    TCase *tc = tcase_create("loading");

    tcase_add_test(tc, test_says_what_it_is);
    tcase_add_test(tc, test_every_figure_can_be_asked_for);
    tcase_add_test(tc, test_light);
    tcase_add_test(tc, test_again_and_again);
    tcase_add_test(tc, test_two_contexts);
    tcase_add_test(tc, test_no_device);
    tcase_add_test(tc, test_random_generator);
    tcase_add_test(tc, test_statistics);
    tcase_add_loop_test(tc, test_thread_outlives_provider, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
