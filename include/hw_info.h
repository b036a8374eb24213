/* SPDX-License-Identifier: Apache-2.0 */
/* What there is and what it says of itself, for people: see vcrypto-probe. */
#ifndef VCRYPTO_HW_INFO_H
#define VCRYPTO_HW_INFO_H

#include "hw.h"

/* A PCI function of a kind that there is a driver for. */
struct hw_function {
    char address[16];
    uint16_t vendor, device;
    uint8_t revision;
    char driver[32]; /* the kernel's that holds it; empty: none */
    int group;       /* IOMMU group, -1: none */
    int numa_node;   /* -1: not known */
    /* Only root sees the rest of a function that he has not opened. */
    bool caps_known;
    bool flr;         /* function-level reset */
    unsigned vectors; /* MSI-X */

    bool ready;            /* this process could use it now */
    struct hw_error state; /* why not, and what to do */
};

/* In the order of their addresses; *out is freed with free(3). How many, or
 * -ENODEV (no PCI bus), -ENOMEM. Opens the group of each for a moment. */
int hw_functions(struct hw_function **out, struct hw_error *err);

/* A device as it was when the pool was made. */
struct hw_info {
    char name[32];
    uint64_t features; /* negotiated; bits as VIRTIO numbers them */
    uint32_t services; /* likewise, of the crypto device's services */
    uint32_t offered;  /* bits by enum hw_alg; hw_pool_supports has what holds */
    unsigned queues, queue_size, vectors;
    size_t max_len;
};

/* device is less than hw_pool_devices. */
void hw_pool_info(const struct hw_pool *pool, unsigned device, struct hw_info *out);

#endif
