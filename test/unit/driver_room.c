/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More requests than the ring has room for: the backlog, its end, those that
 * wait for room, and doorbells that are put off.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "support/must.h"
#include "support/rig.h"

#define RING    8u
#define BACKLOG (4 * RING)
#define LEN     64u

/* A device of one queue that takes its time. */
static struct hw_pool *slow_pool(unsigned latency_ms, const char *fault)
{
    struct hw_config cfg = rig_config(fault);

    cfg.queue_size = RING;
    cfg.emulator_latency_us = latency_ms * 1000;
    cfg.timeout_ms = 30000;
    return rig_open(&cfg);
}

struct load {
    struct hw_key *key;
    struct hw_request *req[1000];
    uint8_t data[1000][LEN];
    unsigned n;
};

static void load_start(struct load *l, unsigned n)
{
    l->key = rig_key(HW_AES_CTR, 16, 1);
    l->n = n;
    for (unsigned i = 0; i < n; i++) {
        l->req[i] = rig_request(l->key);
        memset(l->data[i], (int)i, LEN);
        rig_fill(l->req[i], l->data[i], LEN);
        l->req[i]->iv[0] = (uint8_t)i;
    }
}

static void load_end(struct load *l)
{
    for (unsigned i = 0; i < l->n; i++)
        hw_request_unref(l->req[i]);
    hw_key_unref(l->key);
}

/* One request, so that the session is there. */
static void warm_up(struct load *l, struct hw_pool *pool)
{
    ck_assert_int_eq(rig_do(pool, l->req[0]), 0);
}

/* Submits until it is refused; how many were accepted. */
static unsigned fill_up(struct load *l, struct hw_pool *pool, unsigned from)
{
    unsigned i = from;
    int rc = 0;

    while (i < l->n && (rc = hw_submit(pool, l->req[i], false)) == 0)
        i++;
    ck_assert_int_eq(rc, -EAGAIN);
    return i - from;
}

START_TEST(refused)
{
    static struct load l;
    /* Direct chains of four leave no room for another of six. */
    const char *fault = _i ? "queues:1,withhold:indirect_desc" : "queues:1";
    unsigned ring = _i ? 1 : RING, n;
    struct hw_pool *pool = slow_pool(_i ? 50 : 400, fault);
    struct hw_live live;

    load_start(&l, 60);
    warm_up(&l, pool);
    n = fill_up(&l, pool, 1);
    ck_assert_uint_eq(n, ring + BACKLOG);
    /* Nothing of the one that was refused is kept, and nobody calls. */
    hw_live(&live);
    ck_assert_uint_eq(live.in_flight, n);
    ck_assert(hw_request_reusable(l.req[n + 1]));
    ck_assert_ptr_null(hw_result(l.req[n + 1]));
    for (unsigned i = 1; i <= n; i++)
        ck_assert_int_eq(rig_wait(l.req[i]), 0);
    ck_assert_uint_eq(rig_calls(l.req[n + 1]), 0);
    ck_assert_uint_eq(rig_stats(pool).backlogged, BACKLOG);
    ck_assert_uint_eq(rig_stats(pool).requests, n + 1);
    ck_assert_uint_eq(rig_stats(pool).completions, n + 1);
    hw_live(&live);
    ck_assert_uint_eq(live.in_flight, 0);
    ck_assert_int_eq(rig_do(pool, l.req[n + 1]), 0);
    load_end(&l);
    rig_close(pool);
}
END_TEST

/* Those that wait are called when there is room, not before, and once. */
START_TEST(waits_for_room)
{
    static struct load l;
    struct hw_pool *pool = slow_pool(400, "queues:1");
    struct hw_live before, after;
    unsigned n;

    load_start(&l, 60);
    warm_up(&l, pool);
    n = fill_up(&l, pool, 1) + 1;
    hw_live(&before);
    for (unsigned i = n; i < n + 5; i++) {
        l.req[i]->wait_for_room = true;
        ck_assert_int_eq(hw_submit(pool, l.req[i], false), -EAGAIN);
        ck_assert(!hw_request_reusable(l.req[i]));
    }
    rig_sleep(50);
    hw_live(&after);
    ck_assert_uint_eq(after.dma_bytes, before.dma_bytes);
    ck_assert_uint_eq(after.in_flight, before.in_flight + 5);
    for (unsigned i = n; i < n + 5; i++)
        ck_assert_uint_eq(rig_calls(l.req[i]), 0);
    for (unsigned i = n; i < n + 5; i++) {
        ck_assert_int_eq(rig_wait(l.req[i]), -EAGAIN);
        ck_assert(hw_request_reusable(l.req[i]));
        ck_assert_int_eq(rig_do(pool, l.req[i]), 0);
        ck_assert_uint_eq(rig_calls(l.req[i]), 2);
    }
    for (unsigned i = 1; i < n; i++) {
        ck_assert_int_eq(rig_wait(l.req[i]), 0);
        ck_assert_uint_eq(rig_calls(l.req[i]), 1);
    }
    load_end(&l);
    rig_close(pool);
}
END_TEST

/* Submits all at once, and again those that are told of room. */
static void run_all(struct load *l, struct hw_pool *pool)
{
    for (unsigned i = 0; i < l->n; i++) {
        int rc;

        l->req[i]->wait_for_room = true;
        rc = hw_submit(pool, l->req[i], false);
        MUST(rc == 0 || rc == -EAGAIN);
    }
    for (unsigned i = 0; i < l->n; i++) {
        while (rig_wait(l->req[i]) == -EAGAIN) {
            int rc = hw_submit(pool, l->req[i], false);

            MUST(rc == 0 || rc == -EAGAIN);
        }
        MUST(l->req[i]->status == 0);
        hw_collect(l->req[i]);
    }
}

/* A thousand at once through a ring of eight, there and back. */
START_TEST(thousand)
{
    static struct load l;
    char fault[128] = "queues:1";
    struct hw_config cfg = rig_config(fault);
    struct hw_pool *pool;
    uint8_t want[LEN];

    snprintf(fault, sizeof(fault), "queues:1%s%s%s", _i & 1 ? ",withhold:revision_1" : "",
             _i & 2 ? ",withhold:event_idx" : "", _i & 4 ? ",withhold:indirect_desc" : "");
    cfg.timeout_ms = 30000;
    cfg.queue_size = _i & 8 ? 64 : RING;
    cfg.emulator_threads = _i & 8 ? 3 : 1;
    /* Long enough for the ring to fill. */
    cfg.emulator_latency_us = _i & 8 ? 200 : 0;
    pool = rig_open(&cfg);
    load_start(&l, 1000);
    for (unsigned round = 0; round < 4; round++) {
        run_all(&l, pool);
        if (round % 2 == 0)
            continue;
        for (unsigned i = 0; i < l.n; i++) {
            memset(want, (int)i, LEN);
            MUST(memcmp(l.data[i], want, LEN) == 0);
        }
    }
    ck_assert_uint_eq(rig_stats(pool).completions, 4000);
    ck_assert_uint_eq(rig_stats(pool).errors + rig_stats(pool).timeouts, 0);
    ck_assert_uint_gt(rig_stats(pool).backlogged, 0);
    load_end(&l);
    rig_close(pool);
}
END_TEST

/* No doorbell until hw_flush, and then one for all. */
START_TEST(one_doorbell)
{
    static struct load l;
    const char *fault = _i ? "queues:1,withhold:event_idx" : "queues:1";
    struct hw_config cfg = rig_config(fault);
    struct hw_pool *pool;
    uint64_t kicks;

    cfg.emulator_latency_us = 500000;
    cfg.timeout_ms = 30000;
    pool = rig_open(&cfg);
    load_start(&l, 40);
    warm_up(&l, pool);
    /* One in flight keeps the completion thread from waking up for the first
     * of the others, and from ringing for them. */
    ck_assert_int_eq(hw_submit(pool, l.req[1], false), 0);
    rig_sleep(100);
    kicks = rig_stats(pool).kicks;
    for (unsigned i = 2; i < 34; i++)
        ck_assert_int_eq(hw_submit(pool, l.req[i], true), 0);
    ck_assert_uint_eq(rig_calls(l.req[1]), 0);
    ck_assert_uint_eq(rig_stats(pool).kicks, kicks);
    ck_assert_int_eq(rig_wait(l.req[1]), 0);
    rig_sleep(100);
    hw_flush(pool);
    ck_assert_uint_le(rig_stats(pool).kicks, kicks + 1);
    for (unsigned i = 2; i < 34; i++)
        ck_assert_int_eq(rig_wait(l.req[i]), 0);
    ck_assert_uint_eq(rig_stats(pool).kicks, kicks + 1);
    hw_flush(pool);
    ck_assert_uint_eq(rig_stats(pool).kicks, kicks + 1);
    load_end(&l);
    rig_close(pool);
}
END_TEST

/* The next submission without more rings for those before it. */
START_TEST(doorbell_for_all)
{
    static struct load l;
    struct hw_config cfg = rig_config("queues:1");
    struct hw_pool *pool = rig_open(&cfg);

    load_start(&l, 20);
    warm_up(&l, pool);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 20; i++)
            ck_assert_int_eq(hw_submit(pool, l.req[i], i < 19), 0);
        for (unsigned i = 0; i < 20; i++)
            ck_assert_int_eq(rig_wait(l.req[i]), 0);
    }
    load_end(&l);
    rig_close(pool);
}
END_TEST

static atomic_bool in_complete;

static void slow_complete(struct hw_request *req)
{
    (void)req;
    atomic_store(&in_complete, true);
    rig_sleep(400);
}

/* What the device completes while the driver is busy needs no interrupt: it is
 * taken in one batch. */
START_TEST(one_batch)
{
    static struct load l;
    const char *fault = _i ? "queues:1,withhold:event_idx" : "queues:1";
    struct hw_config cfg = rig_config(fault);
    struct hw_request *slow;
    struct hw_pool *pool;
    uint64_t interrupts;
    uint8_t data[LEN] = {0};

    cfg.timeout_ms = 30000;
    pool = rig_open(&cfg);
    load_start(&l, 40);
    warm_up(&l, pool);
    slow = hw_request_new(0, NULL);
    slow->complete = slow_complete;
    /* Only the completion thread may take it, and so be kept. */
    slow->apart = true;
    slow->key = l.key;
    rig_fill(slow, data, sizeof(data));
    ck_assert_int_eq(hw_submit(pool, slow, false), 0);
    RIG_UNTIL(atomic_load(&in_complete));
    interrupts = rig_stats(pool).interrupts;
    for (unsigned i = 0; i < l.n; i++)
        ck_assert_int_eq(hw_submit(pool, l.req[i], false), 0);
    for (unsigned i = 0; i < l.n; i++)
        ck_assert_int_eq(rig_wait(l.req[i]), 0);
    ck_assert_uint_le(rig_stats(pool).interrupts - interrupts, 4);
    hw_request_unref(slow);
    load_end(&l);
    rig_close(pool);
}
END_TEST

/* All DMA memory is held by results that nobody collects: who waits for room
 * is told now and then, not in a loop, and goes on once some is given back. */
START_TEST(no_memory)
{
    static uint8_t data[65536];
    struct hw_config cfg = rig_config("queues:1");
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    static struct hw_request *held[3000];
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_request *req = rig_request(key);
    unsigned n = 0, told = 0;
    struct timespec start, now;
    struct hw_live l;
    int rc = 0;

    for (; n < 3000 && rc == 0; n += rc == 0) {
        held[n] = rig_request(key);
        rig_fill(held[n], data, sizeof(data));
        rc = rig_do(pool, held[n]);
    }
    ck_assert_int_eq(rc, -EAGAIN);
    ck_assert_uint_ge(n, 1000);
    hw_request_unref(held[n]);
    req->wait_for_room = true;
    rig_fill(req, data, sizeof(data));
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        ck_assert_int_eq(hw_submit(pool, req, false), -EAGAIN);
        ck_assert_int_eq(rig_wait(req), -EAGAIN);
        told++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 300);
    ck_assert_uint_le(told, 310);
    hw_release(held[0]);
    ck_assert_int_eq(rig_do(pool, req), 0);
    for (unsigned i = 0; i < n; i++)
        hw_request_unref(held[i]);
    hw_request_unref(req);
    hw_key_unref(key);
    RIG_UNTIL((hw_live(&l), l.requests == 0));
    ck_assert_uint_eq(l.dma_bytes, 0);
    rig_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("room");
    TCase *tc = tcase_create("rings and backlogs");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, refused, 0, 2);
    tcase_add_test(tc, waits_for_room);
    tcase_add_loop_test(tc, thousand, 0, 16);
    tcase_add_loop_test(tc, one_doorbell, 0, 2);
    tcase_add_test(tc, doorbell_for_all);
    tcase_add_loop_test(tc, one_batch, 0, 2);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
