/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that serve the queues, from DRIVER_OK to the reset. Any thread
 * serves any queue.
 */
#ifndef VCRYPTO_EMULATOR_SERVICE_H
#define VCRYPTO_EMULATOR_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/chain.h"
#include "emulator/delay.h"

struct emulator;
struct emulator_queue;

struct worker {
    struct emulator *e;
    pthread_t thread;
    unsigned index;
    unsigned turn_queue; /* where it looks for work first */
    /* Odd while it may hold pointers into the host's memory. */
    atomic_uint turn;
    struct chain chain;
    uint8_t *scratch; /* for data that does not lie in one piece */
    size_t scratch_len;
};

struct service {
    unsigned nworkers; /* running */
    struct worker *workers;
    atomic_bool stop;
    /* One bit per queue: its doorbell rang, or it has not run dry yet. */
    atomic_uint_fast64_t ready;
    /* The futex: changes with each wake-up. */
    atomic_uint wake;
    atomic_uint sleepers;
    atomic_bool waking; /* a wake-up is under way */
    struct delay delay;
};

void service_init(struct service *s);
void service_fini(struct service *s);

/* Bus lock. 0 or negative errno; then no thread runs. */
int service_start(struct emulator *e);
/* Bus lock. Ends the threads: none touches the host's memory afterwards. */
void service_stop(struct emulator *e);
/* Bus lock. Waits until every thread has let go of each chain that it had
 * popped when this was called. */
void service_quiesce(struct emulator *e);

/* The doorbell: cheap unless a thread must be woken. Any thread; where the
 * function has no threads, one at a time. */
void service_kick(struct emulator *e, const struct emulator_queue *q);
/* All threads look again. */
void service_wake_all(struct service *s);

#endif
