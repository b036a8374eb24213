/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine around an emulated function: firmware that has given it
 * addresses, an IOMMU, and an interrupt controller whose messages end in
 * eventfds.
 *
 * The IOMMU. Bus addresses are 39 bits wide, cut into windows of 1 GiB; a
 * mapping has a window of its own, so a translation is one index into a
 * table. Windows are given out round robin: an address that is no longer
 * mapped faults rather than hit what came after. Service threads translate
 * without a lock: an entry is published by its va (release, read by acquire),
 * after its length. It is withdrawn by storing NULL, and nobody holds the old
 * va once emulator_invalidate has returned; only then is the window given out
 * again, so length and va always belong together. Drivers that reset the
 * device before they unmap pay nothing for that.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "emulator/emulator.h"
#include "hw.h"
#include "transport.h"

#define WINDOW_BITS 30
#define WINDOW_SIZE (1ull << WINDOW_BITS)
#define WINDOWS     512u     /* window 0 is never mapped */
#define WINDOW_BASE 0x10000u /* where a mapping starts in its window */
#define VECTORS_MAX 128u

/* Where messages are written to, as on x86; data is the vector. */
#define MSI_ADDRESS 0xfee00000ull

#define CONFIG_SPACE 256u

struct mapping {
    _Atomic(uint8_t *) va;
    atomic_size_t len;
};

struct machine {
    struct transport transport;
    struct emulator *function;
    pid_t pid;

    pthread_mutex_t lock; /* of map and unmap */
    unsigned next;        /* window to look at first */
    struct mapping map[WINDOWS];

    unsigned vectors, msix_cap, msix_bar;
    uint32_t msix_table;
    atomic_int eventfd[VECTORS_MAX]; /* -1: not connected */
};

static struct machine *machine(struct transport *t)
{
    return (struct machine *)t;
}

static void *iommu_translate(void *host, uint64_t iova, size_t len, bool write)
{
    struct machine *m = host;
    uint64_t window = iova >> WINDOW_BITS;
    uint64_t off = iova % WINDOW_SIZE - WINDOW_BASE; /* below the base: huge */
    uint8_t *va;
    size_t size;

    (void)write; /* every mapping is for both */
    if (window >= WINDOWS)
        return NULL;
    /* Sequentially consistent against dma_unmap: see service_quiesce. */
    va = atomic_load(&m->map[window].va);
    if (va == NULL)
        return NULL;
    size = atomic_load_explicit(&m->map[window].len, memory_order_relaxed);
    return off < size && len <= size - off ? va + off : NULL;
}

static void deliver(void *host, uint64_t address, uint32_t data)
{
    struct machine *m = host;
    uint64_t one = 1;
    int fd;

    if (address != MSI_ADDRESS || data >= VECTORS_MAX)
        return;
    fd = atomic_load(&m->eventfd[data]);
    /* A full counter is readable already: nothing is lost. */
    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
        return;
}

static int emu_config_read(struct transport *t, unsigned off, unsigned width, uint32_t *val)
{
    if ((width != 1 && width != 2 && width != 4) || off % width != 0 || off >= CONFIG_SPACE)
        return -EINVAL;
    *val = emulator_config_read(machine(t)->function, off, width);
    return 0;
}

static int emu_config_write(struct transport *t, unsigned off, unsigned width, uint32_t val)
{
    if ((width != 1 && width != 2 && width != 4) || off % width != 0 || off >= CONFIG_SPACE)
        return -EINVAL;
    emulator_config_write(machine(t)->function, off, width, val);
    return 0;
}

static uint32_t emu_read(struct transport *t, unsigned bar, uint64_t off, unsigned width)
{
    return emulator_bar_read(machine(t)->function, bar, off, width);
}

/* The function takes every register write with a sequentially consistent
 * operation or under a lock: earlier stores come before it. */
static void emu_write(struct transport *t, unsigned bar, uint64_t off, unsigned width, uint32_t val)
{
    emulator_bar_write(machine(t)->function, bar, off, width, val);
}

static unsigned emu_vectors(struct transport *t)
{
    return machine(t)->vectors;
}

static void msix_flags(struct machine *m, uint32_t flags)
{
    emulator_config_write(m->function, m->msix_cap + PCI_MSIX_FLAGS, 2, flags);
}

static void msix_entry(struct machine *m, unsigned vector, bool masked)
{
    uint32_t at = m->msix_table + vector * PCI_MSIX_ENTRY_SIZE;

    emulator_bar_write(m->function, m->msix_bar, at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4,
                       PCI_MSIX_ENTRY_CTRL_MASKBIT);
    emulator_bar_write(m->function, m->msix_bar, at + PCI_MSIX_ENTRY_LOWER_ADDR, 4,
                       (uint32_t)MSI_ADDRESS);
    emulator_bar_write(m->function, m->msix_bar, at + PCI_MSIX_ENTRY_UPPER_ADDR, 4,
                       (uint32_t)(MSI_ADDRESS >> 32));
    emulator_bar_write(m->function, m->msix_bar, at + PCI_MSIX_ENTRY_DATA, 4, vector);
    if (!masked)
        emulator_bar_write(m->function, m->msix_bar, at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
}

/* Once MSI-X has been switched off no message is on its way any more, so that
 * the descriptors can be changed. */
static int emu_irq_connect(struct transport *t, unsigned n, const int *fds)
{
    struct machine *m = machine(t);

    if (n > m->vectors)
        return -EINVAL;
    msix_flags(m, 0);
    for (unsigned i = 0; i < m->vectors; i++) {
        atomic_store(&m->eventfd[i], i < n ? fds[i] : -1);
        msix_entry(m, i, i >= n || fds[i] < 0);
    }
    if (n != 0)
        msix_flags(m, PCI_MSIX_FLAGS_ENABLE);
    return 0;
}

static int emu_dma_map(struct transport *t, void *va, size_t len, uint64_t *iova)
{
    struct machine *m = machine(t);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int ret = -ENOSPC;

    if (va == NULL || len == 0 || (uintptr_t)va % page != 0 || len % page != 0)
        return -EINVAL;
    if (len > WINDOW_SIZE - WINDOW_BASE)
        return -E2BIG;
    pthread_mutex_lock(&m->lock);
    for (unsigned n = 0; n < WINDOWS - 1 && ret != 0; n++) {
        unsigned w = 1 + (m->next + n) % (WINDOWS - 1);
        if (atomic_load(&m->map[w].va) != NULL)
            continue;
        atomic_store_explicit(&m->map[w].len, len, memory_order_relaxed);
        atomic_store(&m->map[w].va, va);
        *iova = w * WINDOW_SIZE + WINDOW_BASE;
        m->next = w;
        ret = 0;
    }
    pthread_mutex_unlock(&m->lock);
    return ret;
}

static void emu_dma_unmap(struct transport *t, uint64_t iova, size_t len)
{
    struct machine *m = machine(t);
    uint64_t w = iova >> WINDOW_BITS;

    (void)len;
    if (w >= WINDOWS || iova % WINDOW_SIZE != WINDOW_BASE)
        return;
    pthread_mutex_lock(&m->lock);
    atomic_store(&m->map[w].va, NULL);
    emulator_invalidate(m->function);
    pthread_mutex_unlock(&m->lock);
}

/* What firmware and the kernel leave behind: BARs assigned, memory decoding
 * on. Bus mastering is the driver's to switch on. */
static int firmware(struct machine *m, struct hw_error *err)
{
    struct emulator *f = m->function;
    uint32_t table;

    emulator_config_write(f, PCI_BASE_ADDRESS_1, 4, 0xfebf1000);
    emulator_config_write(f, PCI_BASE_ADDRESS_4, 4, 0xfe000000);
    emulator_config_write(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    for (unsigned at = emulator_config_read(f, PCI_CAPABILITY_LIST, 1); at != 0 && at != 0xff;
         at = emulator_config_read(f, at + PCI_CAP_LIST_NEXT, 1))
        if (emulator_config_read(f, at, 1) == PCI_CAP_ID_MSIX)
            m->msix_cap = at;
    if (m->msix_cap == 0) {
        snprintf(err->text, sizeof(err->text), "emulator: no MSI-X capability");
        return -ENODEV;
    }
    m->vectors =
        1 + (emulator_config_read(f, m->msix_cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE);
    if (m->vectors > VECTORS_MAX)
        m->vectors = VECTORS_MAX;
    table = emulator_config_read(f, m->msix_cap + PCI_MSIX_TABLE, 4);
    m->msix_bar = table & PCI_MSIX_TABLE_BIR;
    m->msix_table = table & PCI_MSIX_TABLE_OFFSET;
    return 0;
}

static void emu_close(struct transport *t)
{
    struct machine *m = machine(t);

    /* A forked child has none of the threads, and locks that nobody will
     * release: it leaves its copy alone. */
    if (m->pid != getpid())
        return;
    emulator_free(m->function);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static int emu_open(const char *name, unsigned index, const struct hw_config *cfg,
                    struct transport **out, struct hw_error *err)
{
    static const struct emulator_host host = {.dma = iommu_translate, .msi = deliver};
    struct emulator_config config = {
        .threads = cfg->emulator_threads,
        .latency_us = cfg->emulator_latency_us,
        .fault = cfg->emulator_fault,
    };
    struct machine *m;
    int ret;

    (void)index; /* there are as many as are asked for */
    if (strcmp(name, transport_emulator.scheme) != 0) {
        snprintf(err->text, sizeof(err->text), "%s: the emulator takes no address", name);
        return -EINVAL;
    }
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return -ENOMEM;
    m->transport.ops = &transport_emulator;
    m->pid = getpid();
    for (unsigned i = 0; i < VECTORS_MAX; i++)
        atomic_init(&m->eventfd[i], -1);
    ret = emulator_new(&config, &host, m, &m->function, err);
    if (ret != 0) {
        free(m);
        return ret;
    }
    pthread_mutex_init(&m->lock, NULL);
    ret = firmware(m, err);
    if (ret != 0) {
        emu_close(&m->transport);
        return ret;
    }
    *out = &m->transport;
    return 0;
}

const struct transport_ops transport_emulator = {
    .scheme = "emulator",
    .open = emu_open,
    .close = emu_close,
    .config_read = emu_config_read,
    .config_write = emu_config_write,
    .read = emu_read,
    .write = emu_write,
    .vectors = emu_vectors,
    .irq_connect = emu_irq_connect,
    .dma_map = emu_dma_map,
    .dma_unmap = emu_dma_unmap,
};
