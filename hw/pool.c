/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: the devices of one configuration, and which of them gets a request. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "device_list.h"
#include "hw.h"
#include "hw_info.h"
#include "key.h"
#include "live.h"
#include "queue.h"
#include "registry.h"
#include "selftest.h"
#include "submit.h"

/* How much busier a device must be than another before a request leaves the
 * one that has its session. */
#define LOAD_MARGIN 16

/*
 * The devices in use. Made at the first submission of a process; a child of a
 * fork makes its own. Devices are never changed afterwards: where one could not
 * be opened, for want of descriptors or threads perhaps, it is tried again now
 * and then, and takes its place in a new one of these.
 */
struct active {
    unsigned generation, n;
    struct device *dev[DEVICE_LIST_MAX];
    bool claimed[DEVICE_LIST_MAX]; /* by place in the pool's list */
    _Atomic uint64_t retry_at;     /* ns; UINT64_MAX: none is missing */
    uint64_t backoff;              /* under the registry's lock */
    struct active *older;          /* with less in it or the parent's: others may look at it yet */
};

/* Pauses between attempts to open what is missing. */
#define BACKOFF_FIRST_NS 50000000u
#define BACKOFF_MAX_NS   10000000000u

struct hw_pool {
    struct hw_config cfg;                     /* strings are ours */
    struct device_list list;                  /* those that could be used when the pool was made */
    struct device_caps caps[DEVICE_LIST_MAX]; /* and what they were found to do */
    /* Stored (release) under the registry's lock, loaded (acquire) without. */
    struct active *_Atomic active;
};

/* Spreads threads over queues and equally loaded devices. */
static unsigned thread_slot(void)
{
    static atomic_uint next;
    static _Thread_local unsigned slot;

    if (slot == 0)
        slot = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % 0xffffff + 1;
    return slot - 1;
}

/* Someone else may be probing the same function just now. */
#define BUSY_TRIES 10

static int test_device(struct hw_pool *pool, unsigned i, struct hw_error *err)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int rc = -EBUSY;

    for (unsigned tries = 0; rc == -EBUSY && tries < BUSY_TRIES; tries++) {
        if (tries != 0)
            nanosleep(&pause, NULL);
        rc = selftest_open(pool->list.entry[i].spec, pool->list.entry[i].index, &pool->cfg,
                           &pool->caps[i], err);
    }
    return rc;
}

/* What one device can do: opens, tests and closes it, unless it is open. */
static int probe(struct hw_pool *pool, unsigned i, struct hw_error *err)
{
    int rc = 0;

    registry_lock();
    if (!registry_caps(pool->list.entry[i].spec, pool->list.entry[i].index, &pool->cfg,
                       &pool->caps[i]))
        rc = test_device(pool, i, err);
    registry_unlock();
    return rc;
}

static void free_pool(struct hw_pool *pool)
{
    free((char *)(uintptr_t)pool->cfg.device);
    free((char *)(uintptr_t)pool->cfg.emulator_fault);
    free(pool);
}

/* Leaves those in the list that are usable. -ENODEV: none; -EINVAL: one was
 * configured wrongly. err says what is wrong with the first that is not. */
static int probe_all(struct hw_pool *pool, struct hw_error *err)
{
    unsigned usable = 0;
    bool wrong = false;

    for (unsigned i = 0; i < pool->list.n; i++) {
        struct hw_error why = {""};
        int rc = probe(pool, i, &why);

        if (rc == 0) {
            pool->list.entry[usable] = pool->list.entry[i];
            pool->caps[usable++] = pool->caps[i];
            continue;
        }
        wrong = wrong || rc == -EINVAL;
        if (err->text[0] == '\0')
            snprintf(err->text, sizeof(err->text), "%s: %.200s", pool->list.entry[i].name,
                     device_reason(pool->list.entry[i].name, why.text));
    }
    pool->list.n = usable;
    return wrong ? -EINVAL : usable != 0 ? 0 : -ENODEV;
}

int hw_pool_new(const struct hw_config *cfg, struct hw_pool **out, struct hw_error *err)
{
    struct hw_pool *pool = calloc(1, sizeof(*pool));
    int rc;

    *out = NULL;
    err->text[0] = '\0';
    if (pool == NULL)
        return -ENOMEM;
    registry_init();
    pool->cfg = *cfg;
    pool->cfg.device = strdup(cfg->device);
    pool->cfg.emulator_fault = cfg->emulator_fault == NULL ? NULL : strdup(cfg->emulator_fault);
    if (pool->cfg.device == NULL || (cfg->emulator_fault != NULL && !pool->cfg.emulator_fault))
        rc = -ENOMEM;
    else
        rc = device_list_parse(cfg->device, &pool->list, err);
    if (rc == 0)
        rc = probe_all(pool, err);
    if (rc != 0 && rc != -ENODEV) {
        free_pool(pool);
        return rc;
    }
    *out = pool;
    return rc;
}

void hw_pool_free(struct hw_pool *pool)
{
    struct active *a;

    if (pool == NULL)
        return;
    /* The newest has all of this process's. */
    a = atomic_load_explicit(&pool->active, memory_order_acquire);
    for (unsigned i = 0; a != NULL && i < a->n && a->generation == hw_generation(); i++)
        registry_put(a->dev[i]);
    while (a != NULL) {
        struct active *older = a->older;

        free(a);
        a = older;
    }
    free_pool(pool);
}

static void say(const struct hw_pool *pool, unsigned i, const char *what, const char *why)
{
    const char *name = pool->list.entry[i].name;
    char line[sizeof(struct hw_error) + 64];

    if (pool->cfg.notice == NULL)
        return;
    snprintf(line, sizeof(line), "%s %s%s", name, what, device_reason(name, why));
    pool->cfg.notice(line);
}

/* Registry locked. What is wrong is told the first time only. */
static void claim(struct hw_pool *pool, unsigned i, struct active *to, bool again)
{
    struct hw_error err = {""};
    int rc = registry_get(pool->list.entry[i].spec, pool->list.entry[i].index, &pool->cfg,
                          &pool->caps[i], &to->dev[to->n], &err);

    if (rc != 0 && err.text[0] == '\0') {
        errno = -rc;
        snprintf(err.text, sizeof(err.text), "%m");
    }
    if (err.text[0] != '\0' && !again)
        say(pool, i, rc == 0 ? "is left out until it is free: " : "is left out: ", err.text);
    if (rc != 0)
        return;
    if (again)
        say(pool, i, "is in service after all", "");
    to->claimed[i] = true;
    to->n++;
}

/* Registry locked. */
static void plan_retry(const struct hw_pool *pool, struct active *a)
{
    uint64_t at = UINT64_MAX;

    if (a->n < pool->list.n) {
        a->backoff = a->backoff == 0 ? BACKOFF_FIRST_NS : a->backoff * 2;
        if (a->backoff > BACKOFF_MAX_NS)
            a->backoff = BACKOFF_MAX_NS;
        at = device_now() + a->backoff;
    }
    atomic_store_explicit(&a->retry_at, at, memory_order_relaxed);
}

static bool of_this_process(const struct active *a)
{
    return a != NULL && a->generation == hw_generation();
}

/* Whether a is of this process, and nothing is to be done about it now. */
static bool current(struct active *a)
{
    uint64_t retry_at;

    if (!of_this_process(a))
        return false;
    retry_at = atomic_load_explicit(&a->retry_at, memory_order_relaxed);
    return retry_at == UINT64_MAX || device_now() < retry_at;
}

/* Registry locked. Claims the devices that older, which may be NULL or the
 * parent's, does not have. NULL: no memory. */
static struct active *make_active(struct hw_pool *pool, struct active *older)
{
    struct active *a = calloc(1, sizeof(*a));
    bool again = older != NULL && older->generation == hw_generation();

    if (a == NULL)
        return NULL;
    if (again) {
        memcpy(a->dev, older->dev, sizeof(a->dev));
        memcpy(a->claimed, older->claimed, sizeof(a->claimed));
        a->n = older->n;
        a->backoff = older->backoff;
    }
    a->generation = hw_generation();
    a->older = older;
    for (unsigned i = 0; i < pool->list.n; i++)
        if (!a->claimed[i])
            claim(pool, i, a, again);
    if (again && a->n == older->n) {
        /* As before: no more of these than devices. */
        free(a);
        a = older;
    }
    plan_retry(pool, a);
    return a;
}

/* The first submission of this process, or time to try again: one thread does
 * that, and the others go on with what there is. */
static struct active *start(struct hw_pool *pool)
{
    struct active *a = atomic_load_explicit(&pool->active, memory_order_acquire), *made;

    if (!of_this_process(a))
        registry_lock();
    else if (!registry_trylock())
        return a;
    a = atomic_load_explicit(&pool->active, memory_order_relaxed);
    if (!current(a)) {
        made = make_active(pool, a);
        if (made != NULL)
            atomic_store_explicit(&pool->active, made, memory_order_release);
        if (made != NULL || !of_this_process(a))
            a = made;
    }
    registry_unlock();
    return a;
}

static struct active *active(struct hw_pool *pool)
{
    struct active *a = atomic_load_explicit(&pool->active, memory_order_acquire);

    return current(a) ? a : start(pool);
}

static bool can(const struct device *dev, const struct hw_key *key)
{
    bool asymmetric = hw_alg_kind(key->spec.alg) == HW_KIND_AKCIPHER;
    int cls = device_key_class(key->spec.alg, asymmetric ? key->spec.bits : key->spec.len);

    return cls >= 0 && dev->caps.ok[key->spec.alg][cls];
}

static unsigned load(const struct device *dev)
{
    return atomic_load_explicit(&dev->in_flight, memory_order_relaxed);
}

/* The least loaded device in service; ties go round by thread. */
static int choose(struct active *a, struct request *r, struct device **out)
{
    struct device *best = NULL;
    unsigned slot = thread_slot();
    bool any = false;

    for (unsigned i = 0; i < a->n; i++) {
        struct device *dev = a->dev[(slot + i) % a->n];

        if (!can(dev, r->pub.key))
            continue;
        any = true;
        if (atomic_load_explicit(&dev->state, memory_order_acquire) != DEVICE_RUNNING)
            continue;
        if (best == NULL || load(dev) < load(best))
            best = dev;
    }
    if (best == NULL)
        return any || a->n == 0 ? -ENODEV : -ENOTSUP;
    if (a->n > 1 && r->session != NULL) {
        for (unsigned i = 0; i < a->n; i++) {
            struct device *dev = a->dev[i];

            if (r->session->table == &dev->sessions && can(dev, r->pub.key) &&
                atomic_load_explicit(&dev->state, memory_order_acquire) == DEVICE_RUNNING &&
                load(dev) <= load(best) + LOAD_MARGIN)
                best = dev;
        }
    }
    *out = best;
    return 0;
}

int hw_submit(struct hw_pool *pool, struct hw_request *req, bool more)
{
    struct active *a = active(pool);
    struct device *dev;
    int rc;

    if (a == NULL)
        return -ENOMEM;
    rc = choose(a, request_of(req), &dev);
    return rc != 0 ? rc : submit_to(dev, thread_slot(), req, more);
}

void hw_flush(struct hw_pool *pool)
{
    struct active *a = active(pool);

    for (unsigned i = 0; a != NULL && i < a->n; i++)
        queue_flush(&a->dev[i]->queues[thread_slot() % a->dev[i]->nqueues]);
}

unsigned hw_poll(struct hw_pool *pool)
{
    struct active *a = atomic_load_explicit(&pool->active, memory_order_acquire);
    unsigned n = 0;

    if (a == NULL || a->generation != hw_generation())
        return 0;
    for (unsigned i = 0; i < a->n; i++) {
        n += queue_reap(&a->dev[i]->queues[thread_slot() % a->dev[i]->nqueues], QUEUE_POLL);
        atomic_fetch_add_explicit(&a->dev[i]->polls, 1, memory_order_relaxed);
    }
    return n;
}

bool hw_pool_supports(const struct hw_pool *pool, enum hw_alg alg, size_t key_len,
                      struct hw_limits *out)
{
    int cls = device_key_class(alg, key_len);
    bool any = false;

    for (unsigned i = 0; i < pool->list.n && cls >= 0; i++) {
        const struct device_caps *c = &pool->caps[i];
        struct hw_limits l = {.max_len = c->max_len,
                              .max_aad = DEVICE_AAD_MAX,
                              .granularity = c->granularity[alg],
                              .rsa_raw = c->rsa_raw,
                              .rsa_pkcs1 = c->rsa_pkcs1};

        if (!c->ok[alg][cls])
            continue;
        /* What every device that does it can do. */
        if (any && out != NULL) {
            l.max_len = l.max_len < out->max_len ? l.max_len : out->max_len;
            l.granularity = l.granularity > out->granularity ? l.granularity : out->granularity;
            l.rsa_raw = l.rsa_raw && out->rsa_raw;
            l.rsa_pkcs1 = l.rsa_pkcs1 && out->rsa_pkcs1;
        }
        if (out != NULL)
            *out = l;
        any = true;
    }
    return any;
}

unsigned hw_pool_devices(const struct hw_pool *pool)
{
    return pool->list.n;
}

void hw_pool_info(const struct hw_pool *pool, unsigned device, struct hw_info *out)
{
    const struct device_caps *c = &pool->caps[device];

    memset(out, 0, sizeof(*out));
    memcpy(out->name, pool->list.entry[device].name, sizeof(out->name));
    out->features = c->features;
    out->services = c->services;
    out->offered = c->offered;
    out->queues = c->queues;
    out->queue_size = c->queue_size;
    out->vectors = c->vectors;
    out->max_len = c->max_len;
}

static void add_queue(const struct queue *q, struct hw_stats *out)
{
#define ADD(field) out->field += atomic_load_explicit(&q->counts.field, memory_order_relaxed)
    ADD(requests);
    ADD(completions);
    ADD(kicks);
    ADD(backlogged);
    ADD(errors);
    ADD(timeouts);
#undef ADD
}

void hw_pool_stats(const struct hw_pool *pool, unsigned device, struct hw_stats *out)
{
    const struct active *a = atomic_load_explicit(&pool->active, memory_order_acquire);
    const char *name = pool->list.entry[device].name;

    memset(out, 0, sizeof(*out));
    memcpy(out->name, name, sizeof(out->name));
    for (unsigned i = 0; a != NULL && a->generation == hw_generation() && i < a->n; i++) {
        const struct device *dev = a->dev[i];

        if (strcmp(dev->name, name) != 0)
            continue;
        for (unsigned k = 0; k < dev->nqueues; k++)
            add_queue(&dev->queues[k], out);
#define READ(field) out->field = atomic_load_explicit(&dev->field, memory_order_relaxed)
        READ(interrupts);
        READ(polls);
        READ(resets);
        READ(removals);
        READ(returns);
        READ(sessions_created);
        READ(sessions_evicted);
#undef READ
    }
}
