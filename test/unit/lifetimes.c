/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, requests and pools that go while requests are under way: each
 * complete() is called once, nothing is touched afterwards, nothing is left.
 */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "support/answers.h"
#include "support/rig.h"

#define LEN 64u

/* What became of the requests of one test, which own nothing else. */
static struct tally {
    atomic_uint completed, gone, good, cancelled, failed, late, again;
} tally;

static void count_status(struct hw_request *req)
{
    atomic_uint *count = req->status == 0            ? &tally.good
                         : req->status == -ECANCELED ? &tally.cancelled
                         : req->status == -ETIMEDOUT ? &tally.late
                         : req->status == -EAGAIN    ? &tally.again
                                                     : &tally.failed;

    atomic_fetch_add(count, 1);
    atomic_fetch_add(&tally.completed, 1);
}

static void count_gone(struct hw_request *req)
{
    (void)req;
    atomic_fetch_add(&tally.gone, 1);
}

static struct hw_request *new_request(struct hw_key *key, void *buf)
{
    struct hw_request *req = hw_request_new(0, count_gone);

    ck_assert_ptr_nonnull(req);
    req->complete = count_status;
    req->key = key;
    rig_fill(req, buf, LEN);
    return req;
}

static struct hw_config slow(unsigned latency_ms, const char *fault)
{
    struct hw_config cfg = rig_config(fault);

    cfg.queue_size = 8;
    cfg.emulator_latency_us = latency_ms * 1000;
    cfg.timeout_ms = 20000;
    return cfg;
}

START_TEST(owner_part)
{
    static const uint8_t zeros[1000];
    struct hw_request *req;

    for (size_t size = 0; size <= sizeof(zeros); size += 100) {
        req = hw_request_new(size, NULL);
        ck_assert_ptr_nonnull(req);
        ck_assert_uint_eq((uintptr_t)req->owner % 64, 0);
        ck_assert_int_eq(memcmp(req->owner, zeros, size), 0);
        memset(req->owner, 0xff, size);
        ck_assert(hw_request_reusable(req));
        ck_assert_ptr_null(hw_result(req));
        hw_collect(req);
        hw_release(req);
        hw_request_ref(req);
        hw_request_unref(req);
        hw_request_unref(req);
    }
    hw_request_unref(NULL);
    hw_key_unref(NULL);
    hw_pool_free(NULL);
    rig_nothing_left();
}
END_TEST

START_TEST(keys)
{
    static const uint8_t bytes[16] = "0123456789abcde";
    struct hw_key_spec spec = {.alg = HW_AES_CBC, .bytes = bytes, .len = 16};
    struct hw_key *key = hw_key_new(&spec);
    uint8_t other[16];

    ck_assert_ptr_nonnull(key);
    ck_assert_ptr_ne(hw_key_bytes(key), bytes);
    ck_assert_uint_eq(hw_key_len(key), 16);
    ck_assert(hw_key_equals(key, bytes, 16));
    ck_assert(!hw_key_equals(key, bytes, 15));
    for (unsigned i = 0; i < 128; i++) {
        memcpy(other, bytes, 16);
        other[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert(!hw_key_equals(key, other, 16));
    }
    ck_assert_ptr_eq(hw_key_ref(key), key);
    hw_key_unref(key);
    ck_assert(hw_key_equals(key, bytes, 16));
    hw_key_unref(key);
    rig_nothing_left();
}
END_TEST

/* The last handle goes while the device works with the key; the session goes
 * with the last request, though the pool stays. */
START_TEST(key_goes)
{
    struct hw_config cfg = slow(50, NULL);
    struct hw_pool *pool = rig_open(&cfg);
    struct answer_use u;
    struct hw_live l;

    for (unsigned i = 0; i < 4; i++) {
        answer_start(&u, &known_answers[i * 4]);
        answer_fill(&u, HW_ENCRYPT, false);
        ck_assert_int_eq(hw_submit(pool, u.req, false), 0);
        hw_key_unref(u.key);
        u.key = NULL;
        ck_assert_int_eq(rig_wait(u.req), 0);
        answer_check(&u, HW_ENCRYPT);
        answer_end(&u);
        /* complete() comes before the device's reference goes. */
        RIG_UNTIL((hw_live(&l), l.requests == 0));
        ck_assert_uint_eq(l.keys, 0);
        ck_assert_uint_eq(l.sessions, 0);
        ck_assert_uint_eq(l.devices, 1);
    }
    rig_close(pool);
}
END_TEST

/* A request that goes on with another key, and with the first one again. */
START_TEST(key_changes)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key[2] = {rig_key(HW_AES_CTR, 16, 1), rig_key(HW_AES_CTR, 32, 2)};
    struct hw_request *req = rig_request(key[0]);
    uint8_t want[2][LEN], buf[LEN];

    for (unsigned i = 0; i < 200; i++) {
        memset(buf, 0, sizeof(buf));
        req->key = key[i % 2];
        rig_fill(req, buf, LEN);
        ck_assert_int_eq(rig_do(pool, req), 0);
        hw_collect(req);
        if (i < 2)
            memcpy(want[i], buf, LEN);
        ck_assert_mem_eq(buf, want[i % 2], LEN);
    }
    ck_assert_mem_ne(want[0], want[1], LEN);
    ck_assert_uint_eq(rig_stats(pool).sessions_created, 2);
    hw_request_unref(req);
    hw_key_unref(key[0]);
    hw_key_unref(key[1]);
    rig_close(pool);
}
END_TEST

/* The one who made it drops it: in the ring, in the backlog, among those that
 * wait for a session or for room. The buffers go at once. */
START_TEST(abandoned)
{
    struct hw_config cfg = slow(100, "queues:1");
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    unsigned accepted = 0, waiting = 0;
    struct hw_live l;

    for (unsigned i = 0; i < 60; i++) {
        uint8_t *buf = malloc(LEN);
        struct hw_request *req;
        int rc;

        ck_assert_ptr_nonnull(buf);
        memset(buf, 0, LEN);
        req = new_request(key, buf);
        req->wait_for_room = true;
        rc = hw_submit(pool, req, false);
        ck_assert(rc == 0 || rc == -EAGAIN);
        accepted += rc == 0;
        waiting += rc != 0;
        hw_request_unref(req);
        free(buf);
        /* The first ones wait for the session, the others do not. */
        if (i == 5)
            RIG_UNTIL(rig_stats(pool).sessions_created == 1);
    }
    ck_assert_uint_ge(waiting, 10);
    hw_key_unref(key);
    RIG_UNTIL(tally.gone == 60);
    ck_assert_uint_eq(tally.completed, 60);
    ck_assert_uint_eq(tally.good, accepted);
    ck_assert_uint_eq(tally.again, waiting);
    /* The completion thread lets go a moment after the last word. */
    RIG_UNTIL((hw_live(&l), l.requests == 0 && l.keys == 0));
    ck_assert_uint_eq(l.dma_bytes, 0);
    rig_close(pool);
}
END_TEST

/* When the pool goes, requests are: before their session was made, on the
 * ring and behind it, and told that they were late. */
static const struct {
    unsigned latency_ms, pause_ms, timeout_ms;
    const char *fault;
} moments[] = {
    {200, 0, 20000, "queues:1"}, {200, 20, 20000, "queues:2"},     {60, 130, 20000, "queues:1"},
    {0, 1, 20000, "queues:1"},   {0, 300, 200, "queues:1,lose:3"}, {0, 0, 20000, "queues:1"},
};

START_TEST(pool_goes)
{
    struct hw_config cfg = slow(moments[_i % 6].latency_ms, moments[_i % 6].fault);
    struct hw_key *key = rig_key(HW_AES_GCM, 16, 1);
    struct hw_request *req[50];
    static uint8_t data[50][LEN];
    struct hw_pool *pool;
    unsigned accepted = 0, waiting = 0;
    bool drop = _i >= 6;

    cfg.timeout_ms = moments[_i % 6].timeout_ms;
    pool = rig_open(&cfg);
    for (unsigned i = 0; i < 50; i++) {
        int rc;

        req[i] = new_request(key, data[i]);
        req[i]->tag_len = 16;
        req[i]->wait_for_room = i % 2;
        rig_fill(req[i], data[i], LEN);
        rc = hw_submit(pool, req[i], false);
        ck_assert(rc == 0 || rc == -EAGAIN);
        accepted += rc == 0;
        waiting += rc != 0 && req[i]->wait_for_room;
        if (drop)
            hw_request_unref(req[i]);
        if (i == 10)
            rig_sleep(moments[_i % 6].pause_ms);
    }
    hw_pool_free(pool);
    /* Every complete() has returned. */
    ck_assert_uint_eq(tally.completed, accepted + waiting);
    ck_assert_uint_eq(tally.failed, 0);
    ck_assert_uint_eq(tally.good + tally.cancelled + tally.late + tally.again, tally.completed);
    ck_assert_uint_le(tally.again, waiting);
    for (unsigned i = 0; i < 50 && !drop; i++) {
        ck_assert(hw_request_reusable(req[i]));
        hw_request_unref(req[i]);
    }
    ck_assert_uint_eq(tally.gone, 50);
    hw_key_unref(key);
    rig_nothing_left();
}
END_TEST

/* A second pool with the same device keeps it, and what is in flight there. */
START_TEST(one_of_two_pools)
{
    struct hw_config cfg = slow(100, NULL);
    struct hw_pool *a = rig_open(&cfg), *b = rig_open(&cfg);
    struct answer_use u, v;

    answer_start(&u, &known_answers[0]);
    answer_start(&v, &known_answers[3]);
    answer_fill(&u, HW_ENCRYPT, false);
    answer_fill(&v, HW_ENCRYPT, false);
    ck_assert_int_eq(hw_submit(a, u.req, false), 0);
    ck_assert_int_eq(hw_submit(b, v.req, false), 0);
    hw_pool_free(a);
    ck_assert_int_eq(rig_wait(u.req), 0);
    answer_check(&u, HW_ENCRYPT);
    ck_assert_int_eq(rig_wait(v.req), 0);
    answer_check(&v, HW_ENCRYPT);
    answer_end(&u);
    answer_end(&v);
    rig_close(b);
}
END_TEST

/* The pool goes from within complete(), on the completion thread. */
static struct hw_pool *doomed;
/* Stored (release) after the last use of the pool by its owner. */
static atomic_bool doomed_full;

static void free_pool(struct hw_request *req)
{
    struct hw_pool *pool;

    /* On a busy machine the owner may still be submitting. */
    while (!atomic_load_explicit(&doomed_full, memory_order_acquire))
        sched_yield();
    pool = doomed;
    doomed = NULL;
    hw_pool_free(pool);
    count_status(req);
}

static const char *const lists[] = {"emulator", "emulator,emulator", "emulator, emulator,emulator"};

START_TEST(pool_goes_inside)
{
    struct hw_config cfg = slow(30, _i % 2 ? "queues:1" : "queues:2");
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    static uint8_t data[40][LEN];
    struct hw_request *req[40];
    unsigned accepted = 0;

    cfg.device = lists[_i % 3];
    atomic_store(&doomed_full, false);
    doomed = rig_open(&cfg);
    for (unsigned i = 0; i < 40; i++) {
        req[i] = new_request(key, data[i]);
        if (i == 5)
            req[i]->complete = free_pool;
    }
    for (unsigned i = 0; i < 40; i++)
        accepted += hw_submit(doomed, req[i], false) == 0;
    atomic_store_explicit(&doomed_full, true, memory_order_release);
    ck_assert_uint_eq(accepted, 40);
    RIG_UNTIL(tally.completed == 40);
    ck_assert_uint_ge(tally.good, 1);
    ck_assert_msg(tally.good + tally.cancelled == 40, "%u good, %u cancelled, %u failed, %u late",
                  tally.good, tally.cancelled, tally.failed, tally.late);
    for (unsigned i = 0; i < 40; i++)
        hw_request_unref(req[i]);
    RIG_UNTIL(tally.gone == 40);
    hw_key_unref(key);
    rig_nothing_left();
}
END_TEST

/* Pools come and go; so do devices, and their threads. */
START_TEST(again_and_again)
{
    for (unsigned i = 0; i < 30; i++) {
        struct hw_config cfg = rig_config(NULL);
        struct hw_pool *pool = rig_open(&cfg);
        struct answer_use u;

        if (i % 3 != 0) {
            answer_start(&u, &known_answers[i % known_answers_count]);
            answer_ask(&u, pool);
            answer_end(&u);
        }
        rig_close(pool);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lifetimes");
    TCase *tc = tcase_create("things that go");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, owner_part);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, key_goes);
    tcase_add_test(tc, key_changes);
    tcase_add_test(tc, abandoned);
    tcase_add_loop_test(tc, pool_goes, 0, 12);
    tcase_add_test(tc, one_of_two_pools);
    tcase_add_loop_test(tc, pool_goes_inside, 0, 6);
    tcase_add_test(tc, again_and_again);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
