/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One BAR of a function opened through VFIO: mapped where the kernel allows,
 * and reached through the device's descriptor where not.
 */
#ifndef VCRYPTO_VFIO_BAR_H
#define VCRYPTO_VFIO_BAR_H

#include <stdint.h>

/* The kernel may leave out pages, such as those of the MSI-X table. */
#define VFIO_BAR_MAPS 4

struct vfio_bar {
    int device;      /* not ours */
    uint64_t size;   /* 0: there is none */
    uint64_t region; /* where the BAR starts in the device's descriptor */
    unsigned nmaps;
    struct vfio_map {
        uint64_t off, len;
        uint8_t *va;
    } maps[VFIO_BAR_MAPS];
};

/* A BAR that is absent or cannot be mapped is no error. The mappings are not
 * inherited by children. */
int vfio_bar_open(struct vfio_bar *b, int device, unsigned index);
void vfio_bar_close(struct vfio_bar *b);

/* As in transport_ops. Any thread. */
uint32_t vfio_bar_read(const struct vfio_bar *b, uint64_t off, unsigned width);
void vfio_bar_write(const struct vfio_bar *b, uint64_t off, unsigned width, uint32_t val);

#endif
