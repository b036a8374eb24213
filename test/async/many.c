/* SPDX-License-Identifier: Apache-2.0 */
/* Many jobs at once, in one thread with epoll or poll, and in many threads. */
#include <openssl/async.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/scene.h"

static struct scene scene;

#define SLOW "emulator_latency_us = 500\n"

static void allow_descriptors(rlim_t n)
{
    struct rlimit lim;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max < n ? lim.rlim_max : n;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

/* A step, and the next operation where one is done. False: all are. */
static bool advance(struct op *op, unsigned *left, uint64_t seed)
{
    while (op_step(op) == ASYNC_FINISH) {
        op_check(op, &scene);
        if (*left == 0)
            return false;
        (*left)--;
        op_again(op, seed + *left);
    }
    return true;
}

/* One thread, jobs that are resumed by epoll alone. */
static void run_epoll(unsigned jobs, unsigned each)
{
    struct op *ops = calloc(jobs, sizeof(*ops));
    unsigned *left = calloc(jobs, sizeof(*left)), going = 0;
    int ep = epoll_create1(EPOLL_CLOEXEC);

    for (unsigned i = 0; i < jobs; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

        op_init(&ops[i], &scene, 16 * (i % 64 + 1), i);
        left[i] = each - 1;
        if (advance(&ops[i], &left[i], i)) {
            going++;
            MUST(epoll_ctl(ep, EPOLL_CTL_ADD, op_fd(&ops[i]), &ev) == 0);
        }
    }
    while (going > 0) {
        struct epoll_event ev[64];
        int n = epoll_wait(ep, ev, 64, 10000);

        if (n <= 0)
            ck_abort_msg("%u of %u jobs are not woken", going, jobs);
        for (int k = 0; k < n; k++) {
            unsigned i = ev[k].data.u32;

            /* Level-triggered: a wake-up that was not taken would come for a
             * job that is not there any more. */
            MUST(ops[i].job != NULL);
            going -= !advance(&ops[i], &left[i], i);
        }
    }
    close(ep);
    /* Those that never had to pause have none. */
    ck_assert_uint_le(scene_stat(&scene, "live-waiters"), jobs);
    for (unsigned i = 0; i < jobs; i++)
        op_fini(&ops[i]);
    free(ops);
    free(left);
}

static const struct {
    unsigned jobs, each;
    const char *settings;
} crowds[] = {
    {1, 2000, NULL},
    {8, 500, NULL},
    {64, 100, NULL},
    {500, 20, NULL},
    {2000, 5, NULL},
    {64, 50, SLOW},
    {500, 10, SLOW},
    {2000, 4, SLOW},
    {64, 100, "emulator_threads = 4\n"},
    {500, 10, "queue_size = 8\n" SLOW}, /* and room is short */
};
#define CROWDS ((int)(sizeof(crowds) / sizeof(crowds[0])))

START_TEST(one_thread)
{
    unsigned jobs = crowds[_i].jobs, each = rounds(crowds[_i].each), before;

    allow_descriptors(4096);
    scene_open(&scene, crowds[_i].settings);
    op_whole(&scene, 16, 0);
    before = count_fds();
    run_epoll(jobs, each);
    ck_assert_uint_eq(count_fds(), before);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), jobs * each + 1);
    ck_assert_uint_eq(scene_stat(&scene, "completions"), jobs * each + 1);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

/* The same with poll(2) over all descriptors, as OpenSSL's own speed does it. */
static void run_poll(unsigned jobs, unsigned each)
{
    struct op *ops = calloc(jobs, sizeof(*ops));
    struct pollfd *fds = calloc(jobs, sizeof(*fds));
    unsigned *left = calloc(jobs, sizeof(*left)), going = 0;

    for (unsigned i = 0; i < jobs; i++) {
        op_init(&ops[i], &scene, 16 * (i % 64 + 1), i);
        left[i] = each - 1;
        fds[i].fd = -1;
        if (advance(&ops[i], &left[i], i)) {
            going++;
            fds[i] = (struct pollfd){.fd = op_fd(&ops[i]), .events = POLLIN};
        }
    }
    while (going > 0) {
        MUST(poll(fds, jobs, 30000) > 0);
        for (unsigned i = 0; i < jobs; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !advance(&ops[i], &left[i], i)) {
                fds[i].fd = -1;
                going--;
            }
        }
    }
    for (unsigned i = 0; i < jobs; i++)
        op_fini(&ops[i]);
    free(ops);
    free(fds);
    free(left);
}

START_TEST(one_thread_with_poll)
{
    enum { JOBS = 500 };

    allow_descriptors(4096);
    scene_open(&scene, SLOW);
    run_poll(JOBS, rounds(10));
    ck_assert_uint_eq(scene_stat(&scene, "requests"), JOBS * rounds(10));
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

/* Callbacks that put their job into a list, from which one thread takes them. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    unsigned jobs[2000], n;
} ready = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static int make_ready(void *arg)
{
    pthread_mutex_lock(&ready.lock);
    ready.jobs[ready.n++] = (unsigned)(uintptr_t)arg;
    pthread_cond_signal(&ready.filled);
    pthread_mutex_unlock(&ready.lock);
    return 1;
}

START_TEST(one_thread_with_callbacks)
{
    enum { JOBS = 500 };
    static struct op ops[JOBS];
    static unsigned left[JOBS];
    unsigned going = 0, each = rounds(20);

    allow_descriptors(4096);
    scene_open(&scene, _i == 0 ? NULL : SLOW);
    for (unsigned i = 0; i < JOBS; i++) {
        op_init(&ops[i], &scene, 64, i);
        ASYNC_WAIT_CTX_set_callback(ops[i].wait, make_ready, (void *)(uintptr_t)i);
        left[i] = each - 1;
        going += advance(&ops[i], &left[i], i);
    }
    while (going > 0) {
        unsigned i;

        pthread_mutex_lock(&ready.lock);
        while (ready.n == 0)
            pthread_cond_wait(&ready.filled, &ready.lock);
        i = ready.jobs[--ready.n];
        pthread_mutex_unlock(&ready.lock);
        MUST(ops[i].job != NULL);
        going -= !advance(&ops[i], &left[i], i);
    }
    for (unsigned i = 0; i < JOBS; i++)
        op_fini(&ops[i]);
    ck_assert_uint_eq(ready.n, 0);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), JOBS * each);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

enum { THREADS = 16, JOBS_EACH = 64 };

static void *run_thread(void *arg)
{
    (void)arg;
    run_poll(JOBS_EACH, rounds(20));
    OPENSSL_thread_stop();
    return NULL;
}

START_TEST(many_threads)
{
    static const char *const settings[] = {NULL, SLOW, "emulator_threads = 4\nqueue_size = 8\n"};
    pthread_t threads[THREADS];

    allow_descriptors(4096);
    scene_open(&scene, settings[_i]);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), THREADS * JOBS_EACH * rounds(20));
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

/* No descriptor to be woken by: the job does not pause, its thread waits. */
START_TEST(without_descriptors)
{
    struct rlimit lim, none;
    struct op op;
    int fd;

    (_i == 0 ? scene_open : scene_open_fallback)(&scene, SLOW);
    op_whole(&scene, 64, 1); /* the device has its own */
    op_init(&op, &scene, 64, 2);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
    fd = dup(0);
    ck_assert_int_ge(fd, 0);
    close(fd);
    none = lim;
    none.rlim_cur = (rlim_t)fd;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
    /* The completion thread lets go a moment later. */
    for (unsigned ms = 0; ms < 5000 && scene_stat(&scene, "live-waiters") != 0; ms++)
        sleep_us(1000);
    ck_assert_uint_eq(scene_stat(&scene, "live-waiters"), 0);
    op_check(&op, &scene);
    /* And when there are some again, it pauses. */
    op_again(&op, 3);
    op_finish(&op);
    ck_assert_uint_gt(op.pauses, 0);
    op_check(&op, &scene);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 3);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async many");
    TCase *tc = tcase_create("many");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, one_thread, 0, CROWDS);
    tcase_add_test(tc, one_thread_with_poll);
    tcase_add_loop_test(tc, one_thread_with_callbacks, 0, 2);
    tcase_add_loop_test(tc, many_threads, 0, 3);
    tcase_add_loop_test(tc, without_descriptors, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
