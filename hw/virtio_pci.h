/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a modern virtio PCI function (VIRTIO 1.2, section 4.1):
 * found through its vendor capabilities, over any transport. Serialise, but
 * for virtio_pci_notify.
 */
#ifndef VCRYPTO_VIRTIO_PCI_H
#define VCRYPTO_VIRTIO_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport;
struct hw_error;

struct virtio_region {
    uint8_t bar;
    uint32_t off, len;
};

struct virtio_pci {
    struct transport *t;
    struct virtio_region common, notify, isr, device;
    uint32_t notify_mult;
};

/* Finds the registers and enables the function. -ENODEV, -EIO. */
int virtio_pci_open(struct virtio_pci *v, struct transport *t, struct hw_error *err);

uint8_t virtio_pci_status(struct virtio_pci *v);
void virtio_pci_add_status(struct virtio_pci *v, uint8_t bits);
/* Status 0, and waits (a second at most) until the device says so: only then
 * does it leave our memory alone. -ETIMEDOUT; -ENODEV: nothing answers. */
int virtio_pci_reset(struct virtio_pci *v);

uint64_t virtio_pci_features(struct virtio_pci *v);
/* Sets FEATURES_OK. -ENOTSUP when the device does not accept the choice. */
int virtio_pci_accept(struct virtio_pci *v, uint64_t features);

unsigned virtio_pci_num_queues(struct virtio_pci *v);
/* Largest size of the queue, 0: there is none. */
unsigned virtio_pci_queue_max(struct virtio_pci *v, unsigned index);

struct virtio_queue_setup {
    unsigned index, size;
    uint64_t desc, driver, device; /* IOVAs */
    uint16_t vector;               /* VIRTIO_MSI_NO_VECTOR: none */
};
/* Enables the queue and tells where its doorbell is. -EIO when the device
 * refused the vector, or the doorbell lies outside its region. */
int virtio_pci_queue(struct virtio_pci *v, const struct virtio_queue_setup *q, uint64_t *doorbell);
int virtio_pci_config_vector(struct virtio_pci *v, uint16_t vector);
/* Any thread. */
void virtio_pci_notify(struct virtio_pci *v, uint64_t doorbell, uint16_t index);

/* Device configuration: n bytes, read under one generation. -EIO. */
int virtio_pci_config(struct virtio_pci *v, void *buf, size_t n);

#endif
