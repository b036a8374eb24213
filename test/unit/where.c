/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves full batches: what is tried, how often, and what decides. Time is
 * an argument, so there is no chance in it.
 */
#include <check.h>

#include "emulator/where.h"
#include "support.h"

#define N  32u
#define MS 1000000u

static struct where w;
static uint64_t now;

static void set_up(void)
{
    where_init(&w);
    now = MS;
}

/* Batches, each after so many ns, until they are served the other way; how
 * many. */
static unsigned until_turned(unsigned ns)
{
    bool thread = where_thread(&w);
    unsigned n = 0;

    while (where_thread(&w) == thread && n < 100000) {
        now += ns;
        where_served(&w, N, now);
        n++;
    }
    return n;
}

/* The first batch of a round starts its clock. */
static unsigned rounds(unsigned n)
{
    return n * (64 + 1);
}
#define TRIAL (32 + 1)

START_TEST(at_first)
{
    ck_assert(!where_thread(&w));
    ck_assert_uint_eq(until_turned(1000), rounds(8));
    ck_assert_uint_eq(until_turned(1000), TRIAL);
}
END_TEST

/* Another processor must pay; what does not is tried less and less often. */
START_TEST(no_better)
{
    for (unsigned every = 8; every <= 256; every *= 2) {
        ck_assert_uint_eq(until_turned(1000), rounds(every));
        ck_assert_uint_eq(until_turned(900), TRIAL);
    }
    ck_assert_uint_eq(until_turned(1000), rounds(256));
}
END_TEST

START_TEST(better)
{
    ck_assert_uint_eq(until_turned(1000), rounds(8));
    ck_assert_uint_eq(until_turned(800), TRIAL);
    /* Once may be chance: it is as it was, until it has won again. */
    ck_assert_uint_eq(until_turned(1000), rounds(8));
    ck_assert_uint_eq(until_turned(2000), TRIAL);
    ck_assert_uint_eq(until_turned(1000), rounds(16));
    ck_assert_uint_eq(until_turned(800), TRIAL);
    ck_assert_uint_eq(until_turned(1000), rounds(8));
    /* The second time, and then the other way is what is tried. */
    ck_assert_uint_eq(until_turned(800), TRIAL + rounds(8));
    ck_assert_uint_eq(until_turned(1000), TRIAL);
    ck_assert(where_thread(&w));
    ck_assert_uint_eq(until_turned(800), rounds(16));
}
END_TEST

/* Back, where a thread is no longer better. */
START_TEST(back)
{
    until_turned(1000);
    until_turned(800);
    until_turned(1000);
    ck_assert_uint_eq(until_turned(800), TRIAL + rounds(8));
    ck_assert_uint_eq(until_turned(810), TRIAL);
    ck_assert_uint_eq(until_turned(800), rounds(8));
    ck_assert_uint_eq(until_turned(810), TRIAL + rounds(8));
    ck_assert_uint_eq(until_turned(900), TRIAL);
    ck_assert(!where_thread(&w));
}
END_TEST

/* A round in which the application did something else counts for nothing. */
START_TEST(pauses)
{
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned k = 0; k < 60; k++) {
            now += 1000;
            where_served(&w, N, now);
        }
        now += 3 * MS;
    }
    ck_assert(!where_thread(&w));
    ck_assert_uint_eq(until_turned(1000), rounds(8));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("where");
    TCase *tc = tcase_create("where");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, at_first);
    tcase_add_test(tc, no_better);
    tcase_add_test(tc, better);
    tcase_add_test(tc, back);
    tcase_add_test(tc, pauses);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
