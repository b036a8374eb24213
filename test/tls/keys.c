/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of all kinds, of servers and of clients, in every version of TLS that
 * takes them. The suites are chosen so that the records are not the subject's
 * work where that can be: what the device was asked for is then the key's.
 */
#include <stdio.h>

#include "support/run.h"

static struct link l;

#define NO_CRED CRED_COUNT

struct handshake {
    int version;
    const char *suite;
    enum cred server, client; /* client may be NO_CRED */
    enum role role;
    enum wake wake;
};

static const char *label(const struct handshake *h)
{
    static char text[200];

    snprintf(text, sizeof(text), "%s %s, server key %s, client key %s, subject as %s, %s",
             version_name(h->version), h->suite, cred_name(h->server),
             h->client == NO_CRED ? "none" : cred_name(h->client), role_name(h->role),
             wake_name(h->wake));
    return text;
}

/* Records of the handshake that may have been requests: in TLS 1.3 most of
 * them are protected. */
static unsigned protected_records(const struct handshake *h)
{
    return h->version != TLS1_3_VERSION ? 0
                                        : l.wire[CLIENT].count[SSL3_RT_APPLICATION_DATA] +
                                              l.wire[SERVER].count[SSL3_RT_APPLICATION_DATA];
}

static void check_key_requests(const struct handshake *h, uint64_t requests, unsigned records)
{
    if (h->role == SERVER || h->client != NO_CRED) {
        ck_assert_msg(requests > records, "%s: %llu requests, %u records: the key was not used",
                      label(h), (unsigned long long)requests, records);
    }
}

static void shake_hands(const struct handshake *h, const struct pair *p)
{
    struct figures before = world_figures(&subject), after;
    unsigned records;

    pair_connect(p, &l, h->wake);
    ck_assert_msg(link_handshake(&l), "%s: handshake: %s", label(h), l.why);
    after = world_figures(&subject);
    records = protected_records(h);
    ck_assert_msg(link_transfer(&l, &stream_sizes, &stream_sizes), "%s: transfer: %s", label(h),
                  l.why);
    ck_assert_msg((SSL_get0_peer_certificate(l.peer[SERVER].ssl) != NULL) == (h->client != NO_CRED),
                  "%s: certificate of the client", label(h));
    ck_assert_ptr_nonnull(SSL_get0_peer_certificate(l.peer[CLIENT].ssl));
    if (subject.vcrypto != NULL) {
        check_key_requests(h, after.requests - before.requests, records);
        ck_assert_msg(after.errors == before.errors, "%s: the device made errors", label(h));
    }
    link_close(&l);
    world_idle(&subject, label(h));
}

/* Without encrypt-then-MAC and with SHA-1 or SHA-256 the default provider's
 * stitched ciphers win. */
static void all_wakes(struct handshake *h)
{
    struct setup client = {.version = h->version, .suite = h->suite, .verify = true};
    struct setup server = client;
    struct pair p;

    client.no_etm = server.no_etm = true;
    server.no_tickets = true;
    client.creds = h->client == NO_CRED ? 0 : 1u << h->client;
    server.creds = 1u << h->server;
    server.verify = h->client != NO_CRED;
    for (int role = CLIENT; role <= SERVER; role++) {
        h->role = (enum role)role;
        pair_open(&p, h->role, &client, &server);
        for (int wake = 0; wake < WAKE_COUNT; wake++) {
            h->wake = (enum wake)wake;
            shake_hands(h, &p);
        }
        pair_close(&p);
    }
}

/* Those of creds.h that are the subject's: all before DSA. */
#define KEYS CRED_DSA

static int first_version(enum cred cred)
{
    return cred == CRED_PSS || cred == CRED_PSS_SHA256 ? TLS1_2_VERSION : TLS1_VERSION;
}

static bool is_ec(enum cred cred)
{
    return cred == CRED_P256 || cred == CRED_P384 || cred == CRED_P521;
}

static const char *suite_for(enum cred cred, int version)
{
    return version == TLS1_3_VERSION ? "TLS_AES_128_GCM_SHA256"
           : is_ec(cred)             ? "ECDHE-ECDSA-AES128-SHA"
                                     : "ECDHE-RSA-AES128-SHA";
}

START_TEST(server_key)
{
    struct handshake h = {.server = (enum cred)_i, .client = NO_CRED};

    for (h.version = first_version(h.server); h.version <= TLS1_3_VERSION; h.version++) {
        h.suite = suite_for(h.server, h.version);
        all_wakes(&h);
    }
}
END_TEST

START_TEST(client_key)
{
    static const enum cred servers[] = {CRED_RSA, CRED_P256};
    struct handshake h = {.client = (enum cred)_i};

    for (h.version = first_version(h.client); h.version <= TLS1_3_VERSION; h.version++) {
        h.server = servers[h.version % 2];
        h.suite = suite_for(h.server, h.version);
        all_wakes(&h);
    }
}
END_TEST

/* Key exchange by decryption, and Diffie-Hellman groups signed by RSA. */
START_TEST(rsa_key_exchange)
{
    static const char *const suites[] = {"AES128-SHA", "DHE-RSA-AES128-SHA"};
    struct handshake h = {
        .version = TLS1_VERSION + _i / 2,
        .suite = suites[_i % 2],
        .server = CRED_RSA,
        .client = NO_CRED,
    };

    all_wakes(&h);
}
END_TEST

int main(void)
{
    const struct test_row rows[] = {
        {server_key, KEYS},
        {client_key, KEYS},
        {rsa_key_exchange, 3 * 2},
        {NULL, 0},
    };

    return run_tests("tls keys", rows);
}
