/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI function: configuration space, BARs, and what is behind them. */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "emulator/device.h"
#include "emulator/forks.h"
#include "hw.h"

#define VENDOR    0x1af4u
#define DEVICE_ID (0x1040u + VIRTIO_ID_CRYPTO)
#define SUBSYSTEM 0x1100u
#define CLASS     0x108000u /* encryption controller, other */

/* Values and the bits of them that the bus may write. */
static void put(struct emulator *e, unsigned off, unsigned width, uint32_t val, uint32_t mask)
{
    val = htole32(val);
    mask = htole32(mask);
    memcpy(e->pci + off, &val, width);
    memcpy(e->pci_mask + off, &mask, width);
}

static uint32_t get(const struct emulator *e, unsigned off, unsigned width)
{
    uint32_t val = 0;

    memcpy(&val, e->pci + off, width);
    return le32toh(val);
}

static const struct header_row {
    uint8_t off, width;
    uint32_t val, mask;
} header[] = {
    {PCI_VENDOR_ID, 2, VENDOR, 0},
    {PCI_DEVICE_ID, 2, DEVICE_ID, 0},
    {PCI_COMMAND, 2, 0,
     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
         PCI_COMMAND_INTX_DISABLE},
    {PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0},
    {PCI_CLASS_REVISION, 4, CLASS << 8 | 1, 0},
    {PCI_CACHE_LINE_SIZE, 1, 0, 0xff},
    {PCI_BASE_ADDRESS_1, 4, PCI_BASE_ADDRESS_MEM_TYPE_32, ~(MSIX_BAR_SIZE - 1)},
    {PCI_BASE_ADDRESS_4, 4, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
     ~(DEVICE_BAR_MEM_SIZE - 1)},
    {PCI_BASE_ADDRESS_5, 4, 0, 0xffffffff},
    {PCI_SUBSYSTEM_VENDOR_ID, 2, VENDOR, 0},
    {PCI_SUBSYSTEM_ID, 2, SUBSYSTEM, 0},
    {PCI_INTERRUPT_LINE, 1, 0, 0xff},
};

static const struct cap_row {
    uint8_t type, len;
    uint32_t offset, length;
} virtio_caps[] = {
    {VIRTIO_PCI_CAP_COMMON_CFG, sizeof(struct virtio_pci_cap), DEVICE_COMMON, DEVICE_COMMON_LEN},
    {VIRTIO_PCI_CAP_ISR_CFG, sizeof(struct virtio_pci_cap), DEVICE_ISR, DEVICE_REGION},
    {VIRTIO_PCI_CAP_DEVICE_CFG, sizeof(struct virtio_pci_cap), DEVICE_CONFIG, DEVICE_REGION},
    {VIRTIO_PCI_CAP_NOTIFY_CFG, sizeof(struct virtio_pci_notify_cap), DEVICE_NOTIFY, DEVICE_REGION},
    {VIRTIO_PCI_CAP_PCI_CFG, sizeof(struct virtio_pci_cfg_cap), 0, 0},
};

/* Puts a capability at the head of the list; *at is where it goes, and then
 * where the next one may. */
static unsigned add_cap(struct emulator *e, unsigned *at, uint8_t id, unsigned len)
{
    unsigned here = *at;

    put(e, here + PCI_CAP_LIST_ID, 1, id, 0);
    put(e, here + PCI_CAP_LIST_NEXT, 1, e->pci[PCI_CAPABILITY_LIST], 0);
    put(e, PCI_CAPABILITY_LIST, 1, here, 0);
    *at = (here + len + 3) & ~3u;
    return here;
}

static void add_virtio_cap(struct emulator *e, unsigned *at, const struct cap_row *row)
{
    unsigned here = add_cap(e, at, PCI_CAP_ID_VNDR, row->len);

    put(e, here + VIRTIO_PCI_CAP_LEN, 1, row->len, 0);
    put(e, here + VIRTIO_PCI_CAP_CFG_TYPE, 1, row->type, 0);
    put(e, here + VIRTIO_PCI_CAP_BAR, 1, DEVICE_BAR_MEM, 0);
    put(e, here + VIRTIO_PCI_CAP_OFFSET, 4, row->offset, 0);
    put(e, here + VIRTIO_PCI_CAP_LENGTH, 4, row->length, 0);
    if (row->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
        put(e, here + VIRTIO_PCI_NOTIFY_CAP_MULT, 4, DEVICE_NOTIFY_MULT, 0);
    if (row->type == VIRTIO_PCI_CAP_PCI_CFG) {
        e->access_cap = (uint8_t)here;
        put(e, here + VIRTIO_PCI_CAP_BAR, 1, 0, 0xff);
        put(e, here + VIRTIO_PCI_CAP_OFFSET, 4, 0, 0xffffffff);
        put(e, here + VIRTIO_PCI_CAP_LENGTH, 4, 0, 0xffffffff);
    }
}

static void pci_init(struct emulator *e)
{
    unsigned at = PCI_STD_HEADER_SIZEOF;

    for (size_t i = 0; i < sizeof(header) / sizeof(header[0]); i++)
        put(e, header[i].off, header[i].width, header[i].val, header[i].mask);
    for (size_t i = 0; i < sizeof(virtio_caps) / sizeof(virtio_caps[0]); i++)
        add_virtio_cap(e, &at, &virtio_caps[i]);
    e->msix_cap = (uint8_t)add_cap(e, &at, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
    put(e, e->msix_cap + PCI_MSIX_FLAGS, 2, e->msix.vectors - 1,
        PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    put(e, e->msix_cap + PCI_MSIX_TABLE, 4, DEVICE_BAR_MSIX, 0);
    put(e, e->msix_cap + PCI_MSIX_PBA, 4, MSIX_PBA | DEVICE_BAR_MSIX, 0);
}

/* The command register and the MSI-X control decide what reaches the host. */
static void control_changed(struct emulator *e)
{
    uint32_t command = get(e, PCI_COMMAND, 2);
    uint32_t flags = get(e, e->msix_cap + PCI_MSIX_FLAGS, 2);

    atomic_store(&e->command, command);
    msix_control(&e->msix, flags & PCI_MSIX_FLAGS_ENABLE, flags & PCI_MSIX_FLAGS_MASKALL,
                 command & PCI_COMMAND_MASTER);
}

/* A fault, see emulator_leave. */
static bool gone(const struct emulator *e)
{
    uint64_t until = atomic_load_explicit(&e->gone_until, memory_order_relaxed);

    return until != 0 && delay_now() < until;
}

static bool good_access(uint64_t off, unsigned width)
{
    return (width == 1 || width == 2 || width == 4) && off % width == 0;
}

static uint32_t clip(uint32_t val, unsigned width)
{
    return width < 3 ? val & ((1u << (8 * width)) - 1) : val;
}

/*
 * A notification. Without the bus lock: it may come while a thread that holds
 * the lock waits, and it is all that the hot path writes. The address tells
 * the queue; the value written is the same number.
 */
static bool doorbell(struct emulator *e, unsigned bar, uint64_t off, unsigned width)
{
    uint64_t i = (off - DEVICE_NOTIFY) / DEVICE_NOTIFY_MULT;

    if (bar != DEVICE_BAR_MEM || off < DEVICE_NOTIFY || off >= DEVICE_BAR_MEM_SIZE)
        return false;
    if ((width == 2 || width == 4) && off % DEVICE_NOTIFY_MULT == 0 && i < e->nqueues)
        service_kick(e, &e->queues[i]);
    return true;
}

/* Bus lock, access checked. */
static uint32_t bar_read(struct emulator *e, unsigned bar, uint64_t off, unsigned width)
{
    uint32_t at = (uint32_t)off % DEVICE_REGION;

    if (bar == DEVICE_BAR_MSIX && off < MSIX_BAR_SIZE)
        return msix_read(&e->msix, at, width);
    if (bar != DEVICE_BAR_MEM || off >= DEVICE_BAR_MEM_SIZE)
        return UINT32_MAX;
    switch (off - at) {
    case DEVICE_COMMON: return virtio_read(e, at, width);
    case DEVICE_ISR: return virtio_isr_read(e, at, width);
    case DEVICE_CONFIG: return virtio_config_read(e, at, width);
    default: return 0; /* doorbells */
    }
}

static void bar_write(struct emulator *e, unsigned bar, uint64_t off, unsigned width, uint32_t val)
{
    if (doorbell(e, bar, off, width))
        return;
    if (bar == DEVICE_BAR_MSIX && off < MSIX_BAR_SIZE)
        msix_write(&e->msix, (uint32_t)off, width, val);
    else if (bar == DEVICE_BAR_MEM && off < DEVICE_COMMON + DEVICE_REGION)
        virtio_write(e, (uint32_t)off, width, val);
}

uint32_t emulator_bar_read(struct emulator *e, unsigned bar, uint64_t off, unsigned width)
{
    uint32_t val = UINT32_MAX;

    if (good_access(off, width) && (atomic_load(&e->command) & PCI_COMMAND_MEMORY) && !gone(e)) {
        pthread_mutex_lock(&e->bus);
        val = bar_read(e, bar, off, width);
        pthread_mutex_unlock(&e->bus);
    }
    return clip(val, width);
}

void emulator_bar_write(struct emulator *e, unsigned bar, uint64_t off, unsigned width,
                        uint32_t val)
{
    uint32_t command = atomic_load_explicit(&e->command, memory_order_relaxed);

    if (!good_access(off, width) || !(command & PCI_COMMAND_MEMORY) || gone(e) ||
        doorbell(e, bar, off, width))
        return;
    pthread_mutex_lock(&e->bus);
    bar_write(e, bar, off, width, val);
    pthread_mutex_unlock(&e->bus);
}

/*
 * Section 4.1.4.9: the capability's bar, offset and length name a register,
 * pci_cfg_data is a window to it. Bus lock. False: not that window.
 */
static bool window(struct emulator *e, unsigned off, unsigned width, unsigned *bar, uint64_t *at)
{
    unsigned cap = e->access_cap;

    *bar = e->pci[cap + VIRTIO_PCI_CAP_BAR];
    *at = get(e, cap + VIRTIO_PCI_CAP_OFFSET, 4);
    return off == cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data) &&
           width == get(e, cap + VIRTIO_PCI_CAP_LENGTH, 4) && *at % width == 0;
}

/* Interrupt Status follows the ISR register where MSI-X is off (4.1.4.5). */
static void update_status(struct emulator *e)
{
    bool msix = get(e, e->msix_cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE;

    e->pci[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (!msix && atomic_load(&e->isr) != 0)
        e->pci[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
}

uint32_t emulator_config_read(struct emulator *e, unsigned off, unsigned width)
{
    uint32_t val = UINT32_MAX;
    unsigned bar;
    uint64_t at;

    if (good_access(off, width) && off < DEVICE_PCI_SPACE && !gone(e)) {
        pthread_mutex_lock(&e->bus);
        update_status(e);
        val = window(e, off, width, &bar, &at) ? bar_read(e, bar, at, width) : get(e, off, width);
        pthread_mutex_unlock(&e->bus);
    }
    return clip(val, width);
}

void emulator_config_write(struct emulator *e, unsigned off, unsigned width, uint32_t val)
{
    unsigned bar;
    uint64_t at;

    if (!good_access(off, width) || off >= DEVICE_PCI_SPACE || gone(e))
        return;
    pthread_mutex_lock(&e->bus);
    if (window(e, off, width, &bar, &at)) {
        bar_write(e, bar, at, width, val);
    } else {
        for (unsigned i = 0; i < width; i++) {
            uint8_t mask = e->pci_mask[off + i];
            uint8_t byte = (uint8_t)(val >> (8 * i));
            e->pci[off + i] = (uint8_t)((e->pci[off + i] & ~mask) | (byte & mask));
        }
        control_changed(e);
    }
    pthread_mutex_unlock(&e->bus);
}

void *device_dma(struct emulator *e, uint64_t addr, size_t len, bool write)
{
    void *p = NULL;

    if (atomic_load_explicit(&e->command, memory_order_relaxed) & PCI_COMMAND_MASTER)
        p = e->ops.dma(e->host, addr, len, write);
    if (p == NULL)
        atomic_fetch_add_explicit(&e->faulted, 1, memory_order_relaxed);
    return p;
}

void emulator_fail(struct emulator *e)
{
    uint32_t old = atomic_fetch_or(&e->status, VIRTIO_CONFIG_S_NEEDS_RESET);

    if ((old & VIRTIO_CONFIG_S_NEEDS_RESET) || !(old & VIRTIO_CONFIG_S_DRIVER_OK))
        return;
    atomic_fetch_or(&e->isr, VIRTIO_PCI_ISR_CONFIG);
    msix_notify(&e->msix, atomic_load(&e->config_vector));
}

void emulator_change(struct emulator *e)
{
    atomic_fetch_add(&e->generation, 1);
    atomic_fetch_or(&e->isr, VIRTIO_PCI_ISR_CONFIG);
    msix_notify(&e->msix, atomic_load(&e->config_vector));
}

void emulator_leave(struct emulator *e, uint32_t ms)
{
    atomic_fetch_or(&e->status, VIRTIO_CONFIG_S_NEEDS_RESET);
    atomic_store(&e->gone_until, delay_now() + ms * 1000000ull);
}

void device_interrupt(struct emulator *e, struct emulator_queue *q)
{
    if (e->faults.lose_irq.n != 0 && e->threads != 0 &&
        fault_hits(&e->faults.lose_irq, atomic_fetch_add(&e->interrupts, 1) + 1))
        return;
    if (!msix_notify(&e->msix, atomic_load_explicit(&q->vector, memory_order_relaxed)))
        atomic_fetch_or(&e->isr, 1);
}

/* The fault string wins over the configuration, that over the default. */
static unsigned first_of(unsigned a, unsigned b, unsigned c)
{
    return a != 0 ? a : b != 0 ? b : c;
}

static unsigned default_queues(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus < 1 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
}

static int build(struct emulator *e, const struct emulator_config *cfg)
{
    unsigned data = first_of(e->faults.queues, cfg->data_queues, default_queues());
    unsigned vectors = first_of(e->faults.vectors, 0, data + 2); /* configuration, each queue */
    unsigned queue_max = first_of(e->faults.queue_max, cfg->queue_max, 1024);

    if (data > DEVICE_DATA_QUEUES_MAX || queue_max > DEVICE_QUEUE_SIZE_MAX ||
        (queue_max & (queue_max - 1)) != 0)
        return -EINVAL;
    e->queue_max = (uint16_t)queue_max;
    e->nqueues = data + 1;
    e->threads = cfg->threads;
    e->latency_us = cfg->threads != 0 ? cfg->latency_us : 0;
    e->queues = calloc(e->nqueues, sizeof(*e->queues));
    if (e->queues == NULL)
        return -ENOMEM;
    msix_init(&e->msix, vectors, e->ops.msi, e->host);
    for (unsigned i = 0; i < e->nqueues; i++)
        emulator_queue_init(&e->queues[i], i);
    pci_init(e);
    virtio_init(e, cfg->withhold | e->faults.withhold);
    pthread_mutex_init(&e->bus, NULL);
    return service_init(e);
}

static void unbuild(struct emulator *e)
{
    service_fini(e);
    for (unsigned i = 0; i < e->nqueues; i++)
        emulator_queue_fini(&e->queues[i]);
    msix_fini(&e->msix);
    pthread_mutex_destroy(&e->bus);
    free(e->queues);
}

int emulator_new(const struct emulator_config *cfg, const struct emulator_host *ops, void *host,
                 struct emulator **out, struct hw_error *err)
{
    struct emulator *e = calloc(1, sizeof(*e));
    int ret;

    *out = NULL;
    if (e == NULL)
        return -ENOMEM;
    e->ops = *ops;
    e->host = host;
    ret = faults_parse(cfg->fault, &e->faults, err);
    if (ret == 0) {
        ret = build(e, cfg);
        if (ret == -ENOMEM && e->queues != NULL)
            unbuild(e);
        if (ret == -EINVAL)
            snprintf(err->text, sizeof(err->text), "emulator: bad number of queues or queue size");
    }
    if (ret == 0) {
        forks_lock();
        ret = sessions_init(&e->sessions, first_of(e->faults.sessions, 0, 16384),
                            emulator_workers(e));
        if (ret == 0)
            forks_watch(e);
        forks_unlock();
        if (ret != 0)
            unbuild(e);
    }
    if (ret != 0) {
        free(e);
        return ret;
    }
    *out = e;
    return 0;
}

void emulator_free(struct emulator *e)
{
    pthread_mutex_lock(&e->bus);
    virtio_reset(e);
    pthread_mutex_unlock(&e->bus);
    forks_lock();
    forks_forget(e);
    sessions_fini(&e->sessions);
    forks_unlock();
    unbuild(e);
    free(e);
}

void emulator_invalidate(struct emulator *e)
{
    pthread_mutex_lock(&e->bus);
    virtio_remap(e);
    pthread_mutex_unlock(&e->bus);
}

void emulator_counts(struct emulator *e, struct emulator_counts *out)
{
    out->requests = atomic_load(&e->requests);
    out->control = atomic_load(&e->control);
    out->sessions = sessions_alive(&e->sessions);
    out->interrupts = atomic_load(&e->msix.sent);
    out->faults = atomic_load(&e->faulted);
}
