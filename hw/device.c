/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

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

static int asymmetric_class(enum hw_alg alg, size_t bits)
{
    if (alg == HW_RSA)
        return bits < DEVICE_RSA_MIN || bits > DEVICE_RSA_MAX ? -1 : bits > 2048;
    switch (bits) {
    case 192: return 0;
    case 224: return 1;
    case 256: return 2;
    case 384: return 3;
    case 521: return 4;
    default: return -1;
    }
}

int device_key_class(enum hw_alg alg, size_t key_len)
{
    if (hw_alg_kind(alg) == HW_KIND_AKCIPHER)
        return asymmetric_class(alg, key_len);
    /* XTS has two keys. */
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

void device_notice(const struct device *dev, const char *text)
{
    char line[sizeof(dev->name) + 256];

    if (dev->cfg.notice == NULL)
        return;
    snprintf(line, sizeof(line), "%s: %.250s", dev->name, text);
    dev->cfg.notice(line);
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
            snprintf(err->text, sizeof(err->text), "eventfd: %m");
            close_irqs(dev);
            return rc;
        }
    }
    rc = dev->transport->ops->irq_connect(dev->transport, dev->nirqs, dev->irq_fds);
    if (rc != 0) {
        close_irqs(dev);
        errno = -rc;
        snprintf(err->text, sizeof(err->text), "MSI-X: %m");
    }
    return rc;
}

static void close_transport(struct device *dev)
{
    dev->transport->ops->close(dev->transport);
    dev->transport = NULL;
}

static int up_transport(struct device *dev, struct hw_error *err)
{
    return open_transport(dev->spec, dev->index, &dev->cfg, &dev->transport, err);
}

static int up_dma(struct device *dev, struct hw_error *err)
{
    (void)err;
    dma_pool_attach(dev->dma, dev->transport);
    return 0;
}

static void down_dma(struct device *dev)
{
    dma_pool_detach(dev->dma);
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
    if (atomic_load_explicit(&dev->state, memory_order_relaxed) == DEVICE_RUNNING &&
        atomic_load(&dev->in_flight) == 0)
        dev->ops->farewell(dev);
    device_drain(dev, -ECANCELED);
}

/* What comes and goes with the hardware: down the table to come up, and back
 * up to undo it. */
static const struct stage {
    int (*up)(struct device *dev, struct hw_error *err);
    void (*down)(struct device *dev);
    const char *what;
} stages[] = {
    {up_transport, close_transport, "open"}, {up_dma, down_dma, "DMA memory"},
    {up_driver, down_driver, "driver"},      {open_irqs, down_irqs, "interrupts"},
    {up_device, down_device, "start"},
};

#define STAGES (sizeof(stages) / sizeof(stages[0]))

static void go_down(struct device *dev, unsigned stage)
{
    while (stage-- > 0)
        stages[stage].down(dev);
}

int device_hardware_up(struct device *dev, struct hw_error *err)
{
    int rc;

    err->text[0] = '\0';
    for (unsigned i = 0; i < STAGES; i++) {
        rc = stages[i].up(dev, err);
        if (rc != 0) {
            errno = -rc;
            if (err->text[0] == '\0')
                snprintf(err->text, sizeof(err->text), "%s: %m", stages[i].what);
            go_down(dev, i);
            return rc;
        }
    }
    return 0;
}

void device_hardware_down(struct device *dev)
{
    go_down(dev, STAGES);
}

void device_drain(struct device *dev, int status)
{
    struct request_list orphans = TAILQ_HEAD_INITIALIZER(orphans);

    /* Nothing is added from here on, see device.h at state. */
    atomic_store(&dev->state, DEVICE_FAILED);
    dev->ops->stop(dev, &orphans);
    for (unsigned i = 0; i < DEVICE_QUEUES_MAX; i++)
        queue_drain(&dev->queues[i], status);
    request_finish_all(&orphans, status);
}

void device_name(const char *spec, unsigned index, char *name, size_t size)
{
    const char *colon = strchr(spec, ':');

    if (colon != NULL)
        snprintf(name, size, "%s", colon + 1);
    else
        snprintf(name, size, "%.20s%u", spec, index);
}

const char *device_reason(const char *name, const char *text)
{
    size_t n = strlen(name);

    return strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static char *copy(const char *s)
{
    return s == NULL ? NULL : strdup(s);
}

static void free_device(struct device *dev)
{
    for (unsigned i = 0; i < DEVICE_QUEUES_MAX; i++)
        queue_fini(&dev->queues[i]);
    session_table_fini(&dev->sessions);
    dma_pool_free(dev->dma);
    if (dev->wake_fd >= 0)
        close(dev->wake_fd);
    free(dev->spec);
    free((char *)(uintptr_t)dev->cfg.device);
    free((char *)(uintptr_t)dev->cfg.emulator_fault);
    free(dev);
    live_add(&live.devices, -1);
}

/* What lasts while the hardware comes and goes. */
int device_new(const char *spec, unsigned index, const struct hw_config *cfg, struct device **out)
{
    void *mem;
    struct device *dev;

    if (posix_memalign(&mem, 64, sizeof(*dev)) != 0)
        return -ENOMEM;
    dev = memset(mem, 0, sizeof(*dev));
    live_add(&live.devices, 1);
    dev->cfg = *cfg;
    dev->cfg.device = copy(cfg->device);
    dev->cfg.emulator_fault = copy(cfg->emulator_fault);
    dev->spec = copy(spec);
    dev->index = index;
    device_name(spec, index, dev->name, sizeof(dev->name));
    atomic_init(&dev->nqueues, 1);
    dev->dma = dma_pool_new(DEVICE_DMA_LIMIT);
    /* These locks are plain, and so cannot fail. */
    (void)session_table_init(&dev->sessions);
    for (unsigned i = 0; i < DEVICE_QUEUES_MAX; i++)
        (void)queue_init(&dev->queues[i], dev, i);
    dev->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (dev->dma == NULL || dev->spec == NULL || dev->cfg.device == NULL ||
        (cfg->emulator_fault != NULL && dev->cfg.emulator_fault == NULL) || dev->wake_fd < 0) {
        int rc = dev->wake_fd < 0 ? -errno : -ENOMEM;

        free_device(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

int device_probe(const char *spec, unsigned index, const struct hw_config *cfg, struct device **out,
                 struct hw_error *err)
{
    struct device *dev = NULL;
    int rc = device_new(spec, index, cfg, &dev);

    if (rc != 0)
        return rc;
    dev->probing = true;
    dev->cfg.emulator_threads = 0;
    rc = device_hardware_up(dev, err);
    if (rc != 0) {
        device_free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void device_poll(struct device *dev)
{
    bool runs = atomic_load_explicit(&dev->state, memory_order_acquire) == DEVICE_RUNNING;

    if (runs && dev->ops->service(dev, true) != 0)
        device_fail(dev);
    for (unsigned i = 0; i < dev->nqueues; i++)
        (void)queue_reap(&dev->queues[i], QUEUE_THREAD);
}

void device_free(struct device *dev)
{
    if (dev->transport != NULL)
        device_hardware_down(dev);
    free_device(dev);
}
