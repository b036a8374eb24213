/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are done and whose answer is not due yet. */
#ifndef VCRYPTO_EMULATOR_DELAY_H
#define VCRYPTO_EMULATOR_DELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/ring.h"

struct delayed;

struct delay {
    pthread_mutex_t lock;
    struct delayed *first, *last; /* in order of due */
    atomic_uint_fast64_t next;    /* when the first is due, ns; 0: none */
};

uint64_t delay_now(void); /* CLOCK_MONOTONIC, ns */

void delay_init(struct delay *d);
void delay_fini(struct delay *d);
/* False: no memory, the caller answers at once. */
bool delay_add(struct delay *d, const struct taken *t, uint32_t len, uint64_t due);
/* Takes the first one if it is due at now. */
bool delay_take(struct delay *d, uint64_t now, struct taken *t, uint32_t *len);
/* Forgets all. */
void delay_clear(struct delay *d);

#endif
