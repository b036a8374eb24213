/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a thread finds work and when it sleeps.
 *
 * A queue's bit in `ready` says that somebody has to look into its ring. The
 * doorbell sets it. Whoever finds the ring empty clears it, asks the driver
 * for notifications, and looks once more (queue_notify_on): what came in
 * between sets the bit again. While the bit is set the driver is asked to
 * keep quiet.
 *
 * With idle threads beside the one that works, quiet would leave them idle:
 * so notifications are also asked for as soon as the ring is empty while
 * somebody sleeps, and a thread that leaves work behind wakes the next.
 *
 * Sleeping against waking, all sequentially consistent: the sleeper counts
 * itself in `sleepers` and then looks at `ready`; the doorbell sets `ready`
 * and then looks at `sleepers`. One sees the other. `waking` spares the
 * system calls of further wake-ups until the woken thread runs. It is cleared
 * by a thread before it looks at `ready`, on its way to sleep too: a waker
 * that came late may have set it while nobody slept. One that sets it after
 * that changes `wake` after the sleeper has read it, so the sleeper does not
 * stay asleep.
 */
#include "emulator/service.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/virtio_config.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "emulator/crypto.h"
#include "emulator/device.h"

static void futex_wait(atomic_uint *word, unsigned seen, const struct timespec *timeout)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, timeout, NULL, 0);
}

static void futex_wake(atomic_uint *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void wake_one(struct service *s)
{
    if (atomic_load(&s->sleepers) == 0 || atomic_exchange(&s->waking, true))
        return;
    atomic_fetch_add(&s->wake, 1);
    futex_wake(&s->wake, 1);
}

void service_wake_all(struct service *s)
{
    atomic_fetch_add(&s->wake, 1);
    futex_wake(&s->wake, INT32_MAX);
}

static bool broken(const struct emulator *e)
{
    return atomic_load_explicit(&e->status, memory_order_relaxed) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void worker_sleep(struct worker *w)
{
    struct service *s = &w->e->service;
    struct timespec ts, *timeout = NULL;
    unsigned seen = atomic_load(&s->wake);
    uint64_t due, now;
    bool work;

    atomic_fetch_add(&s->sleepers, 1);
    atomic_store(&s->waking, false);
    work = atomic_load(&s->stop) || (atomic_load(&s->ready) != 0 && !broken(w->e));
    due = atomic_load(&s->delay.next);
    if (due != 0 && !broken(w->e)) {
        now = delay_now();
        work = work || due <= now;
        ts.tv_sec = (time_t)((due - now) / 1000000000u);
        ts.tv_nsec = (long)((due - now) % 1000000000u);
        timeout = &ts;
    }
    if (!work)
        futex_wait(&s->wake, seen, timeout);
    atomic_fetch_sub(&s->sleepers, 1);
    atomic_store(&s->waking, false);
}

static void answer(struct emulator *e, const struct taken *t, uint32_t len)
{
    if (queue_push(t, len))
        device_interrupt(e, t->queue);
}

static void answer_due(struct worker *w)
{
    struct delay *d = &w->e->service.delay;
    struct taken t;
    uint32_t len;

    while (atomic_load_explicit(&d->next, memory_order_relaxed) != 0 &&
           delay_take(d, delay_now(), &t, &len))
        answer(w->e, &t, len);
}

/* What the driver will read in the used ring. */
static void spoil(const struct fault_strike *strike, struct taken *t, uint32_t *len)
{
    if (strike->bad_id)
        t->wrong_id = t->queue->size;
    if (strike->stale_id)
        t->wrong_id = t->queue->size / 2u;
    t->jump = strike->jump;
    t->twice = strike->repeat;
    if (strike->wrong_len)
        *len = strike->len;
}

static void serve_data(struct worker *w, struct taken *t)
{
    struct emulator *e = w->e;
    struct fault_strike strike = {.status = -1};
    uint64_t seq = atomic_fetch_add_explicit(&e->requests, 1, memory_order_relaxed) + 1;
    uint64_t delay_us = e->latency_us;
    uint32_t len;

    if (e->faults.strikes && e->threads != 0)
        faults_strike(&e->faults, seq, &strike);
    if (strike.lose || crypto_data(w, &strike, &len) != 0)
        goto out;
    spoil(&strike, t, &len);
    delay_us += strike.late_ms * 1000ull;
    if (delay_us == 0 || !delay_add(&e->service.delay, t, len, delay_now() + delay_us * 1000))
        answer(e, t, len);
out:
    if (strike.spurious)
        device_interrupt(e, t->queue);
    if (strike.change)
        emulator_change(e);
    if (strike.gone_ms != 0)
        emulator_leave(e, strike.gone_ms);
    else if (strike.needs_reset)
        emulator_fail(e);
}

static void serve_control(struct worker *w, struct taken *t)
{
    struct emulator *e = w->e;
    uint64_t seq = atomic_fetch_add_explicit(&e->control, 1, memory_order_relaxed) + 1;
    uint32_t len;

    if (e->threads != 0 && fault_hits(&e->faults.lose_control, seq))
        return;
    if (control_request(w, seq, &len) != 0)
        return;
    if (e->latency_us == 0 ||
        !delay_add(&e->service.delay, t, len, delay_now() + e->latency_us * 1000ull))
        answer(e, t, len);
}

/* The ring is empty: leaves it to the doorbell, unless something came. */
static void queue_idle(struct service *s, struct emulator_queue *q)
{
    uint64_t bit = 1ull << q->index;

    atomic_fetch_and(&s->ready, ~bit);
    if (queue_notify_on(q))
        atomic_fetch_or(&s->ready, bit);
}

/*
 * To take from the ring is to keep the driver quiet, so the bit must stand:
 * another thread that found the ring empty earlier may have cleared it since
 * this one looked. If it does so later, it asks for notifications after that.
 */
static void queue_busy(struct service *s, const struct emulator_queue *q)
{
    uint64_t bit = 1ull << q->index;

    if (!(atomic_load(&s->ready) & bit))
        atomic_fetch_or(&s->ready, bit);
}

/* One request of q. */
static void serve_one(struct worker *w, struct emulator_queue *q)
{
    struct service *s = &w->e->service;
    struct taken t;

    /* Odd before the first look at the rings; see service_quiesce. */
    atomic_fetch_add(&w->turn, 1);
    switch (queue_pop(w->e, q, &w->chain, &t)) {
    case POP_NONE: queue_idle(s, q); break;
    case POP_BAD: emulator_fail(w->e); break;
    case POP_LAST:
        queue_busy(s, q);
        if (atomic_load_explicit(&s->sleepers, memory_order_relaxed) != 0)
            queue_idle(s, q);
        goto serve;
    case POP_MORE:
        queue_busy(s, q);
        wake_one(s);
    serve:
        if (q->index == w->e->nqueues - 1)
            serve_control(w, &t);
        else
            serve_data(w, &t);
        break;
    }
    atomic_fetch_add_explicit(&w->turn, 1, memory_order_release);
}

static struct emulator_queue *next_queue(struct worker *w, uint64_t ready)
{
    struct emulator *e = w->e;

    for (unsigned n = 0; n < e->nqueues; n++) {
        unsigned i = w->turn_queue;
        w->turn_queue = i + 1 < e->nqueues ? i + 1 : 0;
        if (ready >> i & 1)
            return &e->queues[i];
    }
    return NULL;
}

/* Without threads: the one who rang the doorbell serves, until all is dry. */
static void serve_inline(struct worker *w)
{
    struct emulator_queue *q;

    while (!broken(w->e) && (q = next_queue(w, atomic_load(&w->e->service.ready))) != NULL)
        serve_one(w, q);
}

void service_kick(struct emulator *e, const struct emulator_queue *q)
{
    struct service *s = &e->service;
    uint64_t bit = 1ull << q->index;

    if (!(atomic_fetch_or(&s->ready, bit) & bit))
        wake_one(s);
    if (e->threads == 0 && s->workers != NULL)
        serve_inline(&s->workers[0]);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct emulator *e = w->e;
    struct service *s = &e->service;

    prctl(PR_SET_NAME, "vcrypto-emu");
    /* Sleeps with a timeout serve latencies of microseconds. */
    prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        struct emulator_queue *q = NULL;
        if (!broken(e)) {
            answer_due(w);
            q = next_queue(w, atomic_load(&s->ready));
        }
        if (q != NULL)
            serve_one(w, q);
        else
            worker_sleep(w);
    }
    e->sessions.engine->thread_end();
    return NULL;
}

void service_init(struct service *s)
{
    memset(s, 0, sizeof(*s));
    delay_init(&s->delay);
}

void service_fini(struct service *s)
{
    delay_fini(&s->delay);
}

static void join_workers(struct emulator *e)
{
    struct service *s = &e->service;

    atomic_store(&s->stop, true);
    service_wake_all(s);
    for (unsigned i = 0; i < s->nworkers; i++)
        pthread_join(s->workers[i].thread, NULL);
    for (unsigned i = 0; i < emulator_workers(e); i++) {
        free(s->workers[i].chain.seg);
        free(s->workers[i].scratch);
    }
    free(s->workers);
    s->workers = NULL;
    s->nworkers = 0;
}

static int init_worker(struct emulator *e, struct worker *w, unsigned index)
{
    w->e = e;
    w->index = index;
    w->turn_queue = index % e->nqueues;
    w->chain.max = e->queue_max;
    w->chain.seg = calloc(w->chain.max, sizeof(*w->chain.seg));
    return w->chain.seg == NULL ? ENOMEM : 0;
}

int service_start(struct emulator *e)
{
    struct service *s = &e->service;
    sigset_t all, old;
    int ret = 0;

    atomic_store(&s->stop, false);
    /* A driver may have filled its rings before: look into all of them once. */
    atomic_store(&s->ready, UINT64_MAX >> (64 - e->nqueues));
    s->workers = calloc(emulator_workers(e), sizeof(*s->workers));
    if (s->workers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < emulator_workers(e) && ret == 0; i++)
        ret = init_worker(e, &s->workers[i], i);
    /* Threads inherit the mask: signals are the application's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < e->threads && ret == 0; i++) {
        ret = pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]);
        s->nworkers += ret == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ret != 0)
        join_workers(e);
    return -ret;
}

void service_stop(struct emulator *e)
{
    struct service *s = &e->service;

    if (s->workers != NULL)
        join_workers(e);
    delay_clear(&s->delay);
    atomic_store(&s->ready, 0);
}

/*
 * The caller has taken away a translation (or a queue) before, sequentially
 * consistent; a worker makes its turn odd before it looks. Either the worker
 * misses what was taken away, or its odd turn is seen here and waited for.
 */
void service_quiesce(struct emulator *e)
{
    struct service *s = &e->service;

    for (unsigned i = 0; i < s->nworkers; i++) {
        atomic_uint *turn = &s->workers[i].turn;
        unsigned seen = atomic_load(turn);
        while (seen % 2 == 1 && atomic_load(turn) == seen)
            sched_yield();
    }
}
