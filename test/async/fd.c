/* SPDX-License-Identifier: Apache-2.0 */
/* The wait descriptor: one for the life of a wait context, readable exactly
 * when its job can go on. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/async.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/scene.h"

/* Long enough for a job to be found paused. */
#define SLOW "emulator_latency_us = 20000\n"

static struct scene scene;

static void expect_changed(const struct op *op, size_t added, size_t deleted)
{
    size_t add = 99, del = 99;

    ck_assert_int_eq(ASYNC_WAIT_CTX_get_changed_fds(op->wait, NULL, &add, NULL, &del), 1);
    ck_assert_uint_eq(add, added);
    ck_assert_uint_eq(del, deleted);
}

START_TEST(one_for_all_jobs)
{
    struct op op;
    unsigned before = count_eventfds();
    int fd = -1;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 1);
    expect_changed(&op, 0, 0);
    for (unsigned i = 0; i < 50; i++) {
        op_again(&op, 1 + i);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        if (i == 0) {
            fd = op_fd(&op);
            before = count_eventfds();
        }
        ck_assert_int_eq(op_fd(&op), fd);
        ck_assert_uint_eq(count_eventfds(), before);
        /* Added when it is new, and never again. */
        expect_changed(&op, i == 0 ? 1 : 0, 0);
        op_finish(&op);
        expect_changed(&op, 0, 0);
        op_check(&op, &scene);
    }
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 50);
    ck_assert_uint_eq(scene_stat(&scene, "live-waiters"), 1);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

START_TEST(several_updates_in_one_job)
{
    struct op op, other;
    OSSL_ASYNC_FD added[2] = {-1, -1};
    size_t add, del;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 200 * 1024, 2); /* a request holds 64 KiB */
    op_init(&other, &scene, 64, 3);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_eq(op_step(&other), ASYNC_PAUSE);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_changed_fds(op.wait, added, &add, NULL, &del), 1);
    ck_assert_uint_eq(add, 1);
    ck_assert_int_eq(added[0], op_fd(&op));
    ck_assert_int_ne(op_fd(&op), op_fd(&other));
    op_finish(&op);
    op_finish(&other);
    ck_assert_uint_ge(op.pauses, 3);
    ck_assert_int_eq(op_fd(&op), added[0]);
    op_check(&op, &scene);
    op_check(&other, &scene);
    op_fini(&op);
    op_fini(&other);
    scene_close(&scene);
}
END_TEST

START_TEST(flags)
{
    struct op op;
    char path[64], link[64] = "";

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 4);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_ne(fcntl(op_fd(&op), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(op_fd(&op), F_GETFD) & FD_CLOEXEC, 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", op_fd(&op));
    ck_assert_int_gt(readlink(path, link, sizeof(link) - 1), 0);
    ck_assert_str_eq(link, "anon_inode:[eventfd]");
    op_finish(&op);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

START_TEST(readable_when_done)
{
    struct op op;
    double start = seconds_now();

    scene_open(&scene, "emulator_latency_us = 300000\n");
    op_init(&op, &scene, 64, 5);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert(!op_readable(&op, 0) || seconds_now() - start > 0.3);
    ck_assert(op_readable(&op, 10000));
    ck_assert_uint_eq(scene_stat(&scene, "completions"), 1);
    ck_assert_double_ge(seconds_now() - start, 0.3);
    /* It stays so until the job is resumed. */
    ck_assert(op_readable(&op, 0));
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    ck_assert(!op_readable(&op, 0));
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* Waits by looking again and again, so that the job is resumed as early as can
 * be after the descriptor was written. */
static void wait_busily(const struct op *op)
{
    double end = seconds_now() + 10;

    while (!op_readable(op, 0)) {
        MUST(seconds_now() < end);
        sched_yield(); /* others may have work to do for it on this processor */
    }
}

/* One wake-up for each pause, taken by the resumption that it caused. */
START_TEST(cleared_by_resumption)
{
    static const char *const settings[] = {NULL, "emulator_latency_us = 30\n",
                                           "emulator_threads = 2\n"};
    struct op op;
    unsigned paused = 0;

    scene_open(&scene, settings[_i]);
    op_init(&op, &scene, 64, 6);
    for (unsigned i = 0; i < rounds(20000); i++) {
        op_again(&op, i);
        if (op_step(&op) == ASYNC_PAUSE) {
            paused++;
            wait_busily(&op);
            MUST(op_step(&op) == ASYNC_FINISH); /* woken, so it can go on */
        }
        MUST(!op_readable(&op, 0)); /* no wake-up is left */
        MUST(op.ret == 1);
    }
    ck_assert_uint_gt(paused, 0);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* Resumed without a look at the descriptor, around the moment of completion:
 * no wake-up may come after the job went on. */
START_TEST(no_wakeup_after_an_early_resumption)
{
    struct support_random rnd = {7};
    struct op op;

    scene_open(&scene, "emulator_latency_us = 20\n");
    op_init(&op, &scene, 64, 7);
    for (unsigned i = 0; i < rounds(20000); i++) {
        op_again(&op, i);
        while (op_step(&op) == ASYNC_PAUSE)
            linger(&rnd, 5);
        MUST(!op_readable(&op, 0)); /* no wake-up is left */
    }
    ck_assert(!op_readable(&op, 5));
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

START_TEST(closed_with_the_wait_context)
{
    struct op op;
    unsigned before;
    int fd;

    scene_open(&scene, SLOW);
    op_whole(&scene, 64, 8); /* the device has its own */
    before = count_eventfds();
    op_init(&op, &scene, 64, 8);
    op_finish(&op);
    fd = op_fd(&op);
    ck_assert_uint_eq(count_eventfds(), before + 1);
    ck_assert_uint_eq(scene_stat(&scene, "live-waiters"), 1);
    ASYNC_WAIT_CTX_free(op.wait);
    op.wait = NULL;
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_uint_eq(count_eventfds(), before);
    ck_assert_uint_eq(scene_stat(&scene, "live-waiters"), 0);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* While the device has the request, the descriptor's number may not go to
 * somebody else who would then be woken in its place. */
START_TEST(not_reused_while_in_flight)
{
    struct op op;
    int mine[64];
    unsigned n = 0, round = 0;

    scene_open(&scene, SLOW);
    for (round = 0; round < rounds(50); round++) {
        op_init(&op, &scene, 64, 9);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        ASYNC_WAIT_CTX_free(op.wait);
        op.wait = NULL;
        for (n = 0; n < 8; n++)
            mine[n] = eventfd(0, EFD_NONBLOCK);
        scene_stat(&scene, "live-waiters");
        EVP_CIPHER_CTX_free(op.ctx);
        op.ctx = NULL;
        scene_settled(&scene);
        for (unsigned i = 0; i < n; i++) {
            uint64_t count;

            ck_assert_int_eq(read(mine[i], &count, sizeof(count)), -1);
            close(mine[i]);
        }
        op_fini(&op);
    }
    scene_close(&scene);
}
END_TEST

static unsigned cleanups;

static void count_cleanup(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *custom)
{
    (void)ctx;
    (void)key;
    (void)custom;
    cleanups++;
    close(fd);
}

static bool has_fd(const struct op *op, int fd, size_t of)
{
    OSSL_ASYNC_FD fds[4];
    size_t n = 0;
    bool found = false;

    ASYNC_WAIT_CTX_get_all_fds(op->wait, NULL, &n);
    ck_assert_uint_eq(n, of);
    ASYNC_WAIT_CTX_get_all_fds(op->wait, fds, &n);
    for (size_t i = 0; i < n; i++)
        found = found || fds[i] == fd;
    return found;
}

/* The wait context belongs to the application, who may have keys of its own. */
START_TEST(beside_the_applications_keys)
{
    static const char first, second;
    int a = eventfd(0, 0), b = eventfd(0, 0), ours;
    struct op op;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 10);
    ck_assert_int_eq(ASYNC_WAIT_CTX_set_wait_fd(op.wait, &first, a, NULL, count_cleanup), 1);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_eq(ASYNC_WAIT_CTX_set_wait_fd(op.wait, &second, b, NULL, count_cleanup), 1);
    ck_assert(has_fd(&op, a, 3) && has_fd(&op, b, 3));
    ck_assert_int_eq(ASYNC_WAIT_CTX_clear_fd(op.wait, &first), 1);
    ck_assert(!has_fd(&op, a, 2) && has_fd(&op, b, 2));
    close(a);
    while (op_step(&op) == ASYNC_PAUSE)
        sleep_us(100);
    ck_assert_int_eq(ASYNC_WAIT_CTX_clear_fd(op.wait, &second), 1);
    ours = op_fd(&op);
    ck_assert_int_ne(ours, b);
    op_check(&op, &scene);
    /* Neither cleared one was cleaned up; ours is as good as ever. */
    ck_assert_uint_eq(cleanups, 0);
    op_again(&op, 11);
    op_finish(&op);
    ck_assert_int_eq(op_fd(&op), ours);
    ck_assert_int_eq(ASYNC_WAIT_CTX_set_wait_fd(op.wait, &second, b, NULL, count_cleanup), 1);
    op_fini(&op);
    ck_assert_uint_eq(cleanups, 1);
    scene_close(&scene);
}
END_TEST

/* An operation that stays in software leaves the wait context alone. */
START_TEST(none_without_a_request)
{
    struct op op;
    size_t n = 9;

    support_load(&scene.base, "min_bytes = 1024\n");
    scene.cipher = support_cipher(&scene.base, "AES-128-CBC");
    scene.reference = support_default(&scene.base, "AES-128-CBC");
    op_init(&op, &scene, 512, 12);
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_all_fds(op.wait, NULL, &n), 1);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_status(op.wait), ASYNC_STATUS_UNSUPPORTED);
    ck_assert_uint_eq(scene_stat(&scene, "software-small"), 1);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async fd");
    TCase *tc = tcase_create("fd");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_for_all_jobs);
    tcase_add_test(tc, several_updates_in_one_job);
    tcase_add_test(tc, flags);
    tcase_add_test(tc, readable_when_done);
    tcase_add_loop_test(tc, cleared_by_resumption, 0, 3);
    tcase_add_test(tc, no_wakeup_after_an_early_resumption);
    tcase_add_test(tc, closed_with_the_wait_context);
    tcase_add_test(tc, not_reused_while_in_flight);
    tcase_add_test(tc, beside_the_applications_keys);
    tcase_add_test(tc, none_without_a_request);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
