/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From how many bytes on a device is worth a request's trip on this machine,
 * for each cipher and direction: found by halves, since longer requests are the
 * device's gain.
 *
 * Everything runs on one CPU: what the emulated function computes is then not a
 * gift of a second one. It is compared by CPU time, which a busy machine does
 * not change; a real function, whose work is not the CPU's, by the clock.
 */
#include <openssl/async.h>
#include <openssl/err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "probe.h"
#include "work.h"

#define JOBS      16
#define PAIRS_MAX 5
#define ROWS      64
#define NEVER     ((size_t)1 << 30)
#define USUAL     16384 /* a TLS record: shown beside */

static const size_t lengths[] = {16,   32,   48,    64,    96,    128,  192,  256,
                                 384,  512,  768,   1024,  1536,  2048, 3072, 4096,
                                 6144, 8192, 12288, 16384, 24576, 32768};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

struct calibration {
    struct work_context vcrypto, plain;
    struct jobs *jobs, *no_jobs;
    bool by_cpu;
    double turn; /* seconds */
    unsigned pairs;
    bool failed; /* a run did */
    char names[ROWS][40];
    unsigned count;
};

struct row {
    const char *name;
    bool encrypts;
    size_t min_bytes;
    double usual; /* vcrypto to the default provider there */
};

static void note_cipher(EVP_CIPHER *cipher, void *arg)
{
    struct calibration *c = arg;

    if (EVP_CIPHER_get0_provider(cipher) == c->vcrypto.vcrypto && c->count < ROWS)
        snprintf(c->names[c->count++], sizeof(c->names[0]), "%s", EVP_CIPHER_get0_name(cipher));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One side of a comparison: as many works as there are jobs. */
struct side {
    void *works[JOBS];
};

static bool side_open(struct side *s, const struct work_context *w, const char *name, bool encrypts,
                      size_t len)
{
    for (unsigned i = 0; i < JOBS; i++) {
        s->works[i] = work_new(w, name, encrypts, len, NULL);
        if (s->works[i] == NULL)
            return false;
    }
    return true;
}

static void side_close(struct side *s)
{
    for (unsigned i = 0; i < JOBS; i++)
        work_free(s->works[i]);
}

static double per_second(const struct calibration *c, const struct jobs_run *r)
{
    return (double)r->operations / (c->by_cpu ? r->process : r->wall);
}

static bool take_turns(const struct calibration *c, struct side *ours, struct side *theirs,
                       double *ratios)
{
    struct jobs_run a, b;

    /* The first operations make sessions. */
    if (!jobs_run(c->jobs, c->turn / 4, work_do, ours->works, &a) ||
        !jobs_run(c->no_jobs, c->turn / 4, work_do, theirs->works, &b))
        return false;
    for (unsigned i = 0; i < c->pairs; i++) {
        if (!jobs_run(c->jobs, c->turn, work_do, ours->works, &a) ||
            !jobs_run(c->no_jobs, c->turn, work_do, theirs->works, &b))
            return false;
        ratios[i] = per_second(c, &a) / per_second(c, &b);
    }
    return true;
}

/* How many times the default provider's rate is vcrypto's; negative: the device
 * did not do it. After a run that failed there must be no other: jobs are left in
 * operations that are freed here. */
static double compare(struct calibration *c, const char *name, bool encrypts, size_t len)
{
    struct side ours = {{NULL}}, theirs = {{NULL}};
    double ratios[PAIRS_MAX] = {0};
    double ratio = -1;
    uint64_t before;

    if (c->failed)
        return -1;
    if (side_open(&ours, &c->vcrypto, name, encrypts, len) &&
        side_open(&theirs, &c->plain, name, encrypts, len)) {
        /* What work_new did is not counted. */
        before = work_figure(&c->vcrypto, "vcrypto-software-total");
        c->failed = !take_turns(c, &ours, &theirs, ratios);
        if (!c->failed && work_figure(&c->vcrypto, "vcrypto-software-total") == before) {
            qsort(ratios, c->pairs, sizeof(ratios[0]), by_size);
            ratio = ratios[c->pairs / 2];
        }
    }
    side_close(&ours);
    side_close(&theirs);
    return ratio;
}

/* The smallest length from which on the device wins, or NEVER. */
static void find_length(struct calibration *c, struct row *r)
{
    size_t low = 0, high = LENGTHS - 1;

    r->min_bytes = NEVER;
    r->usual = compare(c, r->name, r->encrypts, USUAL);
    if (r->usual < 0 || compare(c, r->name, r->encrypts, lengths[high]) < 1)
        return;
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare(c, r->name, r->encrypts, lengths[middle]) >= 1)
            high = middle;
        else
            low = middle + 1;
    }
    r->min_bytes = lengths[low];
}

static void print_row(const struct row *r)
{
    if (r->usual < 0)
        printf("# %-18s %s: the device did not do it\n", r->name, r->encrypts ? "enc" : "dec");
    else if (r->min_bytes == NEVER)
        printf("# %-18s %s: never, %d bytes %.2f times as fast\n", r->name,
               r->encrypts ? "enc" : "dec", USUAL, r->usual);
    else
        printf("# %-18s %s: from %zu bytes on, %d bytes %.2f times as fast\n", r->name,
               r->encrypts ? "enc" : "dec", r->min_bytes, USUAL, r->usual);
    (void)fflush(stdout);
}

/* False: a run failed. */
static bool measure(struct calibration *c, const char *device)
{
    struct row rows[2 * ROWS];
    unsigned n = 0;

    printf("# %s with %d jobs against the default provider, everything on one CPU, by %s\n", device,
           JOBS, c->by_cpu ? "CPU time" : "the clock");
    for (unsigned i = 0; i < c->count; i++)
        for (unsigned dir = 0; dir < 2; dir++) {
            rows[n] = (struct row){.name = c->names[i], .encrypts = dir == 0};
            find_length(c, &rows[n]);
            if (c->failed) {
                fprintf(stderr, "vcrypto-probe: %s %s failed\n", rows[n].name,
                        dir == 0 ? "encryption" : "decryption");
                return false;
            }
            print_row(&rows[n++]);
        }
    printf("min_bytes = ");
    for (unsigned i = 0; i < n; i++)
        printf("%s%s:%s:%zu", i != 0 ? ", \\\n    " : "", rows[i].name,
               rows[i].encrypts ? "enc" : "dec", rows[i].min_bytes);
    printf("\n");
    return true;
}

/* The device's threads, which do not run yet, stay on it too. */
static void take_one_cpu(void)
{
    int cpu = sched_getcpu();
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu >= 0 ? (unsigned)cpu : 0, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

static bool open_all(struct calibration *c, const char *device)
{
    char settings[512];

    snprintf(settings, sizeof(settings), "device = %s\nmin_bytes = 0\nfallback = yes\n", device);
    c->jobs = jobs_new(JOBS, false);
    c->no_jobs = jobs_new_plain();
    if (c->jobs == NULL || c->no_jobs == NULL || !ASYNC_init_thread(JOBS, JOBS) ||
        !work_open_default(&c->plain) || !work_open_vcrypto(&c->vcrypto, NULL, settings))
        return false;
    if (work_figure(&c->vcrypto, "vcrypto-devices") == 0)
        return false;
    EVP_CIPHER_do_all_provided(c->vcrypto.libctx, note_cipher, c);
    qsort(c->names, c->count, sizeof(c->names[0]), by_name);
    return c->count != 0;
}

int probe_calibrate(const char *device, bool quick)
{
    static struct calibration c;
    bool ok;

    c.by_cpu = strcmp(device, "emulator") == 0;
    c.turn = quick ? 0.002 : 0.02;
    c.pairs = quick ? 1 : PAIRS_MAX;
    take_one_cpu();
    ok = open_all(&c, device) && measure(&c, device);
    if (!ok) {
        fprintf(stderr, "vcrypto-probe: %s cannot be measured\n", device);
        ERR_print_errors_fp(stderr);
    }
    if (c.jobs != NULL)
        jobs_free(c.jobs);
    if (c.no_jobs != NULL)
        jobs_free(c.no_jobs);
    if (c.vcrypto.libctx != NULL)
        work_close(&c.vcrypto);
    if (c.plain.libctx != NULL)
        work_close(&c.plain);
    return ok ? PROBE_GOOD : PROBE_BAD;
}
