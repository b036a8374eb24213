/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_MUST_H
#define TEST_MUST_H

#include <check.h>

/* For loops: each ck_assert costs a system call. */
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ck_abort_msg("%s", #cond);                                                             \
    } while (0)

#endif
