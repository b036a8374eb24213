/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/where.h"

#include "emulator/relaxed.h"

/* Batches of a round, and of one that tries the other way. */
#define ROUND 64
#define TRIAL 32
/* Longer without a batch, and the application did something else, ns. */
#define GAP 2000000u
/* Rounds before the other way is tried; doubled when it was not better. */
#define EVERY_MIN 8
#define EVERY_MAX 256
/* Chance alone may be in favour of it once. */
#define WINS 2

void where_init(struct where *w)
{
    SET(w, thread, false);
    SET(w, better, false);
    SET(w, batches, 0);
    SET(w, requests, 0);
    SET(w, begun, 0);
    SET(w, last, 0);
    SET(w, rate, 0);
    SET(w, rounds, 0);
    SET(w, every, EVERY_MIN);
    SET(w, won, 0);
}

bool where_thread(const struct where *w)
{
    return GET(w, thread);
}

static bool trial(const struct where *w)
{
    return GET(w, thread) != GET(w, better);
}

/* A thread takes another processor: that has to pay. */
static bool wins(const struct where *w, uint64_t rate)
{
    uint64_t usual = GET(w, rate);

    return GET(w, thread) ? rate > usual + usual / 8 : rate + rate / 16 > usual;
}

static void as_usual(struct where *w)
{
    SET(w, thread, GET(w, better));
    SET(w, rounds, 0);
}

static void trial_ended(struct where *w, uint64_t rate)
{
    unsigned every = GET(w, every) * 2;

    if (!wins(w, rate)) {
        SET(w, won, 0);
        SET(w, every, every < EVERY_MAX ? every : EVERY_MAX);
    } else if (GET(w, won) + 1 < WINS) {
        SET(w, won, GET(w, won) + 1);
        SET(w, every, EVERY_MIN);
    } else {
        SET(w, better, GET(w, thread));
        SET(w, won, 0);
        SET(w, every, EVERY_MIN);
    }
    as_usual(w);
}

static void round_ended(struct where *w, uint64_t rate)
{
    if (trial(w)) {
        trial_ended(w, rate);
        return;
    }
    SET(w, rate, rate);
    SET(w, rounds, GET(w, rounds) + 1);
    if (GET(w, rounds) >= GET(w, every))
        SET(w, thread, !GET(w, better));
}

void where_served(struct where *w, unsigned n, uint64_t now)
{
    uint64_t last = GET(w, last), ns;

    SET(w, last, now);
    if (GET(w, begun) == 0 || now - last > GAP) {
        SET(w, begun, now);
        SET(w, batches, 0);
        SET(w, requests, 0);
        return;
    }
    SET(w, requests, GET(w, requests) + n);
    SET(w, batches, GET(w, batches) + 1);
    if (GET(w, batches) < (trial(w) ? TRIAL : ROUND))
        return;
    ns = now - GET(w, begun);
    SET(w, begun, 0);
    /* Requests in a second or so. */
    round_ended(w, ((uint64_t)GET(w, requests) << 30) / (ns | 1));
}
