/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of one thread that work and work, each resumed when its descriptor is
 * readable. A job that nobody wakes within CREW_HANG_MS ends the test.
 */
#ifndef TEST_FAULT_CREW_H
#define TEST_FAULT_CREW_H

#include <openssl/async.h>

#include "work.h"

/* No job is paused for so long, whatever the device does. */
#define CREW_HANG_MS 15000
#define CREW_MAX     64

struct tally {
    uint64_t done, failed, wrong, refused;
};

struct crew {
    const char *label; /* for what is said of a hang */
    unsigned n;
    struct tally tally;
    struct crew_job {
        struct crew *crew;
        struct work work;
        ASYNC_JOB *job;
        ASYNC_WAIT_CTX *wait;
        OSSL_ASYNC_FD fd;
        bool paused;
    } jobs[CREW_MAX];
};

/* ASYNC_init_thread is the caller's. */
void crew_init(struct crew *crew, const char *label, unsigned n, const struct shop *shop,
               unsigned kinds, uint64_t seed);
void crew_fini(struct crew *crew);
/* Those that have nothing to do begin anew; then some of those that are paused
 * are waited for. */
void crew_round(struct crew *crew);
/* Until none is paused. */
void crew_rest(struct crew *crew);

#endif
