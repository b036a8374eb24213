/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_pci.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "hw.h"
#include "pci.h"
#include "transport.h"

static uint32_t get(struct virtio_pci *v, unsigned off, unsigned width)
{
    return v->t->ops->read(v->t, v->common.bar, v->common.off + off, width);
}

static void set(struct virtio_pci *v, unsigned off, unsigned width, uint32_t val)
{
    v->t->ops->write(v->t, v->common.bar, v->common.off + off, width, val);
}

static void set64(struct virtio_pci *v, unsigned off, uint64_t val)
{
    set(v, off, 4, (uint32_t)val);
    set(v, off + 4, 4, (uint32_t)(val >> 32));
}

/* The first capability of each kind counts (section 4.1.4.1); one that points
 * to a reserved BAR is passed over. */
static int take_capability(struct transport *t, unsigned off, void *arg)
{
    struct virtio_pci *v = arg;
    struct virtio_pci_cap cap;
    struct virtio_region *r;
    uint32_t mult;
    int rc = pci_read(t, off, &cap, sizeof(cap));

    if (rc != 0)
        return rc;
    switch (cap.cfg_type) {
    case VIRTIO_PCI_CAP_COMMON_CFG: r = &v->common; break;
    case VIRTIO_PCI_CAP_NOTIFY_CFG: r = &v->notify; break;
    case VIRTIO_PCI_CAP_ISR_CFG: r = &v->isr; break;
    case VIRTIO_PCI_CAP_DEVICE_CFG: r = &v->device; break;
    default: return 0;
    }
    if (r->len != 0 || cap.bar > 5)
        return 0;
    if (cap.cfg_type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
        rc = pci_read(t, off + (unsigned)sizeof(cap), &mult, sizeof(mult));
        if (rc != 0)
            return rc;
        v->notify_mult = le32toh(mult);
    }
    r->bar = cap.bar;
    r->off = le32toh(cap.offset);
    r->len = le32toh(cap.length);
    return 0;
}

int virtio_pci_open(struct virtio_pci *v, struct transport *t, struct hw_error *err)
{
    int rc;

    memset(v, 0, sizeof(*v));
    v->t = t;
    rc = pci_capabilities(t, PCI_CAP_ID_VNDR, take_capability, v);
    if (rc != 0 || v->common.len < sizeof(struct virtio_pci_common_cfg) || v->notify.len < 2 ||
        v->device.len == 0) {
        snprintf(err->text, sizeof(err->text),
                 "the function lacks the virtio 1.x capabilities (common, notify, device)");
        return rc != 0 ? rc : -ENODEV;
    }
    return pci_enable(t);
}

uint8_t virtio_pci_status(struct virtio_pci *v)
{
    return (uint8_t)get(v, VIRTIO_PCI_COMMON_STATUS, 1);
}

void virtio_pci_add_status(struct virtio_pci *v, uint8_t bits)
{
    set(v, VIRTIO_PCI_COMMON_STATUS, 1, (uint32_t)(virtio_pci_status(v) | bits));
}

int virtio_pci_reset(struct virtio_pci *v)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    set(v, VIRTIO_PCI_COMMON_STATUS, 1, 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t status = virtio_pci_status(v);

        if (status == 0)
            return 0;
        /* All ones: nobody answers, and will not by waiting. */
        if (status == 0xff)
            return -ENODEV;
        nanosleep(&ms, NULL);
    }
    return -ETIMEDOUT;
}

uint64_t virtio_pci_features(struct virtio_pci *v)
{
    uint64_t f;

    set(v, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
    f = get(v, VIRTIO_PCI_COMMON_DF, 4);
    set(v, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
    return f | (uint64_t)get(v, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

int virtio_pci_accept(struct virtio_pci *v, uint64_t features)
{
    set(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    set(v, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features);
    set(v, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    set(v, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32));
    virtio_pci_add_status(v, VIRTIO_CONFIG_S_FEATURES_OK);
    return virtio_pci_status(v) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENOTSUP;
}

unsigned virtio_pci_num_queues(struct virtio_pci *v)
{
    return get(v, VIRTIO_PCI_COMMON_NUMQ, 2);
}

unsigned virtio_pci_queue_max(struct virtio_pci *v, unsigned index)
{
    set(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    return get(v, VIRTIO_PCI_COMMON_Q_SIZE, 2);
}

int virtio_pci_queue(struct virtio_pci *v, const struct virtio_queue_setup *q, uint64_t *doorbell)
{
    uint64_t off;

    set(v, VIRTIO_PCI_COMMON_Q_SELECT, 2, q->index);
    set(v, VIRTIO_PCI_COMMON_Q_SIZE, 2, q->size);
    set64(v, VIRTIO_PCI_COMMON_Q_DESCLO, q->desc);
    set64(v, VIRTIO_PCI_COMMON_Q_AVAILLO, q->driver);
    set64(v, VIRTIO_PCI_COMMON_Q_USEDLO, q->device);
    set(v, VIRTIO_PCI_COMMON_Q_MSIX, 2, q->vector);
    if (get(v, VIRTIO_PCI_COMMON_Q_MSIX, 2) != q->vector)
        return -EIO;
    off = (uint64_t)get(v, VIRTIO_PCI_COMMON_Q_NOFF, 2) * v->notify_mult;
    if (off + 2 > v->notify.len)
        return -EIO;
    *doorbell = v->notify.off + off;
    set(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    return 0;
}

int virtio_pci_config_vector(struct virtio_pci *v, uint16_t vector)
{
    set(v, VIRTIO_PCI_COMMON_MSIX, 2, vector);
    return get(v, VIRTIO_PCI_COMMON_MSIX, 2) == vector ? 0 : -EIO;
}

void virtio_pci_notify(struct virtio_pci *v, uint64_t doorbell, uint16_t index)
{
    v->t->ops->write(v->t, v->notify.bar, doorbell, 2, index);
}

int virtio_pci_config(struct virtio_pci *v, void *buf, size_t n)
{
    uint8_t *p = buf;
    uint32_t before;

    if (n > v->device.len)
        return -EIO;
    for (unsigned tries = 0; tries < 100; tries++) {
        before = get(v, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
        for (size_t i = 0; i + 4 <= n; i += 4) {
            uint32_t w = htole32(v->t->ops->read(v->t, v->device.bar, v->device.off + i, 4));

            memcpy(p + i, &w, sizeof(w));
        }
        if (get(v, VIRTIO_PCI_COMMON_CFGGENERATION, 1) == before)
            return 0;
    }
    return -EIO;
}
