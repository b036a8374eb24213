/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that forks with devices open: the child has its own, and leaves
 * what it inherited alone; the parent does not notice.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "support/answers.h"
#include "support/rig.h"

/* In a child a failed assertion is an exit status. */
#define CHILD(cond, code)                                                                          \
    do {                                                                                           \
        if (!(cond))                                                                               \
            _exit(code);                                                                           \
    } while (0)

/* The thread sanitizer loses count of threads that are started in a child of
 * a process with threads: there children only look and let go. */
static bool child_may_work(void)
{
    const char *san = getenv("VCRYPTO_SAN");

    return san == NULL || strcmp(san, "thread") != 0;
}

static void join_child(pid_t pid)
{
    int status;

    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "the child died of signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* A few answers, without ck_assert: it would talk to the parent's runner. */
static int ask_some(struct hw_pool *pool)
{
    for (unsigned i = 0; i < known_answers_count; i += 5) {
        struct answer_use u;
        bool same;

        answer_start(&u, &known_answers[i]);
        answer_fill(&u, HW_ENCRYPT, false);
        if (rig_do(pool, u.req) != 0)
            return -1;
        hw_collect(u.req);
        same = memcmp(u.result, u.cipher, u.len) == 0;
        answer_end(&u);
        if (!same)
            return -1;
    }
    return 0;
}

static void check_live(uint64_t requests, uint64_t devices, int code)
{
    struct hw_live l;

    /* The completion thread lets go of a request after its owner was told. */
    hw_live(&l);
    for (unsigned ms = 0; ms < 5000 && l.requests + l.in_flight + l.dma_bytes != requests; ms++) {
        usleep(1000);
        hw_live(&l);
    }
    CHILD(l.requests == requests, code);
    CHILD(l.in_flight == 0, code + 1);
    CHILD(l.dma_bytes == 0, code + 2);
    CHILD(l.devices == devices, code + 3);
}

/* The pool that the parent opened serves the child from devices of its own. */
START_TEST(own_devices)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    unsigned generation = hw_generation();
    uint64_t requests;
    pid_t pid;

    if (_i != 0)
        answer_all(pool);
    requests = rig_stats(pool).requests;
    pid = fork();
    if (pid == 0) {
        struct hw_live l;

        CHILD(hw_generation() == generation + 1, 1);
        check_live(0, 0, 10);
        CHILD(rig_stats(pool).requests == 0, 2);
        CHILD(hw_pool_supports(pool, HW_AES_GCM, 32, NULL), 3);
        CHILD(hw_poll(pool) == 0, 4);
        CHILD(ask_some(pool) == 0, 5);
        CHILD(rig_stats(pool).requests == (known_answers_count + 4) / 5, 6);
        hw_pool_free(pool);
        hw_live(&l);
        CHILD(l.requests == 0 && l.sessions == 0 && l.devices == 0 && l.keys == 0, 7);
        _exit(0);
    }
    /* Meanwhile, and afterwards. */
    ck_assert_int_eq(ask_some(pool), 0);
    join_child(pid);
    ck_assert_uint_eq(hw_generation(), generation);
    ck_assert_uint_eq(rig_stats(pool).requests, requests + (known_answers_count + 4) / 5);
    answer_all(pool);
    rig_close(pool);
}
END_TEST

/* Requests in every state are only memory in the child, which may let go of
 * them before, between or after its own. */
START_TEST(in_flight)
{
    struct hw_config cfg = rig_config("queues:1");
    struct hw_pool *pool;
    struct hw_request *req[50];
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    static uint8_t data[50][64];
    unsigned accepted = 0, generation = hw_generation();
    pid_t pid;

    cfg.queue_size = 8;
    cfg.emulator_latency_us = 200000;
    cfg.timeout_ms = 20000;
    pool = rig_open(&cfg);
    for (unsigned i = 0; i < 50; i++) {
        req[i] = rig_request(key);
        rig_fill(req[i], data[i], sizeof(data[i]));
    }
    /* One is done and not yet collected, one was never used. */
    ck_assert_int_eq(rig_do(pool, req[0]), 0);
    for (unsigned i = 1; i < 49; i++)
        accepted += hw_submit(pool, req[i], false) == 0;
    ck_assert_uint_eq(accepted, 40);
    pid = fork();
    if (pid == 0) {
        for (unsigned i = 0; i < 50; i++) {
            CHILD(hw_request_generation(req[i]) == generation, 1);
            CHILD(!hw_request_reusable(req[i]), 2);
            CHILD(hw_result(req[i]) == NULL, 3);
            hw_collect(req[i]);
            hw_release(req[i]);
            /* The same work can be done again from the caller's pointers. */
            CHILD(req[i]->src[0].iov_base == data[i] && req[i]->key == key, 4);
        }
        if (_i % 2) {
            for (unsigned i = 0; i < 50; i++)
                hw_request_unref(req[i]);
            hw_key_unref(key);
        }
        CHILD(!child_may_work() || ask_some(pool) == 0, 5);
        hw_pool_free(pool);
        check_live(0, 0, 10);
        if (_i % 2 == 0) {
            for (unsigned i = 0; i < 50; i++)
                hw_request_unref(req[i]);
            hw_key_unref(key);
        }
        check_live(0, 0, 20);
        _exit(0);
    }
    for (unsigned i = 1; i <= accepted; i++) {
        ck_assert_int_eq(rig_wait(req[i]), 0);
        hw_collect(req[i]);
        ck_assert_mem_eq(data[i], data[1], sizeof(data[i]));
        ck_assert_uint_eq(rig_calls(req[i]), 1);
    }
    join_child(pid);
    ck_assert_ptr_nonnull(hw_result(req[0]));
    for (unsigned i = 0; i < 50; i++)
        hw_request_unref(req[i]);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* Servers do it: a master that forks workers, which fork. All at once. */
START_TEST(generations)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    unsigned generation = hw_generation();
    pid_t child[4];

    for (unsigned i = 0; i < 4; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            pid_t grandchild;
            int status;

            CHILD(i % 2 || ask_some(pool) == 0, 1);
            grandchild = fork();
            if (grandchild == 0) {
                CHILD(hw_generation() == generation + 2, 2);
                CHILD(ask_some(pool) == 0, 3);
                hw_pool_free(pool);
                check_live(0, 0, 10);
                _exit(0);
            }
            CHILD(ask_some(pool) == 0, 4);
            CHILD(waitpid(grandchild, &status, 0) == grandchild && status == 0, 5);
            CHILD(ask_some(pool) == 0, 6);
            hw_pool_free(pool);
            check_live(0, 0, 20);
            _exit(0);
        }
    }
    ck_assert_int_eq(ask_some(pool), 0);
    for (unsigned i = 0; i < 4; i++)
        join_child(child[i]);
    ck_assert_int_eq(ask_some(pool), 0);
    rig_close(pool);
}
END_TEST

/* The child opens a pool of its own beside the one it inherited. */
START_TEST(another_pool)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg), *other;
    pid_t pid;

    answer_all(pool);
    pid = fork();
    if (pid == 0) {
        struct hw_error err;

        CHILD(hw_pool_new(&cfg, &other, &err) == 0, 1);
        CHILD(ask_some(other) == 0, 2);
        /* Equal configuration: one device for both. */
        CHILD(ask_some(pool) == 0, 3);
        check_live(0, 1, 10);
        hw_pool_free(pool);
        CHILD(ask_some(other) == 0, 4);
        hw_pool_free(other);
        check_live(0, 0, 20);
        _exit(0);
    }
    join_child(pid);
    answer_all(pool);
    rig_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fork");
    TCase *tc = tcase_create("children");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, own_devices, 0, child_may_work() ? 2 : 1);
    tcase_add_loop_test(tc, in_flight, 0, 2);
    if (child_may_work()) {
        tcase_add_test(tc, generations);
        tcase_add_test(tc, another_pool);
    }
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
