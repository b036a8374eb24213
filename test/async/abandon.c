/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that are never resumed. Whatever the order in which an application lets
 * go of what belongs to one, and whatever the device is just doing: nothing is
 * written to freed memory, nobody is called, and nothing stays alive.
 */
#include <openssl/async.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scene.h"

static struct scene scene;

/* What a job leaves behind, and the orders in which it may go. The callback's
 * argument may go as soon as the wait context has. */
enum part { BUFFERS, CIPHER, WAIT, PARTS };

static const enum part orders[][PARTS] = {
    {BUFFERS, CIPHER, WAIT}, /* SSL_free */
    {BUFFERS, WAIT, CIPHER}, {CIPHER, BUFFERS, WAIT}, {CIPHER, WAIT, BUFFERS},
    {WAIT, BUFFERS, CIPHER}, {WAIT, CIPHER, BUFFERS},
};
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

/* A callback's argument; dead ones stay dead, so that no call is missed. */
enum { ALIVE = 1, DEAD = 2 };
static atomic_uchar *mortals;
static atomic_uint calls, late_calls;

static int call_mortal(void *arg)
{
    atomic_uchar *state = arg;

    atomic_fetch_add(&calls, 1);
    for (int i = 0; i < 20; i++)
        if (atomic_load(state) != ALIVE)
            atomic_fetch_add(&late_calls, 1);
    return 1;
}

#define PATTERN 0x5a

/* Takes the buffers away, or fills them with what must still be there later. */
static void end_buffers(struct op *op, bool unmap)
{
    if (unmap)
        op_unmap(op);
    else
        memset(op->in, PATTERN, 2 * op->len);
}

static void expect_pattern(const struct op *op)
{
    for (size_t i = 0; op->in != NULL && i < 2 * op->len; i++)
        MUST(op->in[i] == PATTERN);
}

static void end_part(struct op *op, enum part part, bool unmap, atomic_uchar *mortal)
{
    switch (part) {
    case BUFFERS: end_buffers(op, unmap); break;
    case CIPHER:
        EVP_CIPHER_CTX_free(op->ctx);
        op->ctx = NULL;
        break;
    default:
        ASYNC_WAIT_CTX_free(op->wait);
        op->wait = NULL;
        atomic_store(mortal, DEAD);
        break;
    }
}

/* A crowd of jobs, each of which ends in an order and at moments of its own. */
static void abandon_crowd(struct support_random *rnd, atomic_uchar *states, bool callback,
                          unsigned most)
{
    enum { CROWD = 16 };
    struct op ops[CROWD];

    for (unsigned i = 0; i < CROWD; i++) {
        op_init(&ops[i], &scene, 16 + support_below(rnd, 60) * 16, i);
        atomic_store(&states[i], ALIVE);
        if (callback)
            ASYNC_WAIT_CTX_set_callback(ops[i].wait, call_mortal, &states[i]);
        op_step(&ops[i]);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        const enum part *order = orders[support_below(rnd, ORDERS)];
        bool unmap = support_below(rnd, 2) == 0;

        for (unsigned k = 0; k < PARTS; k++) {
            linger(rnd, most);
            end_part(&ops[i], order[k], unmap, &states[i]);
        }
    }
    scene_settled(&scene);
    for (unsigned i = 0; i < CROWD; i++) {
        expect_pattern(&ops[i]);
        op_fini(&ops[i]);
    }
}

static const struct pace {
    const char *settings;
    unsigned most;  /* us between two steps, at most */
    unsigned sleep; /* us between two crowds: a reset takes its time */
} paces[] = {
    {NULL, 10, 0},
    {"emulator_threads = 4\n", 10, 0},
    {"emulator_latency_us = 30\n", 20, 0},
    {"emulator_latency_us = 300\nemulator_threads = 2\n", 40, 0},
    {"emulator_latency_us = 300\nqueue_size = 8\nemulator_fault = queues:1\n", 30, 0},
    {"emulator_latency_us = 100\nemulator_fault = error:3\n", 20, 0},
    {"emulator_latency_us = 100\nemulator_fault = needs_reset:50\n", 20, 10000},
};
#define PACES ((int)(sizeof(paces) / sizeof(paces[0])))

START_TEST(in_any_order_at_any_time)
{
    const struct pace *pace = &paces[_i / 2];
    struct support_random rnd = {(uint64_t)_i};
    unsigned n = rounds(100), fds;

    mortals = calloc(n, 16);
    scene_open(&scene, pace->settings);
    abandon_crowd(&rnd, mortals, false, 0);
    fds = count_eventfds();
    for (unsigned i = 0; i < n; i++) {
        abandon_crowd(&rnd, mortals + 16 * i, _i % 2 == 1, pace->most);
        sleep_us(pace->sleep);
    }
    ck_assert_uint_eq(count_eventfds(), fds);
    ck_assert_uint_ge(scene_stat(&scene, "requests"), n);
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&late_calls), 0);
    ck_assert_uint_le(atomic_load(&calls), 16 * n);
    free(mortals);
}
END_TEST

/* The device is slower than the application, then faster: no chance in it. */
START_TEST(device_done_afterwards)
{
    atomic_uchar state;
    struct op op;

    scene_open(&scene, "emulator_latency_us = 20000\n");
    for (unsigned i = 0; i < 2 * ORDERS; i++) {
        op_init(&op, &scene, 64, i);
        atomic_store(&state, ALIVE);
        if (i % 2 == 1)
            ASYNC_WAIT_CTX_set_callback(op.wait, call_mortal, &state);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        for (unsigned k = 0; k < PARTS; k++)
            end_part(&op, orders[i / 2][k], true, &state);
        ck_assert_uint_eq(scene_stat(&scene, "live-in-flight"), 1);
        scene_settled(&scene);
        op_fini(&op);
    }
    ck_assert_uint_eq(scene_stat(&scene, "completions"), 2 * ORDERS);
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&calls), 0);
}
END_TEST

START_TEST(device_done_before)
{
    atomic_uchar state;
    struct op op;

    scene_open(&scene, "emulator_latency_us = 20000\n");
    for (unsigned i = 0; i < 2 * ORDERS; i++) {
        double end = seconds_now() + 10;

        op_init(&op, &scene, 64, i);
        atomic_store(&state, ALIVE);
        if (i % 2 == 1)
            ASYNC_WAIT_CTX_set_callback(op.wait, call_mortal, &state);
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        while (scene_stat(&scene, "completions") != i + 1 ||
               (i % 2 == 1 && atomic_load(&calls) != (i + 1) / 2)) {
            ck_assert(seconds_now() < end);
            sleep_us(50);
        }
        if (i % 2 == 0)
            ck_assert(op_readable(&op, 10000));
        for (unsigned k = 0; k < PARTS; k++)
            end_part(&op, orders[i / 2][k], true, &state);
        scene_settled(&scene);
        op_fini(&op);
    }
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&calls), ORDERS);
    ck_assert_uint_eq(atomic_load(&late_calls), 0);
}
END_TEST

/* The cipher context outlives its job and works for others, with the same wait
 * context or with a new one. */
START_TEST(cipher_context_lives_on)
{
    static const char *const settings[] = {NULL, "emulator_latency_us = 50\n",
                                           "emulator_latency_us = 2000\n"};
    struct support_random rnd = {5};
    unsigned fds = 0, n = rounds(_i == 2 ? 200 : 1500);
    struct op op;

    scene_open(&scene, settings[_i]);
    op_init(&op, &scene, 64, 5);
    for (unsigned i = 0; i < n; i++) {
        op_again(&op, 2 * i);
        op_step(&op);
        linger(&rnd, 100);
        if (i % 2 == 0) {
            ASYNC_WAIT_CTX_free(op.wait);
            op.wait = ASYNC_WAIT_CTX_new();
        }
        op_again(&op, 2 * i + 1);
        op_finish(&op);
        op_check(&op, &scene);
        /* One more if the first had no need to pause: its waiter has none then. */
        if (i == 0)
            fds = count_eventfds() + 1;
    }
    /* The completion thread lets go a moment after the last is done. */
    for (unsigned ms = 0; ms < 5000 && (scene_stat(&scene, "live-in-flight") != 0 ||
                                        scene_stat(&scene, "live-waiters") > 1 ||
                                        scene_stat(&scene, "live-requests") != 1);
         ms++)
        sleep_us(1000);
    /* None where the last was done before it could pause. */
    ck_assert_uint_le(scene_stat(&scene, "live-waiters"), 1);
    ck_assert_uint_eq(scene_stat(&scene, "live-requests"), 1);
    ck_assert_uint_le(count_eventfds(), fds);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* The wait context outlives its job and serves others. */
START_TEST(wait_context_lives_on)
{
    struct support_random rnd = {6};
    ASYNC_WAIT_CTX *wait = ASYNC_WAIT_CTX_new();
    struct caller caller;
    int fd = -1;

    scene_open(&scene, "emulator_latency_us = 50\n");
    caller_init(&caller);
    for (unsigned i = 0; i < rounds(1500); i++) {
        struct op left, next;
        bool callback = i % 3 == 2;

        op_init(&left, &scene, 64, 2 * i);
        op_init(&next, &scene, 64, 2 * i + 1);
        ASYNC_WAIT_CTX_free(left.wait);
        ASYNC_WAIT_CTX_free(next.wait);
        left.wait = next.wait = wait;
        ASYNC_WAIT_CTX_set_callback(wait, callback ? caller_call : NULL, &caller);
        op_step(&left);
        linger(&rnd, 100);
        EVP_CIPHER_CTX_free(left.ctx);
        op_unmap(&left);
        while (op_step(&next) == ASYNC_PAUSE) {
            if (!callback)
                ck_assert(op_readable(&next, 10000));
        }
        op_check(&next, &scene);
        ck_assert_int_eq(ASYNC_WAIT_CTX_get_status(wait), ASYNC_STATUS_OK);
        /* The one that was left may have been done in time to wake somebody. */
        ck_assert(callback || next.pauses <= 2);
        if (fd == -1)
            fd = op_fd(&next);
        ck_assert_int_eq(op_fd(&next), fd);
        next.wait = NULL;
        op_fini(&next);
    }
    ASYNC_WAIT_CTX_free(wait);
    scene_close(&scene);
    ck_assert(!atomic_load(&caller.own_thread));
}
END_TEST

/* The abandoned job's cipher context is freed late, when the wait context has
 * served another job: that one is none the worse. */
START_TEST(cipher_context_freed_late)
{
    scene_open(&scene, "emulator_latency_us = 100\n");
    for (unsigned i = 0; i < rounds(500); i++) {
        struct op left, next;

        op_init(&left, &scene, 64, 2 * i);
        op_init(&next, &scene, 64, 2 * i + 1);
        ASYNC_WAIT_CTX_free(next.wait);
        next.wait = left.wait;
        op_step(&left);
        ck_assert_int_eq(ASYNC_WAIT_CTX_get_status(left.wait), ASYNC_STATUS_OK);
        left.wait = NULL;
        op_step(&next);
        if (i % 2 == 0)
            op_fini(&left);
        if (next.job != NULL && i % 3 != 0)
            op_finish(&next);
        if (next.job == NULL)
            op_check(&next, &scene);
        op_fini(&next);
        if (i % 2 == 1)
            op_fini(&left);
    }
    scene_close(&scene);
}
END_TEST

/* Jobs that wait for room in ring and backlog. */
START_TEST(without_room)
{
    enum { CROWD = 96 };
    static struct op ops[CROWD];
    atomic_uchar state = ALIVE;
    unsigned starved = 0;

    scene_open(&scene, "emulator_fault = queues:1\nqueue_size = 8\nemulator_latency_us = 5000\n");
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < CROWD; i++) {
            op_init(&ops[i], &scene, 64, i);
            op_finish(&ops[i]);
            op_again(&ops[i], 200 + i);
        }
        for (unsigned i = 0; i < CROWD; i++) {
            if (round % 2 == 1)
                ASYNC_WAIT_CTX_set_callback(ops[i].wait, call_mortal, &state);
            op_step(&ops[i]);
            starved += ASYNC_WAIT_CTX_get_status(ops[i].wait) == ASYNC_STATUS_EAGAIN;
        }
        /* Every other one is left, the rest go on. */
        for (unsigned i = 0; i < CROWD; i += 2)
            for (unsigned k = 0; k < PARTS; k++) {
                atomic_uchar part = 0;

                end_part(&ops[i], orders[round][k], true, &part);
            }
        for (unsigned i = 0; i < CROWD; i++) {
            if (i % 2 == 1) {
                /* It may be done already: then a step would begin anew. */
                while (ops[i].job != NULL && op_step(&ops[i]) == ASYNC_PAUSE)
                    sleep_us(100);
                op_check(&ops[i], &scene);
            }
            op_fini(&ops[i]);
        }
        scene_settled(&scene);
    }
    ck_assert_uint_gt(starved, 0);
    scene_close(&scene);
}
END_TEST

/* A cipher context that only the job's own frame knows, as libssl has some:
 * nobody frees it, but the request goes with the wait context. */
static void in_a_frame(struct op *op)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t buf[64] = {0};
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex2(ctx, scene.cipher, buf, buf, NULL), 1);
    op->user = ctx;
    EVP_EncryptUpdate(ctx, buf, &n, buf, sizeof(buf));
    EVP_CIPHER_CTX_free(ctx);
}

START_TEST(cipher_context_in_a_frame)
{
    double end = seconds_now() + 10;
    struct op op;

    scene_open(&scene, "emulator_latency_us = 20000\n");
    for (unsigned i = 0; i < 20; i++) {
        op_init(&op, &scene, 64, i);
        op.before = in_a_frame;
        ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
        if (i % 2 == 1)
            ck_assert(op_readable(&op, 10000));
        ASYNC_WAIT_CTX_free(op.wait);
        op.wait = NULL;
        while (scene_stat(&scene, "live-requests") != 0 ||
               scene_stat(&scene, "live-waiters") != 0 ||
               scene_stat(&scene, "live-dma-bytes") != 0) {
            ck_assert(seconds_now() < end);
            sleep_us(100);
        }
        EVP_CIPHER_CTX_free(op.user);
        op_fini(&op);
    }
    scene_close(&scene);
}
END_TEST

static void *abandon_on_thread(void *arg)
{
    struct support_random rnd = {(uint64_t)(uintptr_t)arg};

    for (unsigned i = 0; i < rounds(400); i++) {
        atomic_uchar *state = &mortals[(uintptr_t)arg * rounds(400) + i];
        const enum part *order = orders[support_below(&rnd, ORDERS)];
        struct op op;

        atomic_store(state, ALIVE);
        op_init(&op, &scene, 64, i);
        if (i % 2 == 1)
            ASYNC_WAIT_CTX_set_callback(op.wait, call_mortal, state);
        op_step(&op);
        for (unsigned k = 0; k < PARTS; k++) {
            linger(&rnd, 60);
            end_part(&op, order[k], true, state);
        }
        op_fini(&op);
    }
    return NULL;
}

START_TEST(on_several_threads)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];

    mortals = calloc(THREADS, rounds(400));
    scene_open(&scene, "emulator_latency_us = 40\nemulator_threads = 2\n");
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, abandon_on_thread, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    scene_close(&scene);
    ck_assert_uint_eq(atomic_load(&late_calls), 0);
    free(mortals);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async abandon");
    TCase *tc = tcase_create("abandon");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, in_any_order_at_any_time, 0, 2 * PACES);
    tcase_add_test(tc, device_done_afterwards);
    tcase_add_test(tc, device_done_before);
    tcase_add_loop_test(tc, cipher_context_lives_on, 0, 3);
    tcase_add_test(tc, wait_context_lives_on);
    tcase_add_test(tc, cipher_context_freed_late);
    tcase_add_test(tc, without_room);
    tcase_add_test(tc, cipher_context_in_a_frame);
    tcase_add_test(tc, on_several_threads);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
