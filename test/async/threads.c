/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that come, work and end in all sorts of ways: by hundreds, with
 * requests in flight, with work still done by the handlers of their end, and
 * with the library context going away on another thread.
 */
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support/scene.h"

#define SLOW "emulator_latency_us = 20000\n"
enum { JOBS = 4, CROWD_MAX = 2000 };

static struct scene scene;

static void start_thread(pthread_t *t, void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;

    /* Hundreds of them: jobs have stacks of their own. */
    MUST(pthread_attr_init(&attr) == 0);
    MUST(pthread_attr_setstacksize(&attr, 256 * 1024) == 0);
    MUST(pthread_create(t, &attr, body, arg) == 0);
    pthread_attr_destroy(&attr);
}

static void start_jobs(struct op *ops, uint64_t seed)
{
    for (unsigned i = 0; i < JOBS; i++) {
        op_init(&ops[i], &scene, 256 * (i + 1), seed * JOBS + i);
        op_step(&ops[i]);
    }
}

static void end_jobs(struct op *ops)
{
    for (unsigned i = 0; i < JOBS; i++) {
        while (ops[i].job != NULL) {
            MUST(op_readable(&ops[i], 30000));
            op_step(&ops[i]);
        }
        op_check(&ops[i], &scene);
        op_fini(&ops[i]);
    }
}

/* All of them with jobs in flight at the same time. */
static struct {
    pthread_barrier_t barrier;
    unsigned rounds;
    bool stops; /* OPENSSL_thread_stop in the end, or just the end */
} crowd;

static void *one_of_many(void *arg)
{
    struct op ops[JOBS];

    for (unsigned i = 0; i < crowd.rounds; i++) {
        start_jobs(ops, (uint64_t)(uintptr_t)arg + i);
        pthread_barrier_wait(&crowd.barrier);
        end_jobs(ops);
    }
    if (crowd.stops)
        OPENSSL_thread_stop();
    return NULL;
}

START_TEST(hundreds)
{
    static pthread_t threads[CROWD_MAX];
    unsigned n = rounds(300), fds;
    struct rlimit lim;

    n = n < CROWD_MAX ? n : CROWD_MAX;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
    crowd.rounds = 3;
    crowd.stops = _i == 0;
    scene_open(&scene, "emulator_threads = 2\n");
    op_whole(&scene, 64, 1);
    fds = count_fds();
    ck_assert_int_eq(pthread_barrier_init(&crowd.barrier, NULL, n), 0);
    for (uintptr_t i = 0; i < n; i++)
        start_thread(&threads[i], one_of_many, (void *)(i * 7));
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crowd.barrier);
    ck_assert_uint_eq(count_fds(), fds);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 1 + (uint64_t)n * crowd.rounds * JOBS);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

/* The end comes with requests in flight, whose jobs nobody can resume: what
 * they hang from goes with the thread, or after it. */
static struct op left[JOBS];

static void *end_in_flight(void *arg)
{
    struct op mine[JOBS], *ops = arg != NULL ? left : mine;

    start_jobs(ops, 1);
    if (arg == NULL)
        for (unsigned i = 0; i < JOBS; i++)
            op_fini(&ops[i]);
    return NULL;
}

START_TEST(queue_warm)
{
    scene_open(&scene, SLOW);
    op_whole(&scene, 64, 1);
    for (unsigned i = 0; i < rounds(100); i++) {
        pthread_t t;

        start_thread(&t, end_in_flight, i % 2 ? left : NULL);
        pthread_join(t, NULL);
        for (unsigned k = 0; k < JOBS && i % 2; k++)
            op_fini(&left[k]);
    }
    op_whole(&scene, 64, 2);
    scene_close(&scene);
}
END_TEST

/* What a handler of the thread's end does: an operation outside a job and one
 * in it. One handler runs before OpenSSL's own for this thread, one after it,
 * since keys come to their turn in the order in which they were made. */
static pthread_key_t early_key, late_key;
static atomic_uint handled;

static void at_the_end(void *arg)
{
    struct op op;

    op_init(&op, &scene, 512, (uint64_t)(uintptr_t)arg);
    MUST(op_step(&op) == ASYNC_PAUSE || op.ret == 1);
    while (op.job != NULL) {
        MUST(op_readable(&op, 10000));
        op_step(&op);
    }
    op_check(&op, &scene);
    op_fini(&op);
    op_whole(&scene, 64, 3);
    atomic_fetch_add(&handled, 1);
}

static void *with_handlers(void *arg)
{
    MUST(pthread_setspecific(early_key, (void *)1) == 0);
    MUST(pthread_setspecific(late_key, (void *)2) == 0);
    if (arg != NULL)
        op_whole(&scene, 64, 4);
    if (arg == with_handlers)
        OPENSSL_thread_stop();
    return NULL;
}

/* Before anything of OpenSSL is made. */
__attribute__((constructor)) static void make_early_key(void)
{
    MUST(pthread_key_create(&early_key, at_the_end) == 0);
}

/* _i: the handlers' is the thread's first use; its last; or comes after
 * OPENSSL_thread_stop. */
START_TEST(exit_handlers)
{
    void *const args[] = {NULL, &scene, (void *)(uintptr_t)with_handlers};
    unsigned n = rounds(50);

    scene_open(&scene, NULL);
    op_whole(&scene, 64, 1);
    ck_assert_int_eq(pthread_key_create(&late_key, at_the_end), 0);
    for (unsigned i = 0; i < n; i++) {
        pthread_t t;

        start_thread(&t, with_handlers, args[_i]);
        pthread_join(t, NULL);
    }
    ck_assert_uint_eq(atomic_load(&handled), 2 * n);
    scene_close(&scene);
}
END_TEST

/* OPENSSL_thread_stop in mid-flight: the thread's pool of jobs goes, those that
 * are paused cannot go on. The thread can, with new ones. */
START_TEST(stopped_in_flight)
{
    scene_open(&scene, SLOW);
    for (unsigned i = 0; i < rounds(40); i++) {
        struct op ops[JOBS];

        start_jobs(ops, i);
        OPENSSL_thread_stop();
        for (unsigned k = 0; k < JOBS; k++)
            op_fini(&ops[k]);
        op_whole(&scene, 64, i);
    }
    scene_close(&scene);
}
END_TEST

/* A thread that has used a library context outlives it: freed on another
 * thread, before this one ends or beside its end. */
static struct {
    pthread_barrier_t used, freed;
    bool waits, stops;
} life;

static void *outlive(void *arg)
{
    struct op ops[JOBS];

    start_jobs(ops, (uint64_t)(uintptr_t)arg);
    end_jobs(ops);
    pthread_barrier_wait(&life.used);
    if (life.waits)
        pthread_barrier_wait(&life.freed);
    if (life.stops)
        OPENSSL_thread_stop();
    return NULL;
}

START_TEST(context_freed_elsewhere)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];

    life.waits = _i & 1;
    life.stops = _i & 2;
    ck_assert_int_eq(pthread_barrier_init(&life.used, NULL, THREADS + 1), 0);
    ck_assert_int_eq(pthread_barrier_init(&life.freed, NULL, THREADS + 1), 0);
    for (unsigned round = 0; round < rounds(10); round++) {
        scene_open(&scene, NULL);
        for (uintptr_t i = 0; i < THREADS; i++)
            start_thread(&threads[i], outlive, (void *)i);
        pthread_barrier_wait(&life.used);
        scene_close(&scene);
        if (life.waits)
            pthread_barrier_wait(&life.freed);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async threads");
    TCase *tc = tcase_create("threads");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, hundreds, 0, 2);
    tcase_add_test(tc, queue_warm);
    tcase_add_loop_test(tc, exit_handlers, 0, 3);
    tcase_add_test(tc, stopped_in_flight);
    tcase_add_loop_test(tc, context_freed_elsewhere, 0, 4);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
