/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of one split virtqueue (VIRTIO 1.2, section 2.7).
 *
 * Ring memory belongs to the driver and may change at any moment: each value
 * is loaded once, checked, and then used. Any service thread may pop from and
 * push to any queue, under its lock; what happens to a chain in between needs
 * no lock.
 */
#ifndef VCRYPTO_EMULATOR_RING_H
#define VCRYPTO_EMULATOR_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct chain;
struct emulator;
struct vring_avail;
struct vring_desc;
struct vring_used;

#define QUEUE_REGS 64

struct emulator_queue {
    unsigned index;
    uint8_t regs[QUEUE_REGS]; /* as virtio_pci_common_cfg has them; bus lock */
    atomic_uint vector;       /* written under the bus lock */

    pthread_mutex_t lock; /* for all that follows */
    bool running;
    bool quiet; /* the driver has been told not to notify */
    bool event_idx, indirect;
    uint16_t size;
    uint16_t avail_next; /* the available entry to be taken next */
    uint16_t used_next;
    uint32_t epoch; /* grows with each stop: tells late completions apart */
    const struct vring_desc *desc;
    const struct vring_avail *avail;
    struct vring_used *used;
};

/* A chain that has been popped, until it is pushed. */
struct taken {
    struct emulator_queue *queue;
    uint32_t epoch;
    uint16_t head;
    uint16_t size; /* of the queue then */
    bool indirect;
    const struct vring_desc *desc;
    /* Faults: what the used entry's id is XORed with, how much too far the index
     * goes, and whether there are two entries. */
    uint32_t wrong_id;
    uint16_t jump;
    bool twice;
};

struct ring_addresses {
    uint64_t desc, avail, used;
};

void emulator_queue_init(struct emulator_queue *q, unsigned index);
void emulator_queue_fini(struct emulator_queue *q);

/* 0, or -EINVAL: misaligned or unreachable, then it does not run. */
int queue_start(struct emulator *e, struct emulator_queue *q, const struct ring_addresses *at,
                uint16_t size, uint64_t features);
/* Nothing is popped or pushed afterwards; a chain already popped may still be
 * in work. */
void queue_stop(struct emulator_queue *q);
/* The host's translations have changed: looks the rings up again. -EINVAL
 * where they are gone; the queue is then stopped. */
int queue_remap(struct emulator *e, struct emulator_queue *q, const struct ring_addresses *at);

/* Takes the next chains, at most max; *left is how many more there are. Returns
 * how many; -EINVAL: the ring is malformed. */
int queue_take(struct emulator_queue *q, struct taken *t, unsigned max, unsigned *left);
/* Walks and maps a chain that was taken. -EINVAL: it is malformed. */
int queue_walk(struct emulator *e, const struct taken *t, struct chain *c);

/* A chain that is done, and how many bytes were written to it. */
struct done {
    struct taken taken;
    uint32_t len;
};

/* Returns n chains of one queue. True: the driver wants an interrupt. */
bool queue_push(const struct done *done, unsigned n);

/* How many chains wait; and how many have been taken in all, which counts
 * round. */
unsigned queue_waiting(struct emulator_queue *q, uint16_t *taken);

/* Asks the driver to notify when n wait (without the event index: at each one);
 * the next pop spares it the trouble again. True: there are as many already,
 * which no notification may announce. */
bool queue_notify_at(struct emulator_queue *q, unsigned n);

#endif
