/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that end while a job of theirs is paused: SSL_free in the middle
 * of a handshake or of a record, at each pause in turn. The device is slow, so
 * that it still has the request then. Nothing may stay alive: no request, no
 * waiter, no descriptor.
 */
#include <stdio.h>

#include "support/run.h"

static struct link l;

static const struct {
    int version;
    const char *suite;
} kinds[] = {
    {TLS1_2_VERSION, "AES128-GCM-SHA256"},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256"},
    {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305"},
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* Transfers go on long enough for the last of these pauses. */
#define PAUSES 24

struct way {
    int kind;
    enum role role;
    enum wake wake;
};

static const char *label(const struct way *w, unsigned pause)
{
    static char text[200];

    snprintf(text, sizeof(text), "%s, subject as %s, %s, gone at pause %u", kinds[w->kind].suite,
             role_name(w->role), wake_name(w->wake), pause);
    return text;
}

static void open_contexts(struct pair *p, const struct way *w)
{
    struct setup client = {
        .version = kinds[w->kind].version,
        .suite = kinds[w->kind].suite,
        .verify = true,
    };
    struct setup server = client;

    server.verify = false;
    server.creds = 1u << CRED_RSA;
    pair_open(p, w->role, &client, &server);
}

static void vanish(const struct pair *p, const struct way *w, unsigned pause)
{
    bool paused;

    pair_connect(p, &l, w->wake);
    l.stop_after = pause;
    if (link_handshake(&l)) {
        for (int i = 0; i < 4 && link_transfer(&l, &stream_sizes, &stream_sizes); i++) {
        }
    }
    paused = l.peer[w->role].held != OP_NONE;
    ck_assert_msg(paused || !subject_is_vcrypto(), "%s: never paused: %s", label(w, pause), l.why);
    link_close(&l);
}

static void vanish_at_each_pause(const struct way *w)
{
    unsigned descriptors = 0;
    struct pair p;

    open_contexts(&p, w);
    for (unsigned pause = 1; pause <= PAUSES; pause++) {
        vanish(&p, w, pause);
        world_settled(&subject, label(w, pause));
        ck_assert_msg(pause == 1 || open_descriptors() == descriptors, "%s: a descriptor is left",
                      label(w, pause));
        descriptors = open_descriptors();
    }
    /* And the contexts are as good as ever. */
    pair_connect(&p, &l, w->wake);
    ck_assert_msg(link_handshake(&l) && link_transfer(&l, &stream_sizes, &stream_sizes),
                  "%s: afterwards: %s", label(w, 0), l.why);
    link_close(&l);
    pair_close(&p);
}

static void slow_down(const char *latency)
{
    world_close(&subject);
    world_open_subject(&subject, latency);
}

START_TEST(connection_vanishes)
{
    struct way w = {.kind = _i % KINDS, .wake = _i / KINDS == 0 ? WAKE_FD : WAKE_CALLBACK};

    slow_down("emulator_latency_us = 500");
    for (int role = CLIENT; role <= SERVER; role++) {
        w.role = (enum role)role;
        vanish_at_each_pause(&w);
    }
}
END_TEST

/* Handshakes that are all paused at once; some end there, the others go on. */
START_TEST(some_of_many_vanish)
{
    enum { LINKS = 16 };
    static struct link many[LINKS];
    struct way w = {.kind = _i, .role = SERVER};
    struct pair p;

    /* Each of them has to pause. */
    slow_down("emulator_latency_us = 4000");
    open_contexts(&p, &w);
    for (unsigned i = 0; i < LINKS; i++) {
        pair_connect(&p, &many[i], i % 2 == 0 ? WAKE_FD : WAKE_CALLBACK);
        many[i].stop_after = 1 + i / 8;
        ck_assert_msg(!link_handshake(&many[i]) || !subject_is_vcrypto(), "link %u: no pause", i);
    }
    for (unsigned i = 0; i < LINKS; i += 3) {
        link_close(&many[i]);
    }
    for (unsigned i = 0; i < LINKS; i++) {
        if (i % 3 != 0) {
            many[i].stop_after = 0;
            ck_assert_msg(link_handshake(&many[i]) &&
                              link_transfer(&many[i], &stream_sizes, &stream_sizes),
                          "link %u: %s", i, many[i].why);
            link_close(&many[i]);
        }
    }
    world_settled(&subject, kinds[_i].suite);
    pair_close(&p);
}
END_TEST

int main(void)
{
    const struct test_row rows[] = {
        {connection_vanishes, 2 * KINDS},
        {some_of_many_vanish, KINDS},
        {NULL, 0},
    };

    return run_tests("tls vanish", rows);
}
