/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker serves one batch of requests of one queue at a time: takes them from
 * the available ring, has the engines run them together, and returns them
 * together. A worker is a service thread's, or that of whoever rings a queue's
 * doorbell.
 */
#ifndef VCRYPTO_EMULATOR_BATCH_H
#define VCRYPTO_EMULATOR_BATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/engine.h"

struct ak_buffers;
struct chain_seg;
struct emulator;
struct emulator_queue;
struct unit;

struct worker {
    struct emulator *e;
    unsigned index;
    /* Odd while it may hold pointers into the host's memory, or be inside an
     * engine. */
    atomic_uint turn;
    atomic_bool claimed; /* a doorbell's: somebody is at work with it */
    pthread_t thread;    /* a service thread's */
    unsigned turn_queue; /* where that looks for work first */

    struct unit *units;     /* ENGINE_BATCH of them */
    struct chain_seg *segs; /* shared out to their chains */
    size_t nsegs;
    struct ak_buffers *ak; /* made at the first asymmetric request */
    unsigned ak_used;
    uint8_t *scratch; /* for data that does not lie in one piece */
    size_t scratch_len;
} __attribute__((aligned(64)));

/* 0 or -ENOMEM. */
int worker_init(struct worker *w, struct emulator *e, unsigned index);
void worker_fini(struct worker *w);

/* The next of this batch's buffers; NULL: no memory. */
struct ak_buffers *worker_ak_buffers(struct worker *w);

/* What a batch was. */
struct batch {
    unsigned n;    /* requests taken; 0: the ring is empty or malformed, or it is no time */
    unsigned left; /* that were behind them */
    bool gains;    /* some would have gained, or did, by company */
    bool heavy;    /* asymmetric ones among them: */
    uint64_t ns;   /* what these took */
};

/* Requests are out of the ring, and not yet run; left are in it still. */
typedef void taken_fn(struct worker *w, struct emulator_queue *q, unsigned left);

/* Serves what waits in q: as many requests at once as pace_share says. taken is
 * called where there are any. Nothing while the process forks. */
void batch_serve(struct worker *w, struct emulator_queue *q, taken_fn *taken, struct batch *out);

#endif
