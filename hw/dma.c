/* SPDX-License-Identifier: Apache-2.0 */
#include "dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lock.h"
#include "transport.h"

/* A small record, an Ethernet frame's worth and more, a TLS record with all
 * that goes with it, and 64 KiB. Multiples of 64: no two requests share a
 * cache line. */
static const size_t class_size[DMA_CLASSES] = {1024, 4608, 17408, DMA_BUF_MAX};

/* A free buffer's first bytes. */
struct dma_free {
    struct dma_free *next;
    uint64_t iova;
    unsigned part;
};

#define REGION_BYTES ((size_t)1 << 20)

int dma_region_alloc(struct transport *t, size_t len, struct dma_region *out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int rc;

    memset(out, 0, sizeof(*out));
    len = (len + page - 1) / page * page;
    void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (va == MAP_FAILED)
        return -ENOMEM;
    /* A child must not share it (its writes would split the pages away from
     * the device), and a core dump must not hold plaintext. */
    if (madvise(va, len, MADV_DONTFORK) != 0 || madvise(va, len, MADV_DONTDUMP) != 0) {
        munmap(va, len);
        return -ENOMEM;
    }
    rc = t->ops->dma_map(t, va, len, &out->iova);
    if (rc != 0) {
        munmap(va, len);
        return rc;
    }
    out->va = va;
    out->len = len;
    return 0;
}

static void release_memory(struct dma_region *r)
{
    explicit_bzero(r->va, r->len);
    munmap(r->va, r->len);
    memset(r, 0, sizeof(*r));
}

void dma_region_free(struct transport *t, struct dma_region *r)
{
    if (r->va == NULL)
        return;
    t->ops->dma_unmap(t, r->iova, r->len);
    release_memory(r);
}

struct dma_pool *dma_pool_new(size_t limit)
{
    struct dma_pool *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->limit = limit;
    if (lock_init(&p->lock) == 0)
        return p;
    free(p);
    return NULL;
}

static void free_batch(struct dma_batch *b)
{
    for (unsigned i = 0; i < b->nparts; i++)
        if (b->parts[i].mem.va != NULL)
            release_memory(&b->parts[i].mem);
    free(b->parts);
    b->parts = NULL;
    b->nparts = 0;
}

/* Nobody else knows it any more. */
static void destroy(struct dma_pool *p)
{
    while (p->gone != NULL) {
        struct dma_batch *b = p->gone;

        p->gone = b->next;
        free_batch(b);
        free(b);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void dma_pool_free(struct dma_pool *p)
{
    bool last;

    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->orphan = true;
    last = p->out == 0;
    pthread_mutex_unlock(&p->lock);
    if (last)
        destroy(p);
}

void dma_pool_attach(struct dma_pool *p, struct transport *t)
{
    pthread_mutex_lock(&p->lock);
    p->t = t;
    pthread_mutex_unlock(&p->lock);
}

/* Lock held. Memory that is still in use is put aside; without memory for
 * that it is given up: leaked rather than pulled from under its users. */
static void put_aside(struct dma_pool *p)
{
    struct dma_batch *b = malloc(sizeof(*b));

    if (b == NULL)
        return;
    *b = p->now;
    b->next = p->gone;
    p->gone = b;
}

void dma_pool_detach(struct dma_pool *p)
{
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < p->now.nparts; i++) {
        struct dma_part *part = &p->now.parts[i];

        p->t->ops->dma_unmap(p->t, part->mem.iova, part->mem.len);
        if (part->out == 0)
            release_memory(&part->mem);
    }
    if (p->now.out == 0)
        free_batch(&p->now);
    else
        put_aside(p);
    p->now = (struct dma_batch){.epoch = p->now.epoch + 1};
    atomic_store_explicit(&p->epoch, p->now.epoch, memory_order_release);
    memset(p->free, 0, sizeof(p->free));
    p->total = 0;
    p->t = NULL;
    pthread_mutex_unlock(&p->lock);
}

/* Lock held. */
static int grow(struct dma_pool *p, unsigned cls)
{
    unsigned part = p->now.nparts;
    struct dma_part *more;
    struct dma_region r;
    size_t size = class_size[cls];
    int rc;

    if (p->total + REGION_BYTES > p->limit)
        return -ENOMEM;
    more = realloc(p->now.parts, (part + 1) * sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    p->now.parts = more;
    rc = dma_region_alloc(p->t, REGION_BYTES, &r);
    if (rc != 0)
        return rc;
    p->now.parts[part] = (struct dma_part){.mem = r};
    p->now.nparts++;
    p->total += r.len;
    for (size_t off = 0; off + size <= r.len; off += size) {
        struct dma_free *f = (struct dma_free *)((char *)r.va + off);

        f->iova = r.iova + off;
        f->part = part;
        f->next = p->free[cls];
        p->free[cls] = f;
    }
    return 0;
}

static unsigned class_of(size_t len)
{
    unsigned cls = 0;

    while (cls < DMA_CLASSES && class_size[cls] < len)
        cls++;
    return cls;
}

int dma_buf_get(struct dma_pool *p, size_t len, struct dma_buf *out)
{
    unsigned cls = class_of(len);
    struct dma_free *f;
    int rc = 0;

    out->va = NULL;
    if (cls == DMA_CLASSES)
        return -EMSGSIZE;
    pthread_mutex_lock(&p->lock);
    if (p->free[cls] == NULL)
        rc = p->t == NULL ? -ENODEV : grow(p, cls);
    f = p->free[cls];
    if (f != NULL) {
        p->free[cls] = f->next;
        p->now.parts[f->part].out++;
        p->now.out++;
        p->out++;
        out->pool = p;
        out->part = f->part;
        out->epoch = p->now.epoch;
    }
    pthread_mutex_unlock(&p->lock);
    if (f == NULL)
        return rc;
    out->iova = f->iova;
    out->va = (uint8_t *)f;
    out->cls = (unsigned char)cls;
    return 0;
}

/* Lock held. A buffer of a device that has gone: its memory goes with the last
 * of its region. */
static void put_gone(struct dma_pool *p, const struct dma_buf *buf)
{
    struct dma_batch **at = &p->gone, *b;

    while (*at != NULL && (*at)->epoch != buf->epoch)
        at = &(*at)->next;
    b = *at;
    if (b == NULL)
        return;
    if (--b->parts[buf->part].out == 0)
        release_memory(&b->parts[buf->part].mem);
    if (--b->out == 0) {
        *at = b->next;
        free_batch(b);
        free(b);
    }
}

void dma_buf_put(struct dma_buf *b, size_t dirty)
{
    struct dma_free *f = (struct dma_free *)(void *)b->va;
    struct dma_pool *p = b->pool;
    bool last;

    if (f == NULL)
        return;
    explicit_bzero(b->va, dirty);
    pthread_mutex_lock(&p->lock);
    if (b->epoch == p->now.epoch) {
        f->iova = b->iova;
        f->part = b->part;
        f->next = p->free[b->cls];
        p->free[b->cls] = f;
        p->now.parts[b->part].out--;
        p->now.out--;
    } else {
        put_gone(p, b);
    }
    p->out--;
    last = p->orphan && p->out == 0;
    pthread_mutex_unlock(&p->lock);
    b->va = NULL;
    if (last)
        destroy(p);
}

size_t dma_buf_size(const struct dma_buf *b)
{
    return class_size[b->cls];
}

bool dma_buf_current(const struct dma_buf *b)
{
    return b->epoch == atomic_load_explicit(&b->pool->epoch, memory_order_acquire);
}

bool dma_buf_fits(const struct dma_buf *b, const struct dma_pool *p, size_t len)
{
    return b->pool == p && b->cls == class_of(len) && dma_buf_current(b);
}

/* Buffers that may be out for others to be kept; the largest never are. */
#define SPARE_MAX 128

bool dma_buf_spare(const struct dma_buf *b)
{
    return b->cls < DMA_CLASSES - 1 && dma_buf_current(b) &&
           atomic_load_explicit(&b->pool->out, memory_order_relaxed) <= SPARE_MAX;
}
