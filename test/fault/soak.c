/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The soak: all algorithms in many jobs on several threads, TLS connections and
 * forks beside them, on devices that fail in a way that is drawn anew for each
 * round. Every result is verified. Between rounds all is undone, and then
 * memory, descriptors and threads must be what they were.
 *
 * SOAK_MINUTES says how long, with a line a minute and the verdict in the end;
 * else it takes seconds. SOAK_SEED: another draw.
 */
#include <limits.h>
#include <malloc.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tls/support/run.h"
#include "support/crew.h"

enum { THREADS = 3, JOBS = 24, ROUNDS_MAX = 10000 };
/* Rounds after which all has been made that stays for good. */
#define WARM 3
/* What malloc and the kernel may do with memory that is free. */
#define SLACK_KIB 4096

/* None of them spoils what only the peer would notice. */
static const char *const faults[] = {
    "none",
    "late:97:60,error:31,lose_irq:53",
    "lose:211,status:41:200,spurious:17",
    "length:37:0,status:43:4,control_status:11:5,change:29",
    "needs_reset:3001,bad_id:4001,jump:5003:3000",
    "gone:2503:20,repeat:3001,stale_id:3501",
    "lose_control:301,control_status:7:1,withhold:revision_1",
    "withhold:event_idx,withhold:indirect_desc,sessions:20,late:61:40",
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static struct {
    struct support_random random;
    double begun, round_s, total_s;
    char settings[256];
    struct support s;
    struct shop shop;
    atomic_bool stop;
    /* Of all rounds. */
    struct tally tally;
    uint64_t connections, children, requests, software, timeouts, resets;
    unsigned rounds, fds, threads;
    unsigned long rss[ROUNDS_MAX]; /* KiB, after each round */
} soak;

static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A number of /proc/self/status. */
static unsigned long status(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long n = 0;
    char line[128];

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            n = strtoul(line + strlen(name), NULL, 10);
    fclose(f);
    return n;
}

static void draw_settings(void)
{
    static const unsigned queue_sizes[] = {8, 32, 256};

    snprintf(soak.settings, sizeof(soak.settings),
             "fallback = yes\nsync = offload\nmin_bytes = 0\ntimeout_ms = 40\n"
             "emulator_threads = %u\nqueue_size = %u\nemulator_fault = %s\n",
             1 + support_below(&soak.random, 3), queue_sizes[support_below(&soak.random, 3)],
             faults[soak.rounds == 0 ? 0 : support_below(&soak.random, FAULTS)]);
}

static void *work(void *arg)
{
    struct crew *crew = arg;

    ck_assert_int_eq(ASYNC_init_thread(0, 0), 1);
    crew_init(crew, soak.settings, JOBS, &soak.shop, WORK_ALL,
              soak.rounds * 1000u + (uint64_t)(uintptr_t)arg % 997);
    while (!atomic_load(&soak.stop))
        crew_round(crew);
    crew_rest(crew);
    crew_fini(crew);
    OPENSSL_thread_stop();
    return NULL;
}

static void connect_once(struct link *link, unsigned n)
{
    struct setup client = {.version = n & 1 ? TLS1_3_VERSION : TLS1_2_VERSION};
    struct setup server = {.version = client.version,
                           .creds = 1u << (n & 2 ? CRED_P256 : CRED_RSA)};
    struct pair pair;

    pair_open(&pair, n & 4 ? CLIENT : SERVER, &client, &server);
    pair_connect(&pair, link, WAKE_FD);
    ck_assert_msg(link_handshake(link), "%s: %s", soak.settings, link->why);
    ck_assert_msg(link_transfer(link, &stream_sizes, &stream_sizes), "%s: %s", soak.settings,
                  link->why);
    ck_assert_msg(link_run(link, TASK_CLOSE, TASK_CLOSE), "%s: %s", soak.settings, link->why);
    link_close(link);
    pair_close(&pair);
    ERR_clear_error();
}

static void *connect_all(void *arg)
{
    static struct link link;

    (void)arg;
    world_open_plain(&plain);
    world_open_subject(&subject, soak.settings);
    for (unsigned n = 0; !atomic_load(&soak.stop); n++) {
        connect_once(&link, n);
        soak.connections++;
    }
    world_close(&subject);
    world_close(&plain);
    OPENSSL_thread_stop();
    return NULL;
}

static bool sanitized(void)
{
    const char *san = getenv("VCRYPTO_SAN");

    return san != NULL && *san != '\0';
}

/* A child of all this has a device of its own. Only ciphers: some of check's
 * and of OpenSSL's locks may be held by threads that it does not have. */
static void fork_once(struct work *w)
{
    pid_t pid = sanitized() ? -1 : fork();
    int how;

    if (pid == 0) {
        /* check's handler would end all of us. */
        signal(SIGALRM, SIG_DFL);
        alarm(60);
        for (unsigned i = 0; i < 20; i++)
            if (work_do(w) != WORK_RIGHT)
                _exit(1);
        _exit(0);
    }
    if (pid < 0)
        return;
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%s: the child ended with %x",
                  soak.settings, (unsigned)how);
    soak.children++;
}

static void pass_the_time(void)
{
    double end = seconds_now() + soak.round_s;
    struct work childs;

    work_init(&childs, &soak.shop, WORK_CIPHERS, soak.rounds);
    while (seconds_now() < end) {
        usleep(200000);
        if (support_below(&soak.random, 5) == 0)
            fork_once(&childs);
    }
    work_fini(&childs);
}

static uint64_t figure(const char *name)
{
    char param[64];

    snprintf(param, sizeof(param), "vcrypto-%s", name);
    return support_stat(&soak.s, param);
}

static void add_up(const struct crew *crews)
{
    for (unsigned i = 0; i < THREADS; i++) {
        soak.tally.done += crews[i].tally.done;
        soak.tally.failed += crews[i].tally.failed;
        soak.tally.wrong += crews[i].tally.wrong;
        soak.tally.refused += crews[i].tally.refused;
    }
    soak.requests += figure("requests");
    soak.software += figure("software-total");
    soak.timeouts += figure("timeouts");
    soak.resets += figure("resets");
}

static void nothing_left(void)
{
    static const char *const live[] = {"vcrypto-live-requests", "vcrypto-live-in-flight",
                                       "vcrypto-live-waiters",  "vcrypto-live-dma-bytes",
                                       "vcrypto-live-contexts", "vcrypto-live-sessions",
                                       "vcrypto-live-keys",     "vcrypto-live-devices"};

    support_load(&soak.s, NULL);
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
        support_settle(&soak.s, live[i], 0);
    support_unload(&soak.s);
}

/* A thread that was joined may be seen a moment longer. */
static unsigned threads_now(void)
{
    for (unsigned ms = 0; ms < 5000 && status("Threads:") != soak.threads; ms++)
        usleep(1000);
    return (unsigned)status("Threads:");
}

static void look_around(void)
{
    if (soak.rounds == 0) {
        soak.fds = open_descriptors();
        soak.threads = threads_now();
    }
    ck_assert_uint_eq(open_descriptors(), soak.fds);
    ck_assert_uint_eq(threads_now(), soak.threads);
    malloc_trim(0);
    soak.rss[soak.rounds] = status("VmRSS:");
}

static void round_of_all(void)
{
    static struct crew crews[THREADS];
    pthread_t threads[THREADS + 1];

    draw_settings();
    support_load(&soak.s, soak.settings);
    shop_open(&soak.shop, &soak.s);
    atomic_store(&soak.stop, false);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &crews[i]), 0);
    ck_assert_int_eq(pthread_create(&threads[THREADS], NULL, connect_all, NULL), 0);
    pass_the_time();
    atomic_store(&soak.stop, true);
    for (unsigned i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    add_up(crews);
    shop_close(&soak.shop);
    support_unload(&soak.s);
    nothing_left();
    look_around();
    soak.rounds++;
}

static void say(const char *when)
{
    printf("%s: %u rounds, %llu operations, %llu requests, %llu in software, %llu timeouts, "
           "%llu resets, %llu connections, %llu children, %llu failed, %llu wrong, %lu KiB, "
           "%u descriptors, %u threads\n",
           when, soak.rounds, (unsigned long long)soak.tally.done,
           (unsigned long long)soak.requests, (unsigned long long)soak.software,
           (unsigned long long)soak.timeouts, (unsigned long long)soak.resets,
           (unsigned long long)soak.connections, (unsigned long long)soak.children,
           (unsigned long long)soak.tally.failed, (unsigned long long)soak.tally.wrong,
           soak.rss[soak.rounds - 1], soak.fds, soak.threads);
    fflush(stdout);
}

/* The least of the last three rounds against the most of the first third. */
static void memory_is_flat(void)
{
    unsigned long early = 0, late = ULONG_MAX;

    if (soak.rounds < 3 * WARM + 3 || sanitized())
        return;
    for (unsigned i = WARM; i < soak.rounds / 3 + 1; i++)
        early = soak.rss[i] > early ? soak.rss[i] : early;
    for (unsigned i = soak.rounds - 3; i < soak.rounds; i++)
        late = soak.rss[i] < late ? soak.rss[i] : late;
    printf("memory: %lu KiB early, %lu KiB late\n", early, late);
    ck_assert_uint_le(late, early + SLACK_KIB);
}

START_TEST(for_so_long)
{
    const char *minutes = getenv("SOAK_MINUTES"), *seed = getenv("SOAK_SEED");
    /* A short one is the same each time. */
    uint64_t drawn = minutes != NULL ? (uint64_t)time(NULL) : 1;
    unsigned said = 0;
    char when[32];

    soak.random.state = seed != NULL ? strtoull(seed, NULL, 10) : drawn;
    soak.total_s = minutes != NULL ? strtod(minutes, NULL) * 60 : 0;
    soak.round_s = minutes != NULL ? 10 : 1;
    printf("seed %llu\n", (unsigned long long)soak.random.state);
    creds_make();
    soak.begun = seconds_now();
    while ((seconds_now() - soak.begun < soak.total_s || soak.rounds < 3) &&
           soak.rounds < ROUNDS_MAX) {
        round_of_all();
        if ((unsigned)((seconds_now() - soak.begun) / 60) > said) {
            said = (unsigned)((seconds_now() - soak.begun) / 60);
            snprintf(when, sizeof(when), "minute %u", said);
            say(when);
        }
    }
    say("in all");
    ck_assert_uint_eq(soak.tally.failed, 0);
    ck_assert_uint_eq(soak.tally.wrong, 0);
    ck_assert_uint_eq(soak.tally.refused, 0);
    ck_assert_uint_gt(soak.requests, 0);
    ck_assert_uint_gt(soak.connections, 0);
    memory_is_flat();
}
END_TEST

int main(void)
{
    const char *minutes = getenv("SOAK_MINUTES");
    Suite *suite = suite_create("soak");
    TCase *tc = tcase_create("soak");

    tcase_set_timeout(tc, minutes != NULL ? strtod(minutes, NULL) * 60 + 300 : 60);
    tcase_add_test(tc, for_so_long);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
