/* SPDX-License-Identifier: Apache-2.0 */
/* Which points there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "work.h"

#define LIST_MAX 32

/* The environment's words. */
struct list {
    char text[1024];
    const char *words[LIST_MAX];
    unsigned n;
};

struct alg {
    char name[40];
    bool decrypts;
};

struct plan {
    struct bench *bench;
    struct list algs, sizes, jobs, sections;
    struct alg parsed[LIST_MAX];
};

/* Jobs of a server that is not idle. */
#define JOBS_USUAL 64
/* Of the sections that vary the number of jobs. */
#define JOBS_ALG  "AES-128-CBC"
#define JOBS_LEN  16384
#define COST_ALG  "AES-128-XTS"
#define COST_LEN  16
#define PLAIN_MAX 16384

static bool split(struct list *l, const char *name, const char *initial)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    char *save = NULL;

    snprintf(l->text, sizeof(l->text), "%s", value != NULL ? value : initial);
    l->n = 0;
    for (char *w = strtok_r(l->text, ", ", &save); w != NULL && l->n < LIST_MAX;
         w = strtok_r(NULL, ", ", &save))
        l->words[l->n++] = w;
    if (l->n == 0)
        fprintf(stderr, "bench: %s is empty\n", name);
    return l->n != 0;
}

static void parse_algs(struct plan *plan)
{
    for (unsigned i = 0; i < plan->algs.n; i++) {
        const char *word = plan->algs.words[i];
        struct alg *alg = &plan->parsed[i];

        snprintf(alg->name, sizeof(alg->name), "%.*s", (int)strcspn(word, ":"), word);
        alg->decrypts = strstr(word, ":dec") != NULL;
    }
}

static unsigned number(const char *word)
{
    return (unsigned)strtoul(word, NULL, 10);
}

static struct point *add(struct plan *plan, const char *section)
{
    struct bench *b = plan->bench;
    struct point *p = &b->points[b->count];

    if (b->count == POINTS_MAX)
        return NULL;
    b->count++;
    *p = (struct point){.section = section,
                        .alg = JOBS_ALG,
                        .jobs = JOBS_USUAL,
                        .processes = 1,
                        .cpus = 1,
                        .sides = {SIDE_VCRYPTO, SIDE_DEFAULT}};
    return p;
}

/* All algorithms (ALGORITHM or ALGORITHM:dec) with all lengths; signatures have
 * none. */
static void add_algs(struct plan *plan, const char *section, unsigned processes, unsigned cpus,
                     unsigned jobs, size_t most)
{
    for (unsigned a = 0; a < plan->algs.n; a++) {
        const struct alg *alg = &plan->parsed[a];
        bool signs = work_is_signature(alg->name);

        for (unsigned i = 0; i < (signs ? 1 : plan->sizes.n); i++) {
            size_t len = signs ? 0 : number(plan->sizes.words[i]);
            struct point *p = len <= most ? add(plan, section) : NULL;

            if (p == NULL)
                continue;
            p->alg = alg->name;
            p->decrypts = alg->decrypts;
            p->len = len;
            p->processes = processes;
            p->cpus = cpus;
            p->jobs = jobs;
        }
    }
}

static void add_throughput(struct plan *plan, const char *section)
{
    add_algs(plan, section, 1, 1, JOBS_USUAL, SIZE_MAX);
}

static void add_multi(struct plan *plan, const char *section)
{
    add_algs(plan, section, 2, 0, JOBS_USUAL, SIZE_MAX);
}

static void add_plain(struct plan *plan, const char *section)
{
    add_algs(plan, section, 1, 1, 0, PLAIN_MAX);
}

/* callback is 0 or 1. */
static void add_jobs(struct plan *plan, const char *section)
{
    for (unsigned callback = 0; callback < 2; callback++)
        for (unsigned i = 0; i < plan->jobs.n; i++) {
            struct point *p = add(plan, section);

            if (p == NULL)
                return;
            p->len = JOBS_LEN;
            p->jobs = number(plan->jobs.words[i]);
            p->callback = callback != 0;
        }
}

/* One CPU for all threads, then all CPUs. */
static void add_cost(struct plan *plan, const char *section)
{
    for (unsigned i = 0; i < 4 * plan->jobs.n; i++) {
        struct point *p = add(plan, section);

        if (p == NULL)
            return;
        p->alg = COST_ALG;
        p->len = COST_LEN;
        p->jobs = number(plan->jobs.words[i % plan->jobs.n]);
        p->callback = i / plan->jobs.n % 2 != 0;
        p->cpus = i < 2 * plan->jobs.n ? 1 : 0;
        p->offload_all = true;
        p->sides[1] = SIDE_FLOOR;
        p->sides[2] = SIDE_FLOOR_SELF;
    }
}

static const struct section {
    const char *name;
    void (*add)(struct plan *plan, const char *section);
} sections[] = {
    {"throughput", add_throughput}, /* one CPU for everything */
    {"multi", add_multi},           /* two processes on all CPUs */
    {"jobs", add_jobs},             /* few and many, descriptors and callbacks */
    {"cost", add_cost},             /* of a request that is nearly empty */
    {"plain", add_plain},           /* outside jobs: software either way */
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool add_section(struct plan *plan, const char *name)
{
    for (unsigned i = 0; i < SECTIONS; i++)
        if (strcmp(sections[i].name, name) == 0) {
            sections[i].add(plan, sections[i].name);
            return true;
        }
    fprintf(stderr, "bench: BENCH_SECTIONS has no %s\n", name);
    return false;
}

bool plan_make(struct bench *b)
{
    static struct plan plan;

    plan.bench = b;
    b->count = 0;
    b->points = calloc(POINTS_MAX, sizeof(*b->points));
    if (b->points == NULL ||
        !split(&plan.algs, "BENCH_ALGS",
               "AES-128-CBC,AES-128-CBC:dec,AES-256-CBC,AES-256-CBC:dec,AES-128-CTR,"
               "AES-256-CTR,AES-128-GCM,AES-128-GCM:dec,AES-256-GCM,ChaCha20-Poly1305,"
               "ChaCha20-Poly1305:dec,RSA-2048,P-256") ||
        !split(&plan.sizes, "BENCH_SIZES", "64,256,1024,4096,16384,65536") ||
        !split(&plan.jobs, "BENCH_JOBS", "1,2,4,8,16,64,256,900,4096") ||
        !split(&plan.sections, "BENCH_SECTIONS", "throughput,multi,jobs,cost,plain"))
        return false;
    parse_algs(&plan);
    for (unsigned i = 0; i < plan.sections.n; i++)
        if (!add_section(&plan, plan.sections.words[i]))
            return false;
    return b->count != 0;
}
