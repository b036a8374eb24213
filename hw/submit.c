/* SPDX-License-Identifier: Apache-2.0 */
#include "submit.h"

#include <errno.h>

#include "key.h"
#include "live.h"
#include "queue.h"

static void take_key(struct request *r)
{
    struct hw_key *old = r->key;

    if (old == r->pub.key)
        return;
    if (r->session != NULL)
        session_unref(r->session);
    r->session = NULL;
    r->key = hw_key_ref(r->pub.key);
    hw_key_unref(old);
}

/* Before the request can be seen by the completion thread. */
static void launch(struct request *r)
{
    struct device *dev = r->dev;

    r->deadline = device_now() + (uint64_t)dev->cfg.timeout_ms * 1000000u;
    /* Of the last use; one that fails or is late has none. */
    r->pub.result_len = 0;
    request_hold(r);
    atomic_store_explicit(&r->busy, true, memory_order_relaxed);
    live_add(&live.in_flight, 1);
    /* See device.h at idle. */
    atomic_fetch_add(&dev->in_flight, 1);
    if (atomic_load(&dev->idle) && atomic_exchange(&dev->idle, false))
        device_wake(dev);
}

/* The request was refused after launch. */
static void land(struct request *r)
{
    if (r->pinned)
        session_unpin(r->session);
    r->pinned = false;
    atomic_fetch_sub(&r->dev->in_flight, 1);
    live_add(&live.in_flight, -1);
    atomic_store_explicit(&r->busy, false, memory_order_relaxed);
    request_unstage(r);
    request_drop(r);
}

static int starve(struct request *r, bool memory)
{
    request_unstage(r);
    if (!r->pub.wait_for_room)
        return -EAGAIN;
    launch(r);
    queue_starve(r->queue, r, memory);
    return -EAGAIN;
}

int submit_to(struct device *dev, unsigned slot, struct hw_request *req, bool more)
{
    struct request *r = request_of(req);
    struct queue *q = &dev->queues[slot % dev->nqueues];
    int rc;

    take_key(r);
    if (r->dev != dev)
        request_unstage(r);
    r->dev = dev;
    r->queue = q;
    /* Before the data is copied for nothing. */
    if (atomic_load_explicit(&q->backlog_len, memory_order_relaxed) >= q->backlog_max)
        return starve(r, false);
    rc = request_stage(r, dev);
    if (rc != 0)
        return rc == -ENOMEM ? starve(r, true) : rc;
    launch(r);
    rc = dev->ops->prepare(dev, r);
    if (rc == -EINPROGRESS)
        return 0;
    if (rc == 0)
        rc = queue_enqueue(q, r, false, more);
    if (rc == 0)
        return 0;
    land(r);
    return rc == -EAGAIN ? starve(r, false) : rc;
}
