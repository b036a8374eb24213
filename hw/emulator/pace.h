/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a data queue is served: at once, or when more has come. Engines that do
 * many at once are worth a short wait, where more is to be expected: so many as
 * there were lately. Nothing here is needed for correctness; the fields are
 * atomic because any worker may touch them, and relaxed but for `until`.
 */
#ifndef VCRYPTO_EMULATOR_PACE_H
#define VCRYPTO_EMULATOR_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/where.h"

struct batch;

struct pace {
    atomic_uint expect;  /* serve when so many wait, at least 1 */
    atomic_bool here;    /* perhaps by whoever rings the doorbell: it is quick work */
    struct where where;  /* by him or by a thread */
    atomic_uint kept;    /* what was expected the other way */
    atomic_uint share;   /* how many a worker takes at once */
    atomic_uint hold;    /* how long they wait for company at a time, ns, */
    atomic_uint stretch; /* doubled so often */
    atomic_uint quick;   /* batches in a row that were */
    /* When a smaller number is served too, ns. Stored before `sleepers` is
     * looked at, and looked at after `sleepers` was stored; see service.c. */
    atomic_uint_fast64_t until;
    atomic_uint_fast64_t last, looked; /* when a batch was begun, and `until` set, ns */
    atomic_uint taken;                 /* chains that had left when `until` was set, and */
    atomic_uint come;                  /* had come */
    atomic_uint waits;                 /* times that it was set since one left */
    atomic_uint idle;                  /* times that nothing had come since */
    atomic_uint full;                  /* batches in a row that came up to what was expected */
    atomic_uint probe;                 /* after how many of them more is tried */
};

enum pace_advice {
    PACE_SERVE,
    PACE_WAIT, /* until p->until, or until p->expect wait */
    PACE_REST, /* nothing has come for a while */
};

void pace_init(struct pace *p);

/* What to do with a queue in which n wait and out of which taken have gone. */
enum pace_advice pace_look(struct pace *p, unsigned n, uint16_t taken, uint64_t now);

/* A batch is begun, and has been served. True: whoever sleeps is to look anew at
 * when to look. */
void pace_begins(struct pace *p, uint64_t now);
bool pace_served(struct pace *p, const struct batch *b, uint64_t now);

/* So many are worth waiting for. */
unsigned pace_expect(const struct pace *p);
/* How many to take at once: that spares locks, but what takes long is left to
 * others. */
unsigned pace_share(const struct pace *p);
/* Whether so many are served by whoever rings the doorbell. */
bool pace_here(const struct pace *p);
/* When to look at a queue whose bit is set, ns; never 0. */
uint64_t pace_until(const struct pace *p);
/* The wait is over. */
void pace_now(struct pace *p);

#endif
