/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as a fuzzer's input wants it: the clock that deadlines are read from
 * moves when told to, and when somebody sleeps, which takes no time. Linking
 * clock.c is enough.
 */
#ifndef FUZZ_CLOCK_H
#define FUZZ_CLOCK_H

#include <stdint.h>

void clock_advance(uint64_t ns);

#endif
