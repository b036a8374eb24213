/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio-crypto PCI function in software, as seen from its bus.
 *
 * The function knows nothing of the driver. It is given a host: memory that it
 * may reach (through an IOMMU of the host's making) and a place to send its
 * MSI-X messages. Everything else goes through configuration space and BARs,
 * as PCI and VIRTIO 1.2 (sections 4.1 and 5.9) say.
 */
#ifndef VCRYPTO_EMULATOR_H
#define VCRYPTO_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_error;

struct emulator_config {
    unsigned threads;     /* service threads. 0: whoever rings a doorbell serves the
                             request, one at a time; latency and faults of single
                             requests do not apply. For self tests while loading */
    unsigned latency_us;  /* added to each request */
    unsigned data_queues; /* 0: as many as CPUs, at most 8 */
    unsigned queue_max;   /* largest queue size offered, 0: 1024 */
    uint64_t withhold;    /* feature bits not to offer */
    const char *fault;    /* see faults.h; NULL or "none": none */
};

/* The host's side. Called from service threads and from register accesses. */
struct emulator_host {
    /* Memory behind [iova, iova + len), or NULL: a fault, which the host
     * counts. The pointer is good until the function is reset, or
     * emulator_invalidate has returned. */
    void *(*dma)(void *host, uint64_t iova, size_t len, bool write);
    /* A posted write of an MSI-X message; must not come back to the function. */
    void (*msi)(void *host, uint64_t address, uint32_t data);
};

struct emulator;

/* Powers the function on. No thread runs before DRIVER_OK. 0, -EINVAL (bad
 * fault string, named in err), -ENOMEM. */
int emulator_new(const struct emulator_config *cfg, const struct emulator_host *ops, void *host,
                 struct emulator **out, struct hw_error *err);
/* Resets and frees; no host call is made once it returns. */
void emulator_free(struct emulator *e);

/* Bus accesses: width 1, 2 or 4, naturally aligned; anything else, and reads
 * of nothing, give all ones. */
uint32_t emulator_config_read(struct emulator *e, unsigned off, unsigned width);
void emulator_config_write(struct emulator *e, unsigned off, unsigned width, uint32_t val);
uint32_t emulator_bar_read(struct emulator *e, unsigned bar, uint64_t off, unsigned width);
void emulator_bar_write(struct emulator *e, unsigned bar, uint64_t off, unsigned width,
                        uint32_t val);

/*
 * Translations have gone: returns once no pointer that dma gave out before is
 * in use. Queues whose rings have gone with them stop, with NEEDS_RESET.
 */
void emulator_invalidate(struct emulator *e);

/* What the device itself counted, for tests. */
struct emulator_counts {
    uint64_t requests;   /* data requests served */
    uint64_t control;    /* control requests served */
    uint64_t sessions;   /* alive now */
    uint64_t interrupts; /* messages sent */
    uint64_t faults;     /* accesses that the host refused */
};
void emulator_counts(struct emulator *e, struct emulator_counts *out);

#endif
