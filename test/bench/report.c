/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static FILE *csv;
static const char *section;

const char *report_who(const struct result *r)
{
    if (r->requests == 0)
        return "software";
    return r->software == 0 ? "device" : "both";
}

static void head(const struct point *p)
{
    static const char *const captions[][2] = {
        {"throughput", "everything on one CPU"},
        {"multi", "two processes on all CPUs"},
        {"jobs", "few and many jobs, everything on one CPU"},
        {"cost", "what a request costs the application's thread, nearly without data"},
        {"plain", "outside jobs, on one CPU"},
    };
    const char *caption = "";

    for (unsigned i = 0; i < sizeof(captions) / sizeof(captions[0]); i++)
        if (strcmp(captions[i][0], p->section) == 0)
            caption = captions[i][1];
    printf("\n%s: %s\n%-21s %6s %5s %4s %3s %4s  %9s", p->section, caption, "", "bytes", "jobs",
           "wake", "pr", "cpus", "vcrypto/s");
    for (unsigned i = 1; i < SIDES_MAX && p->sides[i] != SIDE_NONE; i++)
        printf(" %10s/s %6s %6s", side_names[p->sides[i]], "ratio", "by CPU");
    printf("  | thread us/op:");
    for (unsigned i = 0; i < SIDES_MAX && p->sides[i] != SIDE_NONE; i++)
        printf(" %10s", side_names[p->sides[i]]);
    printf("  done by\n");
}

bool report_open(const struct bench *b)
{
    char name[4096];

    snprintf(name, sizeof(name), "%s/bench.csv", b->out);
    csv = fopen(name, "we");
    if (csv == NULL) {
        perror(name);
        return false;
    }
    fprintf(csv, "section,algorithm,direction,bytes,jobs,wake,processes,cpus,side,"
                 "operations_per_s,bytes_per_s,thread_us,process_us,vcrypto_ratio,vcrypto_cpu_"
                 "ratio,operations,"
                 "requests,software,done_by\n");
    return true;
}

static const char *direction(const struct point *p)
{
    return p->len == 0 ? "sign" : p->decrypts ? "dec" : "enc";
}

static const char *wake(const struct point *p)
{
    return p->jobs == 0 ? "-" : p->callback ? "call" : "fd";
}

static void csv_point(const struct point *p, const struct result *r)
{
    for (unsigned i = 0; i < SIDES_MAX && p->sides[i] != SIDE_NONE; i++) {
        const struct figures *f = &r->sides[i];

        fprintf(csv, "%s,%s,%s,%zu,%u,%s,%u,%u,%s,%.1f,%.1f,%.4f,%.4f,", p->section, p->alg,
                direction(p), p->len, p->jobs, wake(p), p->processes, p->cpus,
                side_names[p->sides[i]], f->rate, f->rate * (double)p->len, f->thread * 1e6,
                f->process * 1e6);
        if (i == 0)
            fprintf(csv, ",,%llu,%llu,%llu,%s\n", (unsigned long long)r->operations,
                    (unsigned long long)r->requests, (unsigned long long)r->software,
                    report_who(r));
        else
            fprintf(csv, "%.4f,%.4f,,,,\n", f->ratio, f->cpu_ratio);
    }
    (void)fflush(csv);
}

void report_point(const struct point *p, const struct result *r)
{
    char what[64];

    if (section == NULL || strcmp(section, p->section) != 0)
        head(p);
    section = p->section;
    snprintf(what, sizeof(what), "%s %s", p->alg, direction(p));
    printf("%-21s %6zu %5u %4s %3u ", what, p->len, p->jobs, wake(p), p->processes);
    if (p->cpus == 0)
        printf("%4s", "all");
    else
        printf("%4u", p->cpus);
    if (r->error[0] != '\0') {
        printf("  FAILED: %s\n", r->error);
        return;
    }
    printf("  %9.0f", r->sides[0].rate);
    for (unsigned i = 1; i < SIDES_MAX && p->sides[i] != SIDE_NONE; i++)
        printf(" %12.0f %6.2f %6.2f", r->sides[i].rate, r->sides[i].ratio, r->sides[i].cpu_ratio);
    printf("  |              ");
    for (unsigned i = 0; i < SIDES_MAX && p->sides[i] != SIDE_NONE; i++)
        printf(" %10.3f", r->sides[i].thread * 1e6);
    printf("  %s\n", report_who(r));
    (void)fflush(stdout);
    csv_point(p, r);
}

bool report_close(const struct bench *b, const struct result *results)
{
    unsigned by[3] = {0}, failed = 0;
    unsigned long long requests = 0, software = 0;

    for (unsigned i = 0; i < b->count; i++) {
        const struct result *r = &results[i];

        failed += r->error[0] != '\0';
        requests += r->requests;
        software += r->software;
        if (r->error[0] == '\0')
            by[r->requests == 0 ? 1 : r->software == 0 ? 0 : 2]++;
    }
    printf("\nvcrypto: %llu requests of devices, %llu operations in software\n", requests,
           software);
    printf("%u points: %u by the device, %u by software, %u by both, %u failed\n", b->count, by[0],
           by[1], by[2], failed);
    return fclose(csv) == 0 && failed == 0;
}
