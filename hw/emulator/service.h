/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves the queues, and when, from DRIVER_OK to the reset. Any thread
 * serves any queue.
 */
#ifndef VCRYPTO_EMULATOR_SERVICE_H
#define VCRYPTO_EMULATOR_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/batch.h"
#include "emulator/delay.h"
#include "emulator/pace.h"

struct emulator;
struct emulator_queue;

struct service {
    unsigned nworkers; /* of the threads first, then of each queue's doorbell */
    struct worker *workers;
    struct pace *paces; /* of each queue */
    unsigned nthreads;  /* running */
    /* Nobody serves, or will begin to. */
    atomic_bool stop;
    /* One bit per queue: its doorbell rang, or it has not run dry yet. */
    atomic_uint_fast64_t ready;
    /* The futex: changes with each wake-up. */
    atomic_uint wake;
    atomic_uint sleepers;
    atomic_bool waking; /* a wake-up is under way */
    struct delay delay;
};

/* 0 or -ENOMEM. */
int service_init(struct emulator *e);
void service_fini(struct emulator *e);

/* Bus lock. 0 or negative errno; then no thread runs. */
int service_start(struct emulator *e);
/* Bus lock. Ends the threads and waits for who serves where he rang: nobody
 * touches the host's memory afterwards. */
void service_stop(struct emulator *e);
/* Bus lock. Waits until every worker has let go of each chain that it had
 * popped when this was called. */
void service_quiesce(struct emulator *e);

/* The doorbell: cheap unless a thread must be woken, or a full batch waits,
 * which is then served here. Any thread; where the function has no threads all
 * is served here, and one may ring at a time. */
void service_kick(struct emulator *e, struct emulator_queue *q);
/* All threads look again. */
void service_wake_all(struct service *s);

#endif
