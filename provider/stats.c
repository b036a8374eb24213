/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/params.h>

#include "async.h"
#include "provider.h"

/* A figure of the devices: its name after "vcrypto-", and on the line. */
struct figure {
    const char *param;
    size_t offset;
};

#define PREFIX      "vcrypto-"
#define DEVICE(n)   offsetof(struct hw_stats, n)
#define LIVE(n)     offsetof(struct hw_live, n)
#define NAME(f)     ((f)->param + sizeof(PREFIX) - 1)
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct figure device_figures[] = {
    {PREFIX "requests", DEVICE(requests)},
    {PREFIX "completions", DEVICE(completions)},
    {PREFIX "interrupts", DEVICE(interrupts)},
    {PREFIX "polls", DEVICE(polls)},
    {PREFIX "errors", DEVICE(errors)},
    {PREFIX "timeouts", DEVICE(timeouts)},
    {PREFIX "kicks", DEVICE(kicks)},
    {PREFIX "backlogged", DEVICE(backlogged)},
    {PREFIX "resets", DEVICE(resets)},
    {PREFIX "removals", DEVICE(removals)},
    {PREFIX "returns", DEVICE(returns)},
    {PREFIX "sessions-created", DEVICE(sessions_created)},
    {PREFIX "sessions-evicted", DEVICE(sessions_evicted)},
};

static const struct figure live_figures[] = {
    {PREFIX "live-requests", LIVE(requests)},   {PREFIX "live-in-flight", LIVE(in_flight)},
    {PREFIX "live-dma-bytes", LIVE(dma_bytes)}, {PREFIX "live-sessions", LIVE(sessions)},
    {PREFIX "live-keys", LIVE(keys)},           {PREFIX "live-devices", LIVE(devices)},
};

#define SOFTWARE PREFIX "software-"

static const char *const software_figures[SW_CAUSES] = {
    [SW_SMALL] = SOFTWARE "small",
    [SW_NO_JOB] = SOFTWARE "no-job",
    [SW_UNSUPPORTED] = SOFTWARE "unsupported",
    [SW_NO_DEVICE] = SOFTWARE "no-device",
    [SW_TIMEOUT] = SOFTWARE "timeout",
    [SW_BACKLOG] = SOFTWARE "backlog",
    [SW_DEVICE_ERROR] = SOFTWARE "device-error",
    [SW_STREAM] = SOFTWARE "stream",
    [SW_RECORD] = SOFTWARE "record",
    [SW_NO_MEMORY] = SOFTWARE "no-memory",
    [SW_ERRORS] = SOFTWARE "errors",
    [SW_FORK] = SOFTWARE "fork",
};

/* Those that are no row of a table above. */
static const char software_total[] = SOFTWARE "total";
static const char contexts[] = PREFIX "contexts";
static const char live_contexts[] = PREFIX "live-contexts";
static const char live_waiters[] = PREFIX "live-waiters";
static const char devices[] = PREFIX "devices";

static const char *const others[] = {software_total, contexts, live_contexts, live_waiters,
                                     devices};

_Static_assert(COUNT(device_figures) + COUNT(live_figures) + SW_CAUSES + COUNT(others) <=
                   STATS_PARAMS_MAX,
               "room for all figures");

_Thread_local struct stats_cache stats_cache;

void stats_open(struct stats *s)
{
    static _Atomic uint64_t serials;

    s->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&s->blocks, &s->shared, memory_order_release);
}

void stats_close(struct stats *s)
{
    struct stats_block *b = atomic_load_explicit(&s->blocks, memory_order_acquire);

    while (b != NULL && b != &s->shared) {
        struct stats_block *next = b->next;

        free(b);
        b = next;
    }
}

/* The thread's block, put in front of first and whatever has come since. No
 * lock: blocks never go before all do. */
static struct stats_block *new_block(struct stats *s, struct stats_block *first)
{
    struct stats_block *b = aligned_alloc(alignof(struct stats_block), sizeof(*b));

    if (b == NULL)
        return NULL;
    memset(b, 0, sizeof(*b));
    b->owner = &stats_cache;
    b->next = first;
    /* Release: owner and next. */
    while (!atomic_compare_exchange_weak_explicit(&s->blocks, &b->next, b, memory_order_release,
                                                  memory_order_acquire))
        ;
    return b;
}

struct stats_block *stats_find_block(struct stats *s)
{
    struct stats_block *first = atomic_load_explicit(&s->blocks, memory_order_acquire);
    struct stats_block *b = first;

    while (b != &s->shared && b->owner != &stats_cache)
        b = b->next;
    if (b == &s->shared)
        b = new_block(s, first);
    if (b == NULL)
        return &s->shared;
    stats_cache = (struct stats_cache){s->serial, b};
    return b;
}

/* Acquire: what a thread had seen opened when it closed it (stats_context_closed)
 * is in the sum of those opened that is made after that of those closed. */
static uint64_t get(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_acquire);
}

/* Over all threads: of the counter that lies at this offset in a block. */
static uint64_t total(const struct stats *s, size_t offset)
{
    const struct stats_block *b = atomic_load_explicit(&s->blocks, memory_order_acquire);
    uint64_t sum = 0;

    for (; b != NULL; b = b->next)
        sum += get((const _Atomic uint64_t *)(const void *)((const char *)b + offset));
    return sum;
}

static uint64_t total_software(const struct provctx *prov, int cause)
{
    return total(&prov->stats,
                 offsetof(struct stats_block, software) + (size_t)cause * sizeof(uint64_t));
}

static uint64_t total_opened(const struct provctx *prov)
{
    return total(&prov->stats, offsetof(struct stats_block, opened));
}

/* Closed first: one that is opened and closed meanwhile would be closed only. */
static uint64_t count_live(const struct provctx *prov)
{
    uint64_t closed = total(&prov->stats, offsetof(struct stats_block, closed));

    return total_opened(prov) - closed;
}

void stats_software(struct provctx *prov, enum software_cause cause)
{
    stats_count(&prov->stats, cause);
}

void stats_context_opened(struct provctx *prov)
{
    stats_add(&stats_block(&prov->stats)->opened);
}

void stats_context_closed(struct provctx *prov)
{
    _Atomic uint64_t *n = &stats_block(&prov->stats)->closed;

    /* One writer, as in stats_add. Release: see get. */
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_release);
}

static uint64_t sum_software(const struct provctx *prov)
{
    uint64_t sum = 0;

    for (int i = 0; i < SW_CAUSES; i++)
        sum += total_software(prov, i);
    return sum;
}

size_t stats_gettable(OSSL_PARAM *out)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT(device_figures); i++)
        out[n++] = (OSSL_PARAM)OSSL_PARAM_uint64(device_figures[i].param, NULL);
    for (size_t i = 0; i < COUNT(live_figures); i++)
        out[n++] = (OSSL_PARAM)OSSL_PARAM_uint64(live_figures[i].param, NULL);
    for (size_t i = 0; i < SW_CAUSES; i++)
        out[n++] = (OSSL_PARAM)OSSL_PARAM_uint64(software_figures[i], NULL);
    for (size_t i = 0; i < COUNT(others); i++)
        out[n++] = (OSSL_PARAM)OSSL_PARAM_uint64(others[i], NULL);
    return n;
}

static int put(OSSL_PARAM params[], const char *key, uint64_t val)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, key);

    return p == NULL || OSSL_PARAM_set_uint64(p, val);
}

static uint64_t at(const void *base, size_t offset)
{
    uint64_t val;

    memcpy(&val, (const char *)base + offset, sizeof(val));
    return val;
}

/* The devices' figures, summed over them. */
static int put_devices(const struct provctx *prov, OSSL_PARAM params[])
{
    uint64_t sum[COUNT(device_figures)] = {0};
    unsigned count = hw_pool_devices(prov->pool);

    for (unsigned d = 0; d < count; d++) {
        struct hw_stats s;

        hw_pool_stats(prov->pool, d, &s);
        for (size_t i = 0; i < COUNT(device_figures); i++)
            sum[i] += at(&s, device_figures[i].offset);
    }
    for (size_t i = 0; i < COUNT(device_figures); i++)
        if (!put(params, device_figures[i].param, sum[i]))
            return 0;
    return put(params, devices, count);
}

int stats_get_params(struct provctx *prov, OSSL_PARAM params[])
{
    struct hw_live live;

    if (!put_devices(prov, params))
        return 0;
    hw_live(&live);
    for (size_t i = 0; i < COUNT(live_figures); i++)
        if (!put(params, live_figures[i].param, at(&live, live_figures[i].offset)))
            return 0;
    for (int i = 0; i < SW_CAUSES; i++)
        if (!put(params, software_figures[i], total_software(prov, i)))
            return 0;
    return put(params, software_total, sum_software(prov)) &&
           put(params, contexts, total_opened(prov)) &&
           put(params, live_contexts, count_live(prov)) &&
           put(params, live_waiters, async_live_waiters());
}

/* Other processes write to the same place: a line goes there whole. */
struct line {
    char text[1024];
    size_t len;
};

static void add(struct line *l, const char *name, uint64_t value)
{
    size_t room = sizeof(l->text) - l->len;
    int n = snprintf(l->text + l->len, room, " %s=%" PRIu64, name, value);

    if (n > 0)
        l->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void begin(struct line *l, const char *name)
{
    l->len = (size_t)snprintf(l->text, sizeof(l->text), "vcrypto: %s", name);
}

static void end(struct line *l)
{
    l->text[l->len < sizeof(l->text) - 1 ? l->len++ : l->len - 1] = '\n';
    (void)!write(STDERR_FILENO, l->text, l->len);
}

void stats_print(struct provctx *prov)
{
    unsigned count = hw_pool_devices(prov->pool);
    struct line l;

    for (unsigned d = 0; d < count; d++) {
        struct hw_stats s;

        hw_pool_stats(prov->pool, d, &s);
        begin(&l, s.name);
        for (size_t i = 0; i < COUNT(device_figures); i++)
            add(&l, NAME(&device_figures[i]), at(&s, device_figures[i].offset));
        end(&l);
    }
    begin(&l, "software");
    add(&l, "total", sum_software(prov));
    for (int i = 0; i < SW_CAUSES; i++)
        add(&l, software_figures[i] + sizeof(SOFTWARE) - 1, total_software(prov, i));
    end(&l);
}
