/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <errno.h>
#include <string.h>

#define PATIENCE_S 30

struct owner {
    sem_t done;
    atomic_uint calls;
};

struct hw_config rig_config(const char *fault)
{
    return (struct hw_config){
        .device = "emulator",
        .emulator_fault = fault,
        .queue_size = 64,
        .timeout_ms = 2000,
        .emulator_threads = 1,
    };
}

struct hw_pool *rig_open(const struct hw_config *cfg)
{
    struct hw_error err = {""};
    struct hw_pool *pool = NULL;
    int rc = hw_pool_new(cfg, &pool, &err);

    ck_assert_msg(rc == 0, "%s: %s", cfg->emulator_fault ? cfg->emulator_fault : "", err.text);
    return pool;
}

void rig_sleep(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&ts, NULL);
}

bool rig_patience(time_t *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (*since == 0)
        *since = now.tv_sec + 1;
    rig_sleep(1);
    return now.tv_sec + 1 - *since < PATIENCE_S;
}

static bool nothing_left(struct hw_live *l)
{
    hw_live(l);
    return l->requests == 0 && l->in_flight == 0 && l->dma_bytes == 0 && l->sessions == 0 &&
           l->keys == 0 && l->devices == 0;
}

void rig_nothing_left(void)
{
    struct hw_live l;
    time_t since = 0;

    /* A device whose pool was freed inside complete() closes a little later. */
    while (!nothing_left(&l))
        ck_assert_msg(rig_patience(&since),
                      "alive: %ld requests, %ld in flight, %ld bytes, %ld sessions, %ld keys, "
                      "%ld devices",
                      (long)l.requests, (long)l.in_flight, (long)l.dma_bytes, (long)l.sessions,
                      (long)l.keys, (long)l.devices);
}

void rig_close(struct hw_pool *pool)
{
    hw_pool_free(pool);
    rig_nothing_left();
}

struct hw_key *rig_key(enum hw_alg alg, unsigned len, unsigned char fill)
{
    unsigned char bytes[64];
    struct hw_key_spec spec = {.alg = alg, .bytes = bytes, .len = len};
    struct hw_key *key;

    /* Halves of an XTS key must differ. */
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(fill + i);
    key = hw_key_new(&spec);
    ck_assert_ptr_nonnull(key);
    return key;
}

static void complete(struct hw_request *req)
{
    struct owner *o = req->owner;

    atomic_fetch_add(&o->calls, 1);
    sem_post(&o->done);
}

static void fini(struct hw_request *req)
{
    struct owner *o = req->owner;

    sem_destroy(&o->done);
}

struct hw_request *rig_request(struct hw_key *key)
{
    struct hw_request *req = hw_request_new(sizeof(struct owner), fini);
    struct owner *o;

    ck_assert_ptr_nonnull(req);
    o = req->owner;
    ck_assert_int_eq(sem_init(&o->done, 0, 0), 0);
    req->complete = complete;
    req->key = key;
    return req;
}

void rig_fill(struct hw_request *req, void *buf, size_t len)
{
    req->op = HW_ENCRYPT;
    memset(req->iv, 0x42, sizeof(req->iv));
    req->iv_len = req->tag_len != 0 ? 12 : 16; /* an AEAD has a tag */
    req->src[0] = req->dst[0] = (struct iovec){buf, len};
    req->nsrc = req->ndst = 1;
}

int rig_wait(struct hw_request *req)
{
    struct owner *o = req->owner;
    struct timespec ts;
    int rc;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += PATIENCE_S;
    do
        rc = sem_timedwait(&o->done, &ts);
    while (rc != 0 && errno == EINTR);
    ck_assert_msg(rc == 0, "a request was not completed");
    return req->status;
}

int rig_do(struct hw_pool *pool, struct hw_request *req)
{
    int rc = hw_submit(pool, req, false);

    return rc != 0 ? rc : rig_wait(req);
}

unsigned rig_calls(struct hw_request *req)
{
    struct owner *o = req->owner;

    return atomic_load(&o->calls);
}

struct hw_stats rig_stats(const struct hw_pool *pool)
{
    struct hw_stats all, one;

    memset(&all, 0, sizeof(all));
    for (unsigned i = 0; i < hw_pool_devices(pool); i++) {
        hw_pool_stats(pool, i, &one);
#define ADD(field) all.field += one.field
        ADD(requests);
        ADD(completions);
        ADD(interrupts);
        ADD(polls);
        ADD(errors);
        ADD(timeouts);
        ADD(kicks);
        ADD(backlogged);
        ADD(resets);
        ADD(sessions_created);
        ADD(sessions_evicted);
#undef ADD
    }
    return all;
}
