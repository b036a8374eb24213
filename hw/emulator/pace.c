/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/pace.h"

#include "emulator/batch.h"
#include "emulator/relaxed.h"

/* How long requests wait for company; so many times, while it comes. What takes
 * longer may wait for as long as it takes: a server whose only processor this
 * is sends one private key's work after the other, with work of its own
 * between, and half a batch costs as much as a whole one. */
#define HOLD_NS    50000u
#define HOLD_LONG  2000000u
#define HOLD_TIMES 8
/* Times that nothing has come before the doorbell is trusted with the next. */
#define IDLE_MAX 4
/* Where doorbells serve full batches one after the other, a thread looks in
 * vain, and each time costs a timer and two context switches; where that is a
 * virtual machine with one processor, as much as a batch. So looks become
 * rarer, twice as rare each time, up to this: what is left over waits for not
 * much longer than batches had been served before. */
#define HOLD_FAR 800000u
/* Batches come one after the other where they are no further apart, holds. */
#define SILENCE     UINT64_C(4)
#define STRETCH_MAX 4
/* Fewer than these are a service thread's: there is hardly a gain. */
#define HERE_MIN 4
/* So is a queue with private keys whose batches take longer than that: a thread is
 * woken in less, and the application goes on meanwhile. Once there was one, so
 * many in a row have to be quicker: the next may have such keys among it. */
#define HERE_NS   100000u
#define HERE_LONG 16
/* The lanes of AVX-512 for AES, and for private keys. More AES at once is no
 * faster, and its data is out of the processor's own cache by then; in a
 * thread's it is not anyhow, which is woken the less often. */
#define HERE_BATCH   16
#define THREAD_BATCH ENGINE_BATCH
#define HEAVY_BATCH  8
/* Full batches before a greater one is expected; doubled when it never comes. */
#define PROBE_MIN 64
#define PROBE_MAX 4096

void pace_init(struct pace *p)
{
    SET(p, expect, 1);
    SET(p, here, false);
    SET(p, quick, HERE_LONG);
    where_init(&p->where);
    SET(p, kept, 0);
    SET(p, share, 1);
    SET(p, hold, HOLD_NS);
    SET(p, stretch, 0);
    SET(p, until, 0);
    SET(p, last, 0);
    SET(p, looked, 0);
    SET(p, taken, 0);
    SET(p, come, 0);
    SET(p, waits, 0);
    SET(p, idle, 0);
    SET(p, full, 0);
    SET(p, probe, PROBE_MIN);
}

static bool quick_work(const struct pace *p)
{
    return GET(p, here) && GET(p, expect) >= HERE_MIN;
}

static unsigned at_most(unsigned n, unsigned max)
{
    return n < max ? n : max;
}

static enum pace_advice wait_on(struct pace *p, unsigned n, uint16_t taken, uint64_t now)
{
    uint64_t hold = GET(p, hold), wait = hold;

    if (pace_here(p) && hold < HOLD_FAR) {
        wait <<= GET(p, stretch);
        if (wait > HOLD_FAR)
            wait = HOLD_FAR;
    }
    SET(p, looked, now);
    SET(p, taken, taken);
    SET(p, come, (taken + n) & UINT16_MAX);
    atomic_store(&p->until, now + wait);
    return PACE_WAIT;
}

/* The last batch was begun longer ago than there had been some for since the last
 * look: what waits may wait for others that do not come. */
static bool silent(const struct pace *p, uint64_t now)
{
    uint64_t last = GET(p, last), looked = GET(p, looked);
    uint64_t went_on = last > looked ? last - looked : 0;

    return now > last && now - last >= SILENCE * GET(p, hold) && now - last > went_on;
}

/* Batches were served since the last look. Where this one was due and nothing has
 * stopped, the next comes later. */
static enum pace_advice went_on(struct pace *p, unsigned n, uint16_t taken, uint64_t now)
{
    uint64_t until = atomic_load(&p->until);
    bool stopped = !pace_here(p) || (n != 0 && silent(p, now));

    if (stopped)
        SET(p, stretch, 0);
    (void)wait_on(p, n, taken, now);
    if (!stopped && until != 0 && now >= until)
        SET(p, stretch, at_most(GET(p, stretch) + 1, STRETCH_MAX));
    return PACE_WAIT;
}

enum pace_advice pace_look(struct pace *p, unsigned n, uint16_t taken, uint64_t now)
{
    unsigned expect = GET(p, expect);

    if (n >= expect)
        return PACE_SERVE;
    if (expect == 1) {
        SET(p, stretch, 0);
        return PACE_REST;
    }
    /* Chains leave in the order in which they came: what waits now has come
     * since the last look, or not long before. */
    if (taken != GET(p, taken)) {
        SET(p, idle, 0);
        SET(p, waits, 0);
        return went_on(p, n, taken, now);
    }
    if (now < atomic_load(&p->until))
        return PACE_WAIT;
    SET(p, stretch, 0);
    if (((taken + n) & UINT16_MAX) != GET(p, come) && GET(p, waits) < HOLD_TIMES) {
        SET(p, waits, GET(p, waits) + 1);
        return wait_on(p, n, taken, now);
    }
    if (n != 0)
        return PACE_SERVE;
    if (GET(p, idle) + 1 >= IDLE_MAX) {
        SET(p, idle, 0);
        return PACE_REST;
    }
    SET(p, idle, GET(p, idle) + 1);
    return wait_on(p, n, taken, now);
}

static unsigned hold(const struct batch *b)
{
    return b->ns < HOLD_NS ? HOLD_NS : b->ns > HOLD_LONG ? HOLD_LONG : (unsigned)b->ns;
}

/* Fewer came than were expected. Those who have work of their own between do
 * not come at a steady pace: one batch says little. */
static unsigned lower(const struct batch *b, unsigned expect, unsigned there)
{
    return b->heavy ? expect - 1 : there;
}

/* Whether it is served elsewhere from now on: then as many are expected as there
 * were when it was last. */
static bool turned(struct pace *p, const struct batch *b, uint64_t now)
{
    bool thread = where_thread(&p->where);
    unsigned kept = GET(p, kept);

    where_served(&p->where, b->n, now);
    if (where_thread(&p->where) == thread)
        return false;
    SET(p, kept, GET(p, expect));
    if (kept != 0)
        SET(p, expect, kept);
    return true;
}

static void what_it_was(struct pace *p, const struct batch *b, unsigned max)
{
    unsigned quick = b->heavy && b->ns >= HERE_NS ? 0 : at_most(GET(p, quick) + 1, HERE_LONG);

    SET(p, quick, quick);
    SET(p, here, quick == HERE_LONG);
    SET(p, share, max);
    SET(p, hold, hold(b));
    SET(p, expect, at_most(GET(p, expect), max));
    SET(p, kept, at_most(GET(p, kept), b->heavy ? HEAVY_BATCH : THREAD_BATCH));
}

static void as_many_as_came(struct pace *p, const struct batch *b, unsigned max)
{
    unsigned expect = GET(p, expect), there = b->n + b->left;

    if (there < expect) {
        /* It had been more, or was tried. */
        if (GET(p, full) == 0)
            SET(p, probe, at_most(GET(p, probe) * 2, PROBE_MAX));
        SET(p, full, 1);
        SET(p, expect, lower(b, expect, there));
        return;
    }
    SET(p, full, GET(p, full) + 1);
    if (there > expect) {
        SET(p, expect, at_most(there, max));
        SET(p, probe, PROBE_MIN);
    } else if (GET(p, full) > GET(p, probe)) {
        SET(p, expect, at_most(expect * 2, max));
        SET(p, full, 0);
    }
}

static unsigned most(const struct pace *p, const struct batch *b)
{
    if (b->heavy)
        return HEAVY_BATCH;
    return where_thread(&p->where) ? THREAD_BATCH : HERE_BATCH;
}

static void no_gain(struct pace *p, const struct batch *b)
{
    SET(p, expect, 1);
    SET(p, here, false);
    SET(p, share, 1);
    if (b->heavy)
        SET(p, quick, 0);
}

/* As many as are expected now may not come, or who comes alone wakes nobody since
 * somebody is to look: but he is asleep for long. */
static bool too_late(struct pace *p, unsigned expected)
{
    unsigned expect = GET(p, expect);

    if (GET(p, stretch) == 0 || expect == expected || (expect < expected && expect != 1))
        return false;
    SET(p, stretch, 0);
    return true;
}

void pace_begins(struct pace *p, uint64_t now)
{
    SET(p, last, now);
}

bool pace_served(struct pace *p, const struct batch *b, uint64_t now)
{
    unsigned expect = GET(p, expect), max = most(p, b);
    uint64_t soon;

    if (b->gains) {
        what_it_was(p, b, max);
        if (!quick_work(p) || !turned(p, b, now))
            as_many_as_came(p, b, max);
    } else {
        no_gain(p, b);
    }
    soon = now + GET(p, hold);
    if (!too_late(p, expect) || atomic_load(&p->until) <= soon)
        return false;
    atomic_store(&p->until, soon);
    return true;
}

unsigned pace_expect(const struct pace *p)
{
    return GET(p, expect);
}

unsigned pace_share(const struct pace *p)
{
    return GET(p, share);
}

bool pace_here(const struct pace *p)
{
    return quick_work(p) && !where_thread(&p->where);
}

uint64_t pace_until(const struct pace *p)
{
    return GET(p, expect) == 1 ? 1 : atomic_load(&p->until) | 1;
}

void pace_now(struct pace *p)
{
    atomic_store(&p->until, 0);
}
