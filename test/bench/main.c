/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench MODULE FOLDER: measures, prints a table, and writes FOLDER/bench.csv
 * and FOLDER/bench.svg. The environment's BENCH_ variables are in the README.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */
static double get_number(const char *name, double initial, double min, double max)
{
    const char *value = getenv(name);
    char *end = NULL;
    double n = value != NULL ? strtod(value, &end) : initial;

    if ((end == NULL || *end == '\0') && n >= min && n <= max)
        return n;
    fprintf(stderr, "bench: %s = %s: accepted is a number from %g to %g\n", name, value, min, max);
    exit(2);
}

/* Settings of vcrypto, which semicolons part. */
static char *get_settings(void)
{
    const char *value = getenv("BENCH_CONFIG");
    char *text = strdup(value != NULL ? value : "");

    for (char *s = text; s != NULL && *s != '\0'; s++)
        if (*s == ';')
            *s = '\n';
    return text;
}
/* NOLINTEND(concurrency-mt-unsafe) */

/* Two or three descriptors for each job. */
static void raise_limit(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct result *results;
    bool ok;

    if (argc != 3) {
        fprintf(stderr, "usage: bench MODULE FOLDER\n");
        return 2;
    }
    b.module = argv[1];
    b.out = argv[2];
    b.seconds = get_number("BENCH_SECONDS", 2, 0.01, 3600);
    b.pairs = (unsigned)get_number("BENCH_PAIRS", 5, 1, PAIRS_MAX);
    b.settings = get_settings();
    if (b.settings == NULL || !plan_make(&b) || !report_open(&b))
        return 2;
    results = calloc(b.count, sizeof(*results));
    if (results == NULL)
        return 2;
    raise_limit();
    printf("%u points, %g s each, medians of %u interleaved turns\n", b.count, b.seconds, b.pairs);
    (void)fflush(stdout);
    for (unsigned i = 0; i < b.count; i++) {
        run_point(&b, &b.points[i], &results[i]);
        report_point(&b.points[i], &results[i]);
    }
    ok = report_close(&b, results);
    ok = plot_write(&b, results) && ok;
    return ok ? 0 : 1;
}
