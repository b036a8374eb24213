/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that fail, lie, are late or go silent: each request ends once, with
 * the status that hw.h gives, and the device comes back into service.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support.h"
#include "support/answers.h"
#include "support/must.h"
#include "support/rig.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define MANY     32u

struct many {
    struct hw_key *key;
    struct hw_request *req[MANY];
    uint8_t data[MANY][64];
};

static void many_start(struct many *m, unsigned char fill)
{
    m->key = rig_key(HW_AES_CTR, 16, fill);
    for (unsigned i = 0; i < MANY; i++) {
        m->req[i] = rig_request(m->key);
        memset(m->data[i], (int)i, sizeof(m->data[i]));
        rig_fill(m->req[i], m->data[i], sizeof(m->data[i]));
    }
}

static void many_end(struct many *m)
{
    for (unsigned i = 0; i < MANY; i++)
        hw_request_unref(m->req[i]);
    hw_key_unref(m->key);
}

/* The device works again, soon. */
static void recovers(struct hw_pool *pool)
{
    struct answer_use u;

    answer_start(&u, &known_answers[0]);
    answer_fill(&u, HW_ENCRYPT, false);
    RIG_UNTIL(rig_do(pool, u.req) == 0);
    answer_check(&u, HW_ENCRYPT);
    answer_end(&u);
}

/* VIRTIO_CRYPTO_* as the specification numbers them, and nonsense. */
static const struct {
    unsigned code;
    int cipher, encrypt, decrypt; /* what becomes of it; the last two for GCM */
} codes[] = {
    {1, -EIO, -EIO, -EIO},             /* ERR */
    {2, -EIO, -EIO, -EBADMSG},         /* BADMSG */
    {3, -ENOTSUP, -ENOTSUP, -ENOTSUP}, /* NOTSUPP */
    {4, -EIO, -EIO, -EIO},             /* INVSESS */
    {5, -EIO, -EIO, -EIO},             /* NOSPC */
    {6, -EIO, -EIO, -EIO},             /* KEY_REJECTED, which verifications alone get */
    {7, -EIO, -EIO, -EIO},
    {254, -EIO, -EIO, -EIO},
};

START_TEST(statuses)
{
    char fault[64] = "";
    struct hw_config cfg = rig_config(fault);
    struct hw_pool *pool;
    struct hw_key *ctr = rig_key(HW_AES_CTR, 16, 1), *gcm = rig_key(HW_AES_GCM, 16, 2);
    struct hw_request *req = rig_request(ctr);
    uint8_t buf[32] = {0};

    snprintf(fault, sizeof(fault), "status:2:%u", codes[_i].code);
    pool = rig_open(&cfg);
    for (unsigned round = 0; round < 3; round++) {
        rig_fill(req, buf, sizeof(buf));
        ck_assert_int_eq(rig_do(pool, req), 0);
        ck_assert_int_eq(rig_do(pool, req), codes[_i].cipher);
        ck_assert_uint_eq(req->result_len, 0);
    }
    req->key = gcm;
    req->tag_len = 16;
    rig_fill(req, buf, sizeof(buf));
    ck_assert_int_eq(rig_do(pool, req), 0);
    hw_collect(req);
    ck_assert_int_eq(rig_do(pool, req), codes[_i].encrypt);
    req->op = HW_DECRYPT;
    ck_assert_int_eq(rig_do(pool, req), 0);
    ck_assert_int_eq(rig_do(pool, req), codes[_i].decrypt);
    ck_assert_uint_eq(rig_calls(req), 10);
    ck_assert_uint_eq(rig_stats(pool).errors, codes[_i].decrypt == -EBADMSG ? 4 : 5);
    /* A session that the device does not know is made again at the next use:
     * two sessions of the GCM key, the last not used again. */
    ck_assert_uint_eq(rig_stats(pool).sessions_created, codes[_i].code == 4 ? 3 + 2 : 3);
    ck_assert_uint_eq(rig_stats(pool).resets, 0);
    hw_request_unref(req);
    hw_key_unref(ctr);
    hw_key_unref(gcm);
    rig_close(pool);
}
END_TEST

/* Given back with the status byte as it was: an answer that is none. What the
 * device still does with the memory is its secret, so it is reset. */
START_TEST(no_answer)
{
    struct hw_config cfg = rig_config("queues:1,status:3:255");
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_request *req = rig_request(key);
    uint8_t buf[32] = {0};

    rig_fill(req, buf, sizeof(buf));
    for (unsigned i = 1; i <= 4; i++) {
        ck_assert_int_eq(rig_do(pool, req), i == 3 ? -EIO : 0);
        ck_assert_uint_eq(req->result_len, i == 3 ? 0 : sizeof(buf));
        if (i == 3)
            RIG_UNTIL(rig_stats(pool).resets == 1);
        if (i == 3)
            recovers(pool);
    }
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* Says that it wrote less than it had to: there is no result. */
START_TEST(too_short)
{
    struct hw_config cfg = rig_config("queues:1,length:2:5");
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_request *req = rig_request(key);
    uint8_t buf[32] = {0};

    rig_fill(req, buf, sizeof(buf));
    for (unsigned i = 1; i <= 4; i++) {
        ck_assert_int_eq(rig_do(pool, req), i % 2 == 0 ? -EIO : 0);
        ck_assert_uint_eq(req->result_len, i % 2 == 0 ? 0 : sizeof(buf));
    }
    ck_assert_uint_eq(rig_stats(pool).errors, 2);
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* A session goes while requests that want it wait behind a full ring: they
 * are told, and those behind them do not wait. */
START_TEST(session_lost)
{
    static struct many m;
    struct hw_config cfg = rig_config("queues:1,status:4:4");
    struct hw_pool *pool;
    unsigned good = 0;

    cfg.queue_size = 8;
    cfg.emulator_latency_us = 50000;
    cfg.timeout_ms = 20000;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned i = 0; i < MANY - 1; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(rig_wait(m.req[i]), i == 3 ? -EIO : 0);
    ck_assert_int_eq(hw_submit(pool, m.req[MANY - 1], false), 0);
    for (unsigned i = 4; i < MANY; i++) {
        int status = rig_wait(m.req[i]);

        ck_assert(status == 0 || status == -EIO);
        good += status == 0;
    }
    ck_assert_uint_ge(good, 1);
    ck_assert_uint_eq(rig_stats(pool).timeouts, 0);
    ck_assert_uint_eq(rig_stats(pool).resets, 0);
    many_end(&m);
    rig_close(pool);
}
END_TEST

/* What the device fails to do is not advertised by the pool. */
static const struct {
    const char *fault;
    enum hw_alg alg;
    unsigned key_len;
} unable[] = {
    {"no_algo:aes-gcm", HW_AES_GCM, 16}, {"no_algo:aes-cbc", HW_AES_CBC, 32},
    {"no_algo:aes-xts", HW_AES_XTS, 64}, {"liar:aes-gcm", HW_AES_GCM, 32},
    {"liar:aes-cbc", HW_AES_CBC, 16},    {"liar:aes-ctr", HW_AES_CTR, 24},
};

START_TEST(cannot)
{
    struct hw_config cfg = rig_config(unable[_i].fault);
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key = rig_key(unable[_i].alg, unable[_i].key_len, 1);
    struct hw_request *req = rig_request(key);
    uint8_t buf[16] = {0};

    ck_assert(!hw_pool_supports(pool, unable[_i].alg, unable[_i].key_len, NULL));
    rig_fill(req, buf, sizeof(buf));
    ck_assert_int_eq(hw_submit(pool, req, false), -ENOTSUP);
    ck_assert(hw_request_reusable(req));
    for (unsigned i = 0; i < known_answers_count; i++) {
        struct answer_use u;

        if (known_answers[i].alg == unable[_i].alg)
            continue;
        answer_start(&u, &known_answers[i]);
        answer_ask(&u, pool);
        answer_end(&u);
    }
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* Every third answer never comes; the others do, and nothing is told twice. */
START_TEST(lost)
{
    static struct many m;
    struct hw_config cfg = rig_config("queues:1,lose:3");
    struct hw_pool *pool;
    struct hw_live l;
    unsigned n_lost = 0;

    cfg.timeout_ms = 300;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned i = 0; i < 21; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    for (unsigned i = 0; i < 21; i++) {
        int status = rig_wait(m.req[i]);

        ck_assert(status == 0 || status == -ETIMEDOUT);
        n_lost += status != 0;
        ck_assert_int_eq(hw_request_reusable(m.req[i]), status == 0);
    }
    ck_assert_uint_eq(n_lost, 7);
    ck_assert_uint_eq(rig_stats(pool).timeouts, 7);
    ck_assert_uint_eq(rig_stats(pool).completions, 14);
    hw_live(&l);
    ck_assert_uint_eq(l.in_flight, 7);
    rig_sleep(50);
    for (unsigned i = 0; i < 21; i++)
        ck_assert_uint_eq(rig_calls(m.req[i]), 1);
    many_end(&m);
    hw_live(&l);
    ck_assert_uint_eq(l.requests, 7);
    rig_close(pool);
}
END_TEST

/* A device that answers nothing any more is reset, and answers. */
START_TEST(silent)
{
    static struct many m;
    struct hw_config cfg = rig_config("lose:1");
    struct hw_pool *pool;

    cfg.timeout_ms = 100;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    for (unsigned i = 0; i < 20; i++) {
        int status = rig_wait(m.req[i]);

        ck_assert(status == -ETIMEDOUT || status == -EIO);
    }
    RIG_UNTIL(rig_stats(pool).resets != 0);
    /* The reset has given all of them back. */
    for (unsigned i = 0; i < 20; i++)
        RIG_UNTIL(hw_request_reusable(m.req[i]));
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(rig_calls(m.req[i]), 1);
    many_end(&m);
    rig_close(pool);
}
END_TEST

/* What is lost one by one must not fill the ring for good. */
START_TEST(ring_of_lost)
{
    const char *fault = _i ? "queues:1,lose:2,withhold:indirect_desc" : "queues:1,lose:2";
    struct hw_config cfg = rig_config(fault);
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_pool *pool;
    uint8_t buf[16] = {0};
    unsigned good = 0, late = 0;

    cfg.queue_size = 8;
    cfg.timeout_ms = 20;
    pool = rig_open(&cfg);
    for (unsigned i = 0; i < 80; i++) {
        struct hw_request *req = rig_request(key);
        int rc;

        rig_fill(req, buf, sizeof(buf));
        RIG_UNTIL((rc = rig_do(pool, req)) != -ENODEV);
        ck_assert_msg(rc == 0 || rc == -ETIMEDOUT || rc == -EIO, "%d", rc);
        /* At last it works as it did at first. */
        good += i >= 40 && rc == 0;
        late += rc != 0;
        hw_request_unref(req);
    }
    ck_assert_uint_ge(good, 3);
    ck_assert_uint_ge(late, 30);
    ck_assert_uint_ge(rig_stats(pool).resets, 1);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* An answer after its time: the owner was told, once; then the request can be
 * used again. */
START_TEST(late)
{
    static struct many m;
    struct hw_config cfg = rig_config("late:2:600");
    struct hw_pool *pool;

    cfg.timeout_ms = 150;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    for (unsigned i = 0; i < 8; i++)
        (void)rig_wait(m.req[i]);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert(m.req[i]->status == 0 || m.req[i]->status == -ETIMEDOUT);
        ck_assert_int_eq(hw_request_reusable(m.req[i]), m.req[i]->status == 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (m.req[i]->status == 0)
            continue;
        RIG_UNTIL(hw_request_reusable(m.req[i]));
        ck_assert_int_eq(m.req[i]->status, -ETIMEDOUT);
        ck_assert_uint_eq(rig_calls(m.req[i]), 1);
    }
    ck_assert_uint_eq(rig_stats(pool).timeouts, 4);
    ck_assert_uint_eq(rig_stats(pool).completions, 8);
    ck_assert_uint_eq(rig_stats(pool).resets, 0);
    for (unsigned i = 0; i < 8; i++) {
        int status = rig_do(pool, m.req[i]);

        ck_assert(status == 0 || status == -ETIMEDOUT);
        RIG_UNTIL(hw_request_reusable(m.req[i]));
        ck_assert_uint_eq(rig_calls(m.req[i]), 2);
    }
    many_end(&m);
    rig_close(pool);
}
END_TEST

/* Broken rings and a device that asks for its reset: what is in flight fails,
 * and then it works again, as often as it happens. */
static const char *const breaking[] = {
    "queues:1,bad_id:9",
    "queues:1,needs_reset:9",
    "queues:1,vectors:1,needs_reset:9",
    "queues:3,bad_id:11,withhold:indirect_desc",
    "queues:3,needs_reset:11,withhold:event_idx",
};

START_TEST(resets)
{
    static struct many m;
    struct hw_config cfg = rig_config(breaking[_i]);
    struct hw_pool *pool;
    unsigned failed = 0;
    uint8_t seen[MANY] = {0};

    /* Answers come later than what befalls the device with a request: a batch
     * might be answered whole before. */
    cfg.emulator_latency_us = 10000;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned round = 0; round < 3; round++) {
        struct hw_live l;

        for (unsigned i = 0; i < MANY; i++) {
            int rc = hw_submit(pool, m.req[i], false);

            ck_assert_msg(rc == 0 || rc == -EIO || rc == -ENODEV, "%d", rc);
            seen[i] = rc == 0;
            failed += rc != 0;
        }
        for (unsigned i = 0; i < MANY; i++) {
            if (!seen[i])
                continue;
            (void)rig_wait(m.req[i]);
            ck_assert(m.req[i]->status == 0 || m.req[i]->status == -EIO);
            failed += m.req[i]->status != 0;
            RIG_UNTIL(hw_request_reusable(m.req[i]));
        }
        recovers(pool);
        hw_live(&l);
        ck_assert_uint_eq(l.in_flight, 0);
    }
    ck_assert_uint_ge(failed, 3);
    ck_assert_uint_ge(rig_stats(pool).resets, 3);
    ck_assert_uint_eq(rig_stats(pool).timeouts, 0);
    many_end(&m);
    rig_close(pool);
}
END_TEST

/* No interrupt ever comes: the deadline finds the answers. */
START_TEST(no_interrupts)
{
    static struct many m;
    struct hw_config cfg = rig_config("lose_irq:1");
    struct hw_pool *pool;

    cfg.timeout_ms = 200;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    /* Its session comes at the deadline, which is its own too. */
    (void)rig_do(pool, m.req[0]);
    for (unsigned i = 0; i < MANY; i++)
        RIG_UNTIL(hw_request_reusable(m.req[i]));
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(rig_wait(m.req[i]), 0);
    ck_assert_uint_eq(rig_stats(pool).interrupts, 0);
    ck_assert_uint_le(rig_stats(pool).timeouts, 1);
    many_end(&m);
    rig_close(pool);
}
END_TEST

/* More keys than the device has sessions. */
START_TEST(few_sessions)
{
    const char *fault = _i ? "queues:1,sessions:4,withhold:revision_1" : "queues:1,sessions:4";
    struct hw_config cfg = rig_config(fault);
    struct hw_pool *pool = rig_open(&cfg);
    struct answer_use u[10];
    struct hw_stats s;
    struct hw_live l;

    for (unsigned i = 0; i < 10; i++)
        answer_start(&u[i], &known_answers[i]);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 10; i++) {
            /* It waits for room: another session goes, even a busy one. */
            u[i].req->wait_for_room = true;
            answer_ask(&u[i], pool);
            hw_live(&l);
            ck_assert_uint_le(l.sessions, 5);
        }
    }
    s = rig_stats(pool);
    /* 20 in each round; at most four of them live on into the next, where the
     * one that was due to go was still busy for a moment. */
    ck_assert_uint_ge(s.sessions_created, 3 * 20 - 2 * 4);
    ck_assert_uint_ge(s.sessions_evicted, s.sessions_created - 5);
    ck_assert_uint_eq(s.requests, 3 * 40);
    ck_assert_uint_eq(s.errors + s.resets, 0);
    /* Without waiting, keys that are busy keep their sessions ... */
    for (unsigned i = 0; i < 10; i++) {
        int rc;

        u[i].req->wait_for_room = false;
        answer_fill(&u[i], HW_ENCRYPT, false);
        rc = rig_do(pool, u[i].req);
        ck_assert(rc == 0 || rc == -ENOSPC);
    }
    /* ... and those that are not lose them. */
    for (unsigned i = 0; i < 10; i++) {
        rig_sleep(120);
        answer_fill(&u[i], HW_ENCRYPT, false);
        ck_assert_int_eq(rig_do(pool, u[i].req), 0);
        answer_check(&u[i], HW_ENCRYPT);
    }
    for (unsigned i = 0; i < 10; i++)
        answer_end(&u[i]);
    rig_close(pool);
}
END_TEST

static uint64_t cpu_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Nobody is busy while a deadline is waited for. What timed out keeps its
 * memory, which the device may write to, until the reset. */
START_TEST(patience)
{
    static struct many m;
    struct hw_config cfg = rig_config("queues:1,lose:1");
    struct hw_pool *pool;
    struct hw_live l;
    uint64_t cpu, held;

    cfg.completion = _i == 0 ? HW_COMPLETION_ADAPTIVE : HW_COMPLETION_INTERRUPT;
    cfg.timeout_ms = 1000;
    pool = rig_open(&cfg);
    many_start(&m, 1);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(hw_submit(pool, m.req[i], false), 0);
    RIG_UNTIL(rig_stats(pool).requests == 4);
    hw_live(&l);
    held = l.dma_bytes;
    ck_assert_uint_gt(held, 0);
    rig_sleep(50);
    cpu = cpu_ms();
    rig_sleep(700);
    ck_assert_uint_lt(cpu_ms() - cpu, 70);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(rig_wait(m.req[i]), -ETIMEDOUT);
    many_end(&m);
    hw_live(&l);
    ck_assert_uint_eq(l.dma_bytes, held);
    rig_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("devices");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, statuses, 0, COUNT(codes));
    tcase_add_test(tc, no_answer);
    tcase_add_test(tc, too_short);
    tcase_add_test(tc, session_lost);
    tcase_add_loop_test(tc, cannot, 0, COUNT(unable));
    tcase_add_test(tc, lost);
    tcase_add_test(tc, silent);
    tcase_add_loop_test(tc, patience, 0, 2);
    tcase_add_loop_test(tc, ring_of_lost, 0, 2);
    tcase_add_test(tc, late);
    tcase_add_loop_test(tc, resets, 0, COUNT(breaking));
    tcase_add_test(tc, no_interrupts);
    tcase_add_loop_test(tc, few_sessions, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
