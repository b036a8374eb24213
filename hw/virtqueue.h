/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a split virtqueue (VIRTIO 1.2, section 2.7). Knows
 * nothing of crypto and nothing of registers: the caller allocates the ring
 * memory, tells the device where it is, and rings the doorbell.
 *
 * Not thread-safe: the caller serialises. The device writes the used ring at
 * the same time; what it writes is read once, checked, then used.
 */
#ifndef VCRYPTO_VIRTQUEUE_H
#define VCRYPTO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

/* The longest chain: header with IV, source, AAD, destination, status, and
 * room for one more. Each indirect table has this many entries. */
#define VIRTQUEUE_SEGS_MAX 6

struct virtqueue_seg {
    uint64_t iova;
    uint32_t len;
};

struct virtqueue {
    unsigned size;
    bool event_idx, indirect;

    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    struct vring_desc *tables; /* size tables of VIRTQUEUE_SEGS_MAX, indirect only */
    uint64_t tables_iova;
    size_t desc_off, avail_off, used_off; /* within the ring memory */

    void **tokens;       /* by head descriptor; NULL: not with the device */
    uint16_t *next_free; /* by descriptor. Kept here, not in desc[]: a device
                            that scribbles over the table must not lead us */
    uint8_t *chain_len;  /* descriptors of the chain, by head */
    unsigned free_head, free_count;
    uint16_t avail_idx;  /* next to publish */
    uint16_t kicked_idx; /* avail_idx at the last kick decision */
    uint16_t used_idx;   /* next to read */
};

/* Bytes of ring memory for a queue of size entries, page-aligned use. */
size_t virtqueue_bytes(unsigned size, bool indirect);

/* mem: zeroed, mapped for the device at iova. -ENOMEM. */
int virtqueue_init(struct virtqueue *vq, unsigned size, bool event_idx, bool indirect, void *mem,
                   uint64_t iova);
void virtqueue_fini(struct virtqueue *vq);

/* The head descriptor that the next virtqueue_add will use, so that the caller
 * can index memory of his own by it. -ENOSPC when n segments do not fit. */
int virtqueue_next(const struct virtqueue *vq, unsigned n);

/* Adds a chain: nread segments that the device reads, then nwrite that it
 * writes. token comes back from virtqueue_get. -ENOSPC. */
int virtqueue_add(struct virtqueue *vq, const struct virtqueue_seg *segs, unsigned nread,
                  unsigned nwrite, void *token);

/* Publishes nothing new; tells whether the device wants the doorbell for what
 * has been added since the last call. */
bool virtqueue_should_kick(struct virtqueue *vq);

/*
 * The next used chain: 1 with *token, *head and *len set, 0 when there is
 * none, -EIO when the device broke the ring (index jump, unknown id).
 */
int virtqueue_get(struct virtqueue *vq, void **token, unsigned *head, uint32_t *len);

/* Whether virtqueue_get would find something. */
bool virtqueue_pending(const struct virtqueue *vq);

/* Interrupts are a wish, not a lock: one may come after irq_off. irq_on
 * returns true when a chain became used meanwhile, so that none is missed. */
void virtqueue_irq_off(struct virtqueue *vq);
bool virtqueue_irq_on(struct virtqueue *vq);

#endif
