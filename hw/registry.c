/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "completion.h"
#include "device.h"
#include "hw.h"
#include "live.h"

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* open_devices, users */
static struct device *open_devices;
static atomic_uint generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * In the child only the forking thread lives, so nobody holds these locks or
 * uses these devices any more. It only marks: the parent's devices are left
 * where they are, their DMA memory is not mapped here.
 */
static void in_child(void)
{
    atomic_fetch_add(&generation, 1);
    pthread_mutex_init(&opening, NULL);
    pthread_mutex_init(&lock, NULL);
    open_devices = NULL;
    atomic_store(&live.requests, 0);
    atomic_store(&live.in_flight, 0);
    atomic_store(&live.dma_bytes, 0);
    atomic_store(&live.sessions, 0);
    atomic_store(&live.devices, 0);
}

static void at_first(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

void registry_init(void)
{
    pthread_once(&once, at_first);
}

unsigned hw_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

void registry_lock(void)
{
    pthread_mutex_lock(&opening);
}

bool registry_trylock(void)
{
    return pthread_mutex_trylock(&opening) == 0;
}

void registry_unlock(void)
{
    pthread_mutex_unlock(&opening);
}

static bool same_string(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* cfg->device is the whole list; spec and index are this entry of it. */
static bool same(const struct device *dev, const char *spec, const char *name,
                 const struct hw_config *cfg)
{
    const struct hw_config *c = &dev->cfg;

    return strcmp(dev->spec, spec) == 0 && strcmp(dev->name, name) == 0 &&
           c->completion == cfg->completion && c->queue_size == cfg->queue_size &&
           c->timeout_ms == cfg->timeout_ms && c->emulator_threads == cfg->emulator_threads &&
           c->emulator_latency_us == cfg->emulator_latency_us &&
           same_string(c->emulator_fault, cfg->emulator_fault);
}

/* List lock held. */
static struct device *find(const char *spec, unsigned index, const struct hw_config *cfg)
{
    char name[sizeof(open_devices->name)];
    struct device *dev = open_devices;

    device_name(spec, index, name, sizeof(name));
    while (dev != NULL && !same(dev, spec, name, cfg))
        dev = dev->next;
    return dev;
}

bool registry_caps(const char *spec, unsigned index, const struct hw_config *cfg,
                   struct device_caps *out)
{
    struct device *dev;

    pthread_mutex_lock(&lock);
    dev = find(spec, index, cfg);
    if (dev != NULL)
        *out = dev->caps;
    pthread_mutex_unlock(&lock);
    return dev != NULL;
}

int registry_get(const char *spec, unsigned index, const struct hw_config *cfg,
                 const struct device_caps *caps, struct device **out, struct hw_error *err)
{
    int rc;

    pthread_mutex_lock(&lock);
    *out = find(spec, index, cfg);
    if (*out != NULL)
        (*out)->users++;
    pthread_mutex_unlock(&lock);
    if (*out != NULL)
        return 0;
    rc = completion_open(spec, index, cfg, caps, out, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&lock);
    (*out)->users = 1;
    (*out)->next = open_devices;
    open_devices = *out;
    pthread_mutex_unlock(&lock);
    return 0;
}

void registry_put(struct device *dev)
{
    struct device **p = &open_devices;

    pthread_mutex_lock(&lock);
    if (--dev->users != 0) {
        pthread_mutex_unlock(&lock);
        return;
    }
    while (*p != dev)
        p = &(*p)->next;
    *p = dev->next;
    pthread_mutex_unlock(&lock);
    /* Without a lock: completions run while it closes, and may want it. */
    completion_close(dev);
}

void registry_forget_key(uint64_t key_id)
{
    pthread_mutex_lock(&lock);
    for (struct device *dev = open_devices; dev != NULL; dev = dev->next) {
        /* Out of service it has no sessions, and perhaps never had a driver.
         * Acquire: pairs with the store when it comes back. */
        if (atomic_load_explicit(&dev->state, memory_order_acquire) == DEVICE_RUNNING)
            dev->ops->forget_key(dev, key_id);
    }
    pthread_mutex_unlock(&lock);
}
