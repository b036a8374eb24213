/* SPDX-License-Identifier: Apache-2.0 */
/* What goes beyond one handshake: resumption, renegotiation, key update. */
#include <stdio.h>
#include <string.h>

#include "support/run.h"

static struct link l;

struct suite {
    int version;
    const char *name;
    bool no_etm;
    bool ours; /* the records are the subject's work */
};

static const struct suite suites[] = {
    {TLS1_VERSION, "ECDHE-RSA-AES128-SHA", false, true},
    {TLS1_VERSION, "ECDHE-RSA-AES256-SHA", true, false},
    {TLS1_1_VERSION, "ECDHE-RSA-AES256-SHA", false, true},
    {TLS1_2_VERSION, "AES128-SHA256", false, true},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256", true, false},
    {TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA384", true, true},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", false, true},
    {TLS1_2_VERSION, "DHE-RSA-AES256-CCM", false, true},
    {TLS1_2_VERSION, "DHE-RSA-AES128-CCM8", false, true},
    {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", false, true},
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", false, true},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", false, true},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false, true},
    {TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", false, true},
    {TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256", false, true},
};
#define SUITES       ((int)(sizeof(suites) / sizeof(suites[0])))
#define FIRST_TLS1_3 10

struct way {
    const struct suite *suite;
    const char *what;
    enum role role;
    enum wake wake;
};

static const char *label(const struct way *w)
{
    static char text[200];

    snprintf(text, sizeof(text), "%s, %s %s, subject as %s, %s", w->what,
             version_name(w->suite->version), w->suite->name, role_name(w->role),
             wake_name(w->wake));
    return text;
}

static void open_pair(const struct way *w, struct pair *p)
{
    struct setup client = {
        .version = w->suite->version,
        .suite = w->suite->name,
        .no_etm = w->suite->no_etm,
        .verify = true,
    };
    struct setup server = client;

    server.verify = false;
    server.creds = 1u << CRED_RSA;
    pair_open(p, w->role, &client, &server);
}

static void transfer(const struct way *w)
{
    struct figures before = world_figures(&subject), after;

    ck_assert_msg(link_transfer(&l, &stream_sizes, &stream_sizes), "%s: transfer: %s", label(w),
                  l.why);
    after = world_figures(&subject);
    if (subject.vcrypto != NULL) {
        ck_assert_msg(after.requests - before.requests >= (w->suite->ours ? stream_sizes.count : 0),
                      "%s: %llu requests", label(w),
                      (unsigned long long)(after.requests - before.requests));
        ck_assert_msg(after.errors == before.errors, "%s: the device made errors", label(w));
    }
}

static void connect_and_transfer(const struct way *w, const struct pair *p, SSL_SESSION *session)
{
    pair_connect(p, &l, w->wake);
    if (session != NULL) {
        ck_assert_int_eq(SSL_set_session(l.peer[CLIENT].ssl, session), 1);
    }
    ck_assert_msg(link_handshake(&l), "%s: handshake: %s", label(w), l.why);
    transfer(w);
}

static void close_and_settle(const struct way *w)
{
    ck_assert_msg(link_run(&l, TASK_CLOSE, TASK_CLOSE), "%s: close: %s", label(w), l.why);
    link_close(&l);
    world_idle(&subject, label(w));
}

/* Each suite in both roles, and in each of them all ways to wake up. */
static void each_way(const struct suite *suite, const char *what, uint64_t options,
                     void (*test)(const struct way *w, const struct pair *p))
{
    struct pair p;

    for (int role = CLIENT; role <= SERVER; role++) {
        struct way w = {.suite = suite, .what = what, .role = (enum role)role};

        open_pair(&w, &p);
        SSL_CTX_set_options(p.ctx[CLIENT], options);
        SSL_CTX_set_options(p.ctx[SERVER], options);
        for (int wake = 0; wake < WAKE_COUNT; wake++) {
            w.wake = (enum wake)wake;
            test(&w, &p);
        }
        pair_close(&p);
    }
}

/* ---- resumption ---- */

static void resume_once(const struct way *w, const struct pair *p)
{
    SSL_SESSION *session;

    connect_and_transfer(w, p, NULL);
    ck_assert(!SSL_session_reused(l.peer[CLIENT].ssl));
    session = SSL_get1_session(l.peer[CLIENT].ssl);
    close_and_settle(w);

    connect_and_transfer(w, p, session);
    ck_assert_msg(SSL_session_reused(l.peer[CLIENT].ssl), "%s: not resumed", label(w));
    ck_assert_msg(SSL_session_reused(l.peer[SERVER].ssl), "%s: not resumed", label(w));
    SSL_SESSION_free(session);
    close_and_settle(w);
}

START_TEST(resume_by_ticket)
{
    each_way(&suites[_i], "resumption by ticket", 0, resume_once);
}
END_TEST

/* TLS 1.3: tickets that stand for an entry of the server's cache. */
START_TEST(resume_by_cache)
{
    each_way(&suites[_i], "resumption by session cache", SSL_OP_NO_TICKET, resume_once);
}
END_TEST

START_TEST(resume_without_key_exchange)
{
    each_way(&suites[FIRST_TLS1_3 + _i], "resumption by PSK alone", SSL_OP_ALLOW_NO_DHE_KEX,
             resume_once);
}
END_TEST

/* ---- renegotiation ---- */

static size_t finished_message(enum role role, uint8_t *buf, size_t size)
{
    return SSL_get_finished(l.peer[role].ssl, buf, size);
}

static void renegotiate_once(const struct way *w, enum role by)
{
    uint8_t before[2][64], after[2][64];
    size_t len = 0;

    for (int role = CLIENT; role <= SERVER; role++) {
        len = finished_message((enum role)role, before[role], sizeof(before[role]));
    }
    ck_assert_int_eq(SSL_renegotiate(l.peer[by].ssl), 1);
    ck_assert_msg(link_run(&l, by == CLIENT ? TASK_HANDSHAKE : TASK_REST,
                           by == SERVER ? TASK_HANDSHAKE : TASK_REST) &&
                      link_run(&l, TASK_REST, TASK_REST),
                  "%s by the %s: %s", label(w), role_name(by), l.why);
    for (int role = CLIENT; role <= SERVER; role++) {
        ck_assert_uint_eq(finished_message((enum role)role, after[role], sizeof(after[role])), len);
        ck_assert_msg(len > 0 && memcmp(before[role], after[role], len) != 0,
                      "%s by the %s: there was no second handshake", label(w), role_name(by));
    }
    transfer(w);
}

static void renegotiate(const struct way *w, const struct pair *p)
{
    SSL_CTX_set_options(p->ctx[SERVER], SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    connect_and_transfer(w, p, NULL);
    renegotiate_once(w, CLIENT);
    renegotiate_once(w, SERVER);
    renegotiate_once(w, CLIENT);
    close_and_settle(w);
}

START_TEST(renegotiation)
{
    each_way(&suites[_i], "renegotiation", 0, renegotiate);
}
END_TEST

/* ---- key update ---- */

static void update_keys(const struct way *w, const struct pair *p)
{
    static const int types[] = {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED};

    connect_and_transfer(w, p, NULL);
    for (int i = 0; i < 8; i++) {
        SSL *ssl = l.peer[i / 2 % 2].ssl;
        unsigned records = link_records(&l, CLIENT) + link_records(&l, SERVER), passed;

        ck_assert_int_eq(SSL_key_update(ssl, types[i % 2]), 1);
        transfer(w);
        passed = link_records(&l, CLIENT) + link_records(&l, SERVER) - records;
        ck_assert_msg(passed > 2 * stream_sizes.count, "%s: no key update was sent", label(w));
        ck_assert_int_eq(SSL_get_key_update_type(ssl), SSL_KEY_UPDATE_NONE);
    }
    close_and_settle(w);
}

START_TEST(key_update)
{
    each_way(&suites[FIRST_TLS1_3 + _i], "key update", 0, update_keys);
}
END_TEST

int main(void)
{
    const struct test_row rows[] = {
        {resume_by_ticket, SUITES},
        {resume_by_cache, SUITES},
        {resume_without_key_exchange, SUITES - FIRST_TLS1_3},
        {renegotiation, FIRST_TLS1_3},
        {key_update, SUITES - FIRST_TLS1_3},
        {NULL, 0},
    };

    return run_tests("tls session", rows);
}
