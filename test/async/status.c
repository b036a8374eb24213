/* SPDX-License-Identifier: Apache-2.0 */
/* What ASYNC_WAIT_CTX_get_status says, and when. */
#include <openssl/async.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <time.h>

#include "support/scene.h"

#define SLOW "emulator_latency_us = 20000\n"
/* One queue of eight descriptors with a backlog of 32. */
#define NARROW    "emulator_fault = queues:1\nqueue_size = 8\nemulator_latency_us = 60000\n"
#define NARROW_MS 60u
#define ROOM      40u
#define CROWD     96u

static struct scene scene;
static struct op crowd[CROWD];

static int status_of(const struct op *op)
{
    return ASYNC_WAIT_CTX_get_status(op->wait);
}

START_TEST(ok_from_submission_on)
{
    struct op op;

    scene_open(&scene, SLOW);
    op_init(&op, &scene, 64, 1);
    ck_assert_int_eq(status_of(&op), ASYNC_STATUS_UNSUPPORTED);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_eq(status_of(&op), ASYNC_STATUS_OK);
    ck_assert(op_readable(&op, 10000));
    ck_assert_int_eq(status_of(&op), ASYNC_STATUS_OK);
    ck_assert_int_eq(op_step(&op), ASYNC_FINISH);
    ck_assert_int_eq(status_of(&op), ASYNC_STATUS_OK);
    /* Whatever it was before. */
    ASYNC_WAIT_CTX_set_status(op.wait, ASYNC_STATUS_ERR);
    op_again(&op, 2);
    ck_assert_int_eq(op_step(&op), ASYNC_PAUSE);
    ck_assert_int_eq(status_of(&op), ASYNC_STATUS_OK);
    op_finish(&op);
    op_check(&op, &scene);
    op_fini(&op);
    scene_close(&scene);
}
END_TEST

/* A crowd whose sessions are there already, so that all of its requests come
 * to the ring at once. */
static void gather_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        op_init(&crowd[i], &scene, 64, 100 + i);
        op_step(&crowd[i]);
        if (i % 8 == 7)
            for (unsigned k = i - 7; k <= i; k++)
                op_finish(&crowd[k]);
    }
    for (unsigned i = 0; i < CROWD; i++)
        op_again(&crowd[i], 200 + i);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * Steps all of the crowd, so that ROOM have it and the others have none. On a
 * machine so busy that the first are done before the last come, there is room
 * for those: then all over again, with a new device.
 */
static void fill_room(void (*open)(struct scene *sc, const char *settings), struct caller *callers)
{
    uint64_t begin, ms = NARROW_MS;

    for (unsigned tries = 0; tries < 50; tries++) {
        open(&scene, NARROW);
        gather_crowd();
        begin = now_ms();
        for (unsigned i = 0; i < CROWD; i++) {
            if (callers != NULL) {
                caller_init(&callers[i]);
                ASYNC_WAIT_CTX_set_callback(crowd[i].wait, caller_call, &callers[i]);
            }
            op_step(&crowd[i]);
        }
        ms = now_ms() - begin;
        if (ms < NARROW_MS / 2)
            return;
        for (unsigned i = 0; i < CROWD; i++) {
            /* Those with callbacks have no descriptor to wait for. */
            while (crowd[i].job != NULL && op_step(&crowd[i]) == ASYNC_PAUSE)
                sleep_us(500);
            op_fini(&crowd[i]);
        }
        scene_close(&scene);
    }
    ck_abort_msg("%u steps take %lu ms", CROWD, (unsigned long)ms);
}

static void dismiss_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        op_check(&crowd[i], &scene);
        op_fini(&crowd[i]);
    }
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 2 * CROWD);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}

START_TEST(eagain_without_room)
{
    fill_room(scene_open, NULL);
    for (unsigned i = 0; i < CROWD; i++) {
        ck_assert_int_eq(crowd[i].ret, -1);
        ck_assert_int_eq(status_of(&crowd[i]), i < ROOM ? ASYNC_STATUS_OK : ASYNC_STATUS_EAGAIN);
    }
    /* Nothing wakes a job that cannot go on, nor does it help to try. */
    ck_assert(!op_readable(&crowd[CROWD - 1], 0));
    for (unsigned i = ROOM; i < CROWD; i++) {
        ck_assert_int_eq(op_step(&crowd[i]), ASYNC_PAUSE);
        ck_assert_int_eq(status_of(&crowd[i]), ASYNC_STATUS_EAGAIN);
    }
    /* By the descriptor alone, each comes to its turn and says so. */
    for (unsigned i = 0; i < CROWD; i++) {
        while (op_step(&crowd[i]) == ASYNC_PAUSE)
            ck_assert(op_readable(&crowd[i], 10000));
        ck_assert_int_eq(status_of(&crowd[i]), ASYNC_STATUS_OK);
    }
    dismiss_crowd();
}
END_TEST

/* The last of the crowd waits for its descriptor and nothing else happens in
 * this thread: room alone wakes it. */
START_TEST(room_wakes)
{
    fill_room(scene_open, NULL);
    ck_assert(op_readable(&crowd[CROWD - 1], 10000));
    ck_assert_int_eq(op_step(&crowd[CROWD - 1]), ASYNC_PAUSE);
    ck_assert_int_eq(status_of(&crowd[CROWD - 1]), ASYNC_STATUS_OK);
    for (unsigned i = 0; i < CROWD; i++)
        op_finish(&crowd[i]);
    dismiss_crowd();
}
END_TEST

/* With a callback: none while the status is EAGAIN, one after that. */
START_TEST(no_callback_with_eagain)
{
    static struct caller callers[CROWD];
    unsigned left = CROWD;

    fill_room(scene_open, callers);
    for (unsigned i = 0; i < CROWD; i++)
        ck_assert_int_eq(crowd[i].ret, -1);
    /* More than twice as long as a request takes: room has come. */
    sleep_us(150000);
    for (unsigned i = ROOM; i < CROWD; i++)
        ck_assert_uint_eq(atomic_load(&callers[i].calls), 0);
    while (left > 0) {
        for (unsigned i = 0; i < CROWD; i++) {
            unsigned calls = atomic_load(&callers[i].calls);

            /* Resumed when told so, or when told to try again. */
            if (crowd[i].ret == -1 && (calls == 1 || status_of(&crowd[i]) == ASYNC_STATUS_EAGAIN))
                left -= op_step(&crowd[i]) == ASYNC_FINISH;
        }
        sleep_us(500);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        ck_assert_uint_le(atomic_load(&callers[i].calls), 1);
        ck_assert(!op_readable(&crowd[i], 0));
    }
    dismiss_crowd();
}
END_TEST

/* With software behind it there is no EAGAIN. */
START_TEST(software_instead_of_eagain)
{
    fill_room(scene_open_fallback, NULL);
    for (unsigned i = 0; i < CROWD; i++) {
        ck_assert_int_eq(crowd[i].ret == -1, i < ROOM);
        ck_assert_int_eq(status_of(&crowd[i]), ASYNC_STATUS_OK);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        if (i < ROOM)
            op_finish(&crowd[i]);
        op_check(&crowd[i], &scene);
        op_fini(&crowd[i]);
    }
    ck_assert_uint_eq(scene_stat(&scene, "software-backlog"), CROWD - ROOM);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), CROWD - ROOM);
    scene_close(&scene);
}
END_TEST

/* How a request ends that the device answers so. */
static const struct ending {
    const char *settings;
    bool fallback;
    int status;
    bool succeeds;
    const char *count; /* goes up by one for each, or NULL */
} endings[] = {
    {"emulator_fault = error:1\n", false, ASYNC_STATUS_ERR, false, "errors"},
    {"emulator_fault = error:1\n", true, ASYNC_STATUS_OK, true, "software-device-error"},
    {"emulator_fault = bad_id:1\n", false, ASYNC_STATUS_ERR, false, NULL},
    {"emulator_fault = bad_id:1\n", true, ASYNC_STATUS_OK, true, "software-total"},
    {"emulator_fault = lose:1\ntimeout_ms = 50\n", false, ASYNC_STATUS_ERR, false, NULL},
    {"emulator_fault = lose:1\ntimeout_ms = 50\n", true, ASYNC_STATUS_OK, true, "software-timeout"},
    /* Not a failure: the device cannot do this, software can. */
    {"emulator_fault = status:1:3\n", false, ASYNC_STATUS_OK, true, "software-unsupported"},
    /* Nonsense to say of CBC. */
    {"emulator_fault = badmsg:1\n", false, ASYNC_STATUS_ERR, false, "errors"},
};
#define ENDINGS ((int)(sizeof(endings) / sizeof(endings[0])))

/* Fails at once or while paused; the status is there before the notification. */
START_TEST(ending_by_descriptor)
{
    const struct ending *e = &endings[_i];
    enum { N = 8 }; /* as many losses as make the device be reset */
    struct op ops[N];

    (e->fallback ? scene_open_fallback : scene_open)(&scene, e->settings);
    for (unsigned i = 0; i < N; i++) {
        op_init(&ops[i], &scene, 64, i);
        op_step(&ops[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        if (ops[i].job != NULL) {
            ck_assert_uint_eq(ERR_peek_error(), 0);
            ck_assert(op_readable(&ops[i], 10000));
            ck_assert_int_eq(status_of(&ops[i]), e->status);
            ck_assert_int_eq(op_step(&ops[i]), ASYNC_FINISH);
        }
        ck_assert_int_eq(status_of(&ops[i]), e->status);
        ck_assert_int_eq(ops[i].ret == 1, e->succeeds);
        if (!e->succeeds)
            ck_assert_uint_ne(ops[i].error, 0);
        else
            op_check(&ops[i], &scene);
        ck_assert(!op_readable(&ops[i], 0));
        op_fini(&ops[i]);
    }
    if (e->count != NULL)
        ck_assert_uint_eq(scene_stat(&scene, e->count), N);
    scene_close(&scene);
}
END_TEST

struct witness {
    const struct op *op;
    atomic_int status; /* as the callback saw it */
};

static int look(void *arg)
{
    struct witness *w = arg;

    atomic_store(&w->status, status_of(w->op));
    return 1;
}

START_TEST(ending_by_callback)
{
    const struct ending *e = &endings[_i];
    enum { N = 8 };
    struct witness seen[N];
    struct op ops[N];
    double end = seconds_now() + 10;

    (e->fallback ? scene_open_fallback : scene_open)(&scene, e->settings);
    for (unsigned i = 0; i < N; i++) {
        op_init(&ops[i], &scene, 64, i);
        seen[i].op = &ops[i];
        atomic_init(&seen[i].status, -1);
        ASYNC_WAIT_CTX_set_callback(ops[i].wait, look, &seen[i]);
        op_step(&ops[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        if (ops[i].job != NULL) {
            while (atomic_load(&seen[i].status) == -1) {
                ck_assert(seconds_now() < end);
                sleep_us(20);
            }
            ck_assert_int_eq(atomic_load(&seen[i].status), e->status);
            ck_assert_int_eq(op_step(&ops[i]), ASYNC_FINISH);
        }
        ck_assert_int_eq(status_of(&ops[i]), e->status);
        ck_assert_int_eq(ops[i].ret == 1, e->succeeds);
        if (!e->succeeds)
            ck_assert_uint_ne(ops[i].error, 0);
        op_fini(&ops[i]);
    }
    scene_close(&scene);
}
END_TEST

/* Decrypts with AES-128-GCM what nobody encrypted. */
static void open_forgery(struct op *op)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t buf[64] = {0}, tag[16] = {0};
    int n;

    ck_assert_int_eq(EVP_DecryptInit_ex2(ctx, op->user, tag, tag, NULL), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag), 1);
    if (EVP_DecryptUpdate(ctx, buf, &n, buf, sizeof(buf)) == 1)
        ck_assert_int_eq(EVP_DecryptFinal_ex(ctx, buf, &n), 0);
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    ck_assert_int_eq(status_of(op), ASYNC_STATUS_OK);
}

/* A wrong tag is an answer of the device, not a failure. */
START_TEST(rejected)
{
    EVP_CIPHER *gcm;
    struct op op;

    scene_open(&scene, SLOW);
    gcm = support_cipher(&scene.base, "AES-128-GCM");
    op_init(&op, &scene, 64, 3);
    op.before = open_forgery;
    op.user = gcm;
    while (op_step(&op) == ASYNC_PAUSE) {
        ck_assert(op_readable(&op, 10000));
        ck_assert_int_eq(status_of(&op), ASYNC_STATUS_OK);
    }
    ck_assert_uint_eq(op.pauses, 2);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 2);
    ck_assert_uint_eq(scene_stat(&scene, "errors"), 0);
    op_check(&op, &scene);
    op_fini(&op);
    EVP_CIPHER_free(gcm);
    scene_close(&scene);
}
END_TEST

/* Of those in flight when the device asks for its reset, each ends either way,
 * and says which; afterwards the device works again. */
START_TEST(needs_reset)
{
    enum { N = 64 };
    static struct op ops[N];
    unsigned failed = 0;

    scene_open(&scene, "emulator_fault = needs_reset:16\nemulator_latency_us = 500\n");
    for (unsigned i = 0; i < N; i++) {
        op_init(&ops[i], &scene, 64, i);
        op_step(&ops[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        if (ops[i].job != NULL)
            op_finish(&ops[i]);
        if (ops[i].ret == 1) {
            ck_assert_int_eq(status_of(&ops[i]), ASYNC_STATUS_OK);
            op_check(&ops[i], &scene);
        } else {
            ck_assert_int_eq(status_of(&ops[i]), ASYNC_STATUS_ERR);
            ck_assert_uint_ne(ops[i].error, 0);
            failed++;
        }
        op_fini(&ops[i]);
    }
    ck_assert_uint_gt(failed, 0);
    /* Counted when all have been told. */
    for (double end = seconds_now() + 10; scene_stat(&scene, "resets") == 0;) {
        ck_assert_msg(seconds_now() < end, "no reset");
        sleep_us(1000);
    }
    for (double end = seconds_now() + 10;;) {
        struct op op;
        bool ok;

        op_init(&op, &scene, 64, 99);
        op_finish(&op);
        ok = op.ret == 1;
        op_fini(&op);
        if (ok)
            break;
        ck_assert_msg(seconds_now() < end, "the device does not come back");
        sleep_us(1000);
    }
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async status");
    TCase *tc = tcase_create("status");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, ok_from_submission_on);
    tcase_add_test(tc, eagain_without_room);
    tcase_add_test(tc, room_wakes);
    tcase_add_test(tc, no_callback_with_eagain);
    tcase_add_test(tc, software_instead_of_eagain);
    tcase_add_loop_test(tc, ending_by_descriptor, 0, ENDINGS);
    tcase_add_loop_test(tc, ending_by_callback, 0, ENDINGS);
    tcase_add_test(tc, rejected);
    tcase_add_test(tc, needs_reset);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
