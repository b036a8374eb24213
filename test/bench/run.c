/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point is measured in processes of its own, so that none finds what another
 * has left behind, and so that the device's threads are bound to the same CPUs.
 * Several processes take each turn together.
 */
#include <openssl/async.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Before the first turn that counts. */
#define WARM_UP 0.02

struct shared {
    pthread_barrier_t turn;
    struct child {
        struct sample samples[SIDES_MAX][PAIRS_MAX];
        uint64_t operations, requests, software;
        char error[256];
    } children[PROCESSES_MAX];
};

static unsigned count_sides(const struct point *p)
{
    unsigned n = 0;

    while (n < SIDES_MAX && p->sides[n] != SIDE_NONE)
        n++;
    return n;
}

/* 0: all there are. */
static void bind(unsigned cpus)
{
    cpu_set_t all, some;
    unsigned n = 0;

    if (cpus == 0 || sched_getaffinity(0, sizeof(all), &all) != 0)
        return;
    CPU_ZERO(&some);
    for (unsigned i = 0; i < CPU_SETSIZE && n < cpus; i++)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &some);
            n++;
        }
    (void)sched_setaffinity(0, sizeof(some), &some);
}

static void fail(struct child *c, const char *what, enum side_kind kind)
{
    char text[160] = "";

    ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
    snprintf(c->error, sizeof(c->error), "%s %s: %s", side_names[kind], what, text);
    _exit(1);
}

/* All turns of all sides; every second pair the other way round, so that what
 * changes slowly does not favour one. */
static void take_turns(const struct bench *b, const struct point *p, struct side **sides,
                       struct shared *sh, struct child *me)
{
    unsigned n = count_sides(p);
    double turn = b->seconds / (double)(n * b->pairs);

    for (unsigned i = 0; i < n * b->pairs; i++) {
        unsigned pair = i / n, side = pair % 2 == 0 ? i % n : n - 1 - i % n;
        struct sample *s = &me->samples[side][pair];

        (void)pthread_barrier_wait(&sh->turn);
        if (!side_run(sides[side], turn, s))
            fail(me, "stopped", p->sides[side]);
        if (side == 0)
            me->operations += s->operations;
    }
}

_Noreturn static void child_main(const struct bench *b, const struct point *p, struct shared *sh,
                                 struct child *me)
{
    struct side *sides[SIDES_MAX] = {NULL};
    unsigned n = count_sides(p);
    uint64_t requests, software;
    struct sample s;

    bind(p->cpus);
    if (p->jobs != 0 && !ASYNC_init_thread(p->jobs, p->jobs))
        fail(me, "jobs", p->sides[0]);
    for (unsigned i = 0; i < n; i++) {
        sides[i] = side_new(b, p, p->sides[i]);
        if (sides[i] == NULL)
            fail(me, "start", p->sides[i]);
        if (!side_run(sides[i], WARM_UP, &s))
            fail(me, "warm-up", p->sides[i]);
    }
    side_counts(sides[0], &requests, &software);
    take_turns(b, p, sides, sh, me);
    side_counts(sides[0], &me->requests, &me->software);
    me->requests -= requests;
    me->software -= software;
    for (unsigned i = 0; i < n; i++)
        side_free(sides[i]);
    _exit(0);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), compare);
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double rate_of(const struct shared *sh, const struct point *p, unsigned side, unsigned pair)
{
    double sum = 0;

    for (unsigned c = 0; c < p->processes; c++) {
        const struct sample *s = &sh->children[c].samples[side][pair];

        sum += (double)s->operations / s->wall;
    }
    return sum;
}

/* Per operation, over all processes. */
static void times_of(const struct shared *sh, const struct point *p, unsigned side, unsigned pair,
                     double *thread, double *process)
{
    double operations = 0;

    *thread = *process = 0;
    for (unsigned c = 0; c < p->processes; c++) {
        const struct sample *s = &sh->children[c].samples[side][pair];

        *thread += s->thread;
        *process += s->process;
        operations += (double)s->operations;
    }
    *thread /= operations;
    *process /= operations;
}

/* A side's turns, all processes together. */
struct turns {
    double rate[PAIRS_MAX], thread[PAIRS_MAX], process[PAIRS_MAX];
};

static void take_figures(const struct bench *b, const struct point *p, const struct shared *sh,
                         unsigned side, struct turns *t)
{
    for (unsigned i = 0; i < b->pairs; i++) {
        t->rate[i] = rate_of(sh, p, side, i);
        times_of(sh, p, side, i, &t->thread[i], &t->process[i]);
    }
}

static void summarise(const struct bench *b, const struct point *p, const struct shared *sh,
                      struct result *r)
{
    struct turns first = {{0}, {0}, {0}}, mine = first;

    take_figures(b, p, sh, 0, &first);
    for (unsigned side = 0; side < count_sides(p); side++) {
        struct figures *f = &r->sides[side];
        double ratio[PAIRS_MAX] = {0}, cpu[PAIRS_MAX] = {0};

        take_figures(b, p, sh, side, &mine);
        for (unsigned i = 0; i < b->pairs; i++) {
            ratio[i] = first.rate[i] / mine.rate[i];
            cpu[i] = mine.process[i] / first.process[i];
        }
        *f = (struct figures){median(mine.rate, b->pairs), median(mine.thread, b->pairs),
                              median(mine.process, b->pairs), median(ratio, b->pairs),
                              median(cpu, b->pairs)};
    }
    for (unsigned c = 0; c < p->processes; c++) {
        r->operations += sh->children[c].operations;
        r->requests += sh->children[c].requests;
        r->software += sh->children[c].software;
    }
}

/* The first that fails takes the others with it: they may wait for it. */
static void wait_for(pid_t *pids, unsigned n, const struct shared *sh, struct result *r)
{
    unsigned left = n;

    while (left != 0) {
        int status = 0;
        pid_t pid = wait(&status);

        if (pid < 0)
            break;
        for (unsigned i = 0; i < n; i++) {
            if (pids[i] != pid)
                continue;
            pids[i] = 0;
            left--;
            if (status == 0 || r->error[0] != '\0')
                continue;
            snprintf(r->error, sizeof(r->error), "%s",
                     sh->children[i].error[0] != '\0' ? sh->children[i].error : "crashed");
            for (unsigned k = 0; k < n; k++)
                if (pids[k] != 0)
                    (void)kill(pids[k], SIGKILL);
        }
    }
}

void run_point(const struct bench *b, const struct point *p, struct result *r)
{
    struct shared *sh =
        mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t attr;
    pid_t pids[PROCESSES_MAX] = {0};

    memset(r, 0, sizeof(*r));
    if (sh == MAP_FAILED) {
        snprintf(r->error, sizeof(r->error), "no memory");
        return;
    }
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&sh->turn, &attr, p->processes);
    for (unsigned i = 0; i < p->processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            child_main(b, p, sh, &sh->children[i]);
        if (pids[i] < 0) {
            snprintf(r->error, sizeof(r->error), "fork failed");
            while (i-- != 0)
                (void)kill(pids[i], SIGKILL);
            break;
        }
    }
    wait_for(pids, p->processes, sh, r);
    if (r->error[0] == '\0')
        summarise(b, p, sh, r);
    munmap(sh, sizeof(*sh));
}
