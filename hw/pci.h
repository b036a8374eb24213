/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration space: identification and the capability list. */
#ifndef VCRYPTO_PCI_H
#define VCRYPTO_PCI_H

#include <stdint.h>

struct transport;

/* Vendor and device id. -ENODEV where nothing answers. */
int pci_ids(struct transport *t, uint16_t *vendor, uint16_t *device);

/* Lets the function answer memory accesses and master the bus, or stops it. */
int pci_enable(struct transport *t);
void pci_disable(struct transport *t);

/*
 * Calls each for every capability with this id, with its offset, until each
 * returns non-zero (which is then returned) or the list ends (0). A list that
 * loops or leaves the header gives -EIO.
 */
int pci_capabilities(struct transport *t, uint8_t id,
                     int (*each)(struct transport *t, unsigned off, void *arg), void *arg);

/* Reads n bytes, byte for byte. */
int pci_read(struct transport *t, unsigned off, void *buf, unsigned n);

#endif
