/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of a split virtqueue, as plainly as it goes. */
#include "foreign.h"

#include <check.h>
#include <endian.h>
#include <sched.h>
#include <string.h>
#include <time.h>

static bool has(const struct foreign *f, unsigned feature)
{
    return f->features >> feature & 1;
}

/* Cuts the pieces into out. */
static unsigned cut_up(const struct piece *p, unsigned n, unsigned cut, struct piece *out,
                       unsigned max)
{
    unsigned k = 0;

    for (unsigned i = 0; i < n; i++)
        for (uint32_t done = 0; done < p[i].len; done += out[k - 1].len) {
            uint32_t len = p[i].len - done;
            must(k < max, "too many pieces");
            out[k].addr = p[i].addr + done;
            out[k++].len = cut != 0 && len > cut ? cut : len;
        }
    return k;
}

static void set_desc(struct vring_desc *d, const struct piece *p, bool write, bool more,
                     uint16_t next)
{
    d->addr = htole64(p->addr);
    d->len = htole32(p->len);
    d->flags =
        htole16((uint16_t)((write ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0)));
    d->next = htole16(next);
}

static int add_indirect(struct foreign *f, struct fqueue *q, const struct piece *p, unsigned n,
                        unsigned nread)
{
    struct vring_desc *table = foreign_alloc(f, n * sizeof(*table), 16);
    uint16_t head = q->free;

    if (q->nfree == 0)
        return -1;
    for (unsigned i = 0; i < n; i++)
        set_desc(&table[i], &p[i], i >= nread, i + 1 < n, (uint16_t)(i + 1));
    q->free = q->next_free[head];
    q->nfree--;
    q->desc[head].addr = htole64(foreign_iova(f, table));
    q->desc[head].len = htole32((uint32_t)(n * sizeof(*table)));
    q->desc[head].flags = htole16(VRING_DESC_F_INDIRECT);
    return head;
}

static int add_direct(struct fqueue *q, const struct piece *p, unsigned n, unsigned nread)
{
    uint16_t head = q->free;

    if (q->nfree < n)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        uint16_t at = q->free;
        q->free = q->next_free[at];
        q->nfree--;
        set_desc(&q->desc[at], &p[i], i >= nread, i + 1 < n, q->free);
    }
    return head;
}

int foreign_add(struct foreign *f, struct fqueue *q, const struct piece *p, unsigned nread,
                unsigned nwrite, unsigned cut)
{
    struct piece all[1024];
    unsigned in = cut_up(p, nread, cut, all, 1024);
    unsigned n = in + cut_up(p + nread, nwrite, cut, all + in, 1024 - in);

    if (has(f, VIRTIO_RING_F_INDIRECT_DESC) && n > 1)
        return add_indirect(f, q, all, n, in);
    return add_direct(q, all, n, in);
}

void foreign_ring(struct foreign *f, struct fqueue *q)
{
    q->kicks++;
    emulator_bar_write(f->e, f->notify.bar, q->doorbell, 2, q->index);
}

void foreign_publish(struct foreign *f, struct fqueue *q, int head)
{
    uint16_t old = le16toh(q->avail->idx);
    uint16_t new = (uint16_t)(old + 1);
    bool ring;

    must(head >= 0, "ring full");
    q->avail->ring[old % q->size] = htole16((uint16_t)head);
    /* Sequentially consistent: before the look at the suppression. */
    __atomic_store_n(&q->avail->idx, htole16(new), __ATOMIC_SEQ_CST);
    if (has(f, VIRTIO_RING_F_EVENT_IDX)) {
        const __virtio16 *event = (const __virtio16 *)&q->used->ring[q->size];
        ring = vring_need_event(le16toh(__atomic_load_n(event, __ATOMIC_SEQ_CST)), new, old);
    } else {
        ring =
            !(le16toh(__atomic_load_n(&q->used->flags, __ATOMIC_SEQ_CST)) & VRING_USED_F_NO_NOTIFY);
    }
    if (ring)
        foreign_ring(f, q);
}

static void give_back(struct fqueue *q, uint16_t head)
{
    uint16_t at = head;

    for (;;) {
        uint16_t flags = le16toh(q->desc[at].flags), next = le16toh(q->desc[at].next);
        q->next_free[at] = q->free;
        q->free = at;
        q->nfree++;
        if (!(flags & VRING_DESC_F_NEXT))
            return;
        at = next;
    }
}

bool foreign_take(struct foreign *f, struct fqueue *q, unsigned *head, uint32_t *len)
{
    uint16_t idx = le16toh(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE));
    const struct vring_used_elem *elem = &q->used->ring[q->seen % q->size];

    (void)f;
    if (idx == q->seen)
        return false;
    *head = le32toh(elem->id);
    *len = le32toh(elem->len);
    must(*head < q->size, "used id %u", *head);
    give_back(q, (uint16_t)*head);
    q->seen++;
    return true;
}

void foreign_wait(struct foreign *f, struct fqueue *q, unsigned *head, uint32_t *len)
{
    time_t end = time(NULL) + 60;

    while (!foreign_take(f, q, head, len)) {
        must(time(NULL) < end, "no used entry (status 0x%x)", foreign_status(f));
        sched_yield();
    }
}
