/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fork with jobs in flight. The parent's go on as if nothing had happened; the
 * child has copies of paused jobs, whose requests will never be answered there:
 * resumed, they do the same work in software. What the child does from then on
 * goes to a device of its own.
 */
#include <fcntl.h>
#include <openssl/async.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scene.h"

enum { JOBS = 32 };
static struct scene scene;
static struct op ops[JOBS];

#define SLOW "emulator_latency_us = 30000\n"

/* Runs body in a child, which must end within a minute: by its own alarm, since
 * check's handler would end all of us. */
static pid_t start_child(void (*body)(void))
{
    pid_t pid = fork();

    MUST(pid >= 0);
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(60);
        body();
        _exit(0);
    }
    return pid;
}

static void expect_child(pid_t pid)
{
    int status;

    MUST(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        ck_abort_msg("the child ended with %x", status);
}

/* Their sessions have been made before. */
static void start_jobs(unsigned seed)
{
    for (unsigned i = 0; i < JOBS; i++) {
        op_init(&ops[i], &scene, 16 * (i + 1), seed + i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        op_finish(&ops[i]);
        op_again(&ops[i], seed + JOBS + i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
    }
}

static void end_jobs(void)
{
    for (unsigned i = 0; i < JOBS; i++)
        op_fini(&ops[i]);
}

/* By their descriptors alone. */
static void finish_jobs(void)
{
    for (unsigned i = 0; i < JOBS; i++) {
        ck_assert_msg(op_readable(&ops[i], 10000), "job %u lost its wake-up", i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_FINISH);
        op_check(&ops[i], &scene);
    }
}

static void resume_all(void)
{
    for (unsigned i = 0; i < JOBS; i++) {
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_FINISH);
        op_check(&ops[i], &scene);
    }
}

/* The child's copies, and then new work on the same contexts. */
static void resume_and_go_on(void)
{
    uint64_t before = scene_stat(&scene, "software-fork");

    ck_assert_uint_eq(count_threads(), 1);
    resume_all();
    ck_assert_uint_eq(scene_stat(&scene, "software-fork"), before + JOBS);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        op_again(&ops[i], 100 + i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
    }
    finish_jobs();
    ck_assert_uint_eq(scene_stat(&scene, "requests"), JOBS);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), before + JOBS);
    end_jobs();
    scene_settled_in_child(&scene);
}

START_TEST(jobs_in_flight)
{
    pid_t pid;

    scene_open(&scene, SLOW);
    start_jobs(1);
    pid = start_child(resume_and_go_on);
    finish_jobs();
    expect_child(pid);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 2 * JOBS);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    end_jobs();
    scene_close(&scene);
}
END_TEST

/* The answers have come before the fork, and nobody has taken them. */
START_TEST(jobs_done)
{
    pid_t pid;

    scene_open(&scene, SLOW);
    start_jobs(2);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert(op_readable(&ops[i], 10000));
    pid = start_child(resume_and_go_on);
    expect_child(pid);
    /* Whatever the child did: the wake-ups are the parent's. */
    finish_jobs();
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    end_jobs();
    scene_close(&scene);
}
END_TEST

/* On a busy machine a job may be done before it would pause. */
static void use_wait_contexts(void)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < JOBS; i++) {
            op_again(&ops[i], round);
            op_step(&ops[i]);
        }
        for (unsigned i = 0; i < JOBS; i++) {
            while (ops[i].job != NULL) {
                ck_assert_msg(op_readable(&ops[i], 10000), "job %u lost its wake-up", i);
                op_step(&ops[i]);
            }
            op_check(&ops[i], &scene);
        }
    }
}

/* Contexts that have a descriptor already: the child's work does not make the
 * parent's readable, nor the other way round. */
START_TEST(wakeups_stay_at_home)
{
    struct pollfd fds[JOBS];
    pid_t pid;

    scene_open(&scene, "emulator_latency_us = 10000\n");
    start_jobs(3);
    finish_jobs();
    for (unsigned i = 0; i < JOBS; i++)
        fds[i] = (struct pollfd){.fd = op_fd(&ops[i]), .events = POLLIN};
    pid = start_child(use_wait_contexts);
    if (_i == 0) {
        expect_child(pid);
        ck_assert_int_eq(poll(fds, JOBS, 0), 0);
    }
    use_wait_contexts();
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_int_eq(op_fd(&ops[i]), fds[i].fd);
    if (_i == 1)
        expect_child(pid);
    ck_assert_int_eq(poll(fds, JOBS, 0), 0);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 5 * JOBS);
    end_jobs();
    scene_close(&scene);
}
END_TEST

static int expected_fd;

/* A new descriptor takes the place of the parent's, which is reported gone. */
static void look_at_descriptors(void)
{
    OSSL_ASYNC_FD added[2] = {-1, -1}, gone[2] = {-1, -1};
    size_t adds = 0, dels = 0;

    op_again(&ops[0], 1);
    ck_assert_int_eq(op_step(&ops[0]), ASYNC_PAUSE);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_changed_fds(ops[0].wait, NULL, &adds, NULL, &dels), 1);
    ck_assert_uint_eq(adds, 1);
    ck_assert_uint_eq(dels, 1);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_changed_fds(ops[0].wait, added, &adds, gone, &dels), 1);
    ck_assert_int_eq(gone[0], expected_fd);
    ck_assert_int_eq(op_fd(&ops[0]), added[0]);
    ck_assert_int_ne(fcntl(added[0], F_GETFD), -1);
    op_finish(&ops[0]);
    op_check(&ops[0], &scene);
}

START_TEST(child_has_descriptors_of_its_own)
{
    scene_open(&scene, "emulator_latency_us = 10000\n");
    start_jobs(4);
    finish_jobs();
    expected_fd = op_fd(&ops[0]);
    expect_child(start_child(look_at_descriptors));
    end_jobs();
    scene_close(&scene);
}
END_TEST

static void fork_again(void)
{
    pid_t pid;

    resume_all();
    for (unsigned i = 0; i < JOBS; i++) {
        op_again(&ops[i], 150 + i);
        op_finish(&ops[i]);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        op_again(&ops[i], 200 + i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
    }
    pid = start_child(resume_and_go_on);
    finish_jobs();
    expect_child(pid);
    ck_assert_uint_eq(scene_stat(&scene, "requests"), 2 * JOBS);
    /* A brother, who comes after the work. */
    for (unsigned i = 0; i < JOBS; i++) {
        op_again(&ops[i], 300 + i);
        ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
    }
    expect_child(start_child(resume_and_go_on));
    finish_jobs();
    end_jobs();
    scene_settled_in_child(&scene);
}

static void resume_copies(void)
{
    resume_all();
    ck_assert_uint_eq(scene_stat(&scene, "software-fork"), JOBS);
    end_jobs();
    scene_settled_in_child(&scene);
}

/* While the sessions are being made. */
START_TEST(first_requests_in_flight)
{
    scene_open(&scene, SLOW);
    for (unsigned round = 0; round < 10; round++) {
        pid_t pid;

        for (unsigned i = 0; i < JOBS; i++) {
            op_init(&ops[i], &scene, 64, round);
            ck_assert_int_eq(op_step(&ops[i]), ASYNC_PAUSE);
        }
        pid = start_child(resume_copies);
        finish_jobs();
        expect_child(pid);
        end_jobs();
    }
    scene_close(&scene);
}
END_TEST

START_TEST(second_fork)
{
    pid_t pid;

    scene_open(&scene, SLOW);
    start_jobs(5);
    pid = start_child(fork_again);
    finish_jobs();
    expect_child(pid);
    end_jobs();
    scene_close(&scene);
}
END_TEST

static void free_all(void)
{
    end_jobs();
    scene_settled_in_child(&scene);
    EVP_CIPHER_free(scene.cipher);
    EVP_CIPHER_free(scene.reference);
    support_unload(&scene.base);
}

static void free_all_and_exit(void)
{
    free_all();
    exit(0);
}

/* The child lets everything go as it is, unloads the provider, and perhaps ends
 * the way programs do. */
START_TEST(child_frees)
{
    void (*const bodies[])(void) = {free_all, free_all_and_exit};
    pid_t pid;

    scene_open(&scene, SLOW);
    start_jobs(6);
    pid = start_child(bodies[_i]);
    finish_jobs();
    expect_child(pid);
    end_jobs();
    scene_close(&scene);
}
END_TEST

static int call_slowly(void *arg)
{
    double end = seconds_now() + 50e-6;

    atomic_fetch_add((atomic_uint *)arg, 1);
    while (seconds_now() < end) {
    }
    return 1;
}

/* Forks at all moments, most of which find the completion side in the middle of
 * a callback or a write: the child must not wait for it. */
START_TEST(at_any_moment)
{
    struct support_random rnd = {7};
    atomic_uint calls = 0;
    unsigned n = rounds(150);

    scene_open(&scene, "emulator_latency_us = 20\n");
    for (unsigned round = 0; round < n; round++) {
        pid_t pid;

        for (unsigned i = 0; i < JOBS; i++) {
            op_init(&ops[i], &scene, 64, i);
            if (_i == 1)
                ASYNC_WAIT_CTX_set_callback(ops[i].wait, call_slowly, &calls);
            op_step(&ops[i]);
        }
        sleep_us(support_below(&rnd, 1500));
        pid = start_child(round % 2 == 0 ? end_jobs : free_all);
        for (unsigned i = 0; i < JOBS; i++) {
            while (ops[i].job != NULL && op_step(&ops[i]) == ASYNC_PAUSE)
                sleep_us(20);
            op_check(&ops[i], &scene);
        }
        expect_child(pid);
        end_jobs();
    }
    scene_close(&scene);
    ck_assert(_i == 0 || atomic_load(&calls) > 0);
}
END_TEST

static atomic_bool stop;

static void *work(void *arg)
{
    struct op op;

    op_init(&op, &scene, 1024, (uint64_t)(uintptr_t)arg);
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        op_again(&op, i);
        op_finish(&op);
    }
    op_check(&op, &scene);
    op_fini(&op);
    OPENSSL_thread_stop();
    return NULL;
}

static void one_operation(void)
{
    op_whole(&scene, 4096, 1);
    MUST(scene_stat(&scene, "requests") == 1);
}

/* A thread that forks beside others that work. */
START_TEST(beside_working_threads)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];

    scene_open(&scene, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (unsigned i = 0; i < rounds(100); i++)
        expect_child(start_child(one_operation));
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    scene_close(&scene);
}
END_TEST

/* A key that is new to the device, and the job that signs with it. */
struct signer {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *ctx;
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job;
    uint8_t sig[128];
    size_t len;
    int ret;
};

static int sign_main(void *arg)
{
    static const uint8_t digest[32] = "signed by a new key";
    struct signer *s = *(struct signer **)arg;

    return EVP_PKEY_sign(s->ctx, s->sig, &s->len, digest, sizeof(digest));
}

static void signer_init(struct signer *s, EVP_PKEY *like)
{
    memset(s, 0, sizeof(*s));
    s->len = sizeof(s->sig);
    s->pkey = EVP_PKEY_dup(like);
    s->wait = ASYNC_WAIT_CTX_new();
    MUST(s->pkey != NULL && s->wait != NULL);
    s->ctx = EVP_PKEY_CTX_new_from_pkey(scene.base.libctx, s->pkey, "provider=vcrypto");
    MUST(s->ctx != NULL && EVP_PKEY_sign_init(s->ctx) == 1);
}

static int signer_step(struct signer *s)
{
    return ASYNC_start_job(&s->job, s->wait, &s->ret, sign_main, &s, sizeof(s));
}

static void signer_finish(struct signer *s)
{
    while (s->job != NULL && signer_step(s) == ASYNC_PAUSE)
        sleep_us(50);
    MUST(s->ret == 1 && s->len == sizeof(s->sig));
    EVP_PKEY_CTX_free(s->ctx);
    EVP_PKEY_free(s->pkey);
    ASYNC_WAIT_CTX_free(s->wait);
}

/* The device's threads are in the middle of opening keys, which takes locks
 * that the whole process has but once: the child needs them, too. */
START_TEST(while_keys_are_opened)
{
    enum { KEYS = 4 };
    struct support_random rnd = {11};
    unsigned n = rounds(150);
    struct signer s[KEYS];
    uint8_t want[128];
    EVP_PKEY *pkey;

    scene_open(&scene, "emulator_threads = 4\n");
    pkey = EVP_PKEY_Q_keygen(scene.base.libctx, "provider=default", "RSA", (size_t)1024);
    ck_assert_ptr_nonnull(pkey);
    for (unsigned round = 0; round < n; round++) {
        pid_t pid;

        for (unsigned i = 0; i < KEYS; i++) {
            signer_init(&s[i], pkey);
            MUST(signer_step(&s[i]) != ASYNC_ERR);
        }
        sleep_us(support_below(&rnd, 400));
        pid = start_child(one_operation);
        for (unsigned i = 0; i < KEYS; i++) {
            signer_finish(&s[i]);
            /* One key, one digest: one signature. */
            if (round == 0 && i == 0)
                memcpy(want, s[i].sig, sizeof(want));
            MUST(memcmp(s[i].sig, want, sizeof(want)) == 0);
        }
        expect_child(pid);
    }
    ck_assert_uint_eq(scene_stat(&scene, "requests"), n * KEYS);
    EVP_PKEY_free(pkey);
    scene_close(&scene);
}
END_TEST

/* In a thread among others that do the same. */
static void *fork_and_work(void *arg)
{
    struct op op;

    op_init(&op, &scene, 1024, (uint64_t)(uintptr_t)arg);
    for (unsigned i = 0; i < rounds(15); i++) {
        pid_t pid;

        op_again(&op, i);
        op_step(&op);
        pid = start_child(one_operation);
        while (op.job != NULL) {
            MUST(op_readable(&op, 10000));
            op_step(&op);
        }
        op_check(&op, &scene);
        expect_child(pid);
    }
    op_fini(&op);
    OPENSSL_thread_stop();
    return NULL;
}

/* _i: before the first use, or not. */
START_TEST(from_several_threads)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];

    scene_open(&scene, NULL);
    if (_i == 1)
        op_whole(&scene, 64, 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fork_and_work, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(scene_stat(&scene, "software-total"), 0);
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async fork");
    TCase *tc = tcase_create("fork");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, jobs_in_flight);
    tcase_add_test(tc, first_requests_in_flight);
    tcase_add_test(tc, jobs_done);
    tcase_add_loop_test(tc, wakeups_stay_at_home, 0, 2);
    tcase_add_test(tc, child_has_descriptors_of_its_own);
    tcase_add_test(tc, second_fork);
    tcase_add_loop_test(tc, child_frees, 0, 2);
    tcase_add_loop_test(tc, at_any_moment, 0, 2);
    tcase_add_test(tc, beside_working_threads);
    tcase_add_test(tc, while_keys_are_opened);
    tcase_add_loop_test(tc, from_several_threads, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
