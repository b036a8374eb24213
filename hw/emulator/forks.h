/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks. What computes has locks for the whole process: one that a thread holds
 * when the process forks stays locked in the child, whose own device then waits
 * for it without end. So nobody is inside the engines at a fork.
 *
 * Workers use them in their turns, and otherwise with the lock; everybody else
 * with the lock only. Whoever forks holds the lock, says so (`forks_now`), and
 * waits until all turns are even. A worker makes its turn odd and then looks
 * whether somebody forks, both sequentially consistent: one sees the other.
 */
#ifndef VCRYPTO_EMULATOR_FORKS_H
#define VCRYPTO_EMULATOR_FORKS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "emulator/batch.h"

extern atomic_bool forks_now;

/* Engines are used by other than a worker in its turn, which does not take it.
 * Who holds it waits for no worker. Waits for a fork that is under way. */
void forks_lock(void);
void forks_unlock(void);

/* Locked. Between these the function's workers have turns. */
void forks_watch(struct emulator *e);
void forks_forget(struct emulator *e);

/* A turn ends: what the worker used is free. */
static inline void forks_end_turn(struct worker *w)
{
    /* Release: pairs with the loads of who waits for it. */
    atomic_fetch_add_explicit(&w->turn, 1, memory_order_release);
}

/* False: somebody forks, there is no turn now. */
static inline bool forks_begin_turn(struct worker *w)
{
    atomic_fetch_add(&w->turn, 1);
    if (!atomic_load(&forks_now))
        return true;
    forks_end_turn(w);
    return false;
}

/* Between turns. Waits for a fork that is under way. */
static inline void forks_pass(void)
{
    if (!atomic_load_explicit(&forks_now, memory_order_relaxed))
        return;
    forks_lock();
    forks_unlock();
}

#endif
