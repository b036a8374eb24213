/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>

struct world plain, subject;

static void open_worlds(void)
{
    world_open_plain(&plain);
    world_open_subject(&subject, NULL);
}

static void close_worlds(void)
{
    world_close(&subject);
    world_close(&plain);
}

void pair_open(struct pair *p, enum role subject_role, const struct setup *client,
               const struct setup *server)
{
    struct setup setups[] = {*client, *server};

    p->subject = subject_role;
    for (int role = CLIENT; role <= SERVER; role++) {
        setups[role].role = (enum role)role;
        setups[role].world = (enum role)role == subject_role ? &subject : &plain;
        p->ctx[role] = context_new(&setups[role]);
    }
}

void pair_close(struct pair *p)
{
    SSL_CTX_free(p->ctx[CLIENT]);
    SSL_CTX_free(p->ctx[SERVER]);
}

void pair_connect(const struct pair *p, struct link *l, enum wake wake)
{
    link_open(l, p->ctx[CLIENT], p->ctx[SERVER]);
    link_wake(l, p->subject, wake);
}

int run_tests(const char *name, const struct test_row *rows)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, creds_make, NULL);
    tcase_add_checked_fixture(tc, open_worlds, close_worlds);
    for (; rows->test != NULL; rows++) {
        tcase_add_loop_test(tc, rows->test, 0, rows->count);
    }
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("subject: %s\n", subject_is_vcrypto() ? "vcrypto" : "the default provider");
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
