/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault matrix: each row is a way in which a device fails, under the load
 * of many jobs. Every result is held against the default provider's. What must
 * hold: right answers, no hang, nothing alive in the end, and statistics that
 * name the cause.
 *
 * A row goes on until its fault has been seen often enough: FAULT_HITS times
 * where it befalls single requests, FAULT_EVENTS times where it takes the whole
 * device out of service. Each prints its line. FAULT_ROW=text: those only that
 * have it in their name.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support.h"
#include "support/crew.h"

#define JOBS 48

#define SETTINGS "min_bytes = 0\nemulator_threads = 2\nemulator_fault = "

enum seen {
    BY_STAT,  /* the figure itself */
    BY_SHARE, /* every Nth completion */
    BY_PEER,  /* wrong tags and signatures, which the peer refuses */
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
    unsigned kinds;    /* of work, 0: ciphers */
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
    {"tag flipped", "flip_end:7", "", .seen = BY_PEER, .harmless = true, .kinds = WORK_TAGS},
    {"RSA late", "late:5:900", "timeouts", .kinds = WORK_RSA, .cause = "timeout"},
    {"RSA lost", "lose:9", "timeouts", .kinds = WORK_RSA, .cause = "timeout"},
    {"RSA length too short", "length:3:9", "errors", .kinds = WORK_RSA, .cause = "device-error"},
    {"RSA result flipped", "flip:3", "software-device-error", .kinds = WORK_RSA},
    {"RSA result's end flipped", "flip_end:3", "software-device-error", .kinds = WORK_RSA},
    {"RSA status BADMSG", "badmsg:3", "software-device-error", .kinds = WORK_RSA},
    {"ECDSA late", "late:5:900", "timeouts", .kinds = WORK_ECDSA, .cause = "timeout"},
    {"ECDSA lost", "lose:9", "timeouts", .kinds = WORK_ECDSA, .cause = "timeout"},
    {"ECDSA length too short", "length:3:9", "software-device-error", .kinds = WORK_ECDSA},
    {"ECDSA signature flipped", "flip:3", "software-device-error", .kinds = WORK_ECDSA},
    {"ECDSA s flipped", "flip_end:3", "", .seen = BY_PEER, .harmless = true, .kinds = WORK_ECDSA},
    {"NEEDS_RESET", "needs_reset:199", "resets", .device = true, .cause = "no-device"},
    {"device removed", "gone:199:5", "resets", .device = true, .cause = "no-device"},
    {"configuration changes", "change:7", "completions", .seen = BY_SHARE, .n = 7,
     .harmless = true},
};

#define ROWS (int)(sizeof(rows) / sizeof(rows[0]))

static struct {
    const struct row *row;
    struct support s;
    struct shop shop;
    struct crew crew;
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
    case BY_PEER: return m.crew.tally.refused;
    default: return figure(m.row->figure);
    }
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
        crew_round(&m.crew);
    }
    crew_rest(&m.crew);
}

static unsigned timeout_ms(void)
{
    const char *san = getenv("VCRYPTO_SAN");
    bool slow = san != NULL && *san != '\0';

    if (m.row->harmless)
        return 5000;
    /* Keys take their time. */
    if (m.row->kinds != 0)
        return 400;
    /* Where the fault is not that, the device is not to be taken for silent. */
    if (m.row->device && !m.row->few)
        return slow ? 400 : 100;
    return 20;
}

static void set_up(void)
{
    char settings[512];

    snprintf(settings, sizeof(settings), SETTINGS "%s\ntimeout_ms = %u\nqueue_size = %u\n",
             m.row->fault, timeout_ms(), m.row->few ? 8u : 32u);
    support_load(&m.s, settings);
    shop_open(&m.shop, &m.s);
    ck_assert_int_eq(ASYNC_init_thread(0, 0), 1);
    crew_init(&m.crew, m.row->what, m.row->few ? 1 : JOBS, &m.shop,
              m.row->kinds != 0 ? m.row->kinds : WORK_CIPHERS, 0);
    for (unsigned i = 0; i < m.crew.n; i++)
        m.crew.jobs[i].work.new_keys = m.row->new_keys;
}

static void clean_up(void)
{
    crew_fini(&m.crew);
    ASYNC_cleanup_thread();
    shop_close(&m.shop);
}

static void print_row(uint64_t hit, uint64_t seconds)
{
    printf("%-24s %8llu %9llu %8llu %8llu %7llu %9llu %6llu %6llu %7llu %4llus\n", m.row->what,
           (unsigned long long)hit, (unsigned long long)m.crew.tally.done,
           (unsigned long long)figure("timeouts"), (unsigned long long)figure("errors"),
           (unsigned long long)figure("resets"), (unsigned long long)figure("software-total"),
           (unsigned long long)m.crew.tally.failed, (unsigned long long)m.crew.tally.wrong,
           (unsigned long long)m.crew.tally.refused, (unsigned long long)seconds);
    fflush(stdout);
}

START_TEST(row)
{
    static const char *const live[] = {"live-requests",  "live-in-flight", "live-waiters",
                                       "live-dma-bytes", "live-contexts",  "live-keys"};
    const char *only = getenv("FAULT_ROW");
    time_t start = time(NULL);
    uint64_t hit;
    char cause[32];

    m.row = &rows[_i];
    if (only != NULL && strstr(m.row->what, only) == NULL)
        return;
    set_up();
    load_until(m.row->device ? from_environment("FAULT_EVENTS", 3)
                             : from_environment("FAULT_HITS", 60));
    hit = hits();
    clean_up();
    print_row(hit, (uint64_t)(time(NULL) - start));
    ck_assert_uint_eq(m.crew.tally.failed, 0);
    ck_assert_uint_eq(m.crew.tally.wrong, 0);
    if (m.row->seen != BY_PEER)
        ck_assert_uint_eq(m.crew.tally.refused, 0);
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

    printf("%-24s %8s %9s %8s %8s %7s %9s %6s %6s %7s %5s\n", "fault", "hits", "requests",
           "timeouts", "errors", "resets", "software", "failed", "wrong", "refused", "time");
    fflush(stdout);
    tcase_set_timeout(tc, (double)from_environment("FAULT_SECONDS", 60));
    tcase_add_loop_test(tc, row, 0, ROWS);
    suite_add_tcase(s, tc);
    return support_run(s);
}
