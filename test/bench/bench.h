/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make bench. A point is one thing measured: an algorithm, a length, a number
 * of jobs. Each point has sides, vcrypto first, which take turns in the same
 * process; what is compared was measured within a fraction of a second.
 *
 *     plan.c    which points, from the environment's BENCH_ variables
 *     run.c     a point, in one or more child processes
 *     side.c    what runs: the work, or the floor (floor.c)
 *     report.c  the table and the CSV; plot.c the SVG
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIRS_MAX     15
#define PROCESSES_MAX 2
#define SIDES_MAX     3
#define POINTS_MAX    1024

enum side_kind {
    SIDE_NONE,
    SIDE_VCRYPTO,
    SIDE_DEFAULT,    /* the default provider, whose jobs would never pause: without */
    SIDE_FLOOR,      /* jobs that pause and are woken by another thread */
    SIDE_FLOOR_SELF, /* that wake themselves */
    SIDE_KINDS
};
extern const char *const side_names[SIDE_KINDS];

struct point {
    const char *section;
    const char *alg;
    bool decrypts;
    size_t len;    /* 0: a signature */
    unsigned jobs; /* 0: outside jobs */
    bool callback;
    unsigned processes;
    unsigned cpus;
    bool offload_all; /* whatever the threshold */
    enum side_kind sides[SIDES_MAX];
};

struct bench {
    double seconds; /* for a point */
    unsigned pairs;
    const char *module, *settings; /* of vcrypto, beside what a point asks for */
    const char *out;               /* folder of bench.csv and bench.svg */
    struct point *points;
    unsigned count;
};

/* One side's turn in one process. */
struct sample {
    uint64_t operations;
    double wall, thread, process; /* seconds */
};

/* A side of a point, medians over the pairs, processes added up. */
struct figures {
    double rate;    /* operations a second */
    double thread;  /* the application thread's seconds for each */
    double process; /* all threads' */
    /* vcrypto to this one, pair by pair: how many times the operations in the
     * same time by the clock, and in the same CPU time of all threads. */
    double ratio, cpu_ratio;
};

struct result {
    char error[256]; /* not empty: it failed, and there are no figures */
    struct figures sides[SIDES_MAX];
    uint64_t operations; /* of vcrypto, in all */
    uint64_t requests;   /* what its devices did of them */
    uint64_t software;   /* what it did in software */
};

bool plan_make(struct bench *b);

void run_point(const struct bench *b, const struct point *p, struct result *r);

/* In the child. */
struct side;
struct side *side_new(const struct bench *b, const struct point *p, enum side_kind kind);
void side_free(struct side *s);
bool side_run(struct side *s, double seconds, struct sample *out);
/* SIDE_VCRYPTO: what it has done so far. */
void side_counts(const struct side *s, uint64_t *requests, uint64_t *software);

/* A floor's operation: arg is one of floor_args. self: without another thread. */
struct jobs;
struct floor;
struct floor *floor_new(struct jobs *jobs, unsigned count, bool self);
void floor_free(struct floor *f);
void *const *floor_args(const struct floor *f);
bool floor_operation(void *arg);

bool report_open(const struct bench *b);
void report_point(const struct point *p, const struct result *r);
/* False: a point failed, or nothing was measured. */
bool report_close(const struct bench *b, const struct result *results);
/* Who did vcrypto's work: "device", "software" or "both". */
const char *report_who(const struct result *r);

bool plot_write(const struct bench *b, const struct result *results);

#endif
