/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hw.h must carry whatever stands behind it: several devices, several
 * queues, and requests that are not shaped like ciphers.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device.h"
#include "registry.h"
#include "support.h"
#include "support/answers.h"
#include "support/must.h"
#include "support/rig.h"

#define MANY 48u

/* The work of one key goes to both devices, each with a session of its own,
 * and comes back right from both. */
START_TEST(two_devices)
{
    struct hw_config cfg = rig_config(NULL);
    struct answer_use u[MANY];
    struct hw_stats s[2];
    struct hw_pool *pool;
    struct hw_live l;

    cfg.device = "emulator,emulator";
    cfg.emulator_latency_us = 20000;
    pool = rig_open(&cfg);
    ck_assert_uint_eq(hw_pool_devices(pool), 2);
    for (unsigned i = 0; i < MANY; i++) {
        answer_start(&u[i], &known_answers[3]);
        /* One key for all of them. */
        if (i != 0) {
            hw_key_unref(u[i].key);
            u[i].key = hw_key_ref(u[0].key);
            u[i].req->key = u[i].key;
        }
    }
    for (unsigned round = 0; round < 4; round++) {
        enum hw_op op = round % 2 ? HW_DECRYPT : HW_ENCRYPT;

        for (unsigned i = 0; i < MANY; i++) {
            answer_fill(&u[i], op, round >= 2);
            ck_assert_int_eq(hw_submit(pool, u[i].req, false), 0);
        }
        for (unsigned i = 0; i < MANY; i++) {
            ck_assert_int_eq(rig_wait(u[i].req), 0);
            answer_check(&u[i], op);
        }
    }
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 2);
    ck_assert_uint_eq(l.sessions, 4);
    for (unsigned d = 0; d < 2; d++) {
        hw_pool_stats(pool, d, &s[d]);
        ck_assert_str_eq(s[d].name, d == 0 ? "emulator0" : "emulator1");
        ck_assert_uint_ge(s[d].requests, MANY);
        ck_assert_uint_eq(s[d].completions, s[d].requests);
        ck_assert_uint_eq(s[d].sessions_created, 2);
    }
    ck_assert_uint_eq(s[0].requests + s[1].requests, 4 * MANY);
    for (unsigned i = 0; i < MANY; i++)
        answer_end(&u[i]);
    RIG_UNTIL((hw_live(&l), l.sessions == 0));
    rig_close(pool);
}
END_TEST

/* One of them fails again and again: the other one goes on. */
START_TEST(one_device_fails)
{
    struct hw_config cfg = rig_config("queues:1,needs_reset:7");
    struct hw_pool *pool;
    unsigned good = 0;

    cfg.device = "emulator,emulator,emulator";
    pool = rig_open(&cfg);
    for (unsigned i = 0; i < 60; i++) {
        struct answer_use u;
        int rc;

        answer_start(&u, &known_answers[i % known_answers_count]);
        answer_fill(&u, HW_ENCRYPT, false);
        RIG_UNTIL((rc = rig_do(pool, u.req)) != -ENODEV);
        ck_assert(rc == 0 || rc == -EIO);
        if (rc == 0)
            answer_check(&u, HW_ENCRYPT);
        good += rc == 0;
        answer_end(&u);
    }
    ck_assert_uint_ge(good, 40);
    ck_assert_uint_ge(rig_stats(pool).resets, 3);
    rig_close(pool);
}
END_TEST

static int next_fd(void)
{
    int fd = dup(0), next = fd;

    ck_assert_int_ge(fd, 0);
    close(fd);
    return next;
}

/* So that the next one is as many as there are: make, for one, leaves some of
 * its own open. */
static void fill_the_gaps(void)
{
    int last = 1023, fd;

    while (fcntl(last, F_GETFD) < 0)
        last--;
    while ((fd = dup(0)) < last)
        ck_assert_int_ge(fd, 0);
    close(fd);
}

/* How many descriptors an open device has. */
static int device_fds(void)
{
    struct hw_config cfg = rig_config("queues:1");
    struct hw_pool *pool = rig_open(&cfg);
    int before = next_fd(), fds;

    answer_all(pool);
    fds = next_fd() - before;
    ck_assert_int_ge(fds, 2);
    rig_close(pool);
    /* The last of its threads may be a moment behind. */
    RIG_UNTIL(next_fd() == before);
    return fds;
}

static void limit_fds(rlim_t n, rlim_t *old)
{
    struct rlimit l;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
    *old = l.rlim_cur;
    l.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
}

/* There were descriptors for one device of two. While a thread tries to open
 * the other, which may take long, the rest go on with the one. */
START_TEST(one_device_opens_late)
{
    struct hw_config cfg = rig_config("queues:1");
    struct hw_pool *pool;
    int fds;
    struct hw_live l;
    rlim_t old, few;

    cfg.device = "emulator,emulator";
    fill_the_gaps();
    fds = device_fds();
    pool = rig_open(&cfg);
    limit_fds((rlim_t)(next_fd() + 2 * fds - 1), &old);
    answer_all(pool);
    limit_fds(old, &few);
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 1);
    registry_lock();
    /* It is time to try again, but somebody does. */
    rig_sleep(200);
    answer_all(pool);
    registry_unlock();
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 1);
    RIG_UNTIL((answer_all(pool), hw_live(&l), l.devices == 2));
    rig_close(pool);
}
END_TEST

struct submitter {
    struct hw_pool *pool;
    pthread_barrier_t *together;
    pthread_t thread;
    unsigned n;
};

static void *submit_some(void *arg)
{
    struct submitter *s = arg;
    struct answer_use u;

    answer_start(&u, &known_answers[0]);
    /* Both threads have their place before either ends. */
    pthread_barrier_wait(s->together);
    for (unsigned i = 0; i < s->n; i++) {
        answer_fill(&u, HW_ENCRYPT, false);
        MUST(rig_do(s->pool, u.req) == 0);
        answer_check(&u, HW_ENCRYPT);
    }
    pthread_barrier_wait(s->together);
    answer_end(&u);
    return NULL;
}

/* Threads are spread over the queues, and each keeps to its own. */
START_TEST(two_queues)
{
    struct hw_config cfg = rig_config("queues:2");
    struct hw_pool *pool = rig_open(&cfg);
    struct submitter s[2];
    pthread_barrier_t together;
    struct hw_error err;
    struct device *dev;
    uint64_t on[2];

    pthread_barrier_init(&together, NULL, 2);
    for (unsigned i = 0; i < 2; i++) {
        s[i] = (struct submitter){.pool = pool, .together = &together, .n = 100 + 50 * i};
        ck_assert_int_eq(pthread_create(&s[i].thread, NULL, submit_some, &s[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(s[i].thread, NULL);
    pthread_barrier_destroy(&together);
    registry_lock();
    ck_assert_int_eq(registry_get("emulator", 0, &cfg, NULL, &dev, &err), 0);
    registry_unlock();
    ck_assert_uint_eq(dev->nqueues, 2);
    for (unsigned i = 0; i < 2; i++) {
        on[i] = dev->queues[i].counts.requests;
        ck_assert_uint_eq(dev->queues[i].counts.completions, on[i]);
        ck_assert_uint_ge(dev->queues[i].counts.kicks, 1);
    }
    registry_put(dev);
    ck_assert_msg((on[0] == 100 && on[1] == 150) || (on[0] == 150 && on[1] == 100),
                  "%ld and %ld requests", (long)on[0], (long)on[1]);
    rig_close(pool);
}
END_TEST

struct rsa {
    EVP_PKEY *pkey;
    struct hw_key *key;
    struct hw_request *req;
    uint8_t src[256], dst[256];
};

static void rsa_start(struct rsa *t)
{
    uint8_t *der = NULL;
    int len;

    t->pkey = EVP_RSA_gen(2048);
    ck_assert_ptr_nonnull(t->pkey);
    len = i2d_PrivateKey(t->pkey, &der);
    ck_assert_int_gt(len, 0);
    t->key = hw_key_new(&(struct hw_key_spec){
        .alg = HW_RSA, .bytes = der, .len = (size_t)len, .is_private = true, .bits = 2048});
    ck_assert_ptr_nonnull(t->key);
    OPENSSL_clear_free(der, (size_t)len);
    t->req = rig_request(t->key);
    for (unsigned i = 0; i < sizeof(t->src); i++)
        t->src[i] = (uint8_t)i;
    memset(t->dst, 0, sizeof(t->dst));
    t->req->op = HW_DECRYPT;
    t->req->rsa_padding = HW_RSA_RAW;
    t->req->src[0] = (struct iovec){t->src, sizeof(t->src)};
    t->req->dst[0] = (struct iovec){t->dst, sizeof(t->dst)};
    t->req->nsrc = t->req->ndst = 1;
}

static void rsa_end(struct rsa *t)
{
    EVP_PKEY_free(t->pkey);
    hw_key_unref(t->key);
    hw_request_unref(t->req);
}

/* The private operation on 256 bytes, undone by libcrypto's public one. */
START_TEST(rsa)
{
    struct hw_config cfg = rig_config(_i ? "withhold:revision_1" : NULL);
    struct hw_pool *pool = rig_open(&cfg);
    uint8_t back[256];
    size_t len = sizeof(back);
    struct hw_limits limits;
    EVP_PKEY_CTX *ctx;
    struct rsa t;

    ck_assert(hw_pool_supports(pool, HW_RSA, 2048, &limits));
    ck_assert(limits.rsa_raw);
    rsa_start(&t);
    ck_assert_int_eq(rig_do(pool, t.req), 0);
    ck_assert_uint_eq(t.req->result_len, 256);
    /* Source and result do not share memory, as they do for ciphers. */
    ck_assert_mem_eq((const uint8_t *)hw_result(t.req) - 256, t.src, 256);
    hw_collect(t.req);
    ck_assert_mem_eq(hw_result(t.req), t.dst, 256);
    ctx = EVP_PKEY_CTX_new(t.pkey, NULL);
    ck_assert_int_eq(EVP_PKEY_encrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_encrypt(ctx, back, &len, t.dst, 256), 1);
    ck_assert_mem_eq(back, t.src, 256);
    EVP_PKEY_CTX_free(ctx);
    ck_assert_uint_eq(rig_stats(pool).requests, 1);
    rsa_end(&t);
    rig_close(pool);
}
END_TEST

/* A device without RSA: the pool says so, before anything is copied. */
START_TEST(no_rsa)
{
    struct hw_config cfg = rig_config("no_algo:rsa");
    struct hw_pool *pool = rig_open(&cfg);
    struct rsa t;

    ck_assert(!hw_pool_supports(pool, HW_RSA, 2048, NULL));
    rsa_start(&t);
    ck_assert_int_eq(hw_submit(pool, t.req, false), -ENOTSUP);
    ck_assert_ptr_null(hw_result(t.req));
    ck_assert(hw_request_reusable(t.req));
    answer_all(pool);
    rsa_end(&t);
    rig_close(pool);
}
END_TEST

/* What does not fit a request is refused, and the request is as good as new. */
START_TEST(does_not_fit)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *key = rig_key(HW_AES_GCM, 16, 1);
    struct hw_request *req = rig_request(key);
    uint8_t buf[64] = {0};
    struct hw_live l;

    for (unsigned i = 0; i < 4; i++) {
        req->tag_len = 16;
        rig_fill(req, buf, sizeof(buf));
        req->nsrc = i == 0 ? HW_IOV_MAX + 1 : 1;
        req->ndst = i == 1 ? HW_IOV_MAX + 1 : 1;
        req->iv_len = i == 2 ? HW_IV_MAX + 1 : 12;
        req->tag_len = i == 3 ? HW_TAG_MAX + 1 : 16;
        ck_assert_int_eq(hw_submit(pool, req, false), -EINVAL);
        ck_assert(hw_request_reusable(req));
    }
    hw_live(&l);
    ck_assert_uint_eq(l.in_flight + l.dma_bytes, 0);
    ck_assert_uint_eq(rig_calls(req), 0);
    req->tag_len = 16;
    rig_fill(req, buf, sizeof(buf));
    ck_assert_int_eq(rig_do(pool, req), 0);
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* A full batch, which may be served by the thread that submits it, with one
 * among them whose tag is wrong: its errors are not the caller's, whose own
 * stay. Where the function has no threads that thread serves all there is. */
START_TEST(errors_stay_at_home)
{
    enum { FULL = 33, FORGED = 0, ROUNDS = 100 };
    struct hw_config cfg = rig_config("queues:1");
    struct hw_key *gcm = rig_key(HW_AES_GCM, 16, 1), *ccm = rig_key(HW_AES_CCM, 24, 2);
    static uint8_t data[FULL][1024];
    struct hw_request *req[FULL];
    struct hw_pool *pool;

    cfg.queue_size = 256;
    cfg.emulator_threads = (unsigned)_i;
    pool = rig_open(&cfg);
    for (unsigned i = 0; i < FULL; i++) {
        req[i] = rig_request(i == FORGED ? ccm : gcm);
        req[i]->tag_len = 16;
        rig_fill(req[i], data[i], sizeof(data[i]));
        req[i]->op = i == FORGED ? HW_DECRYPT : HW_ENCRYPT;
        /* Sessions are made by the first of them. */
        if (i <= FORGED + 1)
            ck_assert_int_eq(rig_do(pool, req[i]), i == FORGED ? -EBADMSG : 0);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        ERR_clear_error();
        ERR_raise(ERR_LIB_USER, round);
        for (unsigned i = 0; i < FULL; i++)
            RIG_UNTIL(hw_request_reusable(req[i]));
        for (unsigned i = 0; i < FULL; i++)
            ck_assert_int_eq(hw_submit(pool, req[i], i + 1 != FULL), 0);
        ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), round);
        ck_assert_uint_eq(ERR_peek_error(), 0);
        for (unsigned i = 0; i < FULL; i++)
            ck_assert_int_eq(rig_wait(req[i]), i == FORGED ? -EBADMSG : 0);
    }
    ck_assert_uint_eq(rig_stats(pool).requests, ROUNDS * FULL + FORGED + 2);
    ck_assert_uint_eq(rig_stats(pool).completions, ROUNDS * FULL + FORGED + 2);
    for (unsigned i = 0; i < FULL; i++)
        hw_request_unref(req[i]);
    hw_key_unref(gcm);
    hw_key_unref(ccm);
    rig_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("contract");
    TCase *tc = tcase_create("hw.h");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, two_devices);
    tcase_add_test(tc, one_device_fails);
    tcase_add_test(tc, one_device_opens_late);
    tcase_add_test(tc, two_queues);
    tcase_add_loop_test(tc, rsa, 0, 2);
    tcase_add_test(tc, no_rsa);
    tcase_add_test(tc, does_not_fit);
    tcase_add_loop_test(tc, errors_stay_at_home, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
