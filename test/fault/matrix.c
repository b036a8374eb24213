/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault matrix: each row is a way in which a device fails, under the load
 * of many jobs. Every result is held against the default provider's. What must
 * hold: right answers, no hang, nothing alive in the end, and statistics that
 * name the cause.
 *
 * A row goes on until its fault has been seen often enough: FAULT_HITS times
 * where it befalls single requests, FAULT_EVENTS times where it takes the whole
 * device out of service. Each prints its line.
 */
#include <check.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

#define JOBS     48
#define TEXT_MAX 1500
#define TAG      16
/* No job is paused for so long, whatever the device does. */
#define HANG_MS 15000

#define SETTINGS "min_bytes = 0\nemulator_threads = 2\nemulator_fault = "

enum seen {
    BY_STAT,  /* the figure itself */
    BY_SHARE, /* every Nth completion */
    BY_TAG,   /* wrong tags, which the peer would refuse */
};

static const struct row {
    const char *what, *fault;
    const char *figure; /* that counts the fault */
    enum seen seen;
    unsigned n;        /* BY_SHARE */
    bool device;       /* it takes the device out of service */
    bool new_keys;     /* a session for each request */
    bool harmless;     /* nobody notices */
    bool few;          /* one job, and a ring of 8 */
    const char *cause; /* of the software's work, that must be named */
} rows[] = {
    {"completion late", "late:9:45", "timeouts", .cause = "timeout"},
    {"completion lost", "lose:9", "timeouts", .cause = "timeout"},
    {"ring full for good", "lose:9", "resets", .device = true, .few = true, .cause = "no-device"},
    {"interrupt lost", "lose_irq:5", "completions", .seen = BY_SHARE, .n = 5},
    {"spurious interrupt", "spurious:3", "completions", .seen = BY_SHARE, .n = 3, .harmless = true},
    {"used id out of range", "bad_id:199", "resets", .device = true, .cause = "no-device"},
    {"used id repeated", "repeat:199", "resets", .device = true, .cause = "no-device"},
    {"used id not submitted", "stale_id:199", "resets", .device = true, .cause = "no-device"},
    {"used index ahead", "jump:199:2000", "resets", .device = true, .cause = "no-device"},
    {"used index back", "jump:199:65000", "resets", .device = true, .cause = "no-device"},
    {"length too short", "length:7:3", "errors", .cause = "device-error"},
    {"length zero", "length:7:0", "errors", .cause = "device-error"},
    {"length too long", "length:7:4294967295", "completions", .seen = BY_SHARE, .n = 7,
     .harmless = true},
    {"status ERR", "error:7", "errors", .cause = "device-error"},
    {"status unknown", "status:7:200", "errors", .cause = "device-error"},
    {"status NOTSUPP", "status:7:3", "errors", .cause = "unsupported"},
    {"status INVSESS", "status:7:4", "errors", .cause = "device-error"},
    {"session NOSPC", "control_status:5:5", "software-backlog", .new_keys = true},
    {"session ERR", "withhold:revision_1,control_status:5:1", "software-backlog", .new_keys = true},
    {"session NOTSUPP", "control_status:5:3", "software-unsupported", .new_keys = true},
    {"control queue stuck", "lose_control:99", "resets", .device = true, .new_keys = true},
    {"tag flipped", "flip_end:7", "", .seen = BY_TAG, .harmless = true},
    {"NEEDS_RESET", "needs_reset:199", "resets", .device = true, .cause = "no-device"},
    {"device removed", "gone:199:5", "resets", .device = true, .cause = "no-device"},
    {"configuration changes", "change:7", "completions", .seen = BY_SHARE, .n = 7,
     .harmless = true},
};

#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static const struct alg {
    const char *name;
    int iv_len;
    bool aead;
} algs[] = {
    {"AES-128-CBC", 16, false},      {"AES-256-CTR", 16, false}, {"AES-128-GCM", 12, true},
    {"ChaCha20-Poly1305", 12, true}, {"AES-256-CCM", 12, true},
};

#define ALGS (sizeof(algs) / sizeof(algs[0]))

struct worker {
    struct support_random random;
    EVP_CIPHER_CTX *ctx;
    ASYNC_JOB *job;
    ASYNC_WAIT_CTX *wait;
    OSSL_ASYNC_FD fd;
    bool paused;
    uint8_t key[64];
    uint8_t text[TEXT_MAX], aad[13], iv[16];
    uint8_t want[TEXT_MAX + 32], got[TEXT_MAX + 32], tag[TAG], got_tag[TAG];
};

static struct {
    const struct row *row;
    struct support s;
    EVP_CIPHER *ours[ALGS], *theirs[ALGS];
    struct worker workers[JOBS];
    uint64_t requests, failed, wrong, tags;
} m;

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoul(s, NULL, 10) : otherwise;
}

static uint64_t figure(const char *name)
{
    char param[64];

    snprintf(param, sizeof(param), "vcrypto-%s", name);
    return support_stat(&m.s, param);
}

static uint64_t hits(void)
{
    switch (m.row->seen) {
    case BY_SHARE: return figure(m.row->figure) / m.row->n;
    case BY_TAG: return m.tags;
    default: return figure(m.row->figure);
    }
}

/* One message with tag and AAD where there are such. */
static bool message(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *c, const struct alg *a, struct worker *w,
                    int enc, const uint8_t *in, int n, uint8_t *out, int *out_len, uint8_t *tag)
{
    bool ccm = strstr(a->name, "CCM") != NULL;
    int len = 0, more = 0;

    if (EVP_CipherInit_ex(ctx, c, NULL, NULL, NULL, enc) != 1)
        return false;
    if (ccm && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, a->iv_len, NULL) != 1)
        return false;
    if (a->aead && (!enc || ccm) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, enc ? NULL : tag) != 1)
        return false;
    if (EVP_CipherInit_ex(ctx, NULL, NULL, w->key, w->iv, enc) != 1)
        return false;
    if (ccm && EVP_CipherUpdate(ctx, NULL, &len, NULL, n) != 1)
        return false;
    if (a->aead && EVP_CipherUpdate(ctx, NULL, &len, w->aad, sizeof(w->aad)) != 1)
        return false;
    if (EVP_CipherUpdate(ctx, out, &len, in, n) != 1)
        return false;
    if (!ccm && EVP_CipherFinal_ex(ctx, out + len, &more) != 1)
        return false;
    *out_len = len + more;
    return !a->aead || !enc || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
}

static void compare(struct worker *w, const struct alg *a, int n, int want)
{
    int len = 0, back = 0;
    /* A flipped last byte is a tag's where there is one: in what is encrypted. */
    bool enc = m.row->seen == BY_TAG || support_below(&w->random, 2) != 0;

    memset(w->got, 0, sizeof(w->got));
    memcpy(w->got_tag, w->tag, TAG);
    if (enc) {
        if (!message(w->ctx, m.ours[a - algs], a, w, 1, w->text, n, w->got, &len, w->got_tag))
            m.failed++;
        else if (len != want || memcmp(w->got, w->want, (size_t)len) != 0)
            m.wrong++;
        else if (a->aead && memcmp(w->got_tag, w->tag, TAG) != 0)
            m.tags++;
        return;
    }
    if (!message(w->ctx, m.ours[a - algs], a, w, 0, w->want, want, w->got, &back, w->got_tag))
        m.failed++;
    else if (back != n || memcmp(w->got, w->text, (size_t)n) != 0)
        m.wrong++;
}

/* A job: one message through the device, and its check. */
static int one_message(void *arg)
{
    struct worker *w = *(struct worker **)arg;
    bool tags = m.row->seen == BY_TAG;
    const struct alg *a = &algs[tags ? 2 : support_below(&w->random, ALGS)];
    int n = 1 + (int)support_below(&w->random, TEXT_MAX - 1), want = 0;
    EVP_CIPHER_CTX *reference = EVP_CIPHER_CTX_new();

    if (m.row->new_keys)
        support_fill(&w->random, w->key, sizeof(w->key));
    support_fill(&w->random, w->iv, sizeof(w->iv));
    if (reference == NULL ||
        !message(reference, m.theirs[a - algs], a, w, 1, w->text, n, w->want, &want, w->tag))
        m.failed++;
    else
        compare(w, a, n, want);
    EVP_CIPHER_CTX_free(reference);
    m.requests++;
    return 1;
}

static void run(struct worker *w)
{
    size_t n = 1;
    int ret = 0, status = ASYNC_start_job(&w->job, w->wait, &ret, one_message, &w, sizeof(w));

    w->paused = status == ASYNC_PAUSE;
    if (w->paused)
        ck_assert(ASYNC_WAIT_CTX_get_all_fds(w->wait, &w->fd, &n) == 1 && n == 1);
    else
        ck_assert_int_eq(status, ASYNC_FINISH);
}

static void wait_for_some(void)
{
    struct pollfd fds[JOBS];

    for (int i = 0; i < JOBS; i++)
        fds[i] = (struct pollfd){.fd = m.workers[i].fd, .events = POLLIN};
    ck_assert_msg(poll(fds, JOBS, HANG_MS) > 0, "%s: paused jobs are not woken", m.row->what);
    for (int i = 0; i < JOBS; i++)
        if (fds[i].revents != 0)
            run(&m.workers[i]);
}

/* Those that are not paused begin anew while more is true. */
static bool start_idle(bool more)
{
    bool any = false;

    for (int i = 0; i < JOBS; i++) {
        struct worker *w = &m.workers[i];

        if (!w->paused && more && (i == 0 || !m.row->few))
            run(w);
        if (!w->paused)
            w->fd = -1;
        any = any || w->paused;
    }
    return any;
}

static void load_until(uint64_t wanted)
{
    uint64_t idle = 0;

    while (hits() < wanted) {
        uint64_t without = figure("software-no-device");

        /* Software goes on at full speed while the device is away. */
        if (without != idle)
            usleep(4000);
        idle = without;
        if (start_idle(true))
            wait_for_some();
    }
    while (start_idle(false))
        wait_for_some();
}

static void set_up(void)
{
    char settings[512];

    memset(&m.workers, 0, sizeof(m.workers));
    snprintf(settings, sizeof(settings), SETTINGS "%s\ntimeout_ms = %u\nqueue_size = %u\n",
             m.row->fault, m.row->harmless ? 5000u : 20u, m.row->few ? 8u : 32u);
    support_load(&m.s, settings);
    for (size_t i = 0; i < ALGS; i++) {
        m.ours[i] = support_cipher(&m.s, algs[i].name);
        m.theirs[i] = support_default(&m.s, algs[i].name);
    }
    ck_assert_int_eq(ASYNC_init_thread(0, 0), 1);
    for (unsigned i = 0; i < JOBS; i++) {
        struct worker *w = &m.workers[i];

        w->random.state = i;
        w->ctx = EVP_CIPHER_CTX_new();
        w->wait = ASYNC_WAIT_CTX_new();
        ck_assert(w->ctx != NULL && w->wait != NULL);
        support_fill(&w->random, w->key, sizeof(w->key));
        support_fill(&w->random, w->text, sizeof(w->text));
    }
}

static void clean_up(void)
{
    for (int i = 0; i < JOBS; i++) {
        EVP_CIPHER_CTX_free(m.workers[i].ctx);
        ASYNC_WAIT_CTX_free(m.workers[i].wait);
    }
    ASYNC_cleanup_thread();
    for (size_t i = 0; i < ALGS; i++) {
        EVP_CIPHER_free(m.ours[i]);
        EVP_CIPHER_free(m.theirs[i]);
    }
}

static void print_row(uint64_t hit, uint64_t seconds)
{
    printf("%-22s %8llu %9llu %8llu %8llu %7llu %9llu %6llu %6llu %4llus\n", m.row->what,
           (unsigned long long)hit, (unsigned long long)m.requests,
           (unsigned long long)figure("timeouts"), (unsigned long long)figure("errors"),
           (unsigned long long)figure("resets"), (unsigned long long)figure("software-total"),
           (unsigned long long)m.failed, (unsigned long long)m.wrong, (unsigned long long)seconds);
    fflush(stdout);
}

START_TEST(row)
{
    static const char *const live[] = {"live-requests",  "live-in-flight", "live-waiters",
                                       "live-dma-bytes", "live-contexts",  "live-keys"};
    time_t start = time(NULL);
    uint64_t hit;
    char cause[32];

    m.row = &rows[_i];
    set_up();
    load_until(m.row->device ? from_environment("FAULT_EVENTS", 3)
                             : from_environment("FAULT_HITS", 60));
    hit = hits();
    clean_up();
    print_row(hit, (uint64_t)(time(NULL) - start));
    ck_assert_uint_eq(m.failed, 0);
    ck_assert_uint_eq(m.wrong, 0);
    if (m.row->seen != BY_TAG)
        ck_assert_uint_eq(m.tags, 0);
    /* In service between one event and the next, and never out of it without. */
    if (m.row->device && !m.row->new_keys && !m.row->few)
        ck_assert_uint_gt(figure("completions"), hit * 50);
    if (m.row->harmless)
        ck_assert_uint_eq(figure("software-total") + figure("timeouts") + figure("resets"), 0);
    if (m.row->cause != NULL) {
        snprintf(cause, sizeof(cause), "software-%s", m.row->cause);
        ck_assert_uint_gt(figure(cause), 0);
    }
    /* What the device lost comes back with its reset, at the latest when it is
     * closed: it is not part of this. */
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
        if (strstr(m.row->fault, "lose") == NULL || i == 2 || i == 4) {
            snprintf(cause, sizeof(cause), "vcrypto-%s", live[i]);
            support_settle(&m.s, cause, 0);
        }
    support_unload(&m.s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fault matrix");
    TCase *tc = tcase_create("rows");

    printf("%-22s %8s %9s %8s %8s %7s %9s %6s %6s %5s\n", "fault", "hits", "requests", "timeouts",
           "errors", "resets", "software", "failed", "wrong", "time");
    fflush(stdout);
    tcase_set_timeout(tc, (double)from_environment("FAULT_SECONDS", 60));
    tcase_add_loop_test(tc, row, 0, ROWS);
    suite_add_tcase(s, tc);
    return support_run(s);
}
