/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "completion.h"
#include "drivers.h"
#include "live.h"
#include "pci.h"
#include "queue.h"
#include "transport.h"

uint64_t device_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int device_key_class(enum hw_alg alg, size_t key_len)
{
    /* XTS has two keys, asymmetric keys are told apart elsewhere. */
    if (hw_alg_kind(alg) == HW_KIND_AKCIPHER)
        return 0;
    if (alg == HW_AES_XTS)
        key_len = key_len % 2 == 0 ? key_len / 2 : 0;
    switch (key_len) {
    case 16: return 0;
    case 24: return 1;
    case 32: return 2;
    default: return -1;
    }
}

void device_wake(struct device *dev)
{
    const uint64_t one = 1;

    /* Fails only when the counter is full: then it is readable anyway. */
    (void)!write(dev->wake_fd, &one, sizeof(one));
}

void device_fail(struct device *dev)
{
    enum device_state running = DEVICE_RUNNING;

    if (atomic_compare_exchange_strong(&dev->state, &running, DEVICE_FAILED))
        device_wake(dev);
}

static int open_transport(const char *spec, unsigned index, const struct hw_config *cfg,
                          struct transport **out, struct hw_error *err)
{
    for (unsigned i = 0; transports[i] != NULL; i++) {
        size_t n = strlen(transports[i]->scheme);

        if (strncmp(spec, transports[i]->scheme, n) == 0 && (spec[n] == '\0' || spec[n] == ':'))
            return transports[i]->open(spec, index, cfg, out, err);
    }
    snprintf(err->text, sizeof(err->text), "no such kind of device: %s", spec);
    return -ENODEV;
}

static int find_driver(struct device *dev, struct hw_error *err)
{
    uint16_t vendor, device;
    int rc = pci_ids(dev->transport, &vendor, &device);

    if (rc != 0) {
        snprintf(err->text, sizeof(err->text), "no PCI function answers");
        return rc;
    }
    for (unsigned i = 0; drivers[i] != NULL; i++) {
        if (drivers[i]->vendor == vendor && drivers[i]->device == device) {
            dev->ops = drivers[i];
            return 0;
        }
    }
    snprintf(err->text, sizeof(err->text), "no driver for PCI id %04x:%04x", vendor, device);
    return -ENODEV;
}

static void close_irqs(struct device *dev)
{
    for (unsigned i = 0; i < dev->nirqs; i++) {
        if (dev->irq_fds[i] >= 0)
            close(dev->irq_fds[i]);
        dev->irq_fds[i] = -1;
    }
}

static int open_irqs(struct device *dev, struct hw_error *err)
{
    int rc;

    for (unsigned i = 0; i < dev->nirqs; i++)
        dev->irq_fds[i] = -1;
    for (unsigned i = 0; i < dev->nirqs; i++) {
        dev->irq_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (dev->irq_fds[i] < 0) {
            rc = -errno;
            close_irqs(dev);
            snprintf(err->text, sizeof(err->text), "eventfd: %s", strerror(-rc));
            return rc;
        }
    }
    rc = dev->transport->ops->irq_connect(dev->transport, dev->nirqs, dev->irq_fds);
    if (rc != 0) {
        close_irqs(dev);
        snprintf(err->text, sizeof(err->text), "MSI-X: %s", strerror(-rc));
    }
    return rc;
}

static int init_queues(struct device *dev)
{
    for (unsigned i = 0; i < dev->nqueues; i++) {
        int rc = queue_init(&dev->queues[i], dev, i);

        if (rc != 0) {
            while (i-- > 0)
                queue_fini(&dev->queues[i]);
            return rc;
        }
    }
    return 0;
}

/* The stages of coming up, each with what undoes it: device_open goes down the
 * table, and what fails, or device_close, goes back up. */
static int up_transport(struct device *dev, struct hw_error *err)
{
    (void)err;
    return dma_pool_init(&dev->dma, dev->transport, DEVICE_DMA_LIMIT);
}

static void down_transport(struct device *dev)
{
    dma_pool_fini(&dev->dma);
}

static int up_sessions(struct device *dev, struct hw_error *err)
{
    (void)err;
    return session_table_init(&dev->sessions);
}

static void down_sessions(struct device *dev)
{
    session_table_fini(&dev->sessions);
}

static int up_driver(struct device *dev, struct hw_error *err)
{
    int rc = find_driver(dev, err);

    return rc != 0 ? rc : dev->ops->attach(dev, err);
}

static void down_driver(struct device *dev)
{
    dev->ops->detach(dev);
}

static int up_queues(struct device *dev, struct hw_error *err)
{
    int rc = init_queues(dev);

    (void)err;
    if (rc != 0)
        return rc;
    dev->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (dev->wake_fd >= 0)
        return 0;
    rc = -errno;
    for (unsigned i = 0; i < dev->nqueues; i++)
        queue_fini(&dev->queues[i]);
    return rc;
}

static void down_queues(struct device *dev)
{
    close(dev->wake_fd);
    for (unsigned i = 0; i < dev->nqueues; i++)
        queue_fini(&dev->queues[i]);
}

static void down_irqs(struct device *dev)
{
    (void)dev->transport->ops->irq_connect(dev->transport, 0, NULL);
    close_irqs(dev);
}

static int up_device(struct device *dev, struct hw_error *err)
{
    return dev->ops->start(dev, err);
}

static void down_device(struct device *dev)
{
    struct request_list orphans = TAILQ_HEAD_INITIALIZER(orphans);

    dev->ops->stop(dev, &orphans);
    for (unsigned i = 0; i < dev->nqueues; i++)
        queue_drain(&dev->queues[i], -ECANCELED);
    request_finish_all(&orphans, -ECANCELED);
}

static int up_thread(struct device *dev, struct hw_error *err)
{
    (void)err;
    return dev->probing ? 0 : completion_start(dev);
}

static void down_thread(struct device *dev)
{
    if (!dev->probing)
        completion_stop(dev);
}

static const struct stage {
    int (*up)(struct device *dev, struct hw_error *err);
    void (*down)(struct device *dev);
    const char *what;
} stages[] = {
    {up_transport, down_transport, "DMA memory"}, {up_sessions, down_sessions, "sessions"},
    {up_driver, down_driver, "driver"},           {up_queues, down_queues, "queues"},
    {open_irqs, down_irqs, "interrupts"},         {up_device, down_device, "start"},
    {up_thread, down_thread, "thread"},
};

#define STAGES (sizeof(stages) / sizeof(stages[0]))

static void free_device(struct device *dev)
{
    dev->transport->ops->close(dev->transport);
    free(dev->spec);
    free((char *)(uintptr_t)dev->cfg.device);
    free((char *)(uintptr_t)dev->cfg.emulator_fault);
    free(dev);
    live_add(&live.devices, -1);
}

static void go_down(struct device *dev, unsigned stage)
{
    while (stage-- > 0)
        stages[stage].down(dev);
    free_device(dev);
}

void device_name(const char *spec, unsigned index, char *name, size_t size)
{
    const char *colon = strchr(spec, ':');

    if (colon != NULL)
        snprintf(name, size, "%s", colon + 1);
    else
        snprintf(name, size, "%.20s%u", spec, index);
}

static char *copy(const char *s)
{
    return s == NULL ? NULL : strdup(s);
}

static struct device *new_device(const char *spec, unsigned index, const struct hw_config *cfg)
{
    void *mem;
    struct device *dev;

    if (posix_memalign(&mem, 64, sizeof(*dev)) != 0)
        return NULL;
    dev = memset(mem, 0, sizeof(*dev));
    dev->cfg = *cfg;
    dev->cfg.device = copy(cfg->device);
    dev->cfg.emulator_fault = copy(cfg->emulator_fault);
    dev->spec = copy(spec);
    dev->wake_fd = -1;
    device_name(spec, index, dev->name, sizeof(dev->name));
    return dev;
}

int device_open(const char *spec, unsigned index, const struct hw_config *cfg, bool probing,
                struct device **out, struct hw_error *err)
{
    struct device *dev = new_device(spec, index, cfg);
    int rc;

    if (dev != NULL && probing) {
        dev->probing = true;
        dev->cfg.emulator_threads = 0;
    }
    rc = dev == NULL ? -ENOMEM : open_transport(spec, index, &dev->cfg, &dev->transport, err);

    if (rc != 0) {
        if (dev != NULL) {
            free(dev->spec);
            free((char *)(uintptr_t)dev->cfg.device);
            free((char *)(uintptr_t)dev->cfg.emulator_fault);
            free(dev);
        }
        return rc;
    }
    live_add(&live.devices, 1);
    for (unsigned i = 0; i < STAGES; i++) {
        rc = stages[i].up(dev, err);
        if (rc != 0) {
            if (err->text[0] == '\0')
                snprintf(err->text, sizeof(err->text), "%s: %s", stages[i].what, strerror(-rc));
            go_down(dev, i);
            return rc;
        }
    }
    *out = dev;
    return 0;
}

void device_close(struct device *dev)
{
    if (!dev->probing && completion_is_self(dev)) {
        /* A complete() has dropped the last pool: the thread that runs it
         * cannot wait for itself, it cleans up when it gets back. */
        dev->self_close = true;
        atomic_store(&dev->stopping, true);
        return;
    }
    go_down(dev, STAGES);
}

void device_close_self(struct device *dev)
{
    /* All stages but the thread's own. */
    go_down(dev, STAGES - 1);
}
