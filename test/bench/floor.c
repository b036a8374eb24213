/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application pays in any case for a request that another thread
 * answers: pause, handing over, being woken, resume. No data, no cryptography.
 * Jobs are handed over many at a time, when the loop has nothing else to do or
 * a batch is full, and the other thread is woken only where it sleeps.
 */
#include <linux/futex.h>
#include <openssl/async.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "jobs.h"

#define BATCH 32

struct floor_job {
    struct floor *floor;
    ASYNC_callback_fn callback;
    void *callback_arg;
    int fd; /* -1: not yet */
};

struct floor {
    struct floor_job *jobs;
    void **args;
    unsigned count;
    bool self;
    pthread_t thread;
    struct floor_job *batch[BATCH]; /* not handed over yet */
    unsigned batched;

    /* A ring with room for all jobs: from the application to the thread. */
    struct floor_job **ring;
    unsigned mask;
    _Alignas(64) _Atomic unsigned head; /* the application's */
    _Alignas(64) unsigned tail;         /* the thread's */
    _Alignas(64) _Atomic uint32_t asleep;
    _Atomic bool over;
};

static const char key;

static void futex(_Atomic uint32_t *word, int op, uint32_t val)
{
    (void)syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

static void wake(const struct floor_job *job)
{
    const uint64_t one = 1;

    if (job->callback != NULL)
        (void)job->callback(job->callback_arg);
    else
        (void)!write(job->fd, &one, sizeof(one));
}

static void wake_thread(struct floor *f)
{
    if (atomic_exchange(&f->asleep, 0) != 0)
        futex(&f->asleep, FUTEX_WAKE, 1);
}

static void hand_over(void *arg)
{
    struct floor *f = arg;
    unsigned head = atomic_load_explicit(&f->head, memory_order_relaxed);

    if (f->batched == 0)
        return;
    for (unsigned i = 0; i < f->batched; i++)
        f->ring[(head + i) & f->mask] = f->batch[i];
    /* Sequentially consistent with asleep: see thread_main. */
    atomic_store(&f->head, head + f->batched);
    f->batched = 0;
    if (atomic_load_explicit(&f->asleep, memory_order_seq_cst) != 0)
        wake_thread(f);
}

static void *thread_main(void *arg)
{
    struct floor *f = arg;

    while (!atomic_load_explicit(&f->over, memory_order_acquire)) {
        unsigned head = atomic_load(&f->head);

        while (f->tail != head)
            wake(f->ring[f->tail++ & f->mask]);
        atomic_store(&f->asleep, 1);
        /* Either we see the new head, or the application sees that we sleep. */
        if (atomic_load(&f->head) == head && !atomic_load(&f->over))
            futex(&f->asleep, FUTEX_WAIT, 1);
        atomic_store_explicit(&f->asleep, 0, memory_order_relaxed);
    }
    return NULL;
}

/* The first time that this wait context pauses. */
static bool meet(struct floor_job *job)
{
    ASYNC_WAIT_CTX *wctx = ASYNC_get_wait_ctx(ASYNC_get_current_job());

    job->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (job->fd < 0 || !ASYNC_WAIT_CTX_set_wait_fd(wctx, &key, job->fd, NULL, NULL))
        return false;
    if (!ASYNC_WAIT_CTX_get_callback(wctx, &job->callback, &job->callback_arg))
        job->callback = NULL;
    return true;
}

bool floor_operation(void *arg)
{
    struct floor_job *job = arg;
    struct floor *f = job->floor;
    uint64_t count;

    if (job->fd < 0 && !meet(job))
        return false;
    if (f->self)
        wake(job);
    else
        f->batch[f->batched++] = job;
    if (f->batched == BATCH)
        hand_over(f);
    if (!ASYNC_pause_job())
        return false;
    return job->callback != NULL || read(job->fd, &count, sizeof(count)) == sizeof(count);
}

void *const *floor_args(const struct floor *f)
{
    return f->args;
}

struct floor *floor_new(struct jobs *jobs, unsigned count, bool self)
{
    struct floor *f = aligned_alloc(_Alignof(struct floor), sizeof(*f));

    if (f == NULL)
        return NULL;
    *f = (struct floor){.count = count, .self = self, .mask = 1};
    while (f->mask < count)
        f->mask *= 2;
    f->ring = calloc(f->mask, sizeof(struct floor_job *));
    f->mask--;
    f->jobs = calloc(count, sizeof(*f->jobs));
    f->args = calloc(count, sizeof(void *));
    if (f->ring == NULL || f->jobs == NULL || f->args == NULL ||
        (!self && pthread_create(&f->thread, NULL, thread_main, f) != 0)) {
        f->self = true; /* there is no thread */
        floor_free(f);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        f->jobs[i] = (struct floor_job){.floor = f, .fd = -1};
        f->args[i] = &f->jobs[i];
    }
    jobs_on_idle(jobs, hand_over, f);
    return f;
}

void floor_free(struct floor *f)
{
    if (!f->self) {
        atomic_store(&f->over, true);
        wake_thread(f);
        pthread_join(f->thread, NULL);
    }
    for (unsigned i = 0; f->jobs != NULL && i < f->count; i++)
        if (f->jobs[i].floor != NULL && f->jobs[i].fd >= 0)
            close(f->jobs[i].fd);
    free(f->ring);
    free(f->args);
    free(f->jobs);
    free(f);
}
