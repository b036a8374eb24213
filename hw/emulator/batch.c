/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/akcipher.h"
#include "emulator/crypto.h"
#include "emulator/device.h"
#include "emulator/forks.h"

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
    w->nsegs = (size_t)e->queue_max + (size_t)ENGINE_BATCH * SEGS_USUAL;
    w->segs = calloc(w->nsegs, sizeof(*w->segs));
    w->units = calloc(ENGINE_BATCH, sizeof(*w->units));
    return w->segs == NULL || w->units == NULL ? -ENOMEM : 0;
}

void worker_fini(struct worker *w)
{
    free(w->segs);
    free(w->units);
    if (w->ak != NULL)
        explicit_bzero(w->ak, AK_BUFFERS * sizeof(*w->ak));
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

static unsigned weight(const struct unit *u)
{
    bool fast = u->session != NULL && u->session->use.fast != 0;

    if (u->ak != NULL)
        return fast ? WEIGHT_AK_FAST : WEIGHT_MAX;
    return fast || !u->waits ? 1 : 1 + u->len / BYTES_PER_WEIGHT;
}

/* Follows the chain of the next request; *used counts the segments given out.
 * False: none are left for it, or the device needs a reset. */
static bool walk(struct worker *w, struct unit *u, const struct taken *t, size_t *used)
{
    /* It may be as long as the queue. */
    if (w->nsegs - *used < w->e->queue_max)
        return false;
    u->chain.seg = w->segs + *used;
    u->chain.max = w->e->queue_max;
    u->taken = *t;
    if (queue_walk(w->e, t, &u->chain) != 0) {
        emulator_fail(w->e);
        return false;
    }
    *used += u->chain.nin + u->chain.nout;
    return true;
}

static void read_one(struct worker *w, struct unit *u, uint64_t seq)
{
    struct emulator *e = w->e;

    u->strike = (struct fault_strike){.status = -1};
    if (e->faults.strikes && e->threads != 0)
        faults_strike(&e->faults, seq, &u->strike);
    u->session = NULL;
    u->ak = NULL;
    u->waits = false;
    u->status = VIRTIO_CRYPTO_ERR;
    if (!u->strike.lose)
        crypto_read(w, u);
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

/* The units from `from` to before `to`. */
static void run(struct worker *w, unsigned from, unsigned to)
{
    struct engine_work *work[ENGINE_BATCH];
    unsigned m = 0;

    for (unsigned i = from; i < to; i++)
        if (w->units[i].waits)
            work[m++] = &w->units[i].work;
    if (m != 0)
        engines_run(&w->e->sessions.engines, w->index, work, m);
}

static void finish(struct worker *w, unsigned from, unsigned to)
{
    struct done done[ENGINE_BATCH];
    unsigned m = 0;

    for (unsigned i = from; i < to; i++)
        m += end(w, &w->units[i], &done[m]);
    answer(w->e, done, m);
    if (w->e->faults.strikes)
        for (unsigned i = from; i < to; i++)
            strike(w, &w->units[i]);
}

/* The first of n that were taken: as many as make a batch. Returns how many, 0:
 * the device needs a reset. */
static unsigned serve_part(struct worker *w, const struct taken *t, unsigned n, struct batch *out)
{
    struct emulator *e = w->e;
    uint64_t seq, begun;
    unsigned m = 0, done = 0, weighs = 0;
    size_t used = 0;

    w->ak_used = 0;
    while (m < n && walk(w, &w->units[m], &t[m], &used))
        m++;
    if (m == 0)
        return 0;
    seq = atomic_fetch_add_explicit(&e->requests, m, memory_order_relaxed);
    for (unsigned i = 0; i < m; i++)
        read_one(w, &w->units[i], seq + i + 1);
    sessions_lock(&e->sessions);
    for (unsigned i = 0; i < m; i++)
        crypto_find(w, &w->units[i]);
    sessions_unlock(&e->sessions);
    for (unsigned i = 0; i < m; i++) {
        struct unit *u = &w->units[i];

        crypto_begin(w, u);
        weighs += weight(u);
        out->heavy = out->heavy || u->ak != NULL;
        out->gains = out->gains || (u->session != NULL && u->session->use.fast != 0);
        if (weighs < WEIGHT_MAX && i + 1 < m)
            continue;
        begun = out->heavy ? delay_now() : 0;
        run(w, done, i + 1);
        if (out->heavy)
            out->ns += delay_now() - begun;
        finish(w, done, i + 1);
        done = i + 1;
        w->ak_used = weighs = 0;
    }
    return m;
}

static void serve_data(struct worker *w, struct emulator_queue *q, taken_fn *taken,
                       struct batch *out)
{
    struct taken t[ENGINE_BATCH];
    int n = queue_take(q, t, pace_share(&w->e->service.paces[q->index]), &out->left);
    unsigned m;

    if (n < 0)
        emulator_fail(w->e);
    if (n <= 0)
        return;
    out->n = (unsigned)n;
    taken(w, q, out->left);
    for (unsigned i = 0; i < out->n; i += m) {
        m = serve_part(w, t + i, out->n - i, out);
        if (m == 0)
            break;
    }
}

static void serve_control(struct worker *w, struct emulator_queue *q, taken_fn *taken,
                          struct batch *out)
{
    struct emulator *e = w->e;
    struct chain *c = &w->units[0].chain;
    struct done done;
    size_t used = 0;
    uint64_t seq;
    int n = queue_take(q, &done.taken, 1, &out->left);

    if (n < 0)
        emulator_fail(e);
    if (n <= 0)
        return;
    out->n = 1;
    taken(w, q, out->left);
    if (!walk(w, &w->units[0], &done.taken, &used))
        return;
    seq = atomic_fetch_add_explicit(&e->control, 1, memory_order_relaxed) + 1;
    if (e->threads != 0 && fault_hits(&e->faults.lose_control, seq))
        return;
    if (control_request(w, c, seq, &done.len) != 0)
        return;
    if (e->latency_us == 0 ||
        !delay_add(&e->service.delay, &done.taken, done.len, delay_now() + e->latency_us * 1000ull))
        answer(e, &done, 1);
}

void batch_serve(struct worker *w, struct emulator_queue *q, taken_fn *taken, struct batch *out)
{
    memset(out, 0, sizeof(*out));
    /* Odd before the first look at the rings; see service_quiesce. Without
     * threads there is nobody else to do it later. */
    while (!forks_begin_turn(w)) {
        if (w->e->threads != 0)
            return;
        forks_pass();
    }
    if (q->index == w->e->nqueues - 1)
        serve_control(w, q, taken, out);
    else
        serve_data(w, q, taken, out);
    forks_end_turn(w);
}
