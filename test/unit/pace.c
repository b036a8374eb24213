/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the emulator serves a queue: what is expected after which batches, and
 * how long is waited for it. Time is an argument, so there is no chance in it.
 */
#include <check.h>

#include "emulator/batch.h"
#include "emulator/pace.h"
#include "support.h"

#define US 1000u
#define MS 1000000u

static struct pace p;
static uint16_t taken; /* chains that have left the ring */
static uint64_t now;
static unsigned told; /* how often who sleeps was to be woken */

static void set_up(void)
{
    pace_init(&p);
    taken = 0;
    now = MS;
    told = 0;
}

static enum pace_advice look(unsigned n)
{
    return pace_look(&p, n, taken, now);
}

/* A batch of n, with more behind them; ns is 0 for quick work. */
static void serve(unsigned n, unsigned left, uint64_t ns)
{
    const struct batch b = {.n = n, .left = left, .gains = true, .heavy = ns != 0, .ns = ns};

    if (pace_here(&p))
        pace_begins(&p, now);
    taken = (uint16_t)(taken + n);
    told += pace_served(&p, &b, now);
}

START_TEST(at_first)
{
    ck_assert_int_eq(look(0), PACE_REST);
    ck_assert_int_eq(look(1), PACE_SERVE);
    ck_assert(!pace_here(&p));
    ck_assert_uint_eq(pace_share(&p), 1);
}
END_TEST

/* Nothing is won by company: nothing waits for it. */
START_TEST(no_gain)
{
    const struct batch b = {.n = 1, .left = 20};

    serve(16, 0, 0);
    pace_served(&p, &b, now);
    ck_assert_uint_eq(pace_expect(&p), 1);
    ck_assert_uint_eq(pace_share(&p), 1);
    ck_assert(!pace_here(&p));
    ck_assert_int_eq(look(1), PACE_SERVE);
}
END_TEST

/* A full batch of quick work is the doorbell's; half of one waits 50 us. */
START_TEST(quick)
{
    serve(1, 15, 0);
    ck_assert_uint_eq(pace_expect(&p), 16);
    ck_assert_uint_eq(pace_share(&p), 16);
    ck_assert(pace_here(&p));
    ck_assert_int_eq(look(8), PACE_WAIT);
    now += 49 * US;
    ck_assert_int_eq(look(8), PACE_WAIT);
    now += 1 * US;
    ck_assert_int_eq(look(8), PACE_SERVE);
    /* So many are expected now. */
    serve(8, 0, 0);
    ck_assert_uint_eq(pace_expect(&p), 8);
    serve(2, 0, 0);
    ck_assert_uint_eq(pace_expect(&p), 2);
    ck_assert(!pace_here(&p));
}
END_TEST

START_TEST(as_many_as_come)
{
    serve(1, 100, 0);
    ck_assert_uint_eq(pace_expect(&p), 16);
    serve(1, 100, 100 * US);
    ck_assert_uint_eq(pace_expect(&p), 8);
    ck_assert_uint_eq(pace_share(&p), 8);
    ck_assert(!pace_here(&p));
    /* Private keys that take no longer than a thread takes to wake. */
    for (unsigned i = 1; i < 16; i++) {
        serve(8, 0, 99 * US);
        ck_assert(!pace_here(&p));
    }
    serve(8, 0, 99 * US);
    ck_assert_uint_eq(pace_expect(&p), 8);
    ck_assert(pace_here(&p));
    /* One that takes longer, and they are not trusted any more. */
    serve(8, 0, 100 * US);
    serve(8, 0, 1 * US);
    ck_assert(!pace_here(&p));
}
END_TEST

/* A thread is woken less often. */
START_TEST(more_for_a_thread)
{
    atomic_store(&p.where.thread, true);
    serve(1, 100, 0);
    ck_assert_uint_eq(pace_expect(&p), 32);
    ck_assert_uint_eq(pace_share(&p), 32);
    atomic_store(&p.where.thread, false);
    serve(32, 0, 0);
    ck_assert_uint_eq(pace_expect(&p), 16);
    ck_assert_uint_eq(pace_share(&p), 16);
}
END_TEST

/* Private keys wait for as long as a batch took, within bounds. */
START_TEST(as_long_as_it_takes)
{
    static const uint64_t took[] = {10 * US, 50 * US, 900 * US, 2 * MS, 30 * MS};
    static const uint64_t hold[] = {50 * US, 50 * US, 900 * US, 2 * MS, 2 * MS};

    serve(8, 0, took[_i]);
    ck_assert_int_eq(look(3), PACE_WAIT);
    now += hold[_i] - 1;
    ck_assert_int_eq(look(3), PACE_WAIT);
    now += 1;
    ck_assert_int_eq(look(3), PACE_SERVE);
}
END_TEST

/* While more comes the wait goes on, but not for ever. */
START_TEST(while_they_come)
{
    unsigned n = 1;

    serve(16, 0, 0);
    ck_assert_int_eq(look(n), PACE_WAIT);
    do
        now += 50 * US;
    while (look(++n) == PACE_WAIT);
    ck_assert_uint_eq(n, 10);
}
END_TEST

static uint64_t wait_of(unsigned n)
{
    ck_assert_int_eq(look(n), PACE_WAIT);
    return (pace_until(&p) & ~1ull) - now;
}

/* While doorbells serve full batches a thread looks less and less often; once it
 * finds half a batch that nobody took, as at first. */
START_TEST(rarer)
{
    uint64_t wait = 50 * US;

    serve(16, 0, 0);
    for (unsigned looks = 0; looks < 20; looks++) {
        ck_assert_uint_eq(wait_of(3), wait);
        /* The very first was not due. */
        if (looks != 0 && wait < 800 * US)
            wait *= 2;
        now += (pace_until(&p) & ~1ull) - now;
        serve(16, 0, 0);
    }
    ck_assert_uint_eq(wait_of(3), 800 * US);
    now += 800 * US;
    ck_assert_int_eq(look(3), PACE_SERVE);
    serve(3, 0, 0);
    serve(4, 0, 0);
    ck_assert_uint_eq(wait_of(0), 50 * US);
}
END_TEST

/* Ends with a look. */
static void look_rarely(unsigned n)
{
    for (unsigned looks = 0; looks < 20; looks++) {
        serve(n, 0, 0);
        now += wait_of(0);
    }
    serve(n, 0, 0);
    ck_assert_uint_eq(wait_of(0), 800 * US);
}

/* The last batch was served soon after the last look: what is left over does not
 * wait for as long again, unless nothing is. */
START_TEST(silence)
{
    look_rarely(16);
    now += 100 * US;
    serve(16, 0, 0);
    now += 700 * US;
    ck_assert_uint_eq(wait_of((unsigned)_i), _i == 0 ? 800 * US : 50 * US);
}
END_TEST

/* A look before its time says nothing, nor does one that was asked for. */
START_TEST(no_rarer)
{
    for (unsigned looks = 0; looks < 20; looks++) {
        serve(16, 0, 0);
        ck_assert_uint_eq(wait_of(3), 50 * US);
        now += 49 * US;
    }
    for (unsigned looks = 0; looks < 20; looks++) {
        serve(16, 0, 0);
        pace_now(&p);
        ck_assert_uint_eq(wait_of(3), 50 * US);
    }
    /* Nor where a thread does the work. */
    for (unsigned looks = 0; looks < 20; looks++) {
        serve(8, 0, 200 * US);
        ck_assert_uint_eq(wait_of(3), 200 * US);
        now += 200 * US;
    }
    ck_assert_uint_eq(told, 0);
}
END_TEST

/* Batches that are some way apart go on all the same. */
START_TEST(no_silence)
{
    unsigned looks = 0;

    serve(16, 0, 0);
    while (wait_of(3) != 800 * US) {
        for (const uint64_t due = pace_until(&p) & ~1ull; now + 190 * US < due; now += 190 * US)
            serve(16, 0, 0);
        serve(16, 0, 0);
        now = pace_until(&p) & ~1ull;
        ck_assert_uint_lt(looks++, 10);
    }
}
END_TEST

/* A batch that was begun after the time was taken has not stopped long ago. */
START_TEST(times_of_others)
{
    look_rarely(16);
    now += 800 * US;
    taken = (uint16_t)(taken + 16);
    pace_begins(&p, now + US);
    ck_assert_uint_eq(wait_of(3), 800 * US);
}
END_TEST

/* Private keys that are quick are looked at no later than others. */
START_TEST(no_later)
{
    for (unsigned looks = 0; looks < 40; looks++) {
        serve(8, 0, 99 * US);
        now += wait_of(3);
    }
    serve(8, 0, 99 * US);
    ck_assert_uint_eq(wait_of(3), 800 * US);
}
END_TEST

/* A greater batch is tried, and may not come: no longer than at first is waited
 * for it. Who looks soon anyhow is not woken. */
START_TEST(not_at_a_trial)
{
    look_rarely(8);
    if (_i != 0)
        now += 780 * US;
    for (unsigned i = 0; pace_expect(&p) == 8; i++)
        serve(8, 0, 0);
    ck_assert_uint_eq(pace_expect(&p), 16);
    ck_assert_uint_eq(told, _i == 0);
    ck_assert_uint_eq(pace_until(&p) & ~1ull, _i == 0 ? now + 50 * US : now + 20 * US);
}
END_TEST

/* Nor where nothing is expected any more: who comes next wakes nobody. */
START_TEST(not_for_nobody)
{
    const struct batch other = {.n = 1};

    look_rarely(8);
    if (_i == 0)
        serve(1, 0, 0);
    else
        told += pace_served(&p, &other, 0);
    ck_assert_uint_eq(pace_expect(&p), 1);
    ck_assert_uint_eq(told, 1);
}
END_TEST

/* After private keys that take long, others are not the doorbell's at once. */
START_TEST(not_among_private_keys)
{
    serve(16, 0, 0);
    ck_assert(pace_here(&p));
    serve(8, 0, 3 * MS);
    for (unsigned i = 1; i < 16; i++) {
        serve(16, 0, 0);
        ck_assert(!pace_here(&p));
    }
    serve(16, 0, 0);
    ck_assert(pace_here(&p));
}
END_TEST

/* Private keys: one small batch does not say that there is nobody else, but who
 * is alone soon waits no longer. */
START_TEST(alone)
{
    serve(8, 0, MS);
    for (unsigned expect = 7; expect >= 1; expect--) {
        ck_assert_int_eq(look(1), PACE_WAIT);
        serve(1, 0, MS);
        ck_assert_uint_eq(pace_expect(&p), expect);
    }
    ck_assert_int_eq(look(1), PACE_SERVE);
}
END_TEST

/* Now and then more is tried; rarely, if it never comes. */
START_TEST(probing)
{
    unsigned tries = 0, rounds = 0;

    for (; tries < 4; rounds++) {
        serve(pace_expect(&p) > 1 ? 1 : pace_expect(&p), 0, 0);
        tries += pace_expect(&p) > 1;
    }
    ck_assert_uint_gt(rounds, 64 + 128 + 256 + 512);
    ck_assert_uint_lt(rounds, 2 * (64 + 128 + 256 + 512));
}
END_TEST

/* The doorbell is trusted again once nothing has come for a while. */
START_TEST(rest)
{
    unsigned waits = 0;

    serve(16, 0, 0);
    for (; look(0) == PACE_WAIT; waits++)
        now += 50 * US;
    ck_assert_uint_eq(waits, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pace");
    TCase *tc = tcase_create("pace");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, at_first);
    tcase_add_test(tc, no_gain);
    tcase_add_test(tc, quick);
    tcase_add_test(tc, as_many_as_come);
    tcase_add_test(tc, more_for_a_thread);
    tcase_add_loop_test(tc, as_long_as_it_takes, 0, 5);
    tcase_add_test(tc, while_they_come);
    tcase_add_test(tc, rarer);
    tcase_add_loop_test(tc, silence, 0, 2);
    tcase_add_test(tc, no_rarer);
    tcase_add_test(tc, no_later);
    tcase_add_test(tc, no_silence);
    tcase_add_test(tc, times_of_others);
    tcase_add_loop_test(tc, not_at_a_trial, 0, 2);
    tcase_add_loop_test(tc, not_for_nobody, 0, 2);
    tcase_add_test(tc, not_among_private_keys);
    tcase_add_test(tc, alone);
    tcase_add_test(tc, probing);
    tcase_add_test(tc, rest);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
