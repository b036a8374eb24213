/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA key exchange with a premaster secret that is not as it should be. The
 * server must not let on what is wrong with it: seen from outside each form
 * ends as a well-formed secret does that is simply another one, and the device
 * is asked for as much.
 */
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "support/run.h"

static struct link l;

#define MODULUS 256 /* bytes of the server's key */
#define SECRET  48

/* ---- forms: the padded block before encryption ---- */

struct form {
    const char *name;
    void (*change)(uint8_t *block);
};

static void well_formed(uint8_t *block)
{
    (void)block;
}
static void first_byte(uint8_t *block)
{
    block[0] = 1;
}
static void type_1(uint8_t *block)
{
    block[1] = 1;
}
static void type_0(uint8_t *block)
{
    block[1] = 0;
}
static void no_separator(uint8_t *block)
{
    block[MODULUS - SECRET - 1] = 0x55;
    memset(block + MODULUS - SECRET, 0x33, SECRET);
}
static void separator_in_padding(uint8_t *block)
{
    block[5] = 0;
}
static void separator_in_the_middle(uint8_t *block)
{
    block[100] = 0;
}
static void one_byte_long(uint8_t *block)
{
    block[MODULUS - SECRET - 2] = 0;
}
static void one_byte_short(uint8_t *block)
{
    block[MODULUS - SECRET - 1] = 0x55;
    block[MODULUS - SECRET] = 0;
}
static void nothing_in_it(uint8_t *block)
{
    no_separator(block);
    block[MODULUS - 1] = 0;
}
static void older_version(uint8_t *block)
{
    block[MODULUS - SECRET + 1] = 0;
}
static void other_version(uint8_t *block)
{
    block[MODULUS - SECRET] = 0xfe;
    block[MODULUS - SECRET + 1] = 0xfd;
}

/* The first is what all others are compared with. */
static const struct form forms[] = {
    {"well formed", well_formed},
    {"first byte not 0", first_byte},
    {"block type 1", type_1},
    {"block type 0", type_0},
    {"no separator", no_separator},
    {"separator within the first 8 bytes", separator_in_padding},
    {"separator far too early", separator_in_the_middle},
    {"one byte too long", one_byte_long},
    {"one byte too short", one_byte_short},
    {"empty", nothing_in_it},
    {"an older version", older_version},
    {"another version", other_version},
};
#define FORMS ((int)(sizeof(forms) / sizeof(forms[0])))

static void build_block(const struct form *form, int version, uint8_t *block)
{
    memset(block, 0x5a, MODULUS);
    block[0] = 0;
    block[1] = 2;
    block[MODULUS - SECRET - 1] = 0;
    ck_assert_int_eq(RAND_bytes(block + MODULUS - SECRET, SECRET), 1);
    for (size_t i = MODULUS - SECRET; i < MODULUS; i++) {
        block[i] |= 1;
    }
    block[MODULUS - SECRET] = (uint8_t)(version >> 8);
    block[MODULUS - SECRET + 1] = (uint8_t)version;
    form->change(block);
}

static void encrypt_block(const uint8_t *block, uint8_t *out)
{
    EVP_PKEY *key = cred_public(CRED_RSA);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t len = MODULUS;

    ck_assert_int_eq(EVP_PKEY_encrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_encrypt(ctx, out, &len, block, MODULUS), 1);
    ck_assert_uint_eq(len, MODULUS);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}

struct forger {
    const struct form *form;
    int version;
    unsigned done;
};

/* Record header, handshake header, two bytes of length, the secret. */
#define SECRET_AT (5 + 4 + 2)

static size_t replace_secret(void *arg, uint8_t *record, size_t len, size_t cap)
{
    struct forger *f = arg;
    uint8_t block[MODULUS];

    (void)cap;
    if (record[0] == SSL3_RT_HANDSHAKE && record[5] == SSL3_MT_CLIENT_KEY_EXCHANGE &&
        len == SECRET_AT + MODULUS) {
        build_block(f->form, f->version, block);
        encrypt_block(block, record + SECRET_AT);
        f->done++;
    }
    return len;
}

/* ---- */

struct outcome {
    int alert;
    unsigned records;
    unsigned long long requests, software;
    char why[256];
};

static void run_form(const struct pair *p, const struct form *form, int version, enum wake wake,
                     struct outcome *out)
{
    struct forger forger = {form, version, 0};
    struct figures before = world_figures(&subject), after;

    pair_connect(p, &l, wake);
    l.wire[CLIENT].hook = replace_secret;
    l.wire[CLIENT].arg = &forger;
    ck_assert_msg(!link_handshake(&l), "%s: accepted", form->name);
    ck_assert_uint_eq(forger.done, 1);
    after = world_figures(&subject);
    memset(out, 0, sizeof(*out));
    out->alert = l.peer[SERVER].alert_sent;
    out->records = link_records(&l, SERVER);
    out->requests = after.requests - before.requests;
    out->software = after.software - before.software;
    snprintf(out->why, sizeof(out->why), "%s", l.peer[SERVER].why);
    link_close(&l);
    world_idle(&subject, form->name);
    ck_assert_uint_eq(after.errors, before.errors);
}

static void compare(const char *text, const struct outcome *got, const struct outcome *want)
{
    ck_assert_msg(got->alert == want->alert && strcmp(got->why, want->why) == 0 &&
                      got->records == want->records && got->requests == want->requests &&
                      got->software == want->software,
                  "%s: alert %d, \"%s\", %u records, %llu requests, %llu in software; not alert "
                  "%d, \"%s\", %u records, %llu requests, %llu in software",
                  text, got->alert, got->why, got->records, got->requests, got->software,
                  want->alert, want->why, want->records, want->requests, want->software);
}

static const struct {
    int version;
    const char *suite;
    bool no_etm;
    unsigned requests; /* the secret, and Finished where it is opened before it is checked */
} suites[] = {
    {TLS1_VERSION, "AES128-SHA", true, 1},           {TLS1_1_VERSION, "AES128-SHA", false, 1},
    {TLS1_2_VERSION, "AES128-SHA256", true, 1},      {TLS1_2_VERSION, "AES256-SHA256", false, 1},
    {TLS1_2_VERSION, "AES128-GCM-SHA256", false, 2}, {TLS1_2_VERSION, "AES128-CCM", false, 2},
};
#define SUITES ((int)(sizeof(suites) / sizeof(suites[0])))

START_TEST(forms_look_alike)
{
    int version = suites[_i].version;
    struct setup client = {
        .version = version, .suite = suites[_i].suite, .no_etm = suites[_i].no_etm};
    struct setup server = client;
    struct pair p;

    server.creds = 1u << CRED_RSA;
    pair_open(&p, SERVER, &client, &server);
    for (int wake = 0; wake < WAKE_COUNT; wake++) {
        struct outcome other, want;
        char text[160];

        run_form(&p, &forms[0], version, (enum wake)wake, &want);
        ck_assert_int_eq(want.alert, SSL_AD_BAD_RECORD_MAC);
        ck_assert_msg(subject.vcrypto == NULL || want.requests >= suites[_i].requests,
                      "%s: %llu requests: the key was not used", suites[_i].suite, want.requests);
        for (int i = 0; i < FORMS; i++) {
            snprintf(text, sizeof(text), "%s %s, %s, %s", version_name(version), suites[_i].suite,
                     wake_name((enum wake)wake), forms[i].name);
            run_form(&p, &forms[i], version, (enum wake)wake, &other);
            compare(text, &other, &want);
        }
    }
    pair_close(&p);
}
END_TEST

int main(void)
{
    const struct test_row rows[] = {{forms_look_alike, SUITES}, {NULL, 0}};

    return run_tests("tls premaster", rows);
}
