/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness of the TLS tests itself, without vcrypto: jobs that pause are
 * resumed, and what must be noticed is noticed.
 */
#include <check.h>
#include <errno.h>
#include <openssl/async.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/link.h"

static struct world plain;
static SSL_CTX *client, *server;
static struct link l;

/* ---- a job that pauses in the client's certificate check ---- */

static struct {
    unsigned wanted, resumed;
    bool silent; /* nobody ends the pause */
    int fd;
    int (*callback)(void *arg);
    void *arg;
} sleeper;

static void *wake_later(void *arg)
{
    uint64_t one = 1;

    (void)arg;
    usleep(2000);
    if (sleeper.callback != NULL) {
        sleeper.callback(sleeper.arg);
    } else if (write(sleeper.fd, &one, sizeof(one)) != sizeof(one)) {
        abort();
    }
    return NULL;
}

static void close_fd(ASYNC_WAIT_CTX *ctx, const void *key, OSSL_ASYNC_FD fd, void *data)
{
    (void)ctx;
    (void)key;
    (void)data;
    close(fd);
}

/* A resume without the wake-up finds the counter at zero, and pauses again. */
static void pause_once(ASYNC_WAIT_CTX *ctx)
{
    pthread_t thread;
    uint64_t count;

    if (!ASYNC_WAIT_CTX_get_callback(ctx, &sleeper.callback, &sleeper.arg)) {
        sleeper.callback = NULL;
    }
    if (!sleeper.silent) {
        ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, NULL), 0);
    }
    do {
        ASYNC_pause_job();
        sleeper.resumed++;
    } while (sleeper.callback == NULL && read(sleeper.fd, &count, sizeof(count)) < 0 &&
             errno == EAGAIN);
    if (!sleeper.silent) {
        pthread_join(thread, NULL);
    }
}

static int verify_with_pauses(X509_STORE_CTX *store, void *arg)
{
    static const char key;
    ASYNC_JOB *job = ASYNC_get_current_job();
    ASYNC_WAIT_CTX *ctx;

    (void)arg;
    ck_assert_ptr_nonnull(job);
    ctx = ASYNC_get_wait_ctx(job);
    sleeper.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_eq(ASYNC_WAIT_CTX_set_wait_fd(ctx, &key, sleeper.fd, NULL, close_fd), 1);
    for (unsigned i = 0; i < sleeper.wanted; i++) {
        pause_once(ctx);
    }
    return X509_verify_cert(store);
}

static void open_link(unsigned pauses, enum wake wake)
{
    memset(&sleeper, 0, sizeof(sleeper));
    sleeper.wanted = pauses;
    SSL_CTX_set_cert_verify_callback(client, verify_with_pauses, NULL);
    link_open(&l, client, server);
    link_wake(&l, CLIENT, wake);
}

START_TEST(pauses_end_by_descriptor)
{
    unsigned descriptors = open_descriptors();

    open_link(5, WAKE_FD);
    ck_assert_msg(link_handshake(&l), "%s", l.why);
    ck_assert_uint_ge(l.peer[CLIENT].pauses, 5);
    /* Resumed early after the third pause, the job pauses once more, unless the
     * wake-up came just before. */
    ck_assert_uint_ge(l.peer[CLIENT].early, 1);
    ck_assert_uint_ge(sleeper.resumed, 5);
    ck_assert_uint_le(sleeper.resumed, 5 + l.peer[CLIENT].early);
    ck_assert_uint_eq(l.peer[SERVER].pauses, 0);
    ck_assert_msg(link_transfer(&l, &stream_sizes, &stream_sizes), "%s", l.why);
    link_close(&l);
    ck_assert_uint_eq(open_descriptors(), descriptors);
}
END_TEST

START_TEST(pauses_end_by_callback)
{
    open_link(2, WAKE_CALLBACK);
    ck_assert_msg(link_handshake(&l), "%s", l.why);
    ck_assert_uint_eq(l.peer[CLIENT].pauses, 2);
    ck_assert_uint_eq(l.peer[CLIENT].callbacks, 2);
    link_close(&l);
}
END_TEST

START_TEST(lost_wake_up_is_noticed)
{
    open_link(1, WAKE_FD);
    sleeper.silent = true;
    l.patience_ms = 100;
    ck_assert(!link_handshake(&l));
    ck_assert_ptr_nonnull(strstr(l.why, "not woken"));
}
END_TEST

/* ---- what happens on the wire ---- */

static void open_quiet_link(void)
{
    SSL_CTX_set_cert_verify_callback(client, NULL, NULL);
    link_open(&l, client, server);
    ck_assert_msg(link_handshake(&l), "%s", l.why);
}

static size_t flip_last(void *arg, uint8_t *record, size_t len, size_t cap)
{
    (void)arg;
    (void)cap;
    record[len - 1] ^= 1;
    return len;
}

START_TEST(changed_record_is_noticed)
{
    open_quiet_link();
    l.wire[CLIENT].hook = flip_last;
    ck_assert(!link_transfer(&l, &stream_sizes, NULL));
    ck_assert_int_eq(l.peer[SERVER].alert_sent, SSL_AD_BAD_RECORD_MAC);
    ck_assert_int_eq(l.peer[CLIENT].alert_received, SSL_AD_BAD_RECORD_MAC);
    link_close(&l);
}
END_TEST

static size_t swallow(void *arg, uint8_t *record, size_t len, size_t cap)
{
    (void)arg;
    (void)record;
    (void)len;
    (void)cap;
    return 0;
}

START_TEST(lost_record_is_noticed)
{
    open_quiet_link();
    l.wire[SERVER].hook = swallow;
    ck_assert(!link_transfer(&l, NULL, &stream_sizes));
    ck_assert_ptr_nonnull(strstr(l.why, "nothing moves"));
    link_close(&l);
}
END_TEST

/* As a provider would that decrypts wrongly and says it went well. */
START_TEST(wrong_data_is_noticed)
{
    static const size_t sizes[] = {100};
    const struct stream stream = {sizes, 1, 100};

    open_quiet_link();
    ck_assert_int_eq(SSL_write(l.peer[CLIENT].ssl, "stray", 5), 5);
    ck_assert(!link_transfer(&l, &stream, NULL));
    ck_assert_ptr_nonnull(strstr(l.why, "than was sent"));
    link_close(&l);
}
END_TEST

START_TEST(records_are_counted)
{
    open_quiet_link();
    unsigned before = link_records(&l, CLIENT);

    ck_assert_msg(link_transfer(&l, &stream_sizes, NULL), "%s", l.why);
    ck_assert_uint_eq(link_records(&l, CLIENT) - before, stream_sizes.count);
    ck_assert_msg(link_run(&l, TASK_CLOSE, TASK_CLOSE), "%s", l.why);
    link_close(&l);
}
END_TEST

static void setup(void)
{
    struct setup s = {.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-AES128-GCM-SHA256"};

    world_open_plain(&plain);
    s.world = &plain;
    s.role = CLIENT;
    s.verify = true;
    client = context_new(&s);
    s.role = SERVER;
    s.verify = false;
    s.creds = 1u << CRED_RSA;
    server = context_new(&s);
}

static void teardown(void)
{
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    world_close(&plain);
}

int main(void)
{
    Suite *suite = suite_create("tls harness");
    TCase *tc = tcase_create("harness");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 30);
    tcase_add_unchecked_fixture(tc, creds_make, NULL);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, pauses_end_by_descriptor);
    tcase_add_test(tc, pauses_end_by_callback);
    tcase_add_test(tc, lost_wake_up_is_noticed);
    tcase_add_test(tc, changed_record_is_noticed);
    tcase_add_test(tc, lost_record_is_noticed);
    tcase_add_test(tc, wrong_data_is_noticed);
    tcase_add_test(tc, records_are_counted);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
