/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/forks.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "emulator/device.h"

/*
 * A fork waits for as long as a batch takes, or a reset. It ends after a second
 * whatever happens: the forking thread may hold what a worker needs, a lock
 * that another library's handler took before ours, or be the worker itself,
 * where a signal's handler forks. Then the child is as safe as it would be
 * without all this.
 */
#define PATIENCE_NS 1000000000u

atomic_bool forks_now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct emulator *functions; /* lock */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Of the thread that forks: handlers may fork, too. */
static _Thread_local unsigned depth;
static _Thread_local bool locked;

static bool lock_until(uint64_t until)
{
    while (pthread_mutex_trylock(&lock) != 0) {
        if (delay_now() >= until)
            return false;
        sched_yield();
    }
    return true;
}

static void quiet(const struct service *s, uint64_t until)
{
    for (unsigned i = 0; i < s->nworkers; i++)
        while (atomic_load(&s->workers[i].turn) % 2 == 1 && delay_now() < until)
            sched_yield();
}

static void before_fork(void)
{
    uint64_t until = delay_now() + PATIENCE_NS;

    if (depth++ != 0)
        return;
    locked = lock_until(until);
    if (!locked)
        return;
    atomic_store(&forks_now, true);
    for (const struct emulator *e = functions; e != NULL; e = e->next)
        quiet(&e->service, until);
}

static void in_parent(void)
{
    if (--depth != 0 || !locked)
        return;
    atomic_store(&forks_now, false);
    pthread_mutex_unlock(&lock);
}

/* The functions are the parent's. Where a handler of another fork is what has
 * forked, that one finds nothing to release any more. */
static void in_child(void)
{
    depth--;
    functions = NULL;
    engines_forked();
    atomic_store(&forks_now, false);
    if (locked)
        pthread_mutex_unlock(&lock);
    else
        pthread_mutex_init(&lock, NULL);
    locked = false;
}

static void at_first(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

void forks_lock(void)
{
    pthread_once(&once, at_first);
    pthread_mutex_lock(&lock);
}

void forks_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void forks_watch(struct emulator *e)
{
    e->next = functions;
    functions = e;
}

void forks_forget(struct emulator *e)
{
    struct emulator **p = &functions;

    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
}
