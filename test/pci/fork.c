/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks beside a function at work. What its threads hold would be held for ever
 * in the child, so none is at work at that moment; and nobody who waits for the
 * threads, or for whom they wait, keeps the fork waiting.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"
#include "support/foreign.h"

/* The thread sanitizer loses count of threads that are started in a child of
 * a process with threads. */
static bool child_may_work(void)
{
    const char *san = getenv("VCRYPTO_SAN");

    return san == NULL || strcmp(san, "thread") != 0;
}

static void pause_us(long us)
{
    const struct timespec ts = {.tv_nsec = us * 1000};

    nanosleep(&ts, NULL);
}

/* The child's body answers its exit status. */
static void fork_for(int (*body)(void))
{
    int status;
    pid_t pid = fork();

    must(pid >= 0, "no process");
    if (pid == 0) {
        alarm(60);
        _exit(body());
    }
    must(waitpid(pid, &status, 0) == pid, "no child");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", status);
}

static int do_nothing(void)
{
    return 0;
}

/* A session, and a request of it that has been answered once. */
static void prepare(struct foreign *f, struct foreign_request *r, const struct foreign_vector *v)
{
    uint32_t len;
    uint64_t id;

    foreign_start(f, 0, 16);
    must(foreign_session(f, v, true, &id) == VIRTIO_CRYPTO_OK, "no session");
    foreign_make(f, r, v, true, false, id);
    must(foreign_run(f, r, 0, &len) == VIRTIO_CRYPTO_OK, "no answer");
}

/* A device of its own, from power on to its end. */
static int use_own(void)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 1};
    static struct foreign f;
    struct foreign_request r;

    foreign_open(&f, &cfg);
    prepare(&f, &r, foreign_vector_named("gcm-128"));
    foreign_check(&r);
    foreign_close(&f);
    return 0;
}

static atomic_bool inside;
static atomic_uint begun;

/* Some time in the middle of a request. */
static void dawdle(struct foreign *f)
{
    (void)f;
    atomic_store(&inside, true);
    atomic_fetch_add(&begun, 1);
    pause_us(1000);
    atomic_store(&inside, false);
}

static int look_inside(void)
{
    return atomic_load(&inside);
}

START_TEST(between_requests)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    struct foreign_request r;
    unsigned head;
    struct foreign f;
    uint32_t len;

    foreign_open(&f, &cfg);
    prepare(&f, &r, v);
    f.watch = dawdle;
    for (unsigned round = 0; round < 30; round++) {
        unsigned before = atomic_load(&begun);

        foreign_fill(&r, v, true);
        must(foreign_send(&f, &f.q[0], &r, 0) >= 0, "no room");
        while (atomic_load(&begun) == before)
            sched_yield();
        fork_for(look_inside);
        foreign_wait(&f, &f.q[0], &head, &len);
        foreign_check(&r);
    }
    f.watch = NULL;
    fork_for(child_may_work() ? use_own : do_nothing);
    foreign_close(&f);
}
END_TEST

static atomic_bool stop;
static atomic_uint opened, invalidated;

/* Functions come and go. */
static void *open_and_close(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        use_own();
        atomic_fetch_add(&opened, 1);
    }
    return NULL;
}

/* Waits for the workers again and again. */
static void *invalidate(void *arg)
{
    struct foreign *f = arg;

    while (!atomic_load(&stop)) {
        emulator_invalidate(f->e);
        atomic_fetch_add(&invalidated, 1);
    }
    return NULL;
}

/* Beside threads that open, reset and free functions and that take mappings
 * away, while a function works. */
START_TEST(beside_those_who_wait)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 1};
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    struct foreign_request r;
    pthread_t thread[2];
    unsigned head;
    struct foreign f;
    uint32_t len;

    foreign_open(&f, &cfg);
    prepare(&f, &r, v);
    ck_assert_int_eq(pthread_create(&thread[0], NULL, open_and_close, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread[1], NULL, invalidate, &f), 0);
    for (unsigned round = 0; round < 100 || atomic_load(&opened) < 3 || !atomic_load(&invalidated);
         round++) {
        foreign_fill(&r, v, true);
        must(foreign_send(&f, &f.q[0], &r, 0) >= 0, "no room");
        pause_us(round % 10 * 20);
        /* A child that asserts may wait for a lock of check. */
        fork_for(do_nothing);
        foreign_wait(&f, &f.q[0], &head, &len);
        foreign_check(&r);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    foreign_close(&f);
}
END_TEST

static pthread_mutex_t theirs = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool armed, taken;

static void lock_theirs(void)
{
    pthread_mutex_lock(&theirs);
    atomic_store(&taken, true);
}

static void unlock_theirs(void)
{
    pthread_mutex_unlock(&theirs);
}

/* Wants it in the middle of a request, when the thread that forks has it. */
static void use_theirs(struct foreign *f)
{
    (void)f;
    if (!atomic_exchange(&armed, false))
        return;
    atomic_store(&inside, true);
    while (!atomic_load(&taken))
        sched_yield();
    pthread_mutex_lock(&theirs);
    pthread_mutex_unlock(&theirs);
}

/* Another library's handlers, which run before ours, lock what a worker cannot
 * do without: both go on after a while. */
START_TEST(others_lock_first)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    struct foreign_request r;
    unsigned head;
    struct foreign f;
    uint32_t len;

    foreign_open(&f, &cfg);
    pthread_atfork(lock_theirs, unlock_theirs, unlock_theirs);
    prepare(&f, &r, v);
    f.watch = use_theirs;
    atomic_store(&armed, true);
    foreign_fill(&r, v, true);
    must(foreign_send(&f, &f.q[0], &r, 0) >= 0, "no room");
    while (!atomic_load(&inside))
        sched_yield();
    fork_for(do_nothing);
    foreign_wait(&f, &f.q[0], &head, &len);
    foreign_check(&r);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pci fork");
    TCase *tc = tcase_create("fork");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, between_requests);
    tcase_add_test(tc, beside_those_who_wait);
    tcase_add_test(tc, others_lock_first);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
