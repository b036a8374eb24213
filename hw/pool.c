/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: the devices of one configuration, and which of them gets a request. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "hw.h"
#include "key.h"
#include "live.h"
#include "queue.h"
#include "registry.h"
#include "selftest.h"
#include "submit.h"

#define POOL_DEVICES_MAX 64
/* How much busier a device must be than another before a request leaves the
 * one that has its session. */
#define LOAD_MARGIN 16

struct entry {
    char *spec;
    unsigned index; /* among equal entries */
    char name[32];
    struct device_caps caps; /* as found when the pool was made */
    bool usable;
};

/* The devices in use. Made at the first submission of a process, never
 * changed afterwards; a child of a fork makes its own. */
struct active {
    unsigned generation, n;
    struct device *dev[POOL_DEVICES_MAX];
    struct active *older; /* the parent's, kept so that they are not leaked */
};

struct pool_list {
    unsigned n;
    struct entry entry[POOL_DEVICES_MAX];
};

struct hw_pool {
    struct hw_config cfg; /* strings are ours */
    struct pool_list list;
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

static int parse_list(struct hw_pool *pool, const char *text)
{
    char *copy = strdup(text), *save = NULL;
    int rc = copy == NULL ? -ENOMEM : 0;

    for (char *s = copy; rc == 0 && (s = strtok_r(s, ", \t", &save)) != NULL; s = NULL) {
        struct entry *e = &pool->list.entry[pool->list.n];

        if (pool->list.n == POOL_DEVICES_MAX) {
            rc = -E2BIG;
            break;
        }
        e->spec = strdup(s);
        rc = e->spec == NULL ? -ENOMEM : 0;
        for (unsigned i = 0; i < pool->list.n && rc == 0; i++)
            e->index += strcmp(pool->list.entry[i].spec, s) == 0;
        if (rc == 0)
            device_name(e->spec, e->index, e->name, sizeof(e->name));
        pool->list.n++;
    }
    free(copy);
    return rc;
}

/* What one device can do: opens, tests and closes it, unless it is open. */
static int try_entry(struct hw_pool *pool, struct entry *e, struct hw_error *err)
{
    struct device *dev;
    int rc = 0;

    registry_lock();
    if (!registry_caps(e->spec, e->index, &pool->cfg, &e->caps)) {
        rc = device_open(e->spec, e->index, &pool->cfg, true, &dev, err);
        if (rc == 0) {
            selftest_run(dev, &e->caps);
            device_close(dev);
        }
    }
    registry_unlock();
    e->usable = rc == 0;
    return rc;
}

static void free_pool(struct hw_pool *pool)
{
    for (unsigned i = 0; i < pool->list.n; i++)
        free(pool->list.entry[i].spec);
    free((char *)(uintptr_t)pool->cfg.device);
    free((char *)(uintptr_t)pool->cfg.emulator_fault);
    free(pool);
}

int hw_pool_new(const struct hw_config *cfg, struct hw_pool **out, struct hw_error *err)
{
    struct hw_pool *pool = calloc(1, sizeof(*pool));
    struct hw_error why = {""};
    bool any = false;
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
        rc = parse_list(pool, cfg->device);
    if (rc != 0) {
        free_pool(pool);
        return rc;
    }
    for (unsigned i = 0; i < pool->list.n; i++) {
        why.text[0] = '\0';
        if (try_entry(pool, &pool->list.entry[i], &why) == 0)
            any = true;
        else if (err->text[0] == '\0')
            snprintf(err->text, sizeof(err->text), "%.31s: %.200s", pool->list.entry[i].name,
                     why.text);
    }
    *out = pool;
    return any ? 0 : -ENODEV;
}

void hw_pool_free(struct hw_pool *pool)
{
    struct active *a;

    if (pool == NULL)
        return;
    a = atomic_load_explicit(&pool->active, memory_order_acquire);
    while (a != NULL) {
        struct active *older = a->older;

        for (unsigned i = 0; i < a->n && a->generation == hw_generation(); i++)
            registry_put(a->dev[i]);
        free(a);
        a = older;
    }
    free_pool(pool);
}

/* The first submission of this process: claims the devices. */
static struct active *start(struct hw_pool *pool)
{
    struct hw_error err;
    struct active *a;

    registry_lock();
    a = atomic_load_explicit(&pool->active, memory_order_relaxed);
    if (a == NULL || a->generation != hw_generation()) {
        struct active *mine = calloc(1, sizeof(*mine));

        if (mine != NULL) {
            mine->generation = hw_generation();
            mine->older = a;
            for (unsigned i = 0; i < pool->list.n; i++) {
                struct entry *e = &pool->list.entry[i];

                if (!e->usable ||
                    registry_get(e->spec, e->index, &pool->cfg, &mine->dev[mine->n], &err) != 0)
                    continue;
                /* Just opened by us: no one else has looked at it yet. */
                if (mine->dev[mine->n]->users == 1)
                    mine->dev[mine->n]->caps = e->caps;
                mine->n++;
            }
            atomic_store_explicit(&pool->active, mine, memory_order_release);
        }
        a = mine;
    }
    registry_unlock();
    return a;
}

static struct active *active(struct hw_pool *pool)
{
    struct active *a = atomic_load_explicit(&pool->active, memory_order_acquire);

    return a != NULL && a->generation == hw_generation() ? a : start(pool);
}

static bool can(const struct device *dev, const struct hw_key *key)
{
    int cls = device_key_class(key->spec.alg, key->spec.len);

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
        n += queue_reap(&a->dev[i]->queues[thread_slot() % a->dev[i]->nqueues], false);
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
        const struct entry *e = &pool->list.entry[i];
        struct hw_limits l = {.max_len = e->caps.max_len,
                              .max_aad = DEVICE_AAD_MAX,
                              .granularity = e->caps.granularity[alg],
                              .rsa_raw = e->caps.rsa_raw,
                              .rsa_pkcs1 = e->caps.rsa_pkcs1};

        if (!e->usable || !e->caps.ok[alg][cls])
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
    const struct entry *e = &pool->list.entry[device];

    memset(out, 0, sizeof(*out));
    memcpy(out->name, e->name, sizeof(out->name));
    for (unsigned i = 0; a != NULL && a->generation == hw_generation() && i < a->n; i++) {
        const struct device *dev = a->dev[i];

        if (strcmp(dev->name, e->name) != 0)
            continue;
        for (unsigned k = 0; k < dev->nqueues; k++)
            add_queue(&dev->queues[k], out);
#define READ(field) out->field = atomic_load_explicit(&dev->field, memory_order_relaxed)
        READ(interrupts);
        READ(polls);
        READ(resets);
        READ(sessions_created);
        READ(sessions_evicted);
#undef READ
    }
}
