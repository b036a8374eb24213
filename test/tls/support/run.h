/* SPDX-License-Identifier: Apache-2.0 */
/* What the TLS test programs share: both worlds as a fixture of each test, the
 * pair of contexts that a test connects, and the running of a program's tests. */
#ifndef TEST_TLS_RUN_H
#define TEST_TLS_RUN_H

#include <check.h>

#include "link.h"

/* Open during each test. */
extern struct world plain, subject;

/* The two contexts of a link, by role. */
struct pair {
    SSL_CTX *ctx[2];
    enum role subject; /* which of them is the subject's */
};
/* role and world of the setups are filled in here. */
void pair_open(struct pair *p, enum role subject_role, const struct setup *client,
               const struct setup *server);
void pair_close(struct pair *p);
/* A link between them, with the subject in async mode or not. */
void pair_connect(const struct pair *p, struct link *l, enum wake wake);

struct test_row {
    const TTest *test;
    int count; /* the test's _i goes from 0 to count - 1 */
};
/* main's work: runs the rows up to one without a test, with creds_make before
 * all of them, and returns the exit status. */
int run_tests(const char *name, const struct test_row *rows);

#endif
