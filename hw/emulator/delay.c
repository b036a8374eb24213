/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/delay.h"

#include <stdlib.h>
#include <time.h>

struct delayed {
    struct delayed *prev, *next;
    struct taken taken;
    uint32_t len;
    uint64_t due;
};

uint64_t delay_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void delay_init(struct delay *d)
{
    pthread_mutex_init(&d->lock, NULL);
    d->first = d->last = NULL;
    atomic_init(&d->next, 0);
}

void delay_fini(struct delay *d)
{
    delay_clear(d);
    pthread_mutex_destroy(&d->lock);
}

/* Under d->lock. */
static void set_next(struct delay *d)
{
    atomic_store(&d->next, d->first != NULL ? d->first->due : 0);
}

bool delay_add(struct delay *d, const struct taken *t, uint32_t len, uint64_t due)
{
    struct delayed *n = malloc(sizeof(*n)), *after;

    if (n == NULL)
        return false;
    n->taken = *t;
    n->len = len;
    n->due = due;
    pthread_mutex_lock(&d->lock);
    /* Mostly the last one is due last: from the end. */
    for (after = d->last; after != NULL && after->due > due; after = after->prev)
        ;
    n->prev = after;
    n->next = after != NULL ? after->next : d->first;
    *(n->next != NULL ? &n->next->prev : &d->last) = n;
    *(after != NULL ? &after->next : &d->first) = n;
    set_next(d);
    pthread_mutex_unlock(&d->lock);
    return true;
}

/* Under d->lock. */
static struct delayed *take_first(struct delay *d)
{
    struct delayed *n = d->first;

    d->first = n->next;
    *(n->next != NULL ? &n->next->prev : &d->last) = NULL;
    set_next(d);
    return n;
}

bool delay_take(struct delay *d, uint64_t now, struct taken *t, uint32_t *len)
{
    struct delayed *n = NULL;

    pthread_mutex_lock(&d->lock);
    if (d->first != NULL && d->first->due <= now)
        n = take_first(d);
    pthread_mutex_unlock(&d->lock);
    if (n == NULL)
        return false;
    *t = n->taken;
    *len = n->len;
    free(n);
    return true;
}

void delay_clear(struct delay *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->first != NULL)
        free(take_first(d));
    pthread_mutex_unlock(&d->lock);
}
