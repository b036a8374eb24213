/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA memory: whole regions for rings, and a pool of buffers for requests.
 * All of it is the driver's own, is not inherited by forked children and not
 * written to core dumps. Thread-safe.
 */
#ifndef VCRYPTO_DMA_H
#define VCRYPTO_DMA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport;

struct dma_region {
    void *va; /* NULL: none */
    uint64_t iova;
    size_t len;
};

/* Zeroed, page-aligned memory that the device can reach. -ENOMEM or what the
 * transport says. */
int dma_region_alloc(struct transport *t, size_t len, struct dma_region *out);
/* The device must not use it any more. Cleansed. NULL va is fine. */
void dma_region_free(struct transport *t, struct dma_region *r);

#define DMA_CLASSES 4
/* The largest buffer. */
#define DMA_BUF_MAX 67584

struct dma_buf {
    uint8_t *va; /* NULL: none */
    uint64_t iova;
    struct dma_pool *pool; /* whose it is */
    unsigned epoch;        /* of the pool, when it was given out */
    unsigned part;         /* which region it was cut from */
    unsigned char cls;
};

/* A region that is cut into buffers, all of one size. */
struct dma_part {
    struct dma_region mem;
    unsigned out; /* buffers given out of it */
};

/* Those of one time of being attached. */
struct dma_batch {
    struct dma_part *parts;
    unsigned nparts, epoch;
    unsigned out; /* buffers given out of them */
    struct dma_batch *next;
};

/*
 * A pool outlives the device's coming and going, and buffers outlive the pool's
 * owner: those that are out when the device goes stay readable until they are
 * put back. They keep no more than the regions that they were cut from.
 */
struct dma_pool {
    pthread_mutex_t lock;
    struct transport *t; /* NULL: detached */
    struct dma_free *free[DMA_CLASSES];
    struct dma_batch now;
    struct dma_batch *gone; /* of earlier times, with buffers still out */
    size_t total, limit;    /* bytes of regions attached */
    /* Written under the lock; read without it as a guess. */
    atomic_uint out;   /* buffers given out, of all times */
    atomic_uint epoch; /* now's */
    bool orphan;       /* its owner has gone: the last buffer frees it */
};

/* Detached. NULL: no memory. */
struct dma_pool *dma_pool_new(size_t limit);
/* Must be detached. NULL is fine. */
void dma_pool_free(struct dma_pool *p);

void dma_pool_attach(struct dma_pool *p, struct transport *t);
/* The device reaches none of the memory afterwards. */
void dma_pool_detach(struct dma_pool *p);

/* len up to DMA_BUF_MAX. -ENOMEM: the limit, or the transport, says no;
 * -ENODEV: detached; -EMSGSIZE. */
int dma_buf_get(struct dma_pool *p, size_t len, struct dma_buf *out);
/* dirty: how many leading bytes to cleanse. */
void dma_buf_put(struct dma_buf *b, size_t dirty);
size_t dma_buf_size(const struct dma_buf *b);

/* Whether the device can reach it: it could not if it has gone since, and may
 * have come back. */
bool dma_buf_current(const struct dma_buf *b);
/* Whether b is what dma_buf_get would give for len bytes: of the device's
 * present time, and of that size. */
bool dma_buf_fits(const struct dma_buf *b, const struct dma_pool *p, size_t len);
/* Whether who will soon want a buffer again may keep b, which spares two locks:
 * its device is there still, and there is so much of it. */
bool dma_buf_spare(const struct dma_buf *b);

#endif
