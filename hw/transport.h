/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the driver reaches one PCI function: configuration space, registers in
 * BARs, interrupts, DMA. A new way to reach a device is one file that fills a
 * transport_ops and a row in transports[].
 *
 * All calls may come from any thread. config_* and irq_connect are serialised
 * by the caller; read and write are not.
 */
#ifndef VCRYPTO_TRANSPORT_H
#define VCRYPTO_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

struct hw_config;
struct hw_error;
struct transport;

struct transport_ops {
    /* The device names it takes: equal to scheme, or starting with "scheme:". */
    const char *scheme;

    /* name is one entry of the device list, index its place among equal
     * entries. Claims the function; no interrupt is connected yet. */
    int (*open)(const char *name, unsigned index, const struct hw_config *cfg,
                struct transport **out, struct hw_error *err);
    /* Undoes open; mappings and interrupts go with it. */
    void (*close)(struct transport *t);

    /* PCI configuration space; width 1, 2 or 4, naturally aligned, values in
     * host order. -EINVAL outside the space. */
    int (*config_read)(struct transport *t, unsigned off, unsigned width, uint32_t *val);
    int (*config_write)(struct transport *t, unsigned off, unsigned width, uint32_t val);

    /* Registers; bar 0 to 5, width 1, 2 or 4, little-endian on the wire, host
     * order here. A read outside the BAR gives all ones, as on a real bus.
     * write orders all earlier stores to DMA memory before the register. */
    uint32_t (*read)(struct transport *t, unsigned bar, uint64_t off, unsigned width);
    void (*write)(struct transport *t, unsigned bar, uint64_t off, unsigned width, uint32_t val);

    /* MSI-X vectors the function has. */
    unsigned (*vectors)(struct transport *t);
    /* Vector i signals eventfd fds[i]; n = 0 disconnects all. The caller keeps
     * the descriptors open until then. */
    int (*irq_connect)(struct transport *t, unsigned n, const int *fds);

    /* Page-aligned memory for the device to read and write. */
    int (*dma_map)(struct transport *t, void *va, size_t len, uint64_t *iova);
    /* Returns once the device can no longer reach the memory. */
    void (*dma_unmap)(struct transport *t, uint64_t iova, size_t len);

    /* The rest is NULL where a transport has no such thing. */

    /* A descriptor to poll, readable while events has something to say; the
     * transport's own, good until close. */
    int (*event_fd)(struct transport *t);
    /* Takes what has come: TRANSPORT_EVENT_ bits. Never waits. */
    unsigned (*events)(struct transport *t);
    /* Resets the function; registers, queues and sessions are then as after
     * power on, configuration space, mappings and connected interrupts as
     * before. -ENOTSUP where the function has no reset. */
    int (*reset)(struct transport *t);
};

/* The function is to be taken away, and whoever asked waits for close. Said
 * again from time to time. */
#define TRANSPORT_EVENT_RELEASE 1u
/* The bus reported an error that may have cost data: reset, or close. */
#define TRANSPORT_EVENT_ERROR 2u

struct transport {
    const struct transport_ops *ops;
};

extern const struct transport_ops transport_emulator;
extern const struct transport_ops transport_vfio;

/* NULL-terminated. */
extern const struct transport_ops *const transports[];

#endif
