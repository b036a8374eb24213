/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_model.h"

#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define IOVA 0x7000000000ull

void model_open(struct model *m, unsigned size, int features)
{
    void *mem;

    memset(m, 0, sizeof(*m));
    m->size = size;
    m->event_idx = features & 1;
    m->indirect = features & 2;
    m->bytes = virtqueue_bytes(size, m->indirect);
    /* Exactly as many bytes, so that a sanitizer sees one too many used. */
    ck_assert_int_eq(posix_memalign(&mem, 64, m->bytes), 0);
    m->mem = memset(mem, 0, m->bytes);
    ck_assert_int_eq(virtqueue_init(&m->vq, size, m->event_idx, m->indirect, m->mem, IOVA), 0);
    m->desc = (struct vring_desc *)(void *)(m->mem + m->vq.desc_off);
    m->avail = (struct vring_avail *)(void *)(m->mem + m->vq.avail_off);
    m->used = (struct vring_used *)(void *)(m->mem + m->vq.used_off);
}

void model_close(struct model *m)
{
    virtqueue_fini(&m->vq);
    free(m->mem);
}

void model_start_at(struct model *m, unsigned chains)
{
    uint16_t idx = (uint16_t)chains;

    m->avail->idx = m->used->idx = htole16(idx);
    m->avail_next = m->used_next = idx;
    m->vq.avail_idx = m->vq.kicked_idx = m->vq.used_idx = idx;
}

static uint16_t *used_event(struct model *m)
{
    return &m->avail->ring[m->size];
}

__virtio16 *model_avail_event(struct model *m)
{
    return (__virtio16 *)(void *)&m->used->ring[m->size];
}

static void take_segment(struct popped *p, const struct vring_desc *d)
{
    bool write = le16toh(d->flags) & VRING_DESC_F_WRITE;

    MUST(p->n < VIRTQUEUE_SEGS_MAX);
    p->segs[p->n++] = (struct virtqueue_seg){le64toh(d->addr), le32toh(d->len)};
    p->nread += !write;
    /* Readable segments come first. */
    MUST(write || p->nread == p->n);
}

bool model_pop(struct model *m, struct popped *p)
{
    const struct vring_desc *table = m->desc;
    unsigned i, entries = m->size;

    if (le16toh(m->avail->idx) == m->avail_next)
        return false;
    memset(p, 0, sizeof(*p));
    p->head = i = le16toh(m->avail->ring[m->avail_next++ % m->size]);
    MUST(i < m->size);
    if (m->indirect) {
        const struct vring_desc *d = &m->desc[i];
        uint64_t off = le64toh(d->addr) - IOVA;

        MUST(le16toh(d->flags) == VRING_DESC_F_INDIRECT);
        MUST(off + le32toh(d->len) <= m->bytes);
        MUST(off % 16 == 0);
        entries = le32toh(d->len) / (unsigned)sizeof(*d);
        MUST(le32toh(d->len) % sizeof(*d) == 0);
        table = (const struct vring_desc *)(void *)(m->mem + off);
        i = 0;
    }
    for (;;) {
        MUST(i < entries);
        take_segment(p, &table[i]);
        if (!(le16toh(table[i].flags) & VRING_DESC_F_NEXT))
            break;
        i = le16toh(table[i].next);
    }
    return true;
}

void model_push(struct model *m, uint32_t id, uint32_t len)
{
    m->used->ring[m->used_next++ % m->size] = (struct vring_used_elem){htole32(id), htole32(len)};
    __atomic_store_n(&m->used->idx, htole16(m->used_next), __ATOMIC_SEQ_CST);
}

bool model_interrupts(struct model *m, uint16_t old)
{
    if (m->event_idx)
        return vring_need_event(le16toh(*used_event(m)), m->used_next, old);
    return !(le16toh(m->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* A chain that is different for each tag. */
static unsigned make_chain(uint64_t tag, struct virtqueue_seg *segs, unsigned *nread)
{
    unsigned n = 1 + (unsigned)(tag % VIRTQUEUE_SEGS_MAX);

    for (unsigned i = 0; i < n; i++)
        segs[i] = (struct virtqueue_seg){tag * 1000 + i, (uint32_t)(tag + i + 1)};
    *nread = (unsigned)(tag / 7 % (n + 1));
    return n;
}

void model_check_chain(const struct popped *p, uint64_t tag)
{
    struct virtqueue_seg segs[VIRTQUEUE_SEGS_MAX];
    unsigned nread, n = make_chain(tag, segs, &nread);

    MUST(p->n == n);
    MUST(p->nread == nread);
    for (unsigned i = 0; i < n; i++) {
        MUST(p->segs[i].iova == segs[i].iova);
        MUST(p->segs[i].len == segs[i].len);
    }
}

int model_add(struct model *m, uint64_t tag)
{
    struct virtqueue_seg segs[VIRTQUEUE_SEGS_MAX];
    unsigned nread, n = make_chain(tag, segs, &nread);
    int head = virtqueue_next(&m->vq, n);
    int rc = virtqueue_add(&m->vq, segs, nread, n - nread, (void *)(uintptr_t)(tag + 1));

    MUST((rc == 0) == (head >= 0));
    if (rc == 0) {
        uint16_t idx = (uint16_t)(le16toh(m->avail->idx) - 1);

        MUST(le16toh(m->avail->ring[idx % m->size]) == head);
    }
    return rc;
}

void model_run(struct model *m, unsigned n)
{
    struct popped p;
    void *token;
    unsigned head;
    uint32_t len;

    while (n-- > 0) {
        MUST(model_add(m, n) == 0);
        (void)virtqueue_should_kick(&m->vq);
        MUST(model_pop(m, &p));
        model_check_chain(&p, n);
        model_push(m, p.head, n);
        MUST(virtqueue_get(&m->vq, &token, &head, &len) == 1);
        MUST((uintptr_t)token == (uintptr_t)n + 1);
        MUST(head == p.head);
        MUST(len == n);
    }
}
