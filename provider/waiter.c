/* SPDX-License-Identifier: Apache-2.0 */
#include "waiter.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "hw.h"

enum { WINDOW_IDLE = 0, WINDOW_DEAD = 1 };

static const char key;
static _Atomic int64_t live;

uint64_t waiters_live(void)
{
    return (uint64_t)atomic_load_explicit(&live, memory_order_relaxed);
}

/* Names the calling thread; never IDLE or DEAD. */
static uintptr_t self(void)
{
    static _Thread_local char mark;

    return (uintptr_t)&mark;
}

/* For a window held by another thread: it is open for a status, a write or a
 * short callback. */
static void wait_a_moment(unsigned round)
{
    const struct timespec pause = {.tv_nsec = 50000};

    if (round < 100)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

static void unref(struct waiter *w, unsigned by)
{
    /* Before our reference goes, and w perhaps with somebody else's. */
    bool in_child = w->generation != hw_generation();
    unsigned left = atomic_fetch_sub_explicit(&w->refs, by, memory_order_acq_rel) - by;

    if (in_child)
        left %= WAITER_HELD;
    if (left != 0)
        return;
    if (w->fd >= 0)
        close(w->fd);
    OPENSSL_free(w);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void waiter_unref(struct waiter *w)
{
    if (w != NULL)
        unref(w, 1);
}

void waiter_hold(struct waiter *w)
{
    atomic_fetch_add_explicit(&w->refs, WAITER_HELD, memory_order_relaxed);
}

void waiter_drop(struct waiter *w)
{
    unref(w, WAITER_HELD);
}

bool waiter_open(struct waiter *w, bool *nested)
{
    *nested = false;
    for (unsigned round = 0;; round++) {
        uintptr_t seen = WINDOW_IDLE;

        /* Acquire: pairs with the release in waiter_close. */
        if (atomic_compare_exchange_strong_explicit(&w->window, &seen, self(), memory_order_acquire,
                                                    memory_order_acquire))
            return true;
        if (seen == WINDOW_DEAD)
            return false;
        if (seen == self()) {
            *nested = true;
            return true;
        }
        wait_a_moment(round);
    }
}

void waiter_close(struct waiter *w, bool nested)
{
    uintptr_t mine = self();

    /* Release: what was done inside comes before the wait context's end, see
     * waiter_kill. Fails where the callback freed the wait context. */
    if (!nested)
        atomic_compare_exchange_strong_explicit(&w->window, &mine, WINDOW_IDLE,
                                                memory_order_release, memory_order_relaxed);
}

/* The wait context is being freed. In a forked child the thread that was inside
 * the window, if one was, does not exist. */
static void waiter_kill(struct waiter *w)
{
    for (unsigned round = 0; w->generation == hw_generation(); round++) {
        uintptr_t seen = atomic_load_explicit(&w->window, memory_order_acquire);

        if ((seen == WINDOW_IDLE || seen == self()) &&
            atomic_compare_exchange_strong_explicit(&w->window, &seen, WINDOW_DEAD,
                                                    memory_order_acq_rel, memory_order_acquire))
            return;
        if (seen == WINDOW_DEAD)
            return;
        wait_a_moment(round);
    }
}

static void cleanup(ASYNC_WAIT_CTX *wctx, const void *k, OSSL_ASYNC_FD fd, void *custom)
{
    struct waiter *w = custom;

    (void)wctx;
    (void)k;
    (void)fd;
    waiter_kill(w);
    if (w->forsake != NULL)
        w->forsake(w->forsake_arg);
    waiter_unref(w);
}

static struct waiter *waiter_new(ASYNC_WAIT_CTX *wctx)
{
    struct waiter *w = OPENSSL_zalloc(sizeof(*w));

    if (w == NULL)
        return NULL;
    w->fd = -1;
    w->generation = hw_generation();
    w->wctx = wctx;
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return w;
}

bool waiter_register(struct waiter *w)
{
    if (w->registered)
        return true;
    if (w->fd < 0)
        w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0)
        return false;
    ERR_set_mark();
    /* In callback mode too: so that cleanup always runs. */
    w->registered = ASYNC_WAIT_CTX_set_wait_fd(w->wctx, &key, w->fd, w, cleanup) > 0;
    ERR_pop_to_mark();
    if (w->registered)
        atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w->registered;
}

void waiter_unregister(struct waiter *w)
{
    /* Nobody has seen it yet: the entry goes without a trace. */
    if (ASYNC_WAIT_CTX_clear_fd(w->wctx, &key) > 0) {
        w->registered = false;
        waiter_unref(w);
    }
}

/* In a forked child the eventfd is shared with the parent, who would be woken
 * by our signals: the child gets its own. */
static void disown(ASYNC_WAIT_CTX *wctx, struct waiter *w)
{
    ASYNC_WAIT_CTX_clear_fd(wctx, &key);
    waiter_unref(w);
}

struct waiter *waiter_of_job(ASYNC_JOB *job)
{
    ASYNC_WAIT_CTX *wctx = ASYNC_get_wait_ctx(job);
    struct waiter *w = NULL;
    OSSL_ASYNC_FD fd;
    void *custom;

    if (wctx == NULL)
        return NULL;
    if (ASYNC_WAIT_CTX_get_fd(wctx, &key, &fd, &custom)) {
        w = custom;
        if (w->generation != hw_generation()) {
            disown(wctx, w);
            w = NULL;
        }
    }
    if (w == NULL) {
        ERR_set_mark();
        w = waiter_new(wctx);
        ERR_pop_to_mark();
    }
    /* The caller's. */
    if (w != NULL)
        atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void waiter_write(struct waiter *w)
{
    const uint64_t one = 1;

    /* Fails only where the counter is full, and so readable. */
    (void)!write(w->fd, &one, sizeof(one));
    atomic_store_explicit(&w->written, true, memory_order_release);
}

void waiter_clear(struct waiter *w, bool force)
{
    uint64_t count;

    if (atomic_exchange_explicit(&w->written, false, memory_order_acquire) || force)
        (void)!read(w->fd, &count, sizeof(count));
}

void waiter_settle(struct waiter *w)
{
    for (unsigned round = 0;; round++) {
        /* Acquire: pairs with the release in waiter_close. */
        uintptr_t seen = atomic_load_explicit(&w->window, memory_order_acquire);

        if (seen == WINDOW_IDLE || seen == WINDOW_DEAD || seen == self())
            break;
        wait_a_moment(round);
    }
    waiter_clear(w, false);
}
