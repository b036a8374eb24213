/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that are resumed too early, that cannot pause, or that find their
 * request done before they pause; and the error queue in all of that. */
#include <openssl/async.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/scene.h"

static struct scene scene;

static double thread_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Restarted without a look at anything: it pauses again until the device is
 * through, and then has the right result. */
START_TEST(early_resumptions)
{
    struct caller caller;
    struct op op;
    unsigned total = 0, done = 0;

    scene_open(&scene, "emulator_latency_us = 3000\n");
    op_init(&op, &scene, 1024, 1);
    caller_init(&caller);
    if (_i == 1)
        ASYNC_WAIT_CTX_set_callback(op.wait, caller_call, &caller);
    while (total < rounds(20000)) {
        op_again(&op, done);
        do
            ck_assert_uint_ge(scene_stat(&scene, "completions"), done);
        while (op_step(&op) == ASYNC_PAUSE);
        ck_assert_uint_eq(scene_stat(&scene, "completions"), ++done);
        op_check(&op, &scene);
        total += op.pauses;
    }
    ck_assert_uint_gt(total, 10 * done);
    ck_assert_uint_le(atomic_load(&caller.calls), done);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* After a long run of them each takes a moment, so that the application does
 * not burn its processor. */
START_TEST(no_busy_loop)
{
    struct op op;
    double start, cpu, wall;

    scene_open(&scene, "emulator_latency_us = 500000\n");
    op_init(&op, &scene, 64, 2);
    op_step(&op);
    start = seconds_now();
    cpu = thread_seconds();
    while (op_step(&op) == ASYNC_PAUSE) {
    }
    cpu = thread_seconds() - cpu;
    ck_assert_uint_gt(op.pauses, 1000);
    wall = seconds_now() - start;
    ck_assert_uint_lt(op.pauses, 1000 + (unsigned)(wall * 1100));
    ck_assert_double_lt(cpu, wall / 2);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

static void block(struct op *op)
{
    (void)op;
    ASYNC_block_pause();
}

static void unblock(struct op *op)
{
    (void)op;
    ASYNC_unblock_pause();
}

START_TEST(blocked)
{
    struct caller caller;
    struct op op;
    double start = seconds_now(), cpu = thread_seconds();

    scene_open(&scene, "emulator_latency_us = 20000\n");
    op_init(&op, &scene, 200 * 1024, 3); /* four requests */
    caller_init(&caller);
    if (_i == 1)
        ASYNC_WAIT_CTX_set_callback(op.wait, caller_call, &caller);
    for (unsigned i = 0; i < 5; i++) {
        op.before = block;
        op.after = unblock;
        op_again(&op, 2 * i);
        ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
        op_check(&op, &scene);
        /* A wake-up was taken, none is left. */
        ck_assert(!op_readable(&op, 0));
        op.before = op.after = NULL;
        op_again(&op, 2 * i + 1);
        while (op_step(&op) == ASYNC_PAUSE)
            sleep_us(100);
        ck_assert_uint_gt(op.pauses, 0);
        op_check(&op, &scene);
        ck_assert(!op_readable(&op, 0));
    }
    ck_assert_uint_ge(scene_stat(&scene, "requests"), 40);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    /* Bounded, and asleep for most of the time. */
    ck_assert_double_lt(seconds_now() - start, 10);
    ck_assert_double_lt(thread_seconds() - cpu, (seconds_now() - start) / 2);
    ck_assert(!atomic_load(&caller.own_thread));
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* The completion that comes before the pause, and the one that comes after:
 * both must have happened, and both be right. */
START_TEST(before_and_after_the_pause)
{
    struct op op;
    unsigned before = 0, after = 0;
    double end = seconds_now() + 20;

    scene_open(&scene, _i == 0 ? NULL : "emulator_threads = 2\n");
    op_init(&op, &scene, 16, 4);
    for (unsigned i = 0; i < rounds(5000) || before < 10 || after < 10; i++) {
        ck_assert_msg(seconds_now() < end, "%u before the pause, %u after it", before, after);
        op_again(&op, i);
        op_finish(&op);
        op_check(&op, &scene);
        ck_assert_uint_le(op.pauses, 1);
        if (op.pauses == 0)
            before++;
        else
            after++;
        ck_assert(!op_readable(&op, 0));
    }
    ck_assert_uint_eq(scene_stat(&scene, "requests"), before + after);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

enum { ERRORS_MAX = 4 };

/* Takes the reasons out of the queue and puts them back. */
static unsigned queue_of(int *reasons)
{
    unsigned long code;
    unsigned n = 0;

    while (n < ERRORS_MAX && (code = ERR_get_error()) != 0)
        reasons[n++] = ERR_GET_REASON(code);
    for (unsigned i = 0; i < n; i++)
        ERR_raise(ERR_LIB_USER, reasons[i]);
    return n;
}

static void fill_queue(unsigned n)
{
    ERR_clear_error();
    for (unsigned i = 0; i < n; i++)
        ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE + (int)i);
}

static void expect_queue(unsigned wanted)
{
    int reasons[ERRORS_MAX] = {0};

    ck_assert_uint_eq(queue_of(reasons), wanted);
    for (unsigned i = 0; i < wanted; i++)
        ck_assert_int_eq(reasons[i], ERR_R_MALLOC_FAILURE + (int)i);
}

static void expect_users(struct op *op)
{
    expect_queue(*(const unsigned *)op->user);
}

enum { CROWD = 64 };
static struct op crowd[CROWD];

/* All of the crowd at once, with so many errors in the queue: they are there at
 * each pause and in the end, and no others. Returns how many jobs paused, and in
 * how many of those for want of room. */
static unsigned run_crowd(unsigned errors, unsigned *eagain)
{
    unsigned paused = 0;

    *eagain = 0;
    fill_queue(errors);
    for (unsigned i = 0; i < CROWD; i++) {
        op_again(&crowd[i], i);
        crowd[i].before = crowd[i].after = expect_users;
        crowd[i].user = &errors;
        paused += op_step(&crowd[i]) == ASYNC_PAUSE;
        expect_queue(errors);
        *eagain += ASYNC_WAIT_CTX_get_status(crowd[i].wait) == ASYNC_STATUS_EAGAIN;
    }
    for (unsigned i = 0; i < CROWD; i++) {
        while (crowd[i].job != NULL) {
            ck_assert(op_readable(&crowd[i], 10000));
            op_step(&crowd[i]);
            expect_queue(errors);
        }
        op_check(&crowd[i], &scene);
    }
    ERR_clear_error();
    return paused;
}

static void open_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++)
        op_init(&crowd[i], &scene, 64, i);
}

static void close_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++)
        op_fini(&crowd[i]);
    scene_close(&scene);
}

/* Nothing is added: with a new waiter and an old one, with a failing device and
 * a full ring, with software behind them. */
START_TEST(error_queue)
{
    static const char *const settings[] = {
        "emulator_latency_us = 30000\n",
        "emulator_latency_us = 30000\nemulator_fault = error:2\n",
        "emulator_latency_us = 30000\nemulator_fault = queues:1\nqueue_size = 8\n",
    };
    unsigned eagain;

    scene_open_fallback(&scene, settings[_i]);
    open_crowd();
    for (unsigned round = 0; round < 3; round++)
        ck_assert_uint_gt(run_crowd(0, &eagain), 0);
    ck_assert_uint_gt(scene_stat(&scene, "requests"), 0);
    if (_i != 0)
        ck_assert_uint_gt(scene_stat(&scene, "software-total"), 0);
    close_crowd();
}
END_TEST

START_TEST(error_queue_without_room)
{
    unsigned eagain;

    scene_open(&scene, "emulator_latency_us = 100000\nemulator_fault = queues:1\nqueue_size = 8\n");
    open_crowd();
    ck_assert_uint_eq(run_crowd(0, &eagain), CROWD);
    ck_assert_uint_eq(run_crowd(0, &eagain), CROWD);
    ck_assert_uint_gt(eagain, 0);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    close_crowd();
}
END_TEST

/* To libssl a pause with errors in the queue is a failure: what an application
 * has in there stays, and the job does not pause. */
START_TEST(errors_of_the_application)
{
    unsigned eagain;

    scene_open(&scene, "emulator_latency_us = 200000\n");
    open_crowd();
    for (unsigned errors = 1; errors < ERRORS_MAX; errors++)
        ck_assert_uint_eq(run_crowd(errors, &eagain), 0);
    ck_assert_uint_eq(scene_stat(&scene, "software-errors"), 3 * CROWD);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 3 * CROWD);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 0);
    ck_assert_uint_eq(run_crowd(0, &eagain), CROWD);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), CROWD);
    close_crowd();
}
END_TEST

/* Fibre stacks have 32 KiB and no guard page. How deep does the first request
 * go, which opens the device, and how deep does one that follows? */
#define STACK  (24 * 1024)
#define MARGIN 1024 /* of the painting frame itself */

static uint8_t *paint;

__attribute__((noinline)) static void paint_stack(struct op *op)
{
    uint8_t below[STACK];

    (void)op;
    memset(below, 0xa5, sizeof(below));
    /* The compiler must believe that somebody reads it. */
    __asm__ volatile("" : "=r"(paint) : "0"(below) : "memory");
}

__attribute__((noinline)) static void look_at_stack(struct op *op)
{
    unsigned untouched = 0;

    while (untouched < STACK && paint[untouched] == 0xa5)
        untouched++;
    *(unsigned *)op->user = STACK - untouched;
}

START_TEST(stack)
{
    unsigned deep = 0;
    struct op op;

    scene_open(&scene, NULL);
    op_init(&op, &scene, 64, 5);
    op.before = paint_stack;
    op.after = look_at_stack;
    op.user = &deep;
    op_finish(&op);
    ck_assert_msg(deep < STACK - MARGIN, "the first request takes %u bytes of stack", deep);
    ck_assert_uint_gt(deep, 0);
    op_check(&op, &scene);
    op_again(&op, 6);
    op_finish(&op);
    ck_assert_msg(deep < STACK / 2, "a request takes %u bytes of stack", deep);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async resume");
    TCase *tc = tcase_create("resume");
    const char *san = getenv("VCRYPTO_SAN");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, early_resumptions, 0, 2);
    tcase_add_test(tc, no_busy_loop);
    tcase_add_loop_test(tc, blocked, 0, 2);
    tcase_add_loop_test(tc, before_and_after_the_pause, 0, 2);
    tcase_add_loop_test(tc, error_queue, 0, 3);
    tcase_add_test(tc, error_queue_without_room);
    tcase_add_test(tc, errors_of_the_application);
    /* Sanitizers have frames of another size, and shadows of their own. */
    if (san == NULL || *san == '\0')
        tcase_add_test(tc, stack);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
