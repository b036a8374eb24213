/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application's loop: one thread that runs many jobs, each of which does one
 * operation after another, and waits for all of them at once.
 *
 * Descriptors are waited for in an epoll set, each one as long as its wait
 * context lives. With callbacks, jobs that can go on are put into a list, and
 * the loop is woken, by an eventfd of its own, only where it has gone to sleep.
 */
#ifndef VCRYPTO_PROBE_JOBS_H
#define VCRYPTO_PROBE_JOBS_H

#include <stdbool.h>
#include <stdint.h>

struct jobs;

/* What a run did, and what it took: seconds of the clock, of the calling
 * thread's CPU time, and of the whole process's. */
struct jobs_run {
    uint64_t operations;
    double wall, thread, process;
};

/* NULL: no memory or no descriptors left. */
struct jobs *jobs_new(unsigned count, bool callback);
/* No jobs: what the first would do, as all do that never pause: it goes on and
 * the others wait. */
struct jobs *jobs_new_plain(void);
void jobs_free(struct jobs *j);

/* Called whenever the loop has nothing to do and is about to wait. */
void jobs_on_idle(struct jobs *j, void (*idle)(void *arg), void *arg);

/*
 * In job i: op(args[i]) again and again; outside jobs op(args[0]). After the given
 * time none begins any more, and those begun are waited for. False: an
 * operation failed, or one was not woken for ten seconds; then what is under
 * way is left there. One run at a time in a process: it uses SIGALRM.
 */
bool jobs_run(struct jobs *j, double seconds, bool (*op)(void *arg), void *const *args,
              struct jobs_run *out);

#endif
