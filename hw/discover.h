/* SPDX-License-Identifier: Apache-2.0 */
/* Which PCI functions of a kind the machine has, found with libpci. */
#ifndef VCRYPTO_DISCOVER_H
#define VCRYPTO_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci_host.h"

struct hw_error;

struct discovered {
    struct pci_host host; /* address, driver, IOMMU group */
    uint16_t vendor, device;
    uint8_t revision;
    int numa_node; /* -1: not known */
    /* Only root sees the capabilities of a function that it has not opened:
     * the rest is valid where this is true. */
    bool caps_known;
    bool express;         /* has an Express capability */
    bool flr;             /* function-level reset */
    unsigned vectors;     /* MSI-X */
    unsigned vendor_caps; /* virtio's are of this kind */
};

/*
 * All functions with these ids, whatever driver holds them, in the order of
 * their addresses. *out is freed with free(3). Returns how many, or negative
 * errno with err filled in: -ENODEV where there is no PCI bus. Any thread.
 */
int discover(uint16_t vendor, uint16_t device, struct discovered **out, struct hw_error *err);

#endif
