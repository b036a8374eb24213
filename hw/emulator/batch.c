/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/akcipher.h"
#include "emulator/crypto.h"
#include "emulator/device.h"

/*
 * A batch is over when it weighs so much: what no engine does faster in company
 * is not kept waiting for its neighbours. An asymmetric operation fills the
 * eight lanes of those who do that, or a batch of its own.
 */
#define WEIGHT_MAX       ENGINE_BATCH
#define WEIGHT_AK_FAST   (ENGINE_BATCH / 8)
#define BYTES_PER_WEIGHT 2048u
/* A usual chain's. */
#define SEGS_USUAL 8

#define AK_BUFFERS (WEIGHT_MAX / WEIGHT_AK_FAST)

int worker_init(struct worker *w, struct emulator *e, unsigned index)
{
    memset(w, 0, sizeof(*w));
    w->e = e;
    w->index = index;
    w->turn_queue = index % e->nqueues;
    /* Room for the longest chain behind a batch of usual ones. */
    w->nsegs = (size_t)e->queue_max + ENGINE_BATCH * SEGS_USUAL;
    w->segs = calloc(w->nsegs, sizeof(*w->segs));
    w->units = calloc(ENGINE_BATCH, sizeof(*w->units));
    return w->segs == NULL || w->units == NULL ? -ENOMEM : 0;
}

void worker_fini(struct worker *w)
{
    free(w->segs);
    free(w->units);
    free(w->ak);
    free(w->scratch);
    memset(w, 0, sizeof(*w));
}

struct ak_buffers *worker_ak_buffers(struct worker *w)
{
    if (w->ak == NULL)
        w->ak = calloc(AK_BUFFERS, sizeof(*w->ak));
    return w->ak == NULL || w->ak_used == AK_BUFFERS ? NULL : &w->ak[w->ak_used++];
}

static void answer(struct emulator *e, const struct done *done, unsigned n)
{
    if (n != 0 && queue_push(done, n))
        device_interrupt(e, done[0].taken.queue);
}

/* Takes the next chain into u, with what is left of the segments. */
static bool take(struct worker *w, struct emulator_queue *q, struct unit *u, size_t *used,
                 unsigned *left)
{
    /* One more may be as long as the queue. */
    if (w->nsegs - *used < w->e->queue_max)
        return false;
    u->chain.seg = w->segs + *used;
    u->chain.max = w->e->queue_max;
    switch (queue_pop(w->e, q, &u->chain, &u->taken, left)) {
    case POP_ONE: *used += u->chain.nin + u->chain.nout; return true;
    case POP_BAD: emulator_fail(w->e); break;
    case POP_NONE: *left = 0; break;
    }
    return false;
}

static unsigned weight(const struct unit *u)
{
    bool fast = u->session != NULL && u->session->use.fast != 0;

    if (u->ak != NULL)
        return fast ? WEIGHT_AK_FAST : WEIGHT_MAX;
    return fast || !u->waits ? 1 : 1 + u->len / BYTES_PER_WEIGHT;
}

static void begin(struct worker *w, struct unit *u)
{
    struct emulator *e = w->e;
    uint64_t seq = atomic_fetch_add_explicit(&e->requests, 1, memory_order_relaxed) + 1;

    u->strike = (struct fault_strike){.status = -1};
    if (e->faults.strikes && e->threads != 0)
        faults_strike(&e->faults, seq, &u->strike);
    if (u->strike.lose) {
        u->session = NULL;
        u->ak = NULL;
        u->waits = false;
        return;
    }
    crypto_begin(w, u);
}

/* What the driver will read in the used ring. */
static void spoil(const struct fault_strike *strike, struct done *d)
{
    if (strike->bad_id)
        d->taken.wrong_id = d->taken.queue->size;
    if (strike->stale_id)
        d->taken.wrong_id = d->taken.queue->size / 2u;
    d->taken.jump = strike->jump;
    d->taken.twice = strike->repeat;
    if (strike->wrong_len)
        d->len = strike->len;
}

/* Whether *d is to be answered now. */
static bool end(struct worker *w, struct unit *u, struct done *d)
{
    struct emulator *e = w->e;
    uint64_t delay_us = e->latency_us + u->strike.late_ms * 1000ull;

    d->taken = u->taken;
    if (u->strike.lose || crypto_end(w, u, &d->len) != 0)
        return false;
    spoil(&u->strike, d);
    return delay_us == 0 ||
           !delay_add(&e->service.delay, &d->taken, d->len, delay_now() + delay_us * 1000);
}

/* What else befalls the function with this request, once it is answered. */
static void strike(struct worker *w, const struct unit *u)
{
    struct emulator *e = w->e;

    if (u->strike.spurious)
        device_interrupt(e, u->taken.queue);
    if (u->strike.change)
        emulator_change(e);
    if (u->strike.gone_ms != 0)
        emulator_leave(e, u->strike.gone_ms);
    else if (u->strike.needs_reset)
        emulator_fail(e);
}

static void run(struct worker *w, unsigned n)
{
    struct engine_work *work[ENGINE_BATCH];
    unsigned m = 0;

    for (unsigned i = 0; i < n; i++)
        if (w->units[i].waits)
            work[m++] = &w->units[i].work;
    if (m != 0)
        engines_run(&w->e->sessions.engines, w->index, work, m);
}

static void finish(struct worker *w, unsigned n)
{
    struct done done[ENGINE_BATCH];
    unsigned m = 0;

    for (unsigned i = 0; i < n; i++)
        m += end(w, &w->units[i], &done[m]);
    answer(w->e, done, m);
    if (w->e->faults.strikes)
        for (unsigned i = 0; i < n; i++)
            strike(w, &w->units[i]);
}

static void serve_data(struct worker *w, struct emulator_queue *q, taken_fn *taken,
                       struct batch *out)
{
    unsigned weighs = 0;
    size_t used = 0;

    w->ak_used = 0;
    while (out->n < ENGINE_BATCH && weighs < WEIGHT_MAX &&
           take(w, q, &w->units[out->n], &used, &out->left)) {
        struct unit *u = &w->units[out->n++];

        begin(w, u);
        weighs += weight(u);
        out->heavy = out->heavy || u->ak != NULL;
        out->gains = out->gains || (u->session != NULL && u->session->use.fast != 0);
    }
    if (out->n == 0)
        return;
    taken(w, q, out->left);
    run(w, out->n);
    finish(w, out->n);
}

static void serve_control(struct worker *w, struct emulator_queue *q, taken_fn *taken,
                          struct batch *out)
{
    struct emulator *e = w->e;
    struct unit *u = &w->units[0];
    struct done done;
    size_t used = 0;
    uint64_t seq;

    if (!take(w, q, u, &used, &out->left))
        return;
    out->n = 1;
    taken(w, q, out->left);
    seq = atomic_fetch_add_explicit(&e->control, 1, memory_order_relaxed) + 1;
    if (e->threads != 0 && fault_hits(&e->faults.lose_control, seq))
        return;
    done.taken = u->taken;
    if (control_request(w, &u->chain, seq, &done.len) != 0)
        return;
    if (e->latency_us == 0 ||
        !delay_add(&e->service.delay, &done.taken, done.len, delay_now() + e->latency_us * 1000ull))
        answer(e, &done, 1);
}

void batch_serve(struct worker *w, struct emulator_queue *q, taken_fn *taken, struct batch *out)
{
    memset(out, 0, sizeof(*out));
    /* Odd before the first look at the rings; see service_quiesce. */
    atomic_fetch_add(&w->turn, 1);
    if (q->index == w->e->nqueues - 1)
        serve_control(w, q, taken, out);
    else
        serve_data(w, q, taken, out);
    atomic_fetch_add_explicit(&w->turn, 1, memory_order_release);
}
