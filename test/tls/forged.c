/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that were changed on their way to the subject. What it does then,
 * seen from both sides, has to be what plain OpenSSL does: the same alert, the
 * same error, as much data delivered. An authentication failure is an answer,
 * and neither a fault of the device nor work for software.
 */
#include <stdio.h>
#include <string.h>

#include "support/run.h"

static struct link l;

/* ---- what is done to a record; body and length are of the record alone ---- */

static size_t set_body(uint8_t *record, size_t body)
{
    record[3] = (uint8_t)(body >> 8);
    record[4] = (uint8_t)body;
    return 5 + body;
}

static size_t flip_first(uint8_t *record, size_t len)
{
    record[5] ^= 0x80;
    return len;
}

static size_t flip_middle(uint8_t *record, size_t len)
{
    record[5 + (len - 5) / 2] ^= 1;
    return len;
}

static size_t flip_tag(uint8_t *record, size_t len)
{
    record[len - 8] ^= 0x40;
    return len;
}

static size_t flip_last(uint8_t *record, size_t len)
{
    record[len - 1] ^= 1;
    return len;
}

static size_t change_type(uint8_t *record, size_t len)
{
    record[0] = record[0] == SSL3_RT_APPLICATION_DATA ? SSL3_RT_HANDSHAKE : SSL3_RT_ALERT;
    return len;
}

static size_t one_byte_less(uint8_t *record, size_t len)
{
    return set_body(record, len - 5 - 1);
}

static size_t one_block_less(uint8_t *record, size_t len)
{
    return set_body(record, len - 5 - 16);
}

static size_t one_byte_more(uint8_t *record, size_t len)
{
    record[len] = 0;
    return set_body(record, len - 5 + 1);
}

static size_t only_a_tag(uint8_t *record, size_t len)
{
    (void)len;
    return set_body(record, 16);
}

static size_t two_blocks(uint8_t *record, size_t len)
{
    (void)len;
    return set_body(record, 32);
}

static size_t one_byte(uint8_t *record, size_t len)
{
    (void)len;
    return set_body(record, 1);
}

static size_t empty(uint8_t *record, size_t len)
{
    (void)len;
    return set_body(record, 0);
}

static size_t too_long(uint8_t *record, size_t len)
{
    (void)len;
    return set_body(record, 16384 + 2048 + 1);
}

struct forgery {
    const char *name;
    size_t (*apply)(uint8_t *record, size_t len);
    bool data_only; /* the shorter records of a handshake may be left as they are */
};

static const struct forgery forgeries[] = {
    {"first byte changed", flip_first, false},
    {"byte in the middle changed", flip_middle, false},
    {"byte of the tag or the MAC changed", flip_tag, false},
    {"last byte changed", flip_last, false},
    {"type changed", change_type, false},
    {"one byte missing", one_byte_less, false},
    {"one block missing", one_block_less, false},
    {"one byte more", one_byte_more, false},
    {"cut to 16 bytes", only_a_tag, false},
    {"cut to 32 bytes", two_blocks, true},
    {"cut to one byte", one_byte, false},
    {"empty", empty, false},
    {"too long", too_long, false},
    {"replayed", NULL, true}, /* the one before comes again in its place */
};
#define FORGERIES (sizeof(forgeries) / sizeof(forgeries[0]))

/* ---- which record ---- */

enum stage { FINISHED, DATA, STAGES };
static const char *const stage_names[] = {"in the handshake", "in data"};

struct forger {
    const struct forgery *forgery;
    enum stage stage;
    int version;
    bool ciphered, done; /* ChangeCipherSpec has passed */
    unsigned seen;
    uint8_t last[RECORD_CAP];
    size_t last_len;
};

/* The first protected record of the handshake, or the third of the data that
 * is long enough for all that is done to it. */
static bool is_the_one(struct forger *f, const uint8_t *record, size_t len)
{
    if (f->done) {
        return false;
    }
    if (f->stage == FINISHED) {
        bool protected =
            f->version == TLS1_3_VERSION ? record[0] == SSL3_RT_APPLICATION_DATA : f->ciphered;
        return protected && record[0] != SSL3_RT_CHANGE_CIPHER_SPEC;
    }
    return record[0] == SSL3_RT_APPLICATION_DATA && len > 200 && ++f->seen == 3;
}

static size_t forge(void *arg, uint8_t *record, size_t len, size_t cap)
{
    struct forger *f = arg;

    (void)cap;
    if (is_the_one(f, record, len)) {
        f->done = true;
        if (f->forgery->apply != NULL) {
            return f->forgery->apply(record, len);
        }
        memcpy(record, f->last, f->last_len);
        return f->last_len;
    }
    f->ciphered |= record[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
    memcpy(f->last, record, len);
    f->last_len = len;
    return len;
}

/* ---- */

struct suite {
    int version;
    const char *name;
    bool no_etm;
};

static const struct suite suites[] = {
    {TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", false},
    {TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", true},
    {TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA", false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", true},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", true},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM8", false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", false},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", false},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false},
    {TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", false},
    {TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256", false},
};
#define SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

struct attack {
    const struct suite *suite;
    const struct forgery *forgery;
    enum stage stage;
    enum role victim;
    enum wake wake;
};

static const char *label(const struct attack *a)
{
    static char text[240];

    snprintf(text, sizeof(text), "%s %s%s, record %s %s, subject as %s, %s",
             version_name(a->suite->version), a->suite->name, a->suite->no_etm ? " (no EtM)" : "",
             stage_names[a->stage], a->forgery->name, role_name(a->victim), wake_name(a->wake));
    return text;
}

struct outcome {
    bool failed[2];
    int alert_sent, alert_received; /* by the victim, by the other side */
    size_t received;
    char why[256];
};

static void run_attack(const struct attack *a, const struct pair *pair, struct outcome *out)
{
    static struct forger forger;
    struct peer *victim = &l.peer[a->victim], *other = &l.peer[1 - a->victim];

    memset(&forger, 0, sizeof(forger));
    forger.forgery = a->forgery;
    forger.stage = a->stage;
    forger.version = a->suite->version;
    pair_connect(pair, &l, a->wake);
    if (a->stage == FINISHED) {
        l.wire[other->role].hook = forge;
    }
    l.wire[other->role].arg = &forger;
    if (link_handshake(&l) && link_transfer(&l, &stream_sizes, &stream_sizes)) {
        l.wire[other->role].hook = forge;
        link_transfer(&l, &stream_sizes, &stream_sizes);
    }
    ck_assert_msg(forger.done, "%s: nothing was forged: %s", label(a), l.why);
    *out = (struct outcome){
        .failed = {l.peer[CLIENT].failed, l.peer[SERVER].failed},
        .alert_sent = victim->alert_sent,
        .alert_received = other->alert_received,
        .received = victim->received,
    };
    snprintf(out->why, sizeof(out->why), "%s", victim->why);
    link_close(&l);
}

static void check_outcome(const struct attack *a, const struct outcome *got,
                          const struct outcome *want)
{
    ck_assert_msg(want->failed[a->victim], "%s: plain OpenSSL accepts it", label(a));
    ck_assert_msg(got->failed[a->victim], "%s: accepted", label(a));
    ck_assert_msg(got->alert_sent == want->alert_sent, "%s: alert %d, not %d (%s)", label(a),
                  got->alert_sent, want->alert_sent, got->why);
    ck_assert_msg(got->alert_received == want->alert_received,
                  "%s: the other side saw alert %d, not %d", label(a), got->alert_received,
                  want->alert_received);
    ck_assert_msg(strcmp(got->why, want->why) == 0, "%s: \"%s\", not \"%s\"", label(a), got->why,
                  want->why);
    ck_assert_msg(got->received == want->received, "%s: %zu bytes delivered, not %zu", label(a),
                  got->received, want->received);
}

static void check_figures(const struct attack *a, const struct figures *before)
{
    struct figures after = world_figures(&subject);

    ck_assert_msg(after.errors == before->errors && after.timeouts == before->timeouts,
                  "%s: taken for a fault of the device", label(a));
    ck_assert_msg(after.fallbacks == before->fallbacks, "%s: done again by software", label(a));
    world_idle(&subject, label(a));
}

static void attack_each_way(struct attack *a, const struct pair *reference, const struct pair *pair)
{
    struct outcome want, got;
    unsigned descriptors = 0;

    a->wake = WAKE_NONE;
    run_attack(a, reference, &want);
    for (int wake = 0; wake < WAKE_COUNT; wake++) {
        struct figures before = world_figures(&subject);

        a->wake = (enum wake)wake;
        run_attack(a, pair, &got);
        check_outcome(a, &got, &want);
        check_figures(a, &before);
        ck_assert_msg(wake == 0 || open_descriptors() == descriptors, "%s: a descriptor is left",
                      label(a));
        descriptors = open_descriptors();
    }
}

static void attack_suite(const struct suite *suite, enum role victim)
{
    struct setup client = {
        .version = suite->version, .suite = suite->name, .no_etm = suite->no_etm};
    struct setup server = client;
    struct pair pair, reference;
    struct attack a = {.suite = suite, .victim = victim};

    server.creds = 1u << CRED_P256;
    pair_open(&pair, victim, &client, &server);
    client.world = server.world = &plain;
    client.role = CLIENT;
    server.role = SERVER;
    reference.ctx[CLIENT] = context_new(&client);
    reference.ctx[SERVER] = context_new(&server);
    reference.subject = victim;
    for (int stage = FINISHED; stage < STAGES; stage++) {
        for (size_t i = 0; i < FORGERIES; i++) {
            a.stage = (enum stage)stage;
            a.forgery = &forgeries[i];
            if (stage == DATA || !forgeries[i].data_only) {
                attack_each_way(&a, &reference, &pair);
            }
        }
    }
    pair_close(&reference);
    pair_close(&pair);
}

START_TEST(server_gets_forged_records)
{
    attack_suite(&suites[_i], SERVER);
}
END_TEST

START_TEST(client_gets_forged_records)
{
    attack_suite(&suites[_i], CLIENT);
}
END_TEST

int main(void)
{
    const struct test_row rows[] = {
        {server_gets_forged_records, SUITES},
        {client_gets_forged_records, SUITES},
        {NULL, 0},
    };

    return run_tests("tls forged", rows);
}
