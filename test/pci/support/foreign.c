/* SPDX-License-Identifier: Apache-2.0 */
/* From power on to DRIVER_OK: discovery, negotiation, interrupts, queues. */
#include "foreign.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hw.h"

static void *host_dma(void *host, uint64_t iova, size_t len, bool write)
{
    struct foreign *f = host;
    uint64_t off = iova - FOREIGN_IOVA;

    (void)write;
    if (f->watch != NULL)
        f->watch(f);
    if (off < FOREIGN_MEMORY && len <= FOREIGN_MEMORY - off)
        return f->mem + off;
    atomic_fetch_add(&f->refused, 1);
    return NULL;
}

static void host_msi(void *host, uint64_t address, uint32_t data)
{
    struct foreign *f = host;

    must(address == FOREIGN_MSI && data < FOREIGN_VECTORS, "stray message");
    atomic_fetch_add(&f->msi[data], 1);
}

static uint32_t cfg(struct foreign *f, unsigned off, unsigned width)
{
    return emulator_config_read(f->e, off, width);
}

static void take_virtio_cap(struct foreign *f, unsigned at)
{
    struct region r = {cfg(f, at + VIRTIO_PCI_CAP_BAR, 1), cfg(f, at + VIRTIO_PCI_CAP_OFFSET, 4),
                       cfg(f, at + VIRTIO_PCI_CAP_LENGTH, 4)};

    ck_assert_uint_ge(cfg(f, at + VIRTIO_PCI_CAP_LEN, 1), sizeof(struct virtio_pci_cap));
    switch (cfg(f, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
    case VIRTIO_PCI_CAP_COMMON_CFG: f->common = r; break;
    case VIRTIO_PCI_CAP_ISR_CFG: f->isr = r; break;
    case VIRTIO_PCI_CAP_DEVICE_CFG: f->device = r; break;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        f->notify = r;
        f->notify_mult = cfg(f, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
        break;
    default: break;
    }
}

static void discover(struct foreign *f)
{
    unsigned seen = 0;

    ck_assert_uint_eq(cfg(f, PCI_VENDOR_ID, 2), 0x1af4);
    ck_assert_uint_eq(cfg(f, PCI_DEVICE_ID, 2), 0x1054);
    ck_assert(cfg(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
    for (unsigned at = cfg(f, PCI_CAPABILITY_LIST, 1); at != 0;
         at = cfg(f, at + PCI_CAP_LIST_NEXT, 1)) {
        ck_assert_uint_ge(at, PCI_STD_HEADER_SIZEOF);
        ck_assert_uint_lt(seen++, 48);
        if (cfg(f, at, 1) == PCI_CAP_ID_MSIX)
            f->msix_cap = at;
        if (cfg(f, at, 1) == PCI_CAP_ID_VNDR)
            take_virtio_cap(f, at);
    }
    ck_assert_uint_ne(f->msix_cap, 0);
    ck_assert_uint_ge(f->common.len, sizeof(struct virtio_pci_common_cfg));
    ck_assert_uint_ge(f->device.len, sizeof(struct virtio_crypto_config));
    ck_assert_uint_ge(f->notify.len, 2);
    ck_assert_uint_ge(f->isr.len, 1);
    f->vectors = (cfg(f, f->msix_cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
    f->msix_table = cfg(f, f->msix_cap + PCI_MSIX_TABLE, 4);
    f->msix_pba = cfg(f, f->msix_cap + PCI_MSIX_PBA, 4) & PCI_MSIX_PBA_OFFSET;
    f->msix_bar = f->msix_table & PCI_MSIX_TABLE_BIR;
    f->msix_table &= PCI_MSIX_TABLE_OFFSET;
}

void foreign_open(struct foreign *f, const struct emulator_config *config)
{
    static const struct emulator_host ops = {.dma = host_dma, .msi = host_msi};
    struct hw_error err = {""};
    int ret;

    memset(f, 0, sizeof(*f));
    f->mem = aligned_alloc(4096, FOREIGN_MEMORY);
    ck_assert_ptr_nonnull(f->mem);
    ret = emulator_new(config, &ops, f, &f->e, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
    discover(f);
    emulator_config_write(f->e, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    f->queues = foreign_config(f, offsetof(struct virtio_crypto_config, max_dataqueues));
    ck_assert_uint_le(f->queues, FOREIGN_QUEUES);
}

void foreign_close(struct foreign *f)
{
    emulator_free(f->e);
    free(f->mem);
}

void *foreign_alloc(struct foreign *f, size_t len, size_t align)
{
    uint8_t *p;

    f->used = (f->used + align - 1) / align * align;
    p = f->mem + f->used;
    f->used += len;
    must(f->used <= FOREIGN_MEMORY, "arena full");
    memset(p, 0, len);
    return p;
}

uint64_t foreign_iova(const struct foreign *f, const void *p)
{
    return FOREIGN_IOVA + (uint64_t)((const uint8_t *)p - f->mem);
}

uint32_t foreign_get(struct foreign *f, unsigned off, unsigned width)
{
    return emulator_bar_read(f->e, f->common.bar, f->common.off + off, width);
}

void foreign_set(struct foreign *f, unsigned off, unsigned width, uint32_t val)
{
    emulator_bar_write(f->e, f->common.bar, f->common.off + off, width, val);
}

uint32_t foreign_config(struct foreign *f, size_t off)
{
    return emulator_bar_read(f->e, f->device.bar, f->device.off + off, 4);
}

uint8_t foreign_status(struct foreign *f)
{
    return (uint8_t)foreign_get(f, VIRTIO_PCI_COMMON_STATUS, 1);
}

void foreign_reset(struct foreign *f)
{
    foreign_set(f, VIRTIO_PCI_COMMON_STATUS, 1, 0);
    ck_assert_uint_eq(foreign_status(f), 0);
    f->used = 0;
}

uint64_t foreign_offered(struct foreign *f)
{
    uint64_t low;

    foreign_set(f, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
    low = foreign_get(f, VIRTIO_PCI_COMMON_DF, 4);
    foreign_set(f, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
    return low | (uint64_t)foreign_get(f, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

bool foreign_negotiate(struct foreign *f, uint64_t features)
{
    foreign_set(f, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    foreign_set(f, VIRTIO_PCI_COMMON_STATUS, 1,
                VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    foreign_set(f, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    foreign_set(f, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features);
    foreign_set(f, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    foreign_set(f, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32));
    foreign_set(f, VIRTIO_PCI_COMMON_STATUS, 1,
                VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
    f->features = features;
    return foreign_status(f) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void foreign_vector(struct foreign *f, unsigned vector, bool masked)
{
    unsigned at = f->msix_table + vector * PCI_MSIX_ENTRY_SIZE;

    emulator_bar_write(f->e, f->msix_bar, at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, FOREIGN_MSI);
    emulator_bar_write(f->e, f->msix_bar, at + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
    emulator_bar_write(f->e, f->msix_bar, at + PCI_MSIX_ENTRY_DATA, 4, vector);
    emulator_bar_write(f->e, f->msix_bar, at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
}

static void set64(struct foreign *f, unsigned off, uint64_t val)
{
    foreign_set(f, off, 4, (uint32_t)val);
    foreign_set(f, off + 4, 4, (uint32_t)(val >> 32));
}

void foreign_queue(struct foreign *f, unsigned index, unsigned size, unsigned vector)
{
    struct fqueue *q = &f->q[index];
    unsigned max;

    memset(q, 0, sizeof(*q));
    foreign_set(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    max = foreign_get(f, VIRTIO_PCI_COMMON_Q_SIZE, 2);
    ck_assert_uint_ge(max, size);
    q->size = (uint16_t)(size != 0 ? size : max);
    q->nfree = q->size;
    ck_assert_uint_le(q->size, 1024);
    for (uint16_t i = 0; i < q->size; i++)
        q->next_free[i] = (uint16_t)(i + 1);
    q->index = index;
    q->vector = vector;
    q->desc = foreign_alloc(f, q->size * sizeof(struct vring_desc), 16);
    q->avail = foreign_alloc(f, sizeof(struct vring_avail) + q->size * 2u + 2, 2);
    q->used = foreign_alloc(f, sizeof(struct vring_used) + q->size * 8u + 2, 4);
    foreign_set(f, VIRTIO_PCI_COMMON_Q_SIZE, 2, q->size);
    foreign_set(f, VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_Q_MSIX, 2), vector);
    set64(f, VIRTIO_PCI_COMMON_Q_DESCLO, foreign_iova(f, q->desc));
    set64(f, VIRTIO_PCI_COMMON_Q_AVAILLO, foreign_iova(f, q->avail));
    set64(f, VIRTIO_PCI_COMMON_Q_USEDLO, foreign_iova(f, q->used));
    q->doorbell = f->notify.off + foreign_get(f, VIRTIO_PCI_COMMON_Q_NOFF, 2) * f->notify_mult;
    foreign_set(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

void foreign_start(struct foreign *f, uint64_t optional, unsigned queue_size)
{
    uint64_t features = FEATURES_BASE | optional;

    foreign_reset(f);
    ck_assert_uint_eq(features & ~foreign_offered(f), 0);
    ck_assert(foreign_negotiate(f, features));
    emulator_config_write(f->e, f->msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    for (unsigned v = 0; v < f->queues + 2; v++)
        foreign_vector(f, v, false);
    foreign_set(f, VIRTIO_PCI_COMMON_MSIX, 2, 0);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_MSIX, 2), 0);
    for (unsigned i = 0; i <= f->queues; i++)
        foreign_queue(f, i, queue_size, 1 + i);
    foreign_set(f, VIRTIO_PCI_COMMON_STATUS, 1,
                foreign_status(f) | (uint32_t)VIRTIO_CONFIG_S_DRIVER_OK);
    ck_assert_uint_eq(foreign_status(f) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}
