/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who finds work, and when threads sleep.
 *
 * A queue's bit in `ready` says that a thread has to look into its ring, now or
 * when pace.c says so. The doorbell sets it. Who finds the ring empty clears
 * it, asks the driver for notifications, and looks once more
 * (queue_notify_at): what came in between sets the bit again. While the bit is
 * set the driver is asked to keep quiet, or to speak when a batch is full.
 *
 * With idle threads beside the one that works, quiet would leave them idle:
 * so notifications are also asked for as soon as the ring is empty while
 * somebody sleeps, and a thread that leaves work behind wakes the next.
 *
 * A full batch of quick work is served by whoever rings, if where.c says so: its
 * data is in his processor's cache, and no other has to be woken. Should what is
 * left not be enough for a batch, then the thread that looks into the queue some
 * time later serves it: the bit stays set. Where two ring at once, who served
 * wakes it for what the other has left.
 *
 * Sleeping against waking, all sequentially consistent: the sleeper counts
 * itself in `sleepers` and then looks at `ready` and each pace's `until`; the
 * doorbell sets those and then looks at `sleepers`. One sees the other.
 * `waking` spares the system calls of further wake-ups until the woken thread
 * runs. It is cleared by a thread before it looks at `ready`, on its way to
 * sleep too: a waker that came late may have set it while nobody slept. One
 * that sets it after that changes `wake` after the sleeper has read it, so the
 * sleeper does not stay asleep.
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

#include "emulator/device.h"
#include "emulator/errors.h"
#include "emulator/forks.h"

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

static bool is_control(const struct emulator *e, unsigned queue)
{
    return queue == e->nqueues - 1;
}

static void sleep_until(const struct service *s, unsigned seen, uint64_t next)
{
    uint64_t now = delay_now();
    struct timespec ts;

    if (next != 0 && next <= now)
        return;
    ts.tv_sec = (time_t)((next - now) / 1000000000u);
    ts.tv_nsec = (long)((next - now) % 1000000000u);
    futex_wait((atomic_uint *)(uintptr_t)&s->wake, seen, next != 0 ? &ts : NULL);
}

/* When a thread has something to do again, 0: when it is woken. */
static uint64_t next_look(const struct emulator *e)
{
    const struct service *s = &e->service;
    uint64_t ready = atomic_load(&s->ready), next = atomic_load(&s->delay.next);

    if (broken(e))
        return 0;
    for (unsigned i = 0; i < e->nqueues; i++) {
        uint64_t until = is_control(e, i) ? 1 : pace_until(&s->paces[i]);

        if ((ready >> i & 1) && (next == 0 || until < next))
            next = until;
    }
    return next;
}

static void worker_sleep(struct worker *w)
{
    struct service *s = &w->e->service;
    unsigned seen = atomic_load(&s->wake);
    uint64_t next;

    atomic_fetch_add(&s->sleepers, 1);
    atomic_store(&s->waking, false);
    next = next_look(w->e);
    if (!atomic_load(&s->stop))
        sleep_until(s, seen, next);
    atomic_fetch_sub(&s->sleepers, 1);
    atomic_store(&s->waking, false);
}

static void answer_due(struct worker *w)
{
    struct delay *d = &w->e->service.delay;
    struct done done;

    while (atomic_load_explicit(&d->next, memory_order_relaxed) != 0 &&
           delay_take(d, delay_now(), &done.taken, &done.len))
        if (queue_push(&done, 1))
            device_interrupt(w->e, done.taken.queue);
}

/* The ring is empty: leaves it to the doorbell, unless something came, which
 * nobody has been told of then. */
static bool queue_idle(struct service *s, struct emulator_queue *q)
{
    uint64_t bit = 1ull << q->index;

    atomic_fetch_and(&s->ready, ~bit);
    if (!queue_notify_at(q, 1))
        return false;
    atomic_fetch_or(&s->ready, bit);
    return true;
}

/*
 * Fewer than a batch wait: the driver is to say when it is full, and a thread
 * looks some time later. Another may have left the queue to the doorbell
 * meanwhile, clearing the bit before it asked to be told of the next request:
 * so the bit is looked at after asking for something else. True: the batch is
 * full already.
 */
static bool queue_expect(struct service *s, struct emulator_queue *q)
{
    uint64_t bit = 1ull << q->index;
    bool full = queue_notify_at(q, pace_expect(&s->paces[q->index]));

    if (!(atomic_fetch_or(&s->ready, bit) & bit))
        wake_one(s);
    return full;
}

/*
 * To take from the ring is to keep the driver quiet, so the bit must stand:
 * another thread that found the ring empty earlier may have cleared it since
 * this one looked. If it does so later, it asks for notifications after that.
 */
static void taken_by_thread(struct worker *w, struct emulator_queue *q, unsigned left)
{
    struct service *s = &w->e->service;
    uint64_t bit = 1ull << q->index;

    if (!(atomic_load(&s->ready) & bit))
        atomic_fetch_or(&s->ready, bit);
    if (left != 0 ||
        (atomic_load_explicit(&s->sleepers, memory_order_relaxed) != 0 && queue_idle(s, q)))
        wake_one(s);
}

static void serve(struct worker *w, struct emulator_queue *q, taken_fn *taken)
{
    struct pace *p = &w->e->service.paces[q->index];
    struct batch batch;

    if (pace_here(p))
        pace_begins(p, delay_now());
    batch_serve(w, q, taken, &batch);
    if (batch.n != 0 && pace_served(p, &batch, batch.gains ? delay_now() : 0))
        wake_one(&w->e->service);
}

/* What is to be done with a queue whose bit is set. */
static enum pace_advice look(struct emulator *e, struct emulator_queue *q)
{
    struct pace *p = &e->service.paces[q->index];
    enum pace_advice advice;
    uint16_t taken;
    unsigned n = queue_waiting(q, &taken);

    if (is_control(e, q->index))
        return n != 0 ? PACE_SERVE : PACE_REST;
    advice = pace_look(p, n, taken, delay_now());
    /* It is told when the batch is full; it may be already. */
    if (advice == PACE_WAIT && queue_expect(&e->service, q))
        advice = PACE_SERVE;
    return advice;
}

/* Two doorbells may have woken one thread: while it serves one queue, another
 * that has to be served by now is for the next. */
static void share_out(struct emulator *e, uint64_t ready)
{
    struct service *s = &e->service;
    uint64_t now;

    if (ready == 0 || atomic_load(&s->sleepers) == 0)
        return;
    now = delay_now();
    for (unsigned i = 0; i < e->nqueues; i++)
        if ((ready >> i & 1) && (is_control(e, i) || pace_until(&s->paces[i]) <= now)) {
            wake_one(s);
            return;
        }
}

/* A thread's turn: one batch of one queue. False: there is nothing to do yet. */
static bool serve_one(struct worker *w)
{
    struct emulator *e = w->e;
    uint64_t ready = atomic_load(&e->service.ready);

    for (unsigned n = 0; n < e->nqueues && !broken(e); n++) {
        unsigned i = w->turn_queue;

        w->turn_queue = i + 1 < e->nqueues ? i + 1 : 0;
        if (!(ready >> i & 1))
            continue;
        switch (look(e, &e->queues[i])) {
        case PACE_WAIT: break;
        case PACE_REST: (void)queue_idle(&e->service, &e->queues[i]); break;
        case PACE_SERVE:
            share_out(e, ready & ~(1ull << i));
            serve(w, &e->queues[i], taken_by_thread);
            return true;
        }
    }
    return false;
}

static void taken_here(struct worker *w, struct emulator_queue *q, unsigned left)
{
    (void)w;
    (void)q;
    (void)left;
}

/* So many batches are served where the doorbell rang, and no more: others may
 * fill the ring as fast as it is emptied, and he has work of his own. */
#define HERE_MAX 4

/* Where the doorbell rang: as long as full batches wait; without threads, until
 * all is dry. */
static void serve_here(struct worker *w, struct emulator_queue *q)
{
    struct service *s = &w->e->service;
    struct pace *p = &s->paces[q->index];
    bool alone = w->e->threads == 0, full;
    unsigned n = 0;
    uint16_t taken;

    do {
        while (!broken(w->e) && queue_waiting(q, &taken) >= (alone ? 1 : pace_expect(p)) &&
               (alone || (pace_here(p) && n < HERE_MAX))) {
            serve(w, q, taken_here);
            n++;
        }
        full = !broken(w->e) && (alone ? queue_notify_at(q, 1) : queue_expect(s, q));
    } while (full && (alone || (pace_here(p) && n < HERE_MAX)));
    if (alone)
        return;
    if (full)
        pace_now(p);
    /* What is left is the threads', and so are answers that come later: the
     * bit stands, but one that sleeps may not have known of either. */
    if (full || atomic_load(&s->delay.next) != 0)
        wake_one(s);
}

/* Whether a batch waits that a doorbell has rung for. */
static bool full(const struct emulator *e, struct emulator_queue *q)
{
    unsigned expect = e->threads == 0 ? 1 : pace_expect(&e->service.paces[q->index]);
    uint16_t taken;

    return !broken(e) && queue_waiting(q, &taken) >= expect;
}

/*
 * One at a time. A reset stores `stop` and then looks at `claimed`. A doorbell
 * that finds it claimed leaves its batch behind, perhaps after the last look at
 * the ring: so there is one more, which acquires what that one has released.
 */
static void claim_and_serve(struct emulator *e, struct emulator_queue *q)
{
    struct service *s = &e->service;
    struct worker *w = &s->workers[e->threads + q->index];

    do {
        if (atomic_exchange(&w->claimed, true))
            return;
        if (!atomic_load(&s->stop))
            serve_here(w, q);
        (void)atomic_exchange(&w->claimed, false);
    } while (e->threads == 0 && !atomic_load(&s->stop) && full(e, q));
    if (e->threads != 0 && pace_expect(&s->paces[q->index]) > 1 && full(e, q)) {
        pace_now(&s->paces[q->index]);
        wake_one(s);
    }
}

void service_kick(struct emulator *e, struct emulator_queue *q)
{
    struct service *s = &e->service;
    struct pace *p = &s->paces[q->index];
    uint64_t bit = 1ull << q->index;
    bool awake = atomic_fetch_or(&s->ready, bit) & bit, batch = false;

    if (e->threads == 0) {
        claim_and_serve(e, q);
        return;
    }
    if (!is_control(e, q->index) && pace_expect(p) > 1)
        batch = full(e, q);
    if (batch && !pace_here(p))
        pace_now(p);
    if (!awake || (batch && !pace_here(p)))
        wake_one(s);
    if (batch && pace_here(p))
        claim_and_serve(e, q);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct emulator *e = w->e;
    struct service *s = &e->service;

    prctl(PR_SET_NAME, "vcrypto-emu");
    /* Sleeps with a timeout serve latencies of microseconds. */
    prctl(PR_SET_TIMERSLACK, 1);
    errors_unread();
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        forks_pass();
        if (!broken(e))
            answer_due(w);
        if (!serve_one(w))
            worker_sleep(w);
    }
    forks_lock();
    engines_thread_end(&e->sessions.engines);
    forks_unlock();
    return NULL;
}

int service_init(struct emulator *e)
{
    struct service *s = &e->service;
    int rc = 0;

    memset(s, 0, sizeof(*s));
    delay_init(&s->delay);
    atomic_init(&s->stop, true);
    s->paces = calloc(e->nqueues, sizeof(*s->paces));
    s->workers = aligned_alloc(_Alignof(struct worker), emulator_workers(e) * sizeof(*s->workers));
    if (s->paces == NULL || s->workers == NULL)
        return -ENOMEM;
    for (; s->nworkers < emulator_workers(e) && rc == 0; s->nworkers++)
        rc = worker_init(&s->workers[s->nworkers], e, s->nworkers);
    return rc;
}

void service_fini(struct emulator *e)
{
    struct service *s = &e->service;

    for (unsigned i = 0; i < s->nworkers; i++)
        worker_fini(&s->workers[i]);
    free(s->workers);
    free(s->paces);
    delay_fini(&s->delay);
}

static void halt(struct emulator *e)
{
    struct service *s = &e->service;

    atomic_store(&s->stop, true);
    service_wake_all(s);
    for (unsigned i = 0; i < s->nthreads; i++)
        pthread_join(s->workers[i].thread, NULL);
    s->nthreads = 0;
    for (unsigned i = 0; i < s->nworkers; i++)
        while (atomic_load(&s->workers[i].claimed))
            sched_yield();
}

int service_start(struct emulator *e)
{
    struct service *s = &e->service;
    sigset_t all, old;
    int ret = 0;

    for (unsigned i = 0; i < e->nqueues; i++)
        pace_init(&s->paces[i]);
    /* A driver may have filled its rings before: look into all of them once. */
    atomic_store(&s->ready, UINT64_MAX);
    atomic_store(&s->stop, false);
    /* Threads inherit the mask: signals are the application's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < e->threads && ret == 0; i++) {
        ret = pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]);
        s->nthreads += ret == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ret != 0)
        halt(e);
    return -ret;
}

void service_stop(struct emulator *e)
{
    struct service *s = &e->service;

    halt(e);
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
