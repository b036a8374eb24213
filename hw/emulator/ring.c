/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Barriers. Ring words are shared with the driver, so they are loaded and
 * stored with the __atomic builtins on the kernel's types.
 *   - avail->idx acquire pairs with the driver's release store: descriptors,
 *     ring entry and request are visible once the index is.
 *   - used->idx release pairs with the driver's acquire: entry and results are.
 *   - used->idx, then used_event (or avail->flags): sequentially consistent,
 *     against the driver that stores used_event and then looks at used->idx.
 *     One of the two sees the other's store, so no interrupt is lost.
 *   - avail_event (or used->flags), then avail->idx: likewise against the
 *     driver that stores avail->idx and then looks at avail_event.
 */
#include "emulator/ring.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "emulator/chain.h"
#include "emulator/device.h"

void emulator_queue_init(struct emulator_queue *q, unsigned index)
{
    memset(q, 0, sizeof(*q));
    q->index = index;
    pthread_mutex_init(&q->lock, NULL);
}

void emulator_queue_fini(struct emulator_queue *q)
{
    pthread_mutex_destroy(&q->lock);
}

/* Under q->lock. */
static int map_rings(struct emulator *e, struct emulator_queue *q, const struct ring_addresses *at)
{
    size_t n = q->size;

    if (at->desc % VRING_DESC_ALIGN_SIZE != 0 || at->avail % VRING_AVAIL_ALIGN_SIZE != 0 ||
        at->used % VRING_USED_ALIGN_SIZE != 0)
        return -EINVAL;
    /* Both rings end with a 16-bit event index. */
    q->desc = device_dma(e, at->desc, n * sizeof(struct vring_desc), false);
    q->avail = device_dma(e, at->avail, sizeof(struct vring_avail) + n * 2 + 2, false);
    q->used = device_dma(e, at->used,
                         sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + 2, true);
    return q->desc != NULL && q->avail != NULL && q->used != NULL ? 0 : -EINVAL;
}

int queue_start(struct emulator *e, struct emulator_queue *q, const struct ring_addresses *at,
                uint16_t size, uint64_t features)
{
    int ret;

    pthread_mutex_lock(&q->lock);
    q->size = size;
    q->avail_next = q->used_next = 0;
    q->quiet = false;
    q->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
    q->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
    ret = map_rings(e, q, at);
    q->running = ret == 0;
    pthread_mutex_unlock(&q->lock);
    return ret;
}

void queue_stop(struct emulator_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->running = false;
    q->epoch++;
    pthread_mutex_unlock(&q->lock);
}

int queue_remap(struct emulator *e, struct emulator_queue *q, const struct ring_addresses *at)
{
    int ret = 0;

    pthread_mutex_lock(&q->lock);
    if (q->running) {
        ret = map_rings(e, q, at);
        q->running = ret == 0;
    }
    pthread_mutex_unlock(&q->lock);
    return ret;
}

/* Under q->lock. How many entries wait; more than the queue holds is nonsense. */
static uint16_t waiting(const struct emulator_queue *q)
{
    uint16_t idx = le16toh(__atomic_load_n(&q->avail->idx, __ATOMIC_SEQ_CST));

    return (uint16_t)(idx - q->avail_next);
}

/* Under q->lock. With the event index an old avail_event keeps the driver
 * quiet, until the index comes round to it: once in 65,536. */
static void notify_off(struct emulator_queue *q)
{
    if (!q->event_idx)
        __atomic_store_n(&q->used->flags, htole16(VRING_USED_F_NO_NOTIFY), __ATOMIC_RELAXED);
    q->quiet = true;
}

/* Under q->lock. */
static void take_next(struct emulator_queue *q, struct taken *t)
{
    const __virtio16 *entry = &q->avail->ring[q->avail_next++ & (q->size - 1)];

    *t = (struct taken){
        .queue = q,
        .epoch = q->epoch,
        .head = le16toh(__atomic_load_n(entry, __ATOMIC_RELAXED)),
        .size = q->size,
        .indirect = q->indirect,
        .desc = q->desc,
    };
}

int queue_take(struct emulator_queue *q, struct taken *t, unsigned max, unsigned *left)
{
    unsigned n;
    int ret = 0;

    *left = 0;
    pthread_mutex_lock(&q->lock);
    n = q->running ? waiting(q) : 0;
    if (n > q->size) {
        ret = -EINVAL;
    } else if (n != 0) {
        for (; (unsigned)ret < max && (unsigned)ret < n; ret++)
            take_next(q, &t[ret]);
        *left = n - (unsigned)ret;
        if (!q->quiet)
            notify_off(q);
    }
    pthread_mutex_unlock(&q->lock);
    return ret;
}

/* The chain is ours until it is pushed: no lock is needed to follow it. */
int queue_walk(struct emulator *e, const struct taken *t, struct chain *c)
{
    return chain_walk(e, c, t->desc, t->size, t->head, t->indirect);
}

/* Under q->lock, after used->idx has been stored as new; it was old before. */
static bool wants_interrupt(const struct emulator_queue *q, uint16_t new, uint16_t old)
{
    uint16_t word;

    if (q->event_idx) {
        word = le16toh(__atomic_load_n(&q->avail->ring[q->size], __ATOMIC_SEQ_CST));
        return vring_need_event(word, new, old);
    }
    word = le16toh(__atomic_load_n(&q->avail->flags, __ATOMIC_SEQ_CST));
    return !(word & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Under q->lock. */
static void put_used(struct emulator_queue *q, uint32_t id, uint32_t len)
{
    struct vring_used_elem *elem = &q->used->ring[q->used_next++ & (q->size - 1)];

    __atomic_store_n(&elem->id, htole32(id), __ATOMIC_RELAXED);
    __atomic_store_n(&elem->len, htole32(len), __ATOMIC_RELAXED);
}

bool queue_push(const struct done *done, unsigned n)
{
    struct emulator_queue *q = done[0].taken.queue;
    bool interrupt = false;
    uint16_t old;

    pthread_mutex_lock(&q->lock);
    old = q->used_next;
    if (q->running && q->epoch == done[0].taken.epoch) {
        for (unsigned i = 0; i < n; i++) {
            const struct taken *t = &done[i].taken;

            for (int k = t->twice ? 2 : 1; k > 0; k--)
                put_used(q, t->head ^ t->wrong_id, done[i].len);
            q->used_next = (uint16_t)(q->used_next + t->jump);
        }
        __atomic_store_n(&q->used->idx, htole16(q->used_next), __ATOMIC_SEQ_CST);
        interrupt = wants_interrupt(q, q->used_next, old);
    }
    pthread_mutex_unlock(&q->lock);
    return interrupt;
}

unsigned queue_waiting(struct emulator_queue *q, uint16_t *taken)
{
    unsigned n;

    pthread_mutex_lock(&q->lock);
    n = q->running ? waiting(q) : 0;
    *taken = q->avail_next;
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool queue_notify_at(struct emulator_queue *q, unsigned n)
{
    bool enough = false;

    pthread_mutex_lock(&q->lock);
    if (q->running) {
        if (q->event_idx) {
            __virtio16 *event = (__virtio16 *)&q->used->ring[q->size];
            uint16_t at = (uint16_t)(q->avail_next + n - 1);

            __atomic_store_n(event, htole16(at), __ATOMIC_SEQ_CST);
        } else {
            __atomic_store_n(&q->used->flags, 0, __ATOMIC_SEQ_CST);
        }
        q->quiet = false;
        enough = waiting(q) >= n;
    }
    pthread_mutex_unlock(&q->lock);
    return enough;
}
