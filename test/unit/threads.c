/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads on one pool, each with requests of all kinds in flight. Every
 * result is held against libcrypto's.
 */
#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"
#include "support/must.h"
#include "support/rig.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define THREADS   16
#define IN_FLIGHT 12 /* per thread */
#define LEN_MAX   65536u

struct kind {
    enum hw_alg alg;
    const char *name; /* libcrypto's */
    unsigned key_len, granule, min, iv_len;
    bool aead;
};

static const struct kind kinds[] = {
    {HW_AES_ECB, "AES-128-ECB", 16, 16, 0, 0, false},
    {HW_AES_CBC, "AES-128-CBC", 16, 16, 0, 16, false},
    {HW_AES_CBC, "AES-256-CBC", 32, 16, 0, 16, false},
    {HW_AES_CTR, "AES-192-CTR", 24, 1, 0, 16, false},
    {HW_AES_XTS, "AES-256-XTS", 64, 1, 16, 16, false},
    {HW_AES_GCM, "AES-128-GCM", 16, 1, 0, 12, true},
    {HW_AES_GCM, "AES-256-GCM", 32, 1, 0, 12, true},
    {HW_CHACHA20_POLY1305, "ChaCha20-Poly1305", 32, 1, 0, 12, true},
};

/* What threads share: keys are used by all of them. */
struct scene {
    struct hw_pool *pool;
    struct hw_key *keys[COUNT(kinds)];
    unsigned requests; /* per thread */
    bool faulty;       /* the device may fail, and then there is no result */
};

struct slot {
    struct hw_request *req;
    const struct kind *kind;
    uint8_t *in, *out, *want;
    uint8_t aad[32], tag[16];
};

struct worker {
    struct scene *scene;
    pthread_t thread;
    struct support_random random;
    EVP_CIPHER_CTX *ctx;
    struct slot slot[IN_FLIGHT];
    unsigned good, failed;
};

static size_t some_length(struct support_random *r, const struct kind *k)
{
    /* Mostly small, seldom as long as can be. */
    uint32_t most = support_below(r, 64) == 0 ? LEN_MAX + 1 : support_below(r, 4) ? 600 : 5000;
    size_t len = support_below(r, most) / k->granule * k->granule;

    return len < k->min ? k->min : len;
}

/* in encrypted by libcrypto goes to out, the tag to tag. */
static void reference(struct worker *w, const struct slot *s, size_t len, uint8_t *out,
                      uint8_t *tag)
{
    const struct hw_request *req = s->req;
    const EVP_CIPHER *cipher = EVP_get_cipherbyname(s->kind->name);
    int n = 0, rest;

    MUST(cipher != NULL);
    MUST(EVP_EncryptInit_ex(w->ctx, cipher, NULL, hw_key_bytes(req->key),
                            s->kind->iv_len != 0 ? req->iv : NULL) == 1);
    EVP_CIPHER_CTX_set_padding(w->ctx, 0);
    if (req->aad_len != 0)
        MUST(EVP_EncryptUpdate(w->ctx, NULL, &n, s->aad, (int)req->aad_len) == 1);
    n = 0;
    if (len != 0)
        MUST(EVP_EncryptUpdate(w->ctx, out, &n, s->in, (int)len) == 1);
    MUST(EVP_EncryptFinal_ex(w->ctx, out + n, &rest) == 1);
    MUST((size_t)(n + rest) == len);
    if (s->kind->aead)
        MUST(EVP_CIPHER_CTX_ctrl(w->ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
    EVP_CIPHER_CTX_reset(w->ctx);
}

/* A request of any kind in either direction, with the answer beside it. */
static void make_up(struct worker *w, struct slot *s)
{
    struct support_random *r = &w->random;
    unsigned kind = support_below(r, COUNT(kinds));
    struct hw_request *req = s->req;
    size_t len;

    s->kind = &kinds[kind];
    len = some_length(r, s->kind);
    req->key = w->scene->keys[kind];
    req->iv_len = (uint8_t)s->kind->iv_len;
    support_fill(r, req->iv, sizeof(req->iv));
    /* Few lengths, since each means a session. */
    req->aad_len = s->kind->aead ? 13 * support_below(r, 3) : 0;
    req->tag_len = s->kind->aead ? 16 : 0;
    req->aad = s->aad;
    support_fill(r, s->aad, sizeof(s->aad));
    support_fill(r, s->in, len);
    req->op = support_below(r, 2) ? HW_ENCRYPT : HW_DECRYPT;
    reference(w, s, len, s->want, s->tag);
    if (req->op == HW_DECRYPT) {
        uint8_t *cipher = s->want;

        s->want = s->in;
        s->in = cipher;
        memcpy(req->tag, s->tag, sizeof(req->tag));
    }
    req->src[0] = (struct iovec){s->in, len / 2};
    req->src[1] = (struct iovec){s->in + len / 2, len - len / 2};
    req->dst[0] = (struct iovec){s->out, len};
    req->nsrc = 2;
    req->ndst = 1;
    req->wait_for_room = true;
}

/* The device failed, was late, or has no session left. */
static bool may_fail(int rc)
{
    return rc == -EIO || rc == -ETIMEDOUT || rc == -ENOSPC;
}

static void look(struct worker *w, struct slot *s)
{
    struct hw_request *req = s->req;
    size_t len = req->dst[0].iov_len;

    if (w->scene->faulty && req->status != 0) {
        MUST(may_fail(req->status));
        w->failed++;
        return;
    }
    MUST(req->status == 0);
    MUST(req->result_len == len);
    hw_collect(req);
    MUST(memcmp(s->out, s->want, len) == 0);
    if (req->op == HW_ENCRYPT && s->kind->aead)
        MUST(memcmp(req->tag, s->tag, 16) == 0);
    w->good++;
}

/* Until it is accepted; 0 or why not. */
static int submit_with_patience(struct scene *scene, struct hw_request *req, bool more)
{
    int rc;

    while ((rc = hw_submit(scene->pool, req, more)) == -EAGAIN) {
        hw_flush(scene->pool);
        rc = rig_wait(req);
        if (rc != -EAGAIN)
            break;
    }
    return rc;
}

/* False: the device is not in service, or just fails. */
static bool submit(struct worker *w, struct slot *s)
{
    int rc = submit_with_patience(w->scene, s->req, support_below(&w->random, 3) == 0);

    MUST(rc == 0 || (w->scene->faulty && (rc == -ENODEV || may_fail(rc))));
    w->failed += rc != 0;
    return rc == 0;
}

static void finish(struct worker *w, struct slot *s)
{
    (void)rig_wait(s->req);
    look(w, s);
    /* A late one is still the device's. */
    if (!hw_request_reusable(s->req)) {
        hw_request_unref(s->req);
        s->req = rig_request(NULL);
    } else if (support_below(&w->random, 4) == 0) {
        hw_release(s->req);
    }
}

static void worker_init(struct worker *w)
{
    w->ctx = EVP_CIPHER_CTX_new();
    MUST(w->ctx != NULL);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct slot *s = &w->slot[i];

        s->req = rig_request(NULL);
        s->in = malloc(LEN_MAX + 32);
        s->out = malloc(LEN_MAX + 32);
        s->want = malloc(LEN_MAX + 32);
        MUST(s->in != NULL && s->out != NULL && s->want != NULL);
    }
}

static void worker_fini(struct worker *w)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        hw_request_unref(w->slot[i].req);
        free(w->slot[i].in);
        free(w->slot[i].out);
        free(w->slot[i].want);
    }
    EVP_CIPHER_CTX_free(w->ctx);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    unsigned done = 0;

    worker_init(w);
    while (done < w->scene->requests) {
        bool away[IN_FLIGHT];

        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            make_up(w, &w->slot[i]);
            away[i] = submit(w, &w->slot[i]);
            done++;
        }
        hw_flush(w->scene->pool);
        if (support_below(&w->random, 2))
            (void)hw_poll(w->scene->pool);
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            if (away[i])
                finish(w, &w->slot[i]);
            else
                rig_sleep(1);
        }
    }
    worker_fini(w);
    return NULL;
}

static const struct {
    const char *device, *fault;
    unsigned queue_size, threads, timeout_ms;
    bool faulty;
} setups[] = {
    {"emulator", NULL, 256, 1, 20000, false},
    {"emulator", "queues:4", 64, 3, 20000, false},
    {"emulator", "queues:1,withhold:indirect_desc,withhold:event_idx", 8, 2, 20000, false},
    {"emulator,emulator", "queues:2,withhold:revision_1", 16, 1, 20000, false},
    {"emulator,emulator,emulator", "queues:1,sessions:12", 32, 2, 20000, true},
    {"emulator", "queues:3,needs_reset:500", 32, 2, 20000, true},
    {"emulator,emulator", "queues:2,bad_id:700,error:50,status:70:4", 32, 2, 20000, true},
    {"emulator,emulator", "lose:150,late:90:200,queues:2", 16, 2, 100, true},
};

/* Slower by far under a sanitizer. */
static unsigned requests(bool faulty)
{
    const char *san = getenv("VCRYPTO_SAN");

    unsigned n = san != NULL && *san != '\0' ? 240 : 2400;

    return faulty ? n / 2 : n;
}

static void end_of(struct scene *scene, const struct worker *w)
{
    struct hw_stats s = rig_stats(scene->pool);
    unsigned good = 0, failed = 0;
    struct hw_live l;

    for (unsigned i = 0; i < THREADS; i++) {
        good += w[i].good;
        failed += w[i].failed;
    }
    if (scene->faulty) {
        ck_assert_uint_ge(good, THREADS * scene->requests / 4);
        ck_assert_uint_ge(failed, 1);
    } else {
        ck_assert_uint_ge(good, THREADS * scene->requests);
        ck_assert_uint_eq(s.requests, good);
        ck_assert_uint_eq(s.completions, good);
        ck_assert_uint_eq(s.errors + s.timeouts + s.resets, 0);
        RIG_UNTIL((hw_live(&l), l.requests == 0));
        ck_assert_uint_eq(l.in_flight, 0);
        ck_assert_uint_eq(l.dma_bytes, 0);
    }
}

START_TEST(mixture)
{
    struct hw_config cfg = rig_config(setups[_i].fault);
    static struct worker w[THREADS];
    struct scene scene = {.faulty = setups[_i].faulty};

    cfg.device = setups[_i].device;
    cfg.queue_size = setups[_i].queue_size;
    cfg.emulator_threads = setups[_i].threads;
    cfg.timeout_ms = setups[_i].timeout_ms;
    scene.pool = rig_open(&cfg);
    scene.requests = requests(scene.faulty);
    for (unsigned i = 0; i < COUNT(kinds); i++)
        scene.keys[i] = rig_key(kinds[i].alg, kinds[i].key_len, (unsigned char)(1 + i));
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].scene = &scene;
        w[i].random.state = 1000u * (unsigned)_i + i;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    end_of(&scene, w);
    for (unsigned i = 0; i < COUNT(kinds); i++)
        hw_key_unref(scene.keys[i]);
    rig_close(scene.pool);
}
END_TEST

static int submit_and_wait(struct scene *scene, struct hw_request *req)
{
    int rc = submit_with_patience(scene, req, false);

    return rc == 0 ? rig_wait(req) : rc;
}

/* Keys come and go in all threads at once, and with them sessions. */
static void *many_keys(void *arg)
{
    struct worker *w = arg;
    uint8_t buf[64] = {0};

    for (unsigned i = 0; i < w->scene->requests; i++) {
        struct hw_key *key = rig_key(HW_AES_CTR, 16, (unsigned char)support_below(&w->random, 250));
        struct hw_request *req = rig_request(key);
        int rc;

        rig_fill(req, buf, sizeof(buf));
        req->wait_for_room = true;
        /* More threads than sessions: one of them has to wait, and must not keep
         * the processor from those that it waits for. */
        while ((rc = submit_and_wait(w->scene, req)) == -ENOSPC)
            usleep(100);
        MUST(rc == 0);
        hw_request_unref(req);
        hw_key_unref(key);
    }
    return NULL;
}

START_TEST(keys_come_and_go)
{
    struct hw_config cfg = rig_config(_i ? "queues:2,sessions:5" : "queues:2");
    static struct worker w[THREADS];
    struct scene scene = {.requests = requests(true) / 4};
    struct hw_live l;

    scene.pool = rig_open(&cfg);
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].scene = &scene;
        w[i].random.state = i;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, many_keys, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    RIG_UNTIL((hw_live(&l), l.keys == 0));
    ck_assert_uint_eq(l.sessions, 0);
    rig_close(scene.pool);
}
END_TEST

/* Pools of one device come and go in all threads: it opens and closes. */
static void *many_pools(void *arg)
{
    struct worker *w = arg;
    struct hw_config cfg = rig_config("queues:1");
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    uint8_t buf[64] = {0};

    for (unsigned i = 0; i < w->scene->requests; i++) {
        struct hw_request *req = rig_request(key);
        struct hw_error err;
        struct hw_pool *pool;

        MUST(hw_pool_new(&cfg, &pool, &err) == 0);
        rig_fill(req, buf, sizeof(buf));
        MUST(hw_submit(pool, req, false) == 0);
        if (support_below(&w->random, 3) != 0)
            MUST(rig_wait(req) == 0);
        hw_pool_free(pool);
        /* Another pool may have kept the device at work. */
        if (rig_calls(req) == 0)
            (void)rig_wait(req);
        MUST(rig_calls(req) == 1);
        MUST(req->status == 0 || req->status == -ECANCELED);
        hw_request_unref(req);
    }
    hw_key_unref(key);
    return NULL;
}

START_TEST(pools_come_and_go)
{
    static struct worker w[4];
    struct scene scene = {.requests = 20};

    for (unsigned i = 0; i < COUNT(w); i++) {
        w[i].scene = &scene;
        w[i].random.state = i;
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, many_pools, &w[i]), 0);
    }
    for (unsigned i = 0; i < COUNT(w); i++)
        pthread_join(w[i].thread, NULL);
    rig_nothing_left();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tc = tcase_create("many");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, mixture, 0, (int)COUNT(setups));
    tcase_add_loop_test(tc, keys_come_and_go, 0, 2);
    tcase_add_test(tc, pools_come_and_go);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
