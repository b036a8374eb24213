/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio_group.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "iova.h"
#include "pci_host.h"
#include "vfio_info.h"

struct vfio_group {
    struct vfio_group *next;
    unsigned refs;
    int number;
    int container, fd;    /* -1: closed */
    pthread_mutex_t lock; /* space */
    struct iova_space space;
};

static struct vfio_group *groups;

static int set_iommu(struct vfio_group *g, const struct pci_host *h, struct hw_error *err)
{
    if (ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &g->container) != 0)
        return pci_host_error(err, -errno, "%s: cannot set the container of group %d: %m",
                              h->address, g->number);
    if (ioctl(g->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
        return pci_host_error(err, -ENODEV, "%s: no VFIO type 1 IOMMU: modprobe vfio_iommu_type1",
                              h->address);
    if (ioctl(g->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0)
        return 0;
    if (errno == EPERM)
        return pci_host_error(err, -EPERM,
                              "%s: the IOMMU does not remap interrupts: switch that on in the "
                              "firmware (QEMU: -device intel-iommu,intremap=on)",
                              h->address);
    return pci_host_error(err, -errno, "%s: cannot use the IOMMU: %m", h->address);
}

static int open_group(struct vfio_group *g, const struct pci_host *h, struct hw_error *err)
{
    struct vfio_group_status status = {.argsz = sizeof(status)};
    struct pci_host other;
    char path[32];

    snprintf(path, sizeof(path), "/dev/vfio/%d", g->number);
    g->fd = open(path, O_RDWR | O_CLOEXEC);
    if (g->fd < 0 && errno == EBUSY)
        return pci_host_error(err, -EBUSY, "%s: in use: another process has %s open", h->address,
                              path);
    if (g->fd < 0)
        return pci_host_error(err, -errno, "%s: cannot open %s: %m", h->address, path);
    if (ioctl(g->fd, VFIO_GROUP_GET_STATUS, &status) != 0)
        return pci_host_error(err, -errno, "%s: %s: %m", h->address, path);
    if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
        return 0;
    if (pci_host_intruder(g->number, &other))
        return pci_host_error(err, -EPERM,
                              "%s: its IOMMU group %d also has %s, bound to %s: bind that to "
                              "vfio-pci as well, or unbind it",
                              h->address, g->number, other.address, other.driver);
    return pci_host_error(err, -EPERM, "%s: its IOMMU group %d is not viable", h->address,
                          g->number);
}

static int open_container(struct vfio_group *g, const struct pci_host *h, struct hw_error *err)
{
    static const char path[] = "/dev/vfio/vfio";

    g->container = open(path, O_RDWR | O_CLOEXEC);
    if (g->container < 0)
        return pci_host_error(err, -errno, "%s: cannot open %s: %m: modprobe vfio; chmod 666 %s",
                              h->address, path, path);
    if (ioctl(g->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
        return pci_host_error(err, -ENODEV, "%s: unknown version of VFIO", h->address);
    return 0;
}

static int init_space(struct vfio_group *g, const struct pci_host *h, struct hw_error *err)
{
    /* Kernels before 5.4 do not say; all IOMMUs have these. */
    static const struct iova_range usual = {0, 0xfedfffff};
    const struct vfio_iommu_type1_info_cap_iova_range *cap;
    const struct vfio_iommu_type1_info first = {.flags = 0};
    struct vfio_iommu_type1_info *info;
    size_t page = 0;
    int rc;

    info = vfio_info(g->container, VFIO_IOMMU_GET_INFO, &first, sizeof(first));
    if (info == NULL)
        return pci_host_error(err, -ENOMEM, "%s: the IOMMU does not tell its ranges", h->address);
    if (info->flags & VFIO_IOMMU_INFO_PGSIZES)
        page = info->iova_pgsizes & -info->iova_pgsizes;
    if (page < (size_t)sysconf(_SC_PAGESIZE))
        page = (size_t)sysconf(_SC_PAGESIZE);
    cap = vfio_info_cap(info, info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0,
                        VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(*cap));
    /* The same two numbers in the same order. */
    _Static_assert(sizeof(struct iova_range) == sizeof(struct vfio_iova_range), "ranges");
    if (cap == NULL) {
        rc = iova_init(&g->space, &usual, 1, page);
    } else {
        rc = iova_init(&g->space, (const struct iova_range *)(const void *)cap->iova_ranges,
                       cap->nr_iovas, page);
    }
    free(info);
    return rc;
}

static void free_group(struct vfio_group *g)
{
    if (g->fd >= 0)
        close(g->fd);
    if (g->container >= 0)
        close(g->container);
    iova_fini(&g->space);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

int vfio_group_get(const struct pci_host *host, struct vfio_group **out, struct hw_error *err)
{
    struct vfio_group *g;
    int rc;

    for (g = groups; g != NULL; g = g->next) {
        if (g->number == host->group) {
            g->refs++;
            *out = g;
            return 0;
        }
    }
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return -ENOMEM;
    g->number = host->group;
    g->refs = 1;
    g->fd = g->container = -1;
    pthread_mutex_init(&g->lock, NULL);
    rc = open_group(g, host, err);
    if (rc == 0)
        rc = open_container(g, host, err);
    if (rc == 0)
        rc = set_iommu(g, host, err);
    if (rc == 0)
        rc = init_space(g, host, err);
    if (rc != 0) {
        free_group(g);
        return rc;
    }
    g->next = groups;
    groups = g;
    *out = g;
    return 0;
}

void vfio_group_put(struct vfio_group *g)
{
    if (--g->refs > 0)
        return;
    for (struct vfio_group **p = &groups; *p != NULL; p = &(*p)->next) {
        if (*p == g) {
            *p = g->next;
            break;
        }
    }
    free_group(g);
}

int vfio_group_device(struct vfio_group *g, const struct pci_host *host, struct hw_error *err)
{
    int fd = ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, host->address);

    if (fd < 0)
        return pci_host_error(err, -errno, "%s: VFIO does not open it: %m", host->address);
    return fd;
}

void vfio_group_forked(void)
{
    struct vfio_group *g;

    while ((g = groups) != NULL) {
        groups = g->next;
        close(g->fd);
        close(g->container);
        g->fd = g->container = -1;
    }
}

int vfio_group_map(struct vfio_group *g, void *va, size_t len, uint64_t *iova)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)va,
        .size = len,
    };
    int rc;

    if (((uintptr_t)va | len) % g->space.page != 0 || len == 0)
        return -EINVAL;
    pthread_mutex_lock(&g->lock);
    rc = iova_alloc(&g->space, len, iova);
    pthread_mutex_unlock(&g->lock);
    if (rc != 0)
        return rc;
    map.iova = *iova;
    if (ioctl(g->container, VFIO_IOMMU_MAP_DMA, &map) == 0)
        return 0;
    rc = -errno;
    pthread_mutex_lock(&g->lock);
    (void)iova_free(&g->space, *iova, len);
    pthread_mutex_unlock(&g->lock);
    return rc == -ENOSPC ? -ENOMEM : rc;
}

void vfio_group_unmap(struct vfio_group *g, uint64_t iova, size_t len)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap),
        .iova = iova,
        .size = len,
    };

    /* The address is free only once the device cannot use it any more. */
    if (ioctl(g->container, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0)
        return;
    pthread_mutex_lock(&g->lock);
    (void)iova_free(&g->space, iova, len);
    pthread_mutex_unlock(&g->lock);
}
