/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function as its own files see it.
 *
 *   function.c  configuration space and BARs: who is addressed
 *   msix.c      the interrupt table
 *   virtio.c    common configuration, negotiation, queue registers, reset
 *   service.c   threads, and who serves when;  pace.c  whether to wait for more
 *   batch.c     requests together, from the available ring to the used ring
 *   ring.c      available and used ring;  chain.c  descriptors
 *   crypto.c, control.c   requests;  akcipher.c  those of asymmetric keys
 *   session.c   keys;  engines.c  which engine;  engine_*.c  computation
 *   forks.c     nobody computes while the process forks
 *   faults.c    misbehaviour on request
 *
 * Locks, outer first: bus, then one of { a queue's, sessions', delay list's,
 * msix, that of forks.c }. Workers never take the bus lock, so that a reset can
 * wait for them while it holds it.
 */
#ifndef VCRYPTO_EMULATOR_DEVICE_H
#define VCRYPTO_EMULATOR_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <linux/virtio_crypto.h>

#include "emulator/emulator.h"
#include "emulator/faults.h"
#include "emulator/msix.h"
#include "emulator/ring.h"
#include "emulator/service.h"
#include "emulator/session.h"

/* VIRTIO 1.2, section 5.9.3; the kernel's header lacks it. */
#define DEVICE_F_REVISION_1 0

#define DEVICE_DATA_QUEUES_MAX 63 /* with the control queue, bits of one word */
#define DEVICE_QUEUE_SIZE_MAX  32768
#define DEVICE_SESSIONS_MAX    65536
#define DEVICE_VECTORS_MAX     MSIX_VECTORS
#define DEVICE_MAX_SIZE        (1u << 20) /* bytes of one request's content */

/* BARs and what lies in them, as QEMU has it. */
#define DEVICE_BAR_MSIX     1
#define DEVICE_BAR_MEM      4
#define DEVICE_BAR_MEM_SIZE 0x4000u
#define DEVICE_COMMON       0x0000u
#define DEVICE_ISR          0x1000u
#define DEVICE_CONFIG       0x2000u
#define DEVICE_NOTIFY       0x3000u
#define DEVICE_REGION       0x1000u
#define DEVICE_NOTIFY_MULT  4u
#define DEVICE_COMMON_LEN   QUEUE_REGS

#define DEVICE_PCI_SPACE 256u

struct emulator {
    struct emulator *next; /* see forks.h */
    struct emulator_host ops;
    void *host;
    struct faults faults;
    unsigned threads, latency_us;

    pthread_mutex_t bus; /* for the registers */
    uint8_t pci[DEVICE_PCI_SPACE], pci_mask[DEVICE_PCI_SPACE];
    uint8_t msix_cap, access_cap; /* where they are */
    atomic_uint command;          /* of pci[], for those without the lock */
    struct msix msix;

    uint8_t common[DEVICE_COMMON_LEN]; /* bus lock */
    uint64_t offered, accepted;        /* written under the bus lock while no thread runs */
    atomic_uint status, isr, config_vector, generation;
    atomic_uint_fast64_t gone_until; /* a fault: ns, it is not on the bus before */
    struct virtio_crypto_config config;
    uint16_t queue_max;
    unsigned nqueues; /* data queues, and the control queue after them */
    struct emulator_queue *queues;

    struct sessions sessions;
    struct service service;

    atomic_uint_fast64_t requests, control, faulted, interrupts;
};

/* Each thread is a worker, and whoever serves a queue whose doorbell he rings. */
static inline unsigned emulator_workers(const struct emulator *e)
{
    return e->threads + e->nqueues;
}

static inline bool device_has(const struct emulator *e, unsigned feature)
{
    return e->accepted >> feature & 1;
}

/* Memory of the host, or NULL, which is counted. */
void *device_dma(struct emulator *e, uint64_t addr, size_t len, bool write);

/* Sets DEVICE_NEEDS_RESET and says so; no request is served any more. Any
 * thread. */
void emulator_fail(struct emulator *e);
/* Faults. The device configuration is said to have changed; the function goes
 * from its bus for so long, and comes back in need of a reset. Any thread. */
void emulator_change(struct emulator *e);
void emulator_leave(struct emulator *e, uint32_t ms);
/* An interrupt for used entries of q. Any thread, no lock held. */
void device_interrupt(struct emulator *e, struct emulator_queue *q);

/* virtio.c. All but virtio_init under the bus lock. */
void virtio_init(struct emulator *e, uint64_t withhold);
uint32_t virtio_read(struct emulator *e, uint32_t off, unsigned width);
void virtio_write(struct emulator *e, uint32_t off, unsigned width, uint32_t val);
void virtio_reset(struct emulator *e);
void virtio_remap(struct emulator *e);
uint32_t virtio_isr_read(struct emulator *e, uint32_t off, unsigned width);
uint32_t virtio_config_read(struct emulator *e, uint32_t off, unsigned width);

#endif
