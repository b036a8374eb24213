/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every suite that OpenSSL offers with AES-CBC, AES-GCM, AES-CCM and
 * ChaCha20-Poly1305, in every version that has it: the subject against plain
 * OpenSSL, in both roles, with and without encrypt-then-MAC, with and without
 * async mode. One test is one suite in one version.
 *
 * Device counters tell where the records went. What was counted is printed per
 * family of suites at the end.
 */
#include <check.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/run.h"

/* How a suite protects records, and which of them are the subject's work. */
enum family { STITCHED, CBC_MTE, CBC_ETM, GCM, CCM, CCM8, CHACHA, FAMILY_COUNT };

static const struct {
    const char *name;
    bool seals, opens;
} families[FAMILY_COUNT] = {
    /* MAC-then-encrypt in one call: only the default provider has it. */
    [STITCHED] = {"CBC+HMAC stitched", false, false},
    /* The MAC is taken out in constant time, by software. */
    [CBC_MTE] = {"CBC, MAC then encrypt", true, false},
    [CBC_ETM] = {"CBC, encrypt then MAC", true, true},
    [GCM] = {"GCM", true, true},
    [CCM] = {"CCM", true, true},
    [CCM8] = {"CCM-8", true, true},
    [CHACHA] = {"ChaCha20-Poly1305", true, true},
};

static const struct {
    int nid;
    enum family family;
} ciphers[] = {
    {NID_aes_128_cbc, CBC_MTE}, {NID_aes_256_cbc, CBC_MTE},      {NID_aes_128_gcm, GCM},
    {NID_aes_256_gcm, GCM},     {NID_aes_128_ccm, CCM},          {NID_aes_256_ccm, CCM},
    {NID_aes_256_ccm, CCM},     {NID_chacha20_poly1305, CHACHA},
};

struct row {
    const SSL_CIPHER *suite;
    int version;
    enum family family;
};
#define ROWS_MAX 512
static struct row rows[ROWS_MAX];
static int row_count;

/* Shared with the processes that run the tests. */
struct sums {
    unsigned long handshakes, records, requests, software, pauses, early;
};
static struct sums (*sums)[FAMILY_COUNT]; /* by version */

static bool has_stitched[2]; /* with SHA-1, SHA-256: depends on the CPU */

struct combination {
    const struct row *row;
    enum role role; /* the subject's */
    enum wake wake;
    bool etm;
};

static const char *label(const struct combination *c)
{
    static char text[200];

    snprintf(text, sizeof(text), "%s %s, subject as %s, %s%s", version_name(c->row->version),
             SSL_CIPHER_get_name(c->row->suite), role_name(c->role), wake_name(c->wake),
             c->row->family != CBC_MTE ? ""
             : c->etm                  ? ", encrypt-then-MAC"
                                       : ", MAC-then-encrypt");
    return text;
}

static enum family family_of(const struct combination *c)
{
    int digest = SSL_CIPHER_get_digest_nid(c->row->suite);

    if (c->row->family != CBC_MTE) {
        return c->row->family;
    }
    if (c->etm) {
        return CBC_ETM;
    }
    return (digest == NID_sha1 && has_stitched[0]) || (digest == NID_sha256 && has_stitched[1])
               ? STITCHED
               : CBC_MTE;
}

/* All records of the transfer went through the device, or none did. */
static void check_requests(const struct combination *c, const struct figures *before,
                           const struct figures *after, unsigned sealed, unsigned opened)
{
    enum family f = family_of(c);
    uint64_t requests = after->requests - before->requests;
    uint64_t want = (families[f].seals ? sealed : 0) + (families[f].opens ? opened : 0);

    ck_assert_msg(requests >= want, "%s: %llu requests for %llu records", label(c),
                  (unsigned long long)requests, (unsigned long long)want);
    ck_assert_msg(want != 0 || requests == 0, "%s: %llu requests, but the records are not ours",
                  label(c), (unsigned long long)requests);
    ck_assert_msg(after->errors == before->errors && after->timeouts == before->timeouts,
                  "%s: the device made errors", label(c));
}

static void add_sums(const struct combination *c, const struct link *l,
                     const struct figures *before, const struct figures *after, unsigned records)
{
    struct sums *s = &sums[c->row->version - TLS1_VERSION][family_of(c)];

    s->handshakes++;
    s->records += records;
    s->requests += after->requests - before->requests;
    s->software += after->software - before->software;
    s->pauses += l->peer[c->role].pauses;
    s->early += l->peer[c->role].early;
}

static bool transfer(struct link *l, const struct combination *c)
{
    /* Large ones where the key exchange shows that the suite is in real use. */
    bool large = SSL_CIPHER_get_kx_nid(c->row->suite) == NID_kx_any ||
                 SSL_CIPHER_get_kx_nid(c->row->suite) == NID_kx_ecdhe;

    return link_transfer(l, &stream_sizes, &stream_sizes) &&
           (!large ||
            (link_transfer(l, &stream_large, NULL) && link_transfer(l, NULL, &stream_large)));
}

static void run_combination(const struct combination *c, const struct pair *pair)
{
    static struct link l;
    enum role other = c->role == CLIENT ? SERVER : CLIENT;
    unsigned sealed, opened;
    struct figures before, after;

    pair_connect(pair, &l, c->wake);
    ck_assert_msg(link_handshake(&l), "%s: handshake: %s", label(c), l.why);
    ck_assert_str_eq(SSL_get_cipher_name(l.peer[SERVER].ssl), SSL_CIPHER_get_name(c->row->suite));
    ck_assert_int_eq(SSL_version(l.peer[CLIENT].ssl), c->row->version);

    sealed = link_records(&l, c->role);
    opened = link_records(&l, other);
    before = world_figures(&subject);
    ck_assert_msg(transfer(&l, c), "%s: transfer: %s", label(c), l.why);
    after = world_figures(&subject);
    sealed = link_records(&l, c->role) - sealed;
    opened = link_records(&l, other) - opened;
    ck_assert_msg(link_run(&l, TASK_CLOSE, TASK_CLOSE), "%s: close: %s", label(c), l.why);

    if (subject.vcrypto != NULL) {
        check_requests(c, &before, &after, sealed, opened);
    }
    add_sums(c, &l, &before, &after, sealed + opened);
    link_close(&l);
}

static void open_pair(const struct combination *c, struct pair *pair)
{
    const SSL_CIPHER *suite = c->row->suite;
    int kx = SSL_CIPHER_get_kx_nid(suite), auth = SSL_CIPHER_get_auth_nid(suite);
    struct setup client = {
        .version = c->row->version,
        .suite = SSL_CIPHER_get_name(suite),
        .no_etm = !c->etm,
        .psk = auth == NID_auth_psk || kx == NID_kx_rsa_psk,
        .srp = kx == NID_kx_srp,
    };
    struct setup server = client;

    client.verify = true;
    server.creds = 1u << CRED_RSA | 1u << CRED_P256 | (auth == NID_auth_dss ? 1u << CRED_DSA : 0);
    pair_open(pair, c->role, &client, &server);
}

static void run_role(const struct row *row, enum role role, bool etm)
{
    struct combination c = {.row = row, .role = role, .etm = etm};
    unsigned descriptors = 0;
    struct pair pair;

    open_pair(&c, &pair);
    for (int wake = 0; wake < WAKE_COUNT; wake++) {
        c.wake = (enum wake)wake;
        run_combination(&c, &pair);
        world_idle(&subject, label(&c));
        /* The first combination opens what the device keeps open. */
        ck_assert_msg(wake == 0 || open_descriptors() == descriptors, "%s: a descriptor is left",
                      label(&c));
        descriptors = open_descriptors();
    }
    pair_close(&pair);
}

START_TEST(suite_in_both_roles)
{
    const struct row *row = &rows[_i];

    for (int role = CLIENT; role <= SERVER; role++) {
        run_role(row, (enum role)role, false);
        if (row->family == CBC_MTE) {
            run_role(row, (enum role)role, true);
        }
    }
}
END_TEST

/* A suite that is missing for want of support here would otherwise go unseen. */
START_TEST(all_families_have_suites)
{
    unsigned found[FAMILY_COUNT] = {0};

    for (int i = 0; i < row_count; i++) {
        found[rows[i].family]++;
    }
    for (int f = CBC_MTE; f < FAMILY_COUNT; f++) {
        ck_assert_msg(f == CBC_ETM || found[f] >= 4, "%s: %u suites", families[f].name, found[f]);
    }
}
END_TEST

static void add_rows(const SSL_CIPHER *suite)
{
    const char *from = SSL_CIPHER_get_version(suite);
    int first = strcmp(from, "TLSv1.3") == 0   ? TLS1_3_VERSION
                : strcmp(from, "TLSv1.2") == 0 ? TLS1_2_VERSION
                                               : TLS1_VERSION;
    int last = first == TLS1_3_VERSION ? TLS1_3_VERSION : TLS1_2_VERSION;
    bool short_tag = strstr(SSL_CIPHER_get_name(suite), "CCM8") != NULL ||
                     strstr(SSL_CIPHER_get_name(suite), "CCM_8") != NULL;

    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        if (SSL_CIPHER_get_cipher_nid(suite) != ciphers[i].nid) {
            continue;
        }
        for (int version = first; version <= last; version++) {
            rows[row_count++ % ROWS_MAX] =
                (struct row){suite, version, short_tag ? CCM8 : ciphers[i].family};
        }
        return;
    }
}

static bool fetchable(OSSL_LIB_CTX *libctx, const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, NULL);

    EVP_CIPHER_free(cipher);
    ERR_clear_error();
    return cipher != NULL;
}

static bool find_suites(void)
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    SSL_CTX *ctx = SSL_CTX_new_ex(libctx, NULL, TLS_server_method());
    STACK_OF(SSL_CIPHER) * all;

    bool ok;

    ok = SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0") == 1 &&
         SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                       "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
                                       "TLS_AES_128_CCM_8_SHA256") == 1;
    all = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        add_rows(sk_SSL_CIPHER_value(all, i));
    }
    has_stitched[0] = fetchable(libctx, "AES-128-CBC-HMAC-SHA1");
    has_stitched[1] = fetchable(libctx, "AES-128-CBC-HMAC-SHA256");
    SSL_CTX_free(ctx);
    OSSL_LIB_CTX_free(libctx);
    return ok && row_count <= ROWS_MAX;
}

static void print_sums(void)
{
    printf("requests and software are those of transfers\n");
    printf("%-9s %-22s %10s %9s %9s %9s %8s %6s\n", "version", "records", "handshakes", "records",
           "requests", "software", "pauses", "early");
    for (int version = TLS1_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int f = 0; f < FAMILY_COUNT; f++) {
            const struct sums *s = &sums[version - TLS1_VERSION][f];

            if (s->handshakes != 0) {
                printf("%-9s %-22s %10lu %9lu %9lu %9lu %8lu %6lu\n", version_name(version),
                       families[f].name, s->handshakes, s->records, s->requests, s->software,
                       s->pauses, s->early);
            }
        }
    }
}

int main(void)
{
    size_t shared = 4 * sizeof(*sums);
    struct test_row tests[3] = {{all_families_have_suites, 1}};
    int status;

    sums = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sums == MAP_FAILED || !find_suites()) {
        fprintf(stderr, "matrix: no list of suites\n");
        return EXIT_FAILURE;
    }
    tests[1] = (struct test_row){suite_in_both_roles, row_count};
    status = run_tests("tls matrix", tests);
    print_sums();
    munmap(sums, shared);
    return status;
}
