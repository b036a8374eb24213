/* SPDX-License-Identifier: Apache-2.0 */
#include "virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Ring fields are shared with the device. Pairings:
 *   avail->idx   stored here after the descriptors and ring entries it covers,
 *                loaded by the device before them.
 *   used->idx    loaded here before the entries it covers, stored by the
 *                device after them.
 *   avail->idx / avail_event (or used->flags): each side stores its own, then
 *                loads the other's. All four are sequentially consistent, so
 *                that at least one side sees the other's store and no wake-up
 *                is lost. The same for used->idx / used_event (avail->flags).
 */
#define LOAD(p, order)     __atomic_load_n(p, __ATOMIC_##order)
#define STORE(p, v, order) __atomic_store_n(p, v, __ATOMIC_##order)

static size_t align_up(size_t n, size_t a)
{
    return (n + a - 1) / a * a;
}

/* Behind the avail ring: the device interrupts when used->idx passes it. */
static __virtio16 *used_event(struct virtqueue *vq)
{
    return &vq->avail->ring[vq->size];
}

/* Behind the used ring: the device wants a kick when avail->idx passes it. */
static __virtio16 *avail_event(struct virtqueue *vq)
{
    return (__virtio16 *)&vq->used->ring[vq->size];
}

struct layout {
    size_t avail, used, tables, end;
};

static struct layout layout(unsigned size, bool indirect)
{
    struct layout l;

    l.avail = sizeof(struct vring_desc) * size;
    l.used = align_up(l.avail + sizeof(__virtio16) * (3 + (size_t)size), VRING_USED_ALIGN_SIZE);
    /* The used ring is written by the device only: its own cache lines. */
    l.used = align_up(l.used, 64);
    l.tables =
        align_up(l.used + sizeof(__virtio16) * 3 + sizeof(struct vring_used_elem) * size, 64);
    l.end = l.tables;
    if (indirect)
        l.end += sizeof(struct vring_desc) * VIRTQUEUE_SEGS_MAX * size;
    return l;
}

size_t virtqueue_bytes(unsigned size, bool indirect)
{
    return layout(size, indirect).end;
}

int virtqueue_init(struct virtqueue *vq, unsigned size, bool event_idx, bool indirect, void *mem,
                   uint64_t iova)
{
    struct layout l = layout(size, indirect);
    char *base = mem;

    memset(vq, 0, sizeof(*vq));
    vq->tokens = calloc(size, sizeof(*vq->tokens));
    vq->next_free = calloc(size, sizeof(*vq->next_free));
    vq->chain_len = calloc(size, sizeof(*vq->chain_len));
    if (vq->tokens == NULL || vq->next_free == NULL || vq->chain_len == NULL) {
        virtqueue_fini(vq);
        return -ENOMEM;
    }
    vq->size = size;
    vq->event_idx = event_idx;
    vq->indirect = indirect;
    vq->avail_off = l.avail;
    vq->used_off = l.used;
    vq->desc = mem;
    vq->avail = (struct vring_avail *)(base + l.avail);
    vq->used = (struct vring_used *)(base + l.used);
    vq->tables = (struct vring_desc *)(base + l.tables);
    vq->tables_iova = iova + l.tables;
    for (unsigned i = 0; i < size; i++)
        vq->next_free[i] = (uint16_t)(i + 1);
    vq->free_count = size;
    return 0;
}

void virtqueue_fini(struct virtqueue *vq)
{
    free(vq->tokens);
    free(vq->next_free);
    free(vq->chain_len);
    vq->tokens = NULL;
    vq->next_free = NULL;
    vq->chain_len = NULL;
}

int virtqueue_next(const struct virtqueue *vq, unsigned n)
{
    unsigned need = vq->indirect ? 1 : n;

    return n > VIRTQUEUE_SEGS_MAX || vq->free_count < need ? -ENOSPC : (int)vq->free_head;
}

static void fill(struct vring_desc *d, const struct virtqueue_seg *seg, unsigned flags,
                 unsigned next)
{
    d->addr = htole64(seg->iova);
    d->len = htole32(seg->len);
    d->flags = htole16((uint16_t)flags);
    d->next = htole16((uint16_t)next);
}

static unsigned seg_flags(unsigned i, unsigned nread, unsigned n)
{
    unsigned flags = i >= nread ? VRING_DESC_F_WRITE : 0;

    return i + 1 < n ? flags | VRING_DESC_F_NEXT : flags;
}

static void add_indirect(struct virtqueue *vq, const struct virtqueue_seg *segs, unsigned nread,
                         unsigned n)
{
    unsigned head = vq->free_head;
    struct vring_desc *table = &vq->tables[(size_t)head * VIRTQUEUE_SEGS_MAX];
    struct virtqueue_seg whole = {
        .iova = vq->tables_iova + sizeof(*table) * VIRTQUEUE_SEGS_MAX * (uint64_t)head,
        .len = (uint32_t)(sizeof(*table) * n),
    };

    for (unsigned i = 0; i < n; i++)
        fill(&table[i], &segs[i], seg_flags(i, nread, n), i + 1);
    fill(&vq->desc[head], &whole, VRING_DESC_F_INDIRECT, 0);
    vq->free_head = vq->next_free[head];
    vq->free_count--;
}

static void add_direct(struct virtqueue *vq, const struct virtqueue_seg *segs, unsigned nread,
                       unsigned n)
{
    unsigned i = vq->free_head;

    for (unsigned k = 0; k < n; k++) {
        fill(&vq->desc[i], &segs[k], seg_flags(k, nread, n), vq->next_free[i]);
        i = vq->next_free[i];
    }
    vq->free_head = i;
    vq->free_count -= n;
}

int virtqueue_add(struct virtqueue *vq, const struct virtqueue_seg *segs, unsigned nread,
                  unsigned nwrite, void *token)
{
    unsigned n = nread + nwrite;
    int head = virtqueue_next(vq, n);

    if (head < 0)
        return head;
    vq->tokens[head] = token;
    vq->chain_len[head] = (uint8_t)(vq->indirect ? 1 : n);
    if (vq->indirect)
        add_indirect(vq, segs, nread, n);
    else
        add_direct(vq, segs, nread, n);
    vq->avail->ring[vq->avail_idx & (vq->size - 1)] = htole16((uint16_t)head);
    vq->avail_idx++;
    STORE(&vq->avail->idx, htole16(vq->avail_idx), SEQ_CST);
    return 0;
}

bool virtqueue_should_kick(struct virtqueue *vq)
{
    uint16_t old = vq->kicked_idx, now = vq->avail_idx;

    vq->kicked_idx = now;
    if (old == now)
        return false;
    if (vq->event_idx)
        return vring_need_event(le16toh(LOAD(avail_event(vq), SEQ_CST)), now, old);
    return !(le16toh(LOAD(&vq->used->flags, SEQ_CST)) & VRING_USED_F_NO_NOTIFY);
}

/* The links of a chain in next_free still stand as add_direct left them. */
static void release_chain(struct virtqueue *vq, unsigned head)
{
    unsigned last = head;

    for (unsigned k = 1; k < vq->chain_len[head]; k++)
        last = vq->next_free[last];
    vq->next_free[last] = (uint16_t)vq->free_head;
    vq->free_head = head;
    vq->free_count += vq->chain_len[head];
}

int virtqueue_get(struct virtqueue *vq, void **token, unsigned *head, uint32_t *len)
{
    uint16_t device_idx = le16toh(LOAD(&vq->used->idx, ACQUIRE));
    uint16_t count = (uint16_t)(device_idx - vq->used_idx);
    const struct vring_used_elem *e = &vq->used->ring[vq->used_idx & (vq->size - 1)];
    uint32_t id;

    if (count == 0)
        return 0;
    if (count > vq->size)
        return -EIO;
    id = le32toh(LOAD(&e->id, RELAXED));
    *len = le32toh(LOAD(&e->len, RELAXED));
    if (id >= vq->size || vq->tokens[id] == NULL)
        return -EIO;
    *token = vq->tokens[id];
    *head = id;
    vq->tokens[id] = NULL;
    release_chain(vq, id);
    vq->used_idx++;
    return 1;
}

bool virtqueue_pending(const struct virtqueue *vq)
{
    return le16toh(LOAD(&vq->used->idx, SEQ_CST)) != vq->used_idx;
}

void virtqueue_irq_off(struct virtqueue *vq)
{
    /* With event index there is no "off": an index just behind us is the
     * farthest away that there is. */
    if (vq->event_idx)
        STORE(used_event(vq), htole16((uint16_t)(vq->used_idx - 1)), RELAXED);
    else
        STORE(&vq->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT), RELAXED);
}

bool virtqueue_irq_on(struct virtqueue *vq)
{
    if (vq->event_idx)
        STORE(used_event(vq), htole16(vq->used_idx), SEQ_CST);
    else
        STORE(&vq->avail->flags, 0, SEQ_CST);
    return virtqueue_pending(vq);
}
