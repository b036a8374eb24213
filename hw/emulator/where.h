/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where full batches of a queue are served: by whoever rings the doorbell, or by
 * a service thread. The first wakes nobody and finds the data in its cache; the
 * second is the better one where there is a processor to spare and the
 * application has more to do meanwhile. Neither can be seen from here, so both
 * are tried in turn, and requests per time decide.
 *
 * Any worker may touch this; a figure that is lost does no harm.
 */
#ifndef VCRYPTO_EMULATOR_WHERE_H
#define VCRYPTO_EMULATOR_WHERE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct where {
    atomic_bool thread, better; /* a thread: now, and as a rule */
    atomic_uint batches, requests;
    atomic_uint_fast64_t begun, last; /* of this round: its first batch, and its latest, ns */
    atomic_uint_fast64_t rate;        /* of the last round as a rule */
    atomic_uint rounds;               /* as a rule, one after the other */
    atomic_uint every;                /* after how many the other way is tried */
    atomic_uint won;                  /* such trials, one after the other */
};

void where_init(struct where *w);

/* Whether a full batch is a thread's now. */
bool where_thread(const struct where *w);

/* So many requests have been served together, by now. */
void where_served(struct where *w, unsigned n, uint64_t now);

#endif
