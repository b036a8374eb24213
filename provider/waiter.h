/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waiter stands between the completion side and one ASYNC_WAIT_CTX: the
 * completion side never touches the wait context, its callback or the
 * callback's argument but through a waiter's notify window.
 *
 *     IDLE -> NOTIFYING -> IDLE      a notification
 *     IDLE -> DEAD                   the wait context is freed
 *     NOTIFYING -> DEAD              freed by the callback itself
 *
 * Freeing the wait context on another thread waits for an open window to
 * close. A waiter owns the eventfd; it has one reference from its wait
 * context and one from each request on its way.
 */
#ifndef VCRYPTO_WAITER_H
#define VCRYPTO_WAITER_H

#include <openssl/async.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WAITER_HELD (1u << 16)

struct waiter {
    /* One for the wait context and for each flight, WAITER_HELD while the
     * completion side is at work: in a forked child nobody drops those, and
     * they do not count. */
    atomic_uint refs;
    /* IDLE, DEAD, or who is inside the window. */
    _Atomic uintptr_t window;
    /* Stored after the eventfd was written, taken before it is read: no
     * system call where nothing was written. */
    atomic_bool written;
    int fd;               /* -1: none yet */
    bool registered;      /* job's thread only */
    unsigned generation;  /* of the process that made fd, see hw_generation */
    ASYNC_WAIT_CTX *wctx; /* inside the window only, or on the job's thread */
    /*
     * What to do when the wait context is freed while its job is paused: the
     * job will never be resumed, and whoever holds its cipher context may be
     * that job's own frame. NULL: no job is paused. On the application's
     * threads only, which take turns with the wait context.
     */
    void (*forsake)(void *arg);
    void *forsake_arg;
};

/*
 * The waiter of the current job's wait context, with a reference for the
 * caller: the one that is registered there, or a new one. NULL: no memory.
 * Leaves the error queue alone. On the job's thread.
 */
struct waiter *waiter_of_job(ASYNC_JOB *job);
/*
 * Makes the eventfd and registers it, unless that was done; and takes it back
 * as if it had never been there, where the job did not pause after all. HAProxy
 * looks for new descriptors at a pause only, and stops when a connection ends
 * with one that it has not met. Before the request is marked paused: from then
 * on the wait context may go, by the callback's hand. False: no memory or no
 * descriptors, and the job must not pause. Both on the job's thread.
 */
bool waiter_register(struct waiter *w);
void waiter_unregister(struct waiter *w);
void waiter_unref(struct waiter *w); /* NULL is fine */

/* The completion side's reference, from before its window to after it. */
void waiter_hold(struct waiter *w);
void waiter_drop(struct waiter *w);

/*
 * On the completion side. Opens the window: false where the wait context is
 * gone. nested is set where this thread is inside already, and must be given
 * to waiter_close.
 */
bool waiter_open(struct waiter *w, bool *nested);
void waiter_close(struct waiter *w, bool nested);
/* Inside the window: makes the eventfd readable. */
void waiter_write(struct waiter *w);

/* On the job's thread. Takes a signal that was written; with force, looks at
 * the eventfd even if none was said to be. */
void waiter_clear(struct waiter *w, bool force);
/* Takes it after a completion was seen whose signal may be on its way still:
 * waits for the window to close, which is open for that write. */
void waiter_settle(struct waiter *w);

/* How many there are, for leak tests. */
uint64_t waiters_live(void);

#endif
