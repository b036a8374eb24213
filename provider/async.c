/* SPDX-License-Identifier: Apache-2.0 */
#include "async.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw.h"
#include "waiter.h"

/* Resumptions in a row without a completion, after which pausing is taken to
 * be blocked (ASYNC_block_pause) or the application to spin: the job then
 * waits on its own, a millisecond at a time. */
#define RESUMES_MAX 1000
/* Looks at the queue before a thread outside a job goes to sleep. */
#define SYNC_POLLS 200

ASYNC_JOB *async_job(void)
{
    return ASYNC_get_current_job();
}

bool async_begin(struct flight *f, ASYNC_JOB *job)
{
    atomic_store_explicit(&f->state, FLIGHT_RUNNING, memory_order_relaxed);
    f->waiter = NULL;
    if (job == NULL)
        return true;
    f->waiter = waiter_of_job(job);
    if (f->waiter == NULL)
        return false;
    ASYNC_WAIT_CTX_set_status(f->waiter->wctx, ASYNC_STATUS_OK);
    return true;
}

/* The completion side sets the status too, but not unless the job is paused:
 * these two run before or after that. */
void async_no_room(struct flight *f)
{
    if (f->waiter != NULL)
        ASYNC_WAIT_CTX_set_status(f->waiter->wctx, ASYNC_STATUS_EAGAIN);
}

void async_failed(struct flight *f)
{
    if (f->waiter != NULL)
        ASYNC_WAIT_CTX_set_status(f->waiter->wctx, ASYNC_STATUS_ERR);
}

static bool move(struct flight *f, uint32_t from, uint32_t to)
{
    /* Release: what async_complete reads of the waiter was written before.
     * Acquire: the result, which was written before DONE. */
    return atomic_compare_exchange_strong_explicit(&f->state, &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

static bool done(struct flight *f)
{
    return atomic_load_explicit(&f->state, memory_order_acquire) == FLIGHT_DONE;
}

static void take_callback(struct flight *f)
{
    f->callback_arg = NULL;
    if (!ASYNC_WAIT_CTX_get_callback(f->waiter->wctx, &f->callback, &f->callback_arg))
        f->callback = NULL;
}

/* How a wait in a job ends. */
enum waited { WAITED_DONE, WAITED_FORK, WAITED_CANNOT };

static enum waited wait_in_job(struct flight *f)
{
    struct waiter *w = f->waiter;
    bool fresh = !w->registered;
    unsigned resumes = 0;

    if (done(f))
        return WAITED_DONE;
    if (!waiter_register(w))
        return WAITED_CANNOT;
    take_callback(f);
    while (move(f, FLIGHT_RUNNING, FLIGHT_PAUSED)) {
        fresh = false;
        /* Fails where pausing is blocked or impossible: then as if resumed. */
        (void)ASYNC_pause_job();
        /* Done or not: the result is in memory that a child does not have. */
        if (w->generation != hw_generation())
            return WAITED_FORK;
        if (++resumes > RESUMES_MAX && !done(f)) {
            struct pollfd p = {.fd = w->fd, .events = POLLIN};

            (void)poll(&p, 1, 1);
        }
        if (!move(f, FLIGHT_PAUSED, FLIGHT_RUNNING)) {
            /* Resumed in between DONE and its signal, perhaps: once the job
             * goes on, none may come. A callback comes when it comes: it may
             * want a lock that the application holds around this job. */
            if (f->callback == NULL)
                waiter_settle(w);
            return WAITED_DONE;
        }
        /* Ours is not written before DONE, nor while we run: this one belongs
         * to a flight that was abandoned. It may be about to say that it has
         * written: looking at the eventfd itself spares a loop of wake-ups. */
        waiter_clear(w, true);
    }
    if (fresh)
        waiter_unregister(w);
    return WAITED_DONE;
}

static void futex(_Atomic uint32_t *word, int op, uint32_t val)
{
    (void)syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

static bool wait_on_thread(struct flight *f, struct hw_pool *pool)
{
    for (unsigned i = 0; i < SYNC_POLLS; i++) {
        if (done(f))
            return true;
        (void)hw_poll(pool);
    }
    if (!move(f, FLIGHT_RUNNING, FLIGHT_SLEEPING))
        return true;
    while (!done(f))
        futex(&f->state, FUTEX_WAIT, FLIGHT_SLEEPING);
    return true;
}

bool async_wait(struct flight *f, struct hw_pool *pool)
{
    enum waited how = f->waiter != NULL ? wait_in_job(f) : WAITED_CANNOT;

    /* Without a descriptor to be woken by, the thread itself waits. */
    if (how == WAITED_CANNOT)
        return wait_on_thread(f, pool);
    return how == WAITED_DONE;
}

void async_on_forsaken(struct flight *f, void (*forsake)(void *arg), void *arg)
{
    if (f->waiter == NULL)
        return;
    f->forsake_arg = arg;
    f->waiter->forsake = forsake;
    f->waiter->forsake_arg = arg;
}

/* The wait context may serve another job by now, after one that was left. */
static void not_forsaken(struct flight *f)
{
    if (f->waiter != NULL && f->waiter->forsake_arg == f->forsake_arg)
        f->waiter->forsake = NULL;
}

void async_end(struct flight *f)
{
    not_forsaken(f);
    waiter_unref(f->waiter);
    f->waiter = NULL;
}

bool async_calls_back(const struct flight *f)
{
    ASYNC_callback_fn callback = NULL;
    void *arg;

    return f->waiter != NULL && ASYNC_WAIT_CTX_get_callback(f->waiter->wctx, &callback, &arg) &&
           callback != NULL;
}

bool async_over(const struct flight *f)
{
    uint32_t state = atomic_load_explicit(&f->state, memory_order_acquire);

    return state == FLIGHT_DONE || state == FLIGHT_RUNNING;
}

/* Unless the device's failure is the end of it, all is well. */
static int status_of(const struct flight *f, int result)
{
    switch (result) {
    case 0:
    case -EBADMSG:
    case -EKEYREJECTED:
    case -ENOTSUP: return ASYNC_STATUS_OK;
    case -EAGAIN: return ASYNC_STATUS_EAGAIN;
    default: return f->fallback ? ASYNC_STATUS_OK : ASYNC_STATUS_ERR;
    }
}

/* What the job is told of its flight's end. */
struct notice {
    int status;
    ASYNC_callback_fn callback;
    void *callback_arg;
};

/*
 * Moves the flight to DONE, and returns what it was. From there on the job goes
 * its way, and the next flight may change status and callback: so the status is
 * set and the callback taken before, while the job can do nothing but pause
 * again. w is NULL where there is nobody to tell.
 */
static uint32_t finish(struct flight *f, struct waiter *w, struct notice *n)
{
    /* Acquire: the callback, which was written before PAUSED. */
    uint32_t seen = atomic_load_explicit(&f->state, memory_order_acquire);

    do {
        if (seen == FLIGHT_PAUSED && w != NULL) {
            ASYNC_WAIT_CTX_set_status(w->wctx, n->status);
            n->callback = f->callback;
            n->callback_arg = f->callback_arg;
        }
    } while (!atomic_compare_exchange_weak_explicit(&f->state, &seen, FLIGHT_DONE,
                                                    memory_order_acq_rel, memory_order_acquire));
    return seen;
}

/* Inside the window. The wait context may be gone when a callback returns. */
static void notify(struct waiter *w, const struct notice *n)
{
    if (n->callback == NULL)
        waiter_write(w);
    else if (n->status != ASYNC_STATUS_EAGAIN) /* told to come back: expects no call */
        (void)n->callback(n->callback_arg);
}

void async_complete(struct hw_request *req)
{
    struct flight *f = req->owner;
    struct notice notice = {.status = status_of(f, req->status)};
    /*
     * Once DONE is stored the job may go on, let its waiter go and free its
     * wait context. So first: a reference, and the window. The flight itself
     * lives until we return, by the device's reference to the request.
     */
    struct waiter *w = f->waiter;
    bool nested = false, open;
    uint32_t was;

    if (w != NULL)
        waiter_hold(w);
    open = w != NULL && waiter_open(w, &nested);
    was = finish(f, open ? w : NULL, &notice);
    if (was == FLIGHT_PAUSED && open)
        notify(w, &notice);
    else if (was == FLIGHT_SLEEPING)
        futex(&f->state, FUTEX_WAKE, 1);
    if (open)
        waiter_close(w, nested);
    if (w != NULL)
        waiter_drop(w);
}

void async_abandon(struct flight *f)
{
    uint32_t seen = atomic_load_explicit(&f->state, memory_order_relaxed);

    not_forsaken(f);
    while (seen != FLIGHT_DONE &&
           !atomic_compare_exchange_weak_explicit(&f->state, &seen, FLIGHT_ABANDONED,
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
}

void async_fini(struct flight *f)
{
    waiter_unref(f->waiter);
}

uint64_t async_live_waiters(void)
{
    return waiters_live();
}
