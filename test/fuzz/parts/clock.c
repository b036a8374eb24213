/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t now = 1000000000u;

void clock_advance(uint64_t ns)
{
    now += ns;
}

/* These stand in for the library's, whose names for parameters are reserved. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    now += (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    if (clock != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, ts);
    ts->tv_sec = (time_t)(now / 1000000000u);
    ts->tv_nsec = (long)(now % 1000000000u);
    return 0;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
