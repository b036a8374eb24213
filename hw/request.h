/* SPDX-License-Identifier: Apache-2.0 */
/* A request as the driver sees it. */
#ifndef VCRYPTO_REQUEST_H
#define VCRYPTO_REQUEST_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "dma.h"
#include "hw.h"

struct device;
struct queue;
struct session;

/* Which list a request is on; guarded by the lock of that list. */
enum request_place {
    REQUEST_IDLE,
    REQUEST_SESSION, /* waits for its session to be made */
    REQUEST_BACKLOG,
    REQUEST_RING,    /* the device has it */
    REQUEST_OVERDUE, /* the device has it still, its owner was told -ETIMEDOUT */
    REQUEST_STARVED, /* waits for room, see hw_submit */
};

struct request {
    struct hw_request pub; /* first: the two are converted by a cast */
    /* One for each owner, REQUEST_HELD for each of the driver's own: in a forked
     * child nobody is left to drop those, and they do not count. */
    atomic_uint refs;
    /* True from hw_submit until the device is through with the request, also
     * when its owner was told of a timeout. Stored false (release) before
     * complete() is called, loaded (acquire) before the request is reused. */
    atomic_bool busy;
    unsigned generation;
    void (*fini)(struct hw_request *req);

    struct hw_key *key;      /* our reference, kept from one use to the next */
    struct session *session; /* likewise; pinned while in flight */
    bool pinned;

    struct device *dev;
    struct queue *queue;
    struct dma_buf buf; /* may be kept from one use to the next */
    bool staged;        /* it holds this use's data */
    size_t buf_dirty;   /* bytes of buf that hold data */
    size_t src_len, dst_len, dst_off, aad_off;

    enum request_place place;
    uint64_t deadline; /* ns, CLOCK_MONOTONIC */
    TAILQ_ENTRY(request) link;
};

TAILQ_HEAD(request_list, request);

#define REQUEST_HELD (1u << 16)

static inline struct request *request_of(struct hw_request *pub)
{
    return (struct request *)pub;
}

/* The driver's references. */
void request_hold(struct request *r);
void request_drop(struct request *r);

/*
 * Gives the request DMA memory of dev and copies the caller's data in:
 *     source (AEAD, decrypting: and tag) | destination | AAD
 * Source and destination are the same memory but for akcipher: a cipher may
 * always work in place. -EMSGSIZE, -ENOMEM.
 */
int request_stage(struct request *r, struct device *dev);
/* Undoes request_stage, and gives back what was kept. */
void request_unstage(struct request *r);

/* The device is through with the request (it is on no list): tells the owner
 * and drops the device's reference. No lock may be held. */
void request_finish(struct request *r, int status);
/* All of list, which is private to the caller, in order. */
void request_finish_all(struct request_list *list, int status);
/* The owner is told, the device keeps the request. */
void request_overdue(struct request *r);
/* The device gave back an overdue request. */
void request_reclaim(struct request *r);

#endif
