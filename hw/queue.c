/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "lock.h"

/* How many completions are taken under one hold of the lock. */
#define REAP_BATCH 64
/* The backlog behind a full ring, in rings. */
#define BACKLOG_RINGS 4
/* Timeouts without a completion between them, after which the device is taken
 * for dead rather than for one that lost a request. */
#define SILENT_MAX 8
/* How many timeouts a request may be overdue before the device is reset. */
#define OVERDUE_TIMEOUTS 10

/* Those that were told of room need not come back: then it is others' turn. */
#define FEED_AGAIN_NS 1000000u

/* Lock held: others only read. */
#define COUNT(q, what)                                                                             \
    atomic_store_explicit(&(q)->counts.what,                                                       \
                          atomic_load_explicit(&(q)->counts.what, memory_order_relaxed) + 1,       \
                          memory_order_relaxed)

int queue_init(struct queue *q, struct device *dev, unsigned index)
{
    memset(q, 0, sizeof(*q));
    q->dev = dev;
    q->index = index;
    q->backlog_max = dev->cfg.queue_size * BACKLOG_RINGS;
    TAILQ_INIT(&q->ring);
    TAILQ_INIT(&q->backlog);
    TAILQ_INIT(&q->overdue);
    TAILQ_INIT(&q->starved);
    return lock_init(&q->lock);
}

void queue_fini(struct queue *q)
{
    pthread_mutex_destroy(&q->lock);
}

static void append(struct request_list *list, struct request *r, enum request_place place)
{
    r->place = place;
    TAILQ_INSERT_TAIL(list, r, link);
}

static void set_backlog(struct queue *q, unsigned n)
{
    atomic_store_explicit(&q->backlog_len, n, memory_order_relaxed);
}

static unsigned backlog(const struct queue *q)
{
    return atomic_load_explicit(&q->backlog_len, memory_order_relaxed);
}

/* Lock held. */
static int place(struct queue *q, struct request *r)
{
    int rc;

    /* The device went and came back since the data was copied: its address
     * means nothing now, or somebody else's buffer. It cannot go again while
     * the lock is held. */
    if (!dma_buf_current(&r->buf))
        return -EIO;
    rc = q->dev->ops->place(q, r);
    if (rc != 0)
        return rc;
    append(&q->ring, r, REQUEST_RING);
    COUNT(q, requests);
    q->unkicked = true;
    return 0;
}

/* Lock held. Whether the doorbell must be rung, once it is released. */
static bool want_kick(struct queue *q)
{
    if (!q->unkicked)
        return false;
    q->unkicked = false;
    if (!q->dev->ops->should_kick(q))
        return false;
    COUNT(q, kicks);
    atomic_fetch_add_explicit(&q->kickers, 1, memory_order_relaxed);
    return true;
}

/* Lock released: on an emulator this may be where the work is done. */
static void kick_now(struct queue *q)
{
    q->dev->ops->kick(q);
    atomic_fetch_sub_explicit(&q->kickers, 1, memory_order_release);
}

static int enqueue_locked(struct queue *q, struct request *r, bool accepted)
{
    int rc;

    if (atomic_load_explicit(&q->dev->state, memory_order_acquire) != DEVICE_RUNNING)
        return -EIO;
    if (TAILQ_EMPTY(&q->backlog)) {
        rc = place(q, r);
        if (rc != -ENOSPC)
            return rc;
    }
    if (!accepted && backlog(q) >= q->backlog_max)
        return -EAGAIN;
    append(&q->backlog, r, REQUEST_BACKLOG);
    set_backlog(q, backlog(q) + 1);
    COUNT(q, backlogged);
    return 0;
}

/* Lock held. Whether who rings the doorbell looks for what is done, too: a
 * device that works while it is rung needs no interrupt then. */
static bool may_reap(const struct queue *q)
{
    return q->apart == 0 && q->dev->cfg.completion == HW_COMPLETION_ADAPTIVE && !q->dev->probing;
}

int queue_enqueue(struct queue *q, struct request *r, bool accepted, bool more)
{
    bool kick = false, reap = false;
    int rc;

    pthread_mutex_lock(&q->lock);
    rc = enqueue_locked(q, r, accepted);
    if (rc == 0)
        q->apart += r->pub.apart;
    if (rc == 0 && !more)
        kick = want_kick(q);
    if (kick && may_reap(q)) {
        reap = true;
        q->dev->ops->irq_off(q);
    }
    pthread_mutex_unlock(&q->lock);
    if (kick)
        kick_now(q);
    /* Interrupts are on again afterwards. */
    if (reap)
        (void)queue_reap(q, QUEUE_CALLER);
    if (rc != 0 && accepted) {
        request_finish(r, rc);
        rc = 0;
    }
    return rc;
}

void queue_flush(struct queue *q)
{
    bool kick;

    pthread_mutex_lock(&q->lock);
    kick = want_kick(q);
    pthread_mutex_unlock(&q->lock);
    if (kick)
        kick_now(q);
}

void queue_starve(struct queue *q, struct request *r, bool memory)
{
    bool running;

    pthread_mutex_lock(&q->lock);
    running = atomic_load_explicit(&q->dev->state, memory_order_acquire) == DEVICE_RUNNING;
    if (running) {
        append(&q->starved, r, REQUEST_STARVED);
        atomic_store_explicit(&q->has_starved, true, memory_order_relaxed);
        /* Nothing tells when memory is given back: it is asked for again, but
         * not in a loop, and not put off again by the next one. */
        if (memory && q->hungry_until <= device_now())
            q->hungry_until = device_now() + FEED_AGAIN_NS;
    }
    pthread_mutex_unlock(&q->lock);
    /* Room may have come between the refusal and now: look again. A device that
     * failed meanwhile has been drained, and looks at nobody until it is back:
     * the next attempt goes elsewhere. */
    if (running)
        device_wake(q->dev);
    else
        request_finish(r, -EAGAIN);
}

/* Lock held: those that may try again go to out. */
static void feed_locked(struct queue *q, struct request_list *out)
{
    struct request *r;

    if (TAILQ_EMPTY(&q->starved) || backlog(q) >= q->backlog_max || device_now() < q->hungry_until)
        return;
    for (unsigned room = q->backlog_max - backlog(q); room > 0; room--) {
        r = TAILQ_FIRST(&q->starved);
        if (r == NULL)
            break;
        TAILQ_REMOVE(&q->starved, r, link);
        TAILQ_INSERT_TAIL(out, r, link);
    }
    atomic_store_explicit(&q->has_starved, !TAILQ_EMPTY(&q->starved), memory_order_relaxed);
}

void queue_feed(struct queue *q)
{
    struct request_list out = TAILQ_HEAD_INITIALIZER(out);

    if (!atomic_load_explicit(&q->has_starved, memory_order_relaxed))
        return;
    pthread_mutex_lock(&q->lock);
    feed_locked(q, &out);
    pthread_mutex_unlock(&q->lock);
    request_finish_all(&out, -EAGAIN);
}

/* Lock held: what was waiting for the ring moves up. What can no longer be
 * placed, its session being gone, goes to done with its status. */
static void refill(struct queue *q, struct request_list *done)
{
    struct request *r;
    int rc;

    while ((r = TAILQ_FIRST(&q->backlog)) != NULL) {
        /* place() appends it to the ring's list, so it leaves this one first. */
        TAILQ_REMOVE(&q->backlog, r, link);
        rc = place(q, r);
        if (rc == -ENOSPC) {
            TAILQ_INSERT_HEAD(&q->backlog, r, link);
            return;
        }
        set_backlog(q, backlog(q) - 1);
        if (rc == 0)
            continue;
        q->apart -= r->pub.apart;
        r->pub.status = rc;
        r->pub.result_len = 0;
        TAILQ_INSERT_TAIL(done, r, link);
    }
}

/* Lock held. */
static unsigned take_batch(struct queue *q, struct request_list *done,
                           struct request_list *reclaimed)
{
    struct request *r;
    size_t len;
    unsigned n = 0;
    int rc = 0, status;

    while (n < REAP_BATCH && (rc = q->dev->ops->take(q, &r, &status, &len)) == 1) {
        bool late = r->place == REQUEST_OVERDUE;

        TAILQ_REMOVE(late ? &q->overdue : &q->ring, r, link);
        q->apart -= r->pub.apart;
        TAILQ_INSERT_TAIL(late ? reclaimed : done, r, link);
        COUNT(q, completions);
        if (status != 0 && status != -EBADMSG && status != -EKEYREJECTED)
            COUNT(q, errors);
        /* A late one is its owner's again, who reads his own status there. */
        if (!late) {
            r->pub.status = status;
            r->pub.result_len = len;
        }
        q->silent = 0;
        n++;
    }
    if (rc < 0)
        device_fail(q->dev);
    return n;
}

static void finish_batch(struct request_list *done, struct request_list *reclaimed)
{
    struct request *r;

    while ((r = TAILQ_FIRST(done)) != NULL) {
        TAILQ_REMOVE(done, r, link);
        request_finish(r, r->pub.status);
    }
    while ((r = TAILQ_FIRST(reclaimed)) != NULL) {
        TAILQ_REMOVE(reclaimed, r, link);
        request_reclaim(r);
    }
}

/* Lock held: interrupts are on again; who reaps is to go on where something
 * came meanwhile. */
static bool rearm(struct queue *q, enum queue_reaper who)
{
    return who != QUEUE_POLL && q->dev->cfg.completion != HW_COMPLETION_POLL &&
           q->dev->ops->irq_on(q);
}

/* Lock held. One round; whether there is to be another. */
static bool reap_locked(struct queue *q, enum queue_reaper who, struct request_list *done,
                        struct request_list *reclaimed, struct request_list *fed, unsigned *n)
{
    *n = 0;
    if (who != QUEUE_THREAD && q->apart != 0) {
        if (rearm(q, who))
            device_wake(q->dev);
        return false;
    }
    if (who != QUEUE_POLL)
        q->dev->ops->irq_off(q);
    *n = take_batch(q, done, reclaimed);
    refill(q, done);
    feed_locked(q, fed);
    return (who != QUEUE_POLL && *n != 0) || rearm(q, who);
}

unsigned queue_reap(struct queue *q, enum queue_reaper who)
{
    unsigned total = 0, n;
    bool again;

    do {
        struct request_list done = TAILQ_HEAD_INITIALIZER(done);
        struct request_list reclaimed = TAILQ_HEAD_INITIALIZER(reclaimed);
        struct request_list fed = TAILQ_HEAD_INITIALIZER(fed);
        bool kick;

        pthread_mutex_lock(&q->lock);
        /* A device that was never there has no driver. */
        if (atomic_load_explicit(&q->dev->state, memory_order_acquire) != DEVICE_RUNNING) {
            pthread_mutex_unlock(&q->lock);
            break;
        }
        again = reap_locked(q, who, &done, &reclaimed, &fed, &n);
        kick = want_kick(q);
        pthread_mutex_unlock(&q->lock);
        if (kick)
            kick_now(q);
        finish_batch(&done, &reclaimed);
        request_finish_all(&fed, -EAGAIN);
        total += n;
    } while (again);
    return total;
}

/* Lock held. Requests of list that are late go to out. */
static void expire(struct request_list *list, uint64_t now, struct request_list *out)
{
    struct request *r;

    while ((r = TAILQ_FIRST(list)) != NULL && r->deadline <= now) {
        TAILQ_REMOVE(list, r, link);
        TAILQ_INSERT_TAIL(out, r, link);
    }
}

/* When the device is reset for the sake of requests that it never gave back:
 * their memory and their place in the ring are lost until then. */
static uint64_t patience_ends(const struct queue *q)
{
    const struct request *oldest = TAILQ_FIRST(&q->overdue);
    uint64_t timeout = (uint64_t)q->dev->cfg.timeout_ms * 1000000u;

    return oldest == NULL ? 0 : oldest->deadline + OVERDUE_TIMEOUTS * timeout;
}

/*
 * Lock held. Late requests that the device has: they stay with it, on the
 * overdue list. The references returned keep them while their owners are told:
 * the device may give one back at any moment.
 */
static unsigned expire_ring(struct queue *q, uint64_t now, struct request **late, unsigned max)
{
    struct request *r;
    unsigned n = 0;

    while (n < max && (r = TAILQ_FIRST(&q->ring)) != NULL && r->deadline <= now) {
        TAILQ_REMOVE(&q->ring, r, link);
        append(&q->overdue, r, REQUEST_OVERDUE);
        request_hold(r);
        late[n++] = r;
        COUNT(q, timeouts);
    }
    q->silent += n;
    if (q->silent >= SILENT_MAX || (patience_ends(q) != 0 && patience_ends(q) <= now))
        device_fail(q->dev);
    return n;
}

/* Lock held. Each list is in the order of its deadlines. */
static uint64_t next_deadline(struct queue *q, uint64_t now)
{
    const struct request *first[] = {TAILQ_FIRST(&q->ring), TAILQ_FIRST(&q->backlog),
                                     TAILQ_FIRST(&q->starved)};
    uint64_t next = patience_ends(q);

    for (unsigned i = 0; i < 3; i++) {
        if (first[i] != NULL && (next == 0 || first[i]->deadline < next))
            next = first[i]->deadline;
    }
    if (first[2] != NULL && backlog(q) < q->backlog_max && next > now + FEED_AGAIN_NS)
        next = now + FEED_AGAIN_NS;
    return next;
}

uint64_t queue_deadlines(struct queue *q, uint64_t now)
{
    struct request_list unplaced = TAILQ_HEAD_INITIALIZER(unplaced);
    struct request_list hungry = TAILQ_HEAD_INITIALIZER(hungry);
    struct request *late[32], *r;
    unsigned n;
    uint64_t next;

    pthread_mutex_lock(&q->lock);
    n = expire_ring(q, now, late, 32);
    expire(&q->backlog, now, &unplaced);
    /* Late without ever having had a place in the ring, which is full of what
     * the device keeps: nothing will come of it any more. */
    if (!TAILQ_EMPTY(&unplaced) && TAILQ_EMPTY(&q->ring))
        device_fail(q->dev);
    TAILQ_FOREACH(r, &unplaced, link)
    {
        set_backlog(q, backlog(q) - 1);
        q->apart -= r->pub.apart;
        COUNT(q, timeouts);
    }
    expire(&q->starved, now, &hungry);
    atomic_store_explicit(&q->has_starved, !TAILQ_EMPTY(&q->starved), memory_order_relaxed);
    next = next_deadline(q, now);
    pthread_mutex_unlock(&q->lock);
    for (unsigned i = 0; i < n; i++) {
        request_overdue(late[i]);
        request_drop(late[i]);
    }
    /* It may have been reset by someone else, which nothing tells us. */
    if (n != 0 && q->dev->ops->service(q->dev, true) != 0)
        device_fail(q->dev);
    request_finish_all(&unplaced, -ETIMEDOUT);
    request_finish_all(&hungry, -EAGAIN);
    return next;
}

void queue_drain(struct queue *q, int status)
{
    struct request_list told = TAILQ_HEAD_INITIALIZER(told);
    struct request_list reclaimed = TAILQ_HEAD_INITIALIZER(reclaimed);
    struct request *r;

    pthread_mutex_lock(&q->lock);
    TAILQ_CONCAT(&told, &q->ring, link);
    TAILQ_CONCAT(&told, &q->backlog, link);
    TAILQ_CONCAT(&told, &q->starved, link);
    TAILQ_CONCAT(&reclaimed, &q->overdue, link);
    set_backlog(q, 0);
    atomic_store_explicit(&q->has_starved, false, memory_order_relaxed);
    q->unkicked = false;
    q->apart = 0;
    q->silent = 0;
    pthread_mutex_unlock(&q->lock);
    /* None comes any more: the device is out of service. */
    while (atomic_load_explicit(&q->kickers, memory_order_acquire) != 0)
        sched_yield();
    request_finish_all(&told, status);
    while ((r = TAILQ_FIRST(&reclaimed)) != NULL) {
        TAILQ_REMOVE(&reclaimed, r, link);
        request_reclaim(r);
    }
}
