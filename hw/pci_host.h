/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host's kernel says of a PCI function, from sysfs: enough to tell
 * beforehand, in one line, why it cannot be opened through VFIO.
 */
#ifndef VCRYPTO_PCI_HOST_H
#define VCRYPTO_PCI_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct hw_error;

/* DDDD:BB:DD.F; domains may have more than four digits. */
#define PCI_ADDRESS_SIZE 16

struct pci_host {
    char address[PCI_ADDRESS_SIZE];
    char driver[32]; /* empty: none */
    int group;       /* IOMMU group, -1: none */
};

/* Puts text into err and returns rc, whose meaning %m gives. */
int pci_host_error(struct hw_error *err, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes BB:DD.F too, which is of domain 0, and makes it complete. */
bool pci_host_address(const char *text, char address[PCI_ADDRESS_SIZE]);

/* -ENODEV: there is no such function. */
int pci_host_read(const char *address, struct pci_host *out);

/* The first function of the group that a driver other than VFIO's holds. */
bool pci_host_intruder(int group, struct pci_host *out);

/*
 * Whether VFIO can be asked for the function at all: it exists, is bound to
 * vfio-pci, has an IOMMU group whose file we may open, and enough memory may
 * be locked. Opens nothing. -ENODEV, -EACCES, -ENOMEM.
 */
int pci_host_check(const char *address, struct pci_host *out, struct hw_error *err);

#endif
