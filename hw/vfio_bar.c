/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio_bar.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "vfio_info.h"

/*
 * Stores to DMA memory come before the register, and loads from it after: the
 * kernel maps BARs uncached, which x86 keeps in order with its ordinary memory,
 * so that only the compiler must be held. On ARM the device is outside the
 * domain that C11 fences order.
 */
static void memory_before_register(void)
{
#if defined(__x86_64__) || defined(__i386__)
    atomic_signal_fence(memory_order_seq_cst);
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#else
    __sync_synchronize();
#endif
}

static void register_before_memory(void)
{
#if defined(__x86_64__) || defined(__i386__)
    atomic_signal_fence(memory_order_seq_cst);
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshld" ::: "memory");
#else
    __sync_synchronize();
#endif
}

static void map(struct vfio_bar *b, uint64_t off, uint64_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct vfio_map *m = &b->maps[b->nmaps];
    void *va;

    if (b->nmaps == VFIO_BAR_MAPS || off > b->size || len > b->size - off)
        return;
    va = mmap(NULL, (len + page - 1) & ~(page - 1), PROT_READ | PROT_WRITE, MAP_SHARED, b->device,
              (off_t)(b->region + off));
    if (va == MAP_FAILED)
        return;
    (void)madvise(va, len, MADV_DONTFORK);
    *m = (struct vfio_map){off, len, va};
    b->nmaps++;
}

/* True when the kernel lists what may be mapped, instead of allowing all. */
static bool map_sparse(struct vfio_bar *b, const struct vfio_region_info *info)
{
    const struct vfio_region_info_cap_sparse_mmap *sparse;

    sparse = vfio_info_cap(info, info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0,
                           VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(*sparse));
    if (sparse == NULL)
        return false;
    for (unsigned i = 0; i < sparse->nr_areas; i++)
        map(b, sparse->areas[i].offset, sparse->areas[i].size);
    return true;
}

int vfio_bar_open(struct vfio_bar *b, int device, unsigned index)
{
    const struct vfio_region_info first = {.index = VFIO_PCI_BAR0_REGION_INDEX + index};
    struct vfio_region_info *info;

    memset(b, 0, sizeof(*b));
    b->device = device;
    info = vfio_info(device, VFIO_DEVICE_GET_REGION_INFO, &first, sizeof(first));
    if (info == NULL)
        return -EIO;
    b->size = info->size;
    b->region = info->offset;
    if (b->size != 0 && info->flags & VFIO_REGION_INFO_FLAG_MMAP && !map_sparse(b, info))
        map(b, 0, b->size);
    free(info);
    return 0;
}

void vfio_bar_close(struct vfio_bar *b)
{
    for (unsigned i = 0; i < b->nmaps; i++)
        munmap(b->maps[i].va, b->maps[i].len);
    b->nmaps = 0;
    b->size = 0;
}

static bool inside(const struct vfio_bar *b, uint64_t off, unsigned width)
{
    return off < b->size && width <= b->size - off && off % width == 0;
}

static volatile void *mapped(const struct vfio_bar *b, uint64_t off)
{
    for (unsigned i = 0; i < b->nmaps; i++) {
        if (off >= b->maps[i].off && off - b->maps[i].off < b->maps[i].len)
            return b->maps[i].va + (off - b->maps[i].off);
    }
    return NULL;
}

uint32_t vfio_bar_read(const struct vfio_bar *b, uint64_t off, unsigned width)
{
    volatile void *p = mapped(b, off);
    uint32_t v = UINT32_MAX;

    if (!inside(b, off, width))
        return UINT32_MAX >> (32 - 8 * width);
    if (p == NULL) {
        if (pread(b->device, &v, width, (off_t)(b->region + off)) != (ssize_t)width)
            v = UINT32_MAX;
        return le32toh(v) & UINT32_MAX >> (32 - 8 * width);
    }
    if (width == 4)
        v = le32toh(*(volatile uint32_t *)p);
    else if (width == 2)
        v = le16toh(*(volatile uint16_t *)p);
    else
        v = *(volatile uint8_t *)p;
    register_before_memory();
    return v;
}

void vfio_bar_write(const struct vfio_bar *b, uint64_t off, unsigned width, uint32_t val)
{
    volatile void *p = mapped(b, off);
    uint32_t le = htole32(val);

    if (!inside(b, off, width))
        return;
    memory_before_register();
    if (p == NULL)
        (void)!pwrite(b->device, &le, width, (off_t)(b->region + off));
    else if (width == 4)
        *(volatile uint32_t *)p = le;
    else if (width == 2)
        *(volatile uint16_t *)p = htole16((uint16_t)val);
    else
        *(volatile uint8_t *)p = (uint8_t)val;
}
