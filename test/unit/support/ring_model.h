/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's side of a split virtqueue for tests of the driver's side: it
 * reads the rings as the specification lays them out. Chains are made of a
 * number, so that a chain seen tells which one it is.
 */
#ifndef TEST_RING_MODEL_H
#define TEST_RING_MODEL_H

#include "virtqueue.h"

struct model {
    struct virtqueue vq;
    uint8_t *mem;
    size_t bytes;
    unsigned size;
    bool event_idx, indirect;
    /* The device's: where the rings are, and how far it has come. */
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t avail_next, used_next;
};

struct popped {
    unsigned head, nread, n;
    struct virtqueue_seg segs[VIRTQUEUE_SEGS_MAX];
};

/* features: bit 0 event index, bit 1 indirect descriptors. */
void model_open(struct model *m, unsigned size, int features);
void model_close(struct model *m);
/* All indices of the new queue are as after so many chains. */
void model_start_at(struct model *m, unsigned chains);

__virtio16 *model_avail_event(struct model *m);
/* False: the avail ring is empty. */
bool model_pop(struct model *m, struct popped *p);
void model_push(struct model *m, uint32_t id, uint32_t len);
/* Whether the device would interrupt for the chains used since old. */
bool model_interrupts(struct model *m, uint16_t old);

/* The driver adds chain number tag. */
int model_add(struct model *m, uint64_t tag);
void model_check_chain(const struct popped *p, uint64_t tag);
/* n chains one after the other, there and back. */
void model_run(struct model *m, unsigned n);

#endif
