/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs.h"

#include <errno.h>
#include <openssl/async.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EVENTS      256
#define PATIENCE_MS 10000

struct slot {
    struct jobs *jobs;
    ASYNC_WAIT_CTX *wctx;
    ASYNC_JOB *job;
    void *arg;
    bool watched;      /* its descriptor is in the set */
    struct slot *next; /* in the list of those that can go on */
};

struct jobs {
    unsigned count;
    bool plain, callback;
    struct slot *slots;
    int epoll, wake;
    void (*idle)(void *arg);
    void *idle_arg;

    /* Of the run under way. */
    bool (*op)(void *arg);
    uint64_t operations;
    unsigned unfinished;
    bool failed;

    /* Callbacks put jobs here, on whatever thread; the loop takes all at once. */
    _Alignas(64) _Atomic(struct slot *) ready;
    _Atomic bool asleep;
};

/* Time is over. A signal, since a job that never pauses would have to look at
 * the clock between operations that take no longer than that. */
static volatile sig_atomic_t stop;

static void on_alarm(int number)
{
    (void)number;
    stop = 1;
}

static bool set_alarm(double seconds)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds}};

    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6) + 1;
    stop = 0;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0;
}

static double clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What ASYNC_start_job copies. */
struct job_arg {
    struct slot *slot;
};

static int job_main(void *arg)
{
    struct slot *s = ((struct job_arg *)arg)->slot;
    struct jobs *j = s->jobs;

    while (!stop) {
        if (!j->op(s->arg)) {
            j->failed = true;
            break;
        }
        j->operations++;
    }
    return 1;
}

static int on_ready(void *arg)
{
    struct slot *s = arg;
    struct jobs *j = s->jobs;

    s->next = atomic_load_explicit(&j->ready, memory_order_relaxed);
    /* Release: next. Sequentially consistent together with asleep: either we
     * see that the loop sleeps, or it sees this job before it does. */
    while (!atomic_compare_exchange_weak(&j->ready, &s->next, s))
        ;
    if (atomic_load(&j->asleep) && atomic_exchange(&j->asleep, false)) {
        const uint64_t one = 1;

        (void)!write(j->wake, &one, sizeof(one));
    }
    return 1;
}

/* In the order in which they came. */
static struct slot *take_ready(struct jobs *j)
{
    struct slot *s = atomic_exchange(&j->ready, NULL), *first = NULL;

    while (s != NULL) {
        struct slot *next = s->next;

        s->next = first;
        first = s;
        s = next;
    }
    return first;
}

static bool watch(struct slot *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    OSSL_ASYNC_FD fd;
    size_t added = 0, deleted = 0;

    if (!ASYNC_WAIT_CTX_get_changed_fds(s->wctx, NULL, &added, NULL, &deleted) || added != 1 ||
        deleted != 0 || !ASYNC_WAIT_CTX_get_changed_fds(s->wctx, &fd, &added, NULL, &deleted))
        return false;
    s->watched = epoll_ctl(s->jobs->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    return s->watched;
}

/* Starts or resumes a job. */
static void step(struct slot *s)
{
    struct jobs *j = s->jobs;
    struct job_arg arg = {s};
    int result = 0;

    switch (ASYNC_start_job(&s->job, s->wctx, &result, job_main, &arg, sizeof(arg))) {
    case ASYNC_FINISH: j->unfinished--; break;
    case ASYNC_PAUSE:
        if (!j->callback && !s->watched && !watch(s))
            j->failed = true;
        break;
    default: j->failed = true; break;
    }
}

static void say_idle(const struct jobs *j)
{
    if (j->idle != NULL)
        j->idle(j->idle_arg);
}

static bool wait_for_fds(struct jobs *j)
{
    struct epoll_event events[EVENTS];
    int n;

    say_idle(j);
    n = epoll_wait(j->epoll, events, EVENTS, PATIENCE_MS);
    for (int i = 0; i < n; i++)
        step(events[i].data.ptr);
    return n > 0 || (n < 0 && errno == EINTR);
}

static bool sleep_until_ready(struct jobs *j)
{
    struct epoll_event event;
    uint64_t count;
    int n;

    say_idle(j);
    atomic_store(&j->asleep, true);
    if (atomic_load(&j->ready) != NULL && atomic_exchange(&j->asleep, false))
        return true;
    n = epoll_wait(j->epoll, &event, 1, PATIENCE_MS);
    if (n > 0)
        (void)!read(j->wake, &count, sizeof(count));
    atomic_store(&j->asleep, false);
    return n > 0 || (n < 0 && errno == EINTR);
}

static bool wait_for_callbacks(struct jobs *j)
{
    struct slot *s = take_ready(j);

    if (s == NULL)
        return sleep_until_ready(j);
    while (s != NULL) {
        /* Before the step: its callback may come while it runs. */
        struct slot *next = s->next;

        step(s);
        s = next;
    }
    return true;
}

static void run_jobs(struct jobs *j)
{
    bool awake = true;

    j->unfinished = j->count;
    for (unsigned i = 0; i < j->count; i++)
        step(&j->slots[i]);
    while (j->unfinished != 0 && !j->failed && awake)
        awake = j->callback ? wait_for_callbacks(j) : wait_for_fds(j);
    if (!awake)
        j->failed = true;
}

static void run_plain(struct jobs *j)
{
    struct job_arg arg = {&j->slots[0]};

    (void)job_main(&arg);
}

bool jobs_run(struct jobs *j, double seconds, bool (*op)(void *arg), void *const *args,
              struct jobs_run *out)
{
    struct jobs_run begin = {.wall = 0};

    j->op = op;
    j->operations = 0;
    j->failed = false;
    for (unsigned i = 0; i < j->count; i++)
        j->slots[i].arg = args[i];
    begin.wall = clock_of(CLOCK_MONOTONIC);
    begin.thread = clock_of(CLOCK_THREAD_CPUTIME_ID);
    begin.process = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    if (!set_alarm(seconds))
        return false;
    if (j->plain)
        run_plain(j);
    else
        run_jobs(j);
    out->operations = j->operations;
    out->wall = clock_of(CLOCK_MONOTONIC) - begin.wall;
    out->thread = clock_of(CLOCK_THREAD_CPUTIME_ID) - begin.thread;
    out->process = clock_of(CLOCK_PROCESS_CPUTIME_ID) - begin.process;
    return !j->failed;
}

static bool open_slots(struct jobs *j)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    for (unsigned i = 0; i < j->count; i++) {
        struct slot *s = &j->slots[i];

        s->jobs = j;
        if (j->plain)
            continue;
        s->wctx = ASYNC_WAIT_CTX_new();
        if (s->wctx == NULL || (j->callback && !ASYNC_WAIT_CTX_set_callback(s->wctx, on_ready, s)))
            return false;
    }
    return !j->callback || epoll_ctl(j->epoll, EPOLL_CTL_ADD, j->wake, &event) == 0;
}

static struct jobs *new_jobs(unsigned count, bool plain, bool callback)
{
    struct jobs *j = aligned_alloc(_Alignof(struct jobs), sizeof(*j));

    if (j == NULL)
        return NULL;
    memset(j, 0, sizeof(*j));
    j->count = count;
    j->plain = plain;
    j->callback = callback;
    j->slots = calloc(count, sizeof(*j->slots));
    j->epoll = epoll_create1(EPOLL_CLOEXEC);
    j->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (j->slots == NULL || j->epoll < 0 || j->wake < 0 || !open_slots(j)) {
        jobs_free(j);
        return NULL;
    }
    return j;
}

struct jobs *jobs_new(unsigned count, bool callback)
{
    return new_jobs(count, false, callback);
}

struct jobs *jobs_new_plain(void)
{
    return new_jobs(1, true, false);
}

void jobs_free(struct jobs *j)
{
    for (unsigned i = 0; j->slots != NULL && i < j->count; i++)
        ASYNC_WAIT_CTX_free(j->slots[i].wctx);
    if (j->epoll >= 0)
        close(j->epoll);
    if (j->wake >= 0)
        close(j->wake);
    free(j->slots);
    free(j);
}

void jobs_on_idle(struct jobs *j, void (*idle)(void *arg), void *arg)
{
    j->idle = idle;
    j->idle_arg = arg;
}
