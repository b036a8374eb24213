/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading is light: a server loads its configuration in a master that never
 * offloads, and forks. No thread runs and no device is claimed before the first
 * request, and then each process has its own.
 */
#include <openssl/async.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scene.h"

static struct scene scene;

/* As `openssl speed` does, before it forks: everything but data. */
static void prepare_cipher(void)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    static const uint8_t key[16], iv[16];

    ck_assert_int_eq(EVP_EncryptInit_ex2(ctx, scene.cipher, key, iv, NULL), 1);
    ck_assert_int_eq(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL), 1);
    EVP_CIPHER_CTX_free(ctx);
}

START_TEST(nothing_before_the_first_request)
{
    unsigned threads = threads_at_rest(), eventfds = count_eventfds(), fds = count_fds();

    for (unsigned i = 0; i < 3; i++) {
        scene_open(&scene, _i == 0 ? NULL : "device = emulator,emulator\nemulator_threads = 4\n");
        prepare_cipher();
        ck_assert_uint_eq(count_threads(), threads);
        ck_assert_uint_eq(count_eventfds(), eventfds);
        ck_assert_uint_eq(count_fds(), fds);
        ck_assert_uint_eq(scene_stat(&scene, "live-devices"), 0);
        ck_assert_uint_eq(scene_stat(&scene, "requests"), 0);
        op_whole(&scene, 64, i);
        ck_assert_uint_gt(count_threads(), threads);
        ck_assert_uint_ge(scene_stat(&scene, "live-devices"), 1);
        scene_close(&scene);
        /* And all is as before when it is unloaded. */
        wait_threads(threads);
        ck_assert_uint_eq(count_fds(), fds);
    }
}
END_TEST

/* Software is enough for calls outside a job: the device stays closed. */
START_TEST(nothing_for_software)
{
    unsigned threads = threads_at_rest();
    uint8_t buf[64] = {0};
    EVP_CIPHER_CTX *ctx;
    int n;

    support_load(&scene.base, NULL);
    scene.cipher = support_cipher(&scene.base, "AES-128-CBC");
    scene.reference = NULL;
    ctx = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_EncryptInit_ex2(ctx, scene.cipher, buf, buf, NULL), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &n, buf, sizeof(buf)), 1);
    EVP_CIPHER_CTX_free(ctx);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 1);
    ck_assert_uint_eq(scene_stat(&scene, "live-devices"), 0);
    ck_assert_uint_eq(count_threads(), threads);
    scene_close(&scene);
}
END_TEST

static void work_in_child(void)
{
    struct op ops[64];

    for (unsigned i = 0; i < 64; i++) {
        op_init(&ops[i], &scene, 1024, i);
        op_step(&ops[i]);
    }
    for (unsigned i = 0; i < 64; i++) {
        while (ops[i].job != NULL) {
            MUST(op_readable(&ops[i], 10000));
            op_step(&ops[i]);
        }
        op_check(&ops[i], &scene);
        op_fini(&ops[i]);
    }
    MUST(scene_stat(&scene, "requests") == 64);
    MUST(scene_stat(&scene, "software-total") == 0);
    MUST(scene_stat(&scene, "live-devices") == 1);
    scene_close(&scene);
}

/* Children fork children, as `openssl speed -multi` does of a program that was
 * forked itself; each has a device of its own. */
static void fork_workers(unsigned depth)
{
    enum { WORKERS = 2 };
    pid_t pids[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        MUST(pids[i] >= 0);
        if (pids[i] == 0) {
            if (depth > 1)
                fork_workers(depth - 1);
            work_in_child();
            _exit(0);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;

        MUST(waitpid(pids[i], &status, 0) == pids[i]);
        MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

START_TEST(workers)
{
    unsigned threads = threads_at_rest();

    scene_open(&scene, NULL);
    if (_i == 1)
        op_whole(&scene, 64, 1); /* the master has one too */
    fork_workers(3);
    if (_i == 0)
        ck_assert_uint_eq(count_threads(), threads);
    op_whole(&scene, 64, 2);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 1 + (uint64_t)_i);
    scene_close(&scene);
}
END_TEST

/* Signals are the application's: none is handled in a thread of ours. */
static pthread_t signalled;

static void note_thread(int sig)
{
    (void)sig;
    signalled = pthread_self();
}

START_TEST(signals_stay_away)
{
    scene_open(&scene, "emulator_threads = 4\n");
    op_whole(&scene, 64, 1);
    ck_assert(signal(SIGUSR1, note_thread) != SIG_ERR);
    for (unsigned i = 0; i < 200; i++) {
        signalled = (pthread_t){0};
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        ck_assert(pthread_equal(signalled, pthread_self()));
    }
    scene_close(&scene);
}
END_TEST

/* The first requests of many threads at once open the device once. */
static pthread_barrier_t barrier;

static void *first_request(void *arg)
{
    pthread_barrier_wait(&barrier);
    op_whole(&scene, 1024, (uint64_t)(uintptr_t)arg);
    OPENSSL_thread_stop();
    return NULL;
}

START_TEST(many_first_requests)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];

    for (unsigned round = 0; round < rounds(40); round++) {
        scene_open(&scene, NULL);
        ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, THREADS), 0);
        for (uintptr_t i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, first_request, (void *)i), 0);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
        ck_assert_uint_eq(scene_stat(&scene, "live-devices"), 1);
        ck_assert_uint_eq(scene_stat(&scene, "requests"), THREADS);
        scene_close(&scene);
    }
}
END_TEST

/* ThreadSanitizer refuses threads in the child of a process that had some. */
static int masters(void)
{
    const char *san = getenv("VCRYPTO_SAN");

    return san != NULL && strcmp(san, "thread") == 0 ? 1 : 2;
}

int main(void)
{
    Suite *suite = suite_create("async load");
    TCase *tc = tcase_create("load");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, nothing_before_the_first_request, 0, 2);
    tcase_add_test(tc, nothing_for_software);
    tcase_add_loop_test(tc, workers, 0, masters());
    tcase_add_test(tc, signals_stay_away);
    tcase_add_test(tc, many_first_requests);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
