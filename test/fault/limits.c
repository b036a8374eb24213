/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits that a process really has, each reached before the load, before
 * the first use and in the midst of work: no descriptor left, no thread, no
 * locked memory. A load may be refused then, and so may a call; what is
 * answered is right, nothing hangs or crashes, and as soon as the limit is
 * lifted all works again.
 */
#include <fcntl.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "support/work.h"

#define SETTINGS "sync = offload\nmin_bytes = 0\n"
#define NOBODY   65534

static struct support s;
static struct shop shop;
static struct work work;
static ASYNC_WAIT_CTX *wait;

/* The soft limit; what it was. */
static rlim_t limit(__rlimit_resource_t which, rlim_t n)
{
    struct rlimit lim;
    rlim_t old;

    ck_assert_int_eq(getrlimit(which, &lim), 0);
    old = lim.rlim_cur;
    lim.rlim_cur = n < lim.rlim_max ? n : lim.rlim_max;
    ck_assert_int_eq(setrlimit(which, &lim), 0);
    return old;
}

/* The first descriptor that is free; those above are, too. */
static rlim_t first_free(void)
{
    int fd = dup(0);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return (rlim_t)fd;
}

static void start(const char *settings)
{
    char all[256];

    snprintf(all, sizeof(all), SETTINGS "%s", settings);
    support_load(&s, all);
    shop_open(&shop, &s);
    work_init(&work, &shop, WORK_CIPHERS, 1);
    wait = ASYNC_WAIT_CTX_new();
    ck_assert_ptr_nonnull(wait);
}

static void end(void)
{
    ASYNC_WAIT_CTX_free(wait);
    work_fini(&work);
    shop_close(&shop);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-waiters", 0);
    support_settle(&s, "vcrypto-live-contexts", 0);
    support_settle(&s, "vcrypto-live-dma-bytes", 0);
    support_unload(&s);
}

static int job_main(void *arg)
{
    **(enum work_result **)arg = work_do(&work);
    return 1;
}

/* One in a job, which need not get one. A job that paused has a descriptor. */
static enum work_result in_job(void)
{
    enum work_result result = WORK_FAILED, *to = &result;
    ASYNC_JOB *j = NULL;
    int ret, status;

    while ((status = ASYNC_start_job(&j, wait, &ret, job_main, &to, sizeof(to))) == ASYNC_PAUSE) {
        OSSL_ASYNC_FD fd;
        size_t n = 1;
        struct pollfd p;

        ck_assert(ASYNC_WAIT_CTX_get_all_fds(wait, &fd, &n) == 1 && n == 1);
        p = (struct pollfd){.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
    }
    ERR_clear_error();
    return status == ASYNC_FINISH ? result : WORK_FAILED;
}

/* Some of each; true: all were right. With software to go to none may fail. */
static bool use(bool may_fail)
{
    bool right = true;

    for (unsigned i = 0; i < 6; i++) {
        enum work_result r = i % 2 == 0 ? work_do(&work) : in_job();

        ck_assert(r == WORK_RIGHT || (may_fail && r == WORK_FAILED));
        right = right && r == WORK_RIGHT;
    }
    return right;
}

/* The device is there and works, at the latest after a pause. */
static void works_again(void)
{
    uint64_t before = support_stat(&s, "vcrypto-completions");

    for (unsigned ms = 0; ms < 10000; ms++) {
        ck_assert(use(true) || ms < 9999);
        if (support_stat(&s, "vcrypto-completions") > before)
            return;
        usleep(1000);
    }
    ck_abort_msg("the device does not come back");
}

/* _i / 2: so many descriptors are left for the device and its jobs, which want
 * fewer than the last. _i % 2: whether there is software to go to. */
#define DESCRIPTORS 16
START_TEST(descriptors)
{
    bool fallback = _i % 2 != 0;
    rlim_t old;

    start(fallback ? "" : "fallback = no\n");
    old = limit(RLIMIT_NOFILE, first_free() + (rlim_t)_i / 2);
    (void)use(!fallback);
    limit(RLIMIT_NOFILE, old);
    works_again();
    /* And in the midst of work. */
    old = limit(RLIMIT_NOFILE, first_free());
    (void)use(!fallback);
    limit(RLIMIT_NOFILE, old);
    works_again();
    end();
}
END_TEST

/* The load itself: it needs some, and is refused or not. */
START_TEST(descriptors_at_load)
{
    unsigned loaded = 0, refused = 0;

    for (rlim_t n = 0; n < DESCRIPTORS; n++) {
        OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
        OSSL_PROVIDER *p;
        rlim_t old;

        ck_assert_int_eq(
            OSSL_PROVIDER_set_default_search_path(libctx, getenv("VCRYPTO_MODULE_DIR")), 1);
        old = limit(RLIMIT_NOFILE, first_free() + n);
        p = OSSL_PROVIDER_load(libctx, "vcrypto");
        limit(RLIMIT_NOFILE, old);
        loaded += p != NULL;
        refused += p == NULL;
        if (p != NULL)
            OSSL_PROVIDER_unload(p);
        OSSL_LIB_CTX_free(libctx);
        ERR_clear_error();
    }
    ck_assert_uint_gt(loaded, 0);
    ck_assert_uint_gt(refused, 0);
    start("");
    works_again();
    end();
}
END_TEST

static void *nothing(void *arg)
{
    return arg;
}

/* Root has no limits: it becomes nobody. False: it cannot, or still has none. */
static bool threads_are_refused(void)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, nothing, NULL);

    if (rc == 0)
        pthread_join(t, NULL);
    return rc != 0;
}

static void give_up_root(void)
{
    if (getuid() == 0)
        ck_assert(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

/* No thread: at the first use, or when a device that failed comes back. */
START_TEST(threads)
{
    bool fallback = _i != 0;
    rlim_t old;

    start(fallback ? "" : "fallback = no\n");
    give_up_root();
    old = limit(RLIMIT_NPROC, 0);
    if (threads_are_refused()) {
        ck_assert(!use(!fallback) || fallback);
        ck_assert_uint_eq(support_stat(&s, "vcrypto-completions"), 0);
        ck_assert_uint_eq(support_stat(&s, "vcrypto-live-devices"), 0);
    }
    limit(RLIMIT_NPROC, old);
    works_again();
    /* It has them now, and keeps them. */
    old = limit(RLIMIT_NPROC, 0);
    ck_assert(use(false));
    limit(RLIMIT_NPROC, old);
    end();
}
END_TEST

static unsigned long locked_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long kib = 0;
    char line[128];

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmLck: %lu", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

/* Locking is a wish: all works without. _i: how many bytes may be locked. */
START_TEST(locked_memory)
{
    static const rlim_t bytes[] = {0, 4096, 65536};

    ck_assert_uint_eq(locked_kib(), 0);
    give_up_root();
    (void)limit(RLIMIT_MEMLOCK, bytes[_i]);
    start("");
    works_again();
    ck_assert_uint_le(locked_kib() * 1024, bytes[_i]);
    end();
}
END_TEST

/* And where the limit allows, keys are. */
START_TEST(keys_are_locked)
{
    start("");
    works_again();
    ck_assert_uint_gt(locked_kib(), 0);
    end();
}
END_TEST

/* Where everybody can read it: some load it as nobody. */
static void publish_module(char *folder)
{
    char from[512], to[64];
    struct stat st;
    int in, out;

    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0)
        abort();
    snprintf(from, sizeof(from), "%s/vcrypto.so", getenv("VCRYPTO_MODULE_DIR"));
    snprintf(to, sizeof(to), "%s/vcrypto.so", folder);
    in = open(from, O_RDONLY | O_CLOEXEC);
    out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (in < 0 || out < 0 || fstat(in, &st) != 0 || fchmod(out, 0755) != 0 ||
        sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size)
        abort();
    close(in);
    close(out);
    setenv("VCRYPTO_MODULE_DIR", folder, 1);
}

static void remove_module(const char *folder)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/vcrypto.so", folder);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("limits");
    char folder[] = "/tmp/vcrypto-limits-XXXXXX";
    int ret;

    publish_module(folder);

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, descriptors, 0, 2 * DESCRIPTORS);
    tcase_add_test(tc, descriptors_at_load);
    tcase_add_loop_test(tc, threads, 0, 2);
    tcase_add_loop_test(tc, locked_memory, 0, 3);
    tcase_add_test(tc, keys_are_locked);
    suite_add_tcase(suite, tc);
    ret = support_run(suite);
    remove_module(folder);
    return ret;
}
