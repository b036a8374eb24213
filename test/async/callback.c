/* SPDX-License-Identifier: Apache-2.0 */
/* Notification by callback instead of the descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/async.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/scene.h"

#define SLOW "emulator_latency_us = 20000\n"

static struct scene scene;

static void use_callback(struct op *op, ASYNC_callback_fn fn, void *arg)
{
    ck_assert_int_eq(ASYNC_WAIT_CTX_set_callback(op->wait, fn, arg), 1);
}

START_TEST(called_once_from_another_thread)
{
    struct caller caller;
    struct op op;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 1);
    caller_init(&caller);
    /* What it returns is nobody's business. */
    caller.ret = (int)_i - 1;
    use_callback(&op, caller_call, &caller);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_status(op.wait), ASYNC_STATUS_OK);
    caller_wait(&caller, 1);
    ck_assert(!atomic_load(&caller.own_thread));
    /* The descriptor is there, for the sake of its cleanup, and not written. */
    ck_assert(!op_readable(&op, 20));
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    ck_assert(!op_readable(&op, 20));
    ck_assert_uint_eq(atomic_load(&caller.calls), 1);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 1);
    op_check(&op, &scene);
    op_fini(&op);
    ck_assert_uint_eq(atomic_load(&caller.calls), 1);
    scene_close(&scene);
}
END_TEST

/* Pauses and calls, over many operations at full speed: none is lost, none is
 * made up, and each comes when the job can go on. */
START_TEST(as_many_calls_as_pauses)
{
    static const char *const settings[] = {NULL, "emulator_latency_us = 20\n",
                                           "emulator_threads = 2\n"};
    struct caller caller;
    struct op op;
    unsigned paused = 0;

    scene_open(&scene, settings[_i]);
    op_init(&op, &scene, 64, 2);
    caller_init(&caller);
    use_callback(&op, caller_call, &caller);
    for (unsigned i = 0; i < rounds(10000); i++) {
        op_again(&op, i);
        if (op_step(&op) == ASYNC_PAUSE) {
            caller_wait(&caller, ++paused);
            ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
        }
        ck_assert_uint_eq(atomic_load(&caller.calls), paused);
    }
    ck_assert_uint_gt(paused, 0);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&caller.calls), paused);
}
END_TEST

/*
 * Many jobs of one thread, so that full batches are served where the doorbell
 * rings: some of them, or all, with callbacks. None of those comes on that
 * thread, which may hold any lock around its jobs.
 */
START_TEST(never_on_the_own_thread)
{
    enum { N = 64 };
    static const unsigned every[] = {1, 3, N};
    static struct caller callers[N];
    static struct op ops[N];
    unsigned calls = 0;
    bool paused[N];

    scene_open(&scene, NULL);
    for (unsigned i = 0; i < N; i++) {
        op_init(&ops[i], &scene, 256, i);
        caller_init(&callers[i]);
        if (i % every[_i] == 0)
            use_callback(&ops[i], caller_call, &callers[i]);
    }
    for (unsigned round = 0; round < rounds(200); round++) {
        for (unsigned i = 0; i < N; i++) {
            op_again(&ops[i], round + i);
            paused[i] = op_step(&ops[i]) == ASYNC_PAUSE;
        }
        for (unsigned i = 0; i < N; i++) {
            if (paused[i] && i % every[_i] != 0)
                op_finish(&ops[i]);
            while (paused[i] && i % every[_i] == 0 && op_step(&ops[i]) == ASYNC_PAUSE)
                sleep_us(20);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        calls += atomic_load(&callers[i].calls);
        ck_assert(!atomic_load(&callers[i].own_thread));
        op_check(&ops[i], &scene);
        op_fini(&ops[i]);
    }
    ck_assert_uint_gt(calls, 0);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), N * rounds(200));
    scene_close(&scene);
}
END_TEST

/* However often the job is resumed too early: one call when it is done, or none
 * where it was running at that moment. */
START_TEST(one_call_for_many_resumptions)
{
    struct caller caller;
    struct op op;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 3);
    caller_init(&caller);
    use_callback(&op, caller_call, &caller);
    for (unsigned i = 1; i <= 50; i++) {
        op_again(&op, i);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        for (unsigned k = 0; k < 20 && op.job != NULL; k++)
            op_step(&op);
        if (op.job != NULL) {
            unsigned before = atomic_load(&caller.calls);

            while (op_step(&op) == ASYNC_PAUSE) {
            }
            ck_assert_uint_le(atomic_load(&caller.calls), before + 1);
        }
        sleep_us(100);
        ck_assert_uint_le(atomic_load(&caller.calls), i);
    }
    ck_assert_uint_gt(atomic_load(&caller.calls), 0);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

START_TEST(changed_between_jobs)
{
    struct caller first, second;
    struct op op;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 4);
    caller_init(&first);
    caller_init(&second);
    for (unsigned i = 1; i <= 10; i++) {
        op_again(&op, i);
        use_callback(&op, caller_call, i % 2 != 0 ? &first : &second);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        caller_wait(i % 2 != 0 ? &first : &second, (i + 1) / 2);
        ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
        ck_assert_uint_eq(atomic_load(&first.calls), (i + 1) / 2);
        ck_assert_uint_eq(atomic_load(&second.calls), i / 2);
    }
    /* None: the descriptor again, and the callback again. */
    use_callback(&op, NULL, NULL);
    op_again(&op, 11);
    op_finish(&op);
    ck_assert_uint_gt(op.pauses, 0);
    use_callback(&op, caller_call, &first);
    op_again(&op, 12);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    caller_wait(&first, 6);
    ck_assert(!op_readable(&op, 10));
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&first.calls), 6);
    ck_assert_uint_eq(atomic_load(&second.calls), 5);
}
END_TEST

/* What a callback takes away while it runs. */
struct victim {
    struct op op;
    struct op *other; /* another job's wait context goes too */
    bool context;     /* the cipher context goes too */
    atomic_uint calls;
};

static int take_away(void *arg)
{
    struct victim *v = arg;

    if (v->context) {
        EVP_CIPHER_CTX_free(v->op.ctx);
        v->op.ctx = NULL;
    }
    if (v->other != NULL) {
        ASYNC_WAIT_CTX_free(v->other->wait);
        v->other->wait = NULL;
    }
    ASYNC_WAIT_CTX_free(v->op.wait);
    v->op.wait = NULL;
    atomic_fetch_add(&v->calls, 1);
    return 1;
}

START_TEST(frees_its_own_wait_context)
{
    unsigned before;

    scene_open(&scene, "emulator_latency_us = 100\n");
    op_whole(&scene, 64, 5);
    before = count_eventfds();
    for (unsigned i = 0; i < rounds(2000); i++) {
        struct victim *v = calloc(1, sizeof(*v));
        struct op other;

        v->context = i % 2 != 0;
        op_init(&v->op, &scene, 64, i);
        use_callback(&v->op, take_away, v);
        if (i % 4 == 3) {
            v->other = &other;
            op_init(&other, &scene, 64, i);
            op_step(&other);
        }
        if (op_step(&v->op) == ASYNC_PAUSE) {
            while (atomic_load(&v->calls) == 0)
                sleep_us(10);
        }
        /* The job is not resumed: its wait context is gone. */
        if (i % 4 == 3)
            op_fini(&other);
        op_fini(&v->op);
        ck_assert_uint_le(atomic_load(&v->calls), 1);
        free(v);
    }
    scene_settled(&scene);
    ck_assert_uint_eq(count_eventfds(), before);
    scene_close(&scene);
}
END_TEST

/* The argument as libssl has it: gone right after the wait context. A page of
 * its own, so that a call with it afterwards is seen. */
enum { ALIVE = 0x600d, DEAD = 0xdead };
static atomic_uint late_calls, calls_in_time;

struct mortal {
    atomic_uint state;
};

static int call_mortal(void *arg)
{
    struct mortal *m = arg;

    for (int i = 0; i < 50; i++)
        if (atomic_load(&m->state) != ALIVE)
            atomic_fetch_add(&late_calls, 1);
    atomic_fetch_add(&calls_in_time, 1);
    return 1;
}

START_TEST(argument_gone_after_the_wait_context)
{
    static const unsigned latency[] = {0, 10, 50, 200};
    struct support_random rnd = {(uint64_t)_i};
    struct mortal mortals[64];
    char settings[64];
    unsigned n = 0, calls = 0;

    snprintf(settings, sizeof(settings), "emulator_latency_us = %u\n", latency[_i]);
    scene_open(&scene, settings);
    for (unsigned i = 0; i < rounds(3000); i++) {
        struct mortal *m = &mortals[n++ % 64];
        struct op op;

        atomic_store(&m->state, ALIVE);
        op_init(&op, &scene, 64, i);
        use_callback(&op, call_mortal, m);
        /* Now and then the call is waited for, or a busy machine sees none. */
        if (op_step(&op) == ASYNC_PAUSE && i % 16 == 0)
            for (unsigned ms = 0; atomic_load(&calls_in_time) == calls && ms < 10000; ms++)
                sleep_us(1000);
        calls = atomic_load(&calls_in_time);
        linger(&rnd, 2 * latency[_i] + 100);
        if (i % 2 == 0) {
            EVP_CIPHER_CTX_free(op.ctx);
            op.ctx = NULL;
        }
        ASYNC_WAIT_CTX_free(op.wait);
        op.wait = NULL;
        atomic_store(&m->state, DEAD);
        op_fini(&op);
    }
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&late_calls), 0);
    /* Both were seen: calls that came before the end, and jobs without one. */
    ck_assert_uint_lt(atomic_load(&calls_in_time), rounds(3000));
    ck_assert_msg(atomic_load(&calls_in_time) > 0, "no call at all");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async callback");
    TCase *tc = tcase_create("callback");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, called_once_from_another_thread, 0, 3);
    tcase_add_loop_test(tc, never_on_the_own_thread, 0, 3);
    tcase_add_loop_test(tc, as_many_calls_as_pauses, 0, 3);
    tcase_add_test(tc, one_call_for_many_resumptions);
    tcase_add_test(tc, changed_between_jobs);
    tcase_add_test(tc, frees_its_own_wait_context);
    tcase_add_loop_test(tc, argument_gone_after_the_wait_context, 0, 4);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
