/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/chain.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "emulator/device.h"

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

/*
 * The driver may change a descriptor under our eyes: each field is loaded
 * once, and what is checked is what is used. Relaxed is enough, the acquire
 * load of the available index comes before.
 */
static struct desc load_desc(const struct vring_desc *d)
{
    struct desc out = {
        .addr = le64toh(__atomic_load_n(&d->addr, __ATOMIC_RELAXED)),
        .len = le32toh(__atomic_load_n(&d->len, __ATOMIC_RELAXED)),
        .flags = le16toh(__atomic_load_n(&d->flags, __ATOMIC_RELAXED)),
        .next = le16toh(__atomic_load_n(&d->next, __ATOMIC_RELAXED)),
    };
    return out;
}

static int add_segment(struct emulator *e, struct chain *c, const struct desc *d)
{
    bool write = d->flags & VRING_DESC_F_WRITE;

    if (!write && c->nout != 0)
        return -EINVAL; /* readable after writable */
    if (d->len == 0)
        return 0;
    c->seg[c->nin + c->nout].len = d->len;
    c->seg[c->nin + c->nout].ptr = device_dma(e, d->addr, d->len, write);
    if (write) {
        c->nout++;
        c->out_len += d->len;
    } else {
        c->nin++;
        c->in_len += d->len;
    }
    return 0;
}

int chain_walk(struct emulator *e, struct chain *c, const struct vring_desc *table, uint16_t size,
               uint16_t head, bool indirect)
{
    uint32_t entries = size; /* of the table we are in */
    uint32_t i = head;
    bool inside = false;
    struct desc d;

    c->nin = c->nout = 0;
    c->in_len = c->out_len = 0;
    /* No chain is longer than the queue, whatever tables it goes through
     * (VIRTIO 1.2, section 2.7.5.3.1): so loops end here. */
    for (unsigned n = 0; n < size && n < c->max;) {
        if (i >= entries)
            return -EINVAL;
        d = load_desc(&table[i]);
        if (d.flags & VRING_DESC_F_INDIRECT) {
            if (!indirect || inside || (d.flags & VRING_DESC_F_NEXT) || d.len == 0 ||
                d.len % sizeof(*table) != 0)
                return -EINVAL;
            table = device_dma(e, d.addr, d.len, false);
            if (table == NULL || (uintptr_t)table % _Alignof(struct vring_desc) != 0)
                return -EINVAL;
            entries = d.len / (uint32_t)sizeof(*table);
            inside = true;
            i = 0;
            continue;
        }
        if (add_segment(e, c, &d) != 0)
            return -EINVAL;
        if (!(d.flags & VRING_DESC_F_NEXT))
            return c->in_len + c->out_len > UINT32_MAX ? -EINVAL : 0;
        i = d.next;
        n++;
    }
    return -EINVAL;
}

struct cursor chain_in(const struct chain *c)
{
    return (struct cursor){c->seg, c->nin, 0};
}

struct cursor chain_out(const struct chain *c)
{
    return (struct cursor){c->seg + c->nin, c->nout, 0};
}

static void advance(struct cursor *cur, uint32_t len)
{
    cur->off += len;
    if (cur->off == cur->seg->len) {
        cur->seg++;
        cur->left--;
        cur->off = 0;
    }
}

uint8_t *cursor_direct(struct cursor *cur, size_t len)
{
    uint8_t *p;

    if (cur->left == 0 || cur->seg->ptr == NULL || cur->seg->len - cur->off < len)
        return NULL;
    p = cur->seg->ptr + cur->off;
    advance(cur, (uint32_t)len);
    return p;
}

/* The next piece, at most *len bytes; NULL: none, or memory is missing. */
static uint8_t *piece(struct cursor *cur, size_t *len)
{
    if (cur->left == 0)
        return NULL;
    if (*len > cur->seg->len - cur->off)
        *len = cur->seg->len - cur->off;
    return cursor_direct(cur, *len);
}

bool cursor_read(struct cursor *cur, void *buf, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = len - done;
        const uint8_t *p = piece(cur, &n);
        if (p == NULL)
            return false;
        memcpy((uint8_t *)buf + done, p, n);
    }
    return true;
}

bool cursor_write(struct cursor *cur, const void *buf, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = len - done;
        uint8_t *p = piece(cur, &n);
        if (p == NULL)
            return false;
        memcpy(p, (const uint8_t *)buf + done, n);
    }
    return true;
}

bool cursor_zero(struct cursor *cur, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = len - done;
        uint8_t *p = piece(cur, &n);
        if (p == NULL)
            return false;
        memset(p, 0, n);
    }
    return true;
}

bool cursor_skip(struct cursor *cur, size_t len)
{
    while (len > 0) {
        size_t n = len;
        if (cur->left == 0)
            return false;
        if (n > cur->seg->len - cur->off)
            n = cur->seg->len - cur->off;
        advance(cur, (uint32_t)n);
        len -= n;
    }
    return true;
}
