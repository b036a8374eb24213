/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All the ways in which a process may end or let the provider go, with work in
 * flight. Each is a child process that must end with status 0 within seconds,
 * many times over.
 */
#include <openssl/async.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scene.h"

#define FLIGHT "emulator_latency_us = 300\n"
enum { JOBS = 8 };

static struct scene scene, second;
static struct op ops[JOBS], others[JOBS];

/* Into a library context of its own, or into the default one as applications
 * have it. Without check's help: this is a process of its own. */
static void load(struct scene *sc, bool is_default, const char *settings)
{
    char path[] = "/tmp/vcrypto-test-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");

    if (f == NULL)
        abort();
    fprintf(f,
            "openssl_conf = init_sect\n[init_sect]\nproviders = provider_sect\n"
            "[provider_sect]\ndefault = default_sect\nvcrypto = vcrypto_sect\n"
            "[default_sect]\nactivate = 1\n"
            "[vcrypto_sect]\nmodule = %s/vcrypto.so\n%s%s%s",
            getenv("VCRYPTO_MODULE_DIR"), is_default ? "activate = 1\n" : "", SUPPORT_ALL_OFFLOAD,
            settings);
    fclose(f);
    memset(sc, 0, sizeof(*sc));
    if (is_default) {
        MUST(CONF_modules_load_file(path, NULL, 0) == 1);
    } else {
        sc->base.libctx = OSSL_LIB_CTX_new();
        MUST(OSSL_LIB_CTX_load_config(sc->base.libctx, path) == 1);
        sc->base.vcrypto = OSSL_PROVIDER_load(sc->base.libctx, "vcrypto");
        MUST(sc->base.vcrypto != NULL);
    }
    unlink(path);
    sc->cipher = EVP_CIPHER_fetch(sc->base.libctx, "AES-128-CBC", "provider=vcrypto");
    sc->reference = EVP_CIPHER_fetch(sc->base.libctx, "AES-128-CBC", "provider=default");
    MUST(sc->cipher != NULL && sc->reference != NULL);
}

static void unload(struct scene *sc)
{
    EVP_CIPHER_free(sc->cipher);
    EVP_CIPHER_free(sc->reference);
    support_unload(&sc->base);
}

static void start(struct op *list, const struct scene *sc)
{
    for (unsigned i = 0; i < JOBS; i++) {
        op_init(&list[i], sc, 512, i);
        op_step(&list[i]);
    }
}

static void finish(struct op *list, const struct scene *sc)
{
    for (unsigned i = 0; i < JOBS; i++) {
        while (list[i].job != NULL) {
            MUST(op_readable(&list[i], 10000));
            op_step(&list[i]);
        }
        op_check(&list[i], sc);
        op_fini(&list[i]);
    }
}

/* Leaves its paused jobs: wait contexts and cipher contexts go. */
static void leave(struct op *list)
{
    for (unsigned i = 0; i < JOBS; i++)
        op_fini(&list[i]);
}

static void again_and_again(void)
{
    unsigned threads = threads_at_rest();

    for (unsigned i = 0; i < 5; i++) {
        load(&scene, false, "");
        start(ops, &scene);
        finish(ops, &scene);
        scene_close(&scene);
        wait_threads(threads);
    }
}

/* Unloaded while the device has requests of jobs that were left. */
static void unloaded_in_flight(void)
{
    load(&scene, false, FLIGHT);
    start(ops, &scene);
    leave(ops);
    unload(&scene);
    load(&scene, false, FLIGHT);
    start(ops, &scene);
    finish(ops, &scene);
    scene_close(&scene);
}

/* The library context goes first, the contexts that use it afterwards. */
static void context_freed_in_flight(void)
{
    load(&scene, false, FLIGHT);
    start(ops, &scene);
    EVP_CIPHER_free(scene.cipher);
    EVP_CIPHER_free(scene.reference);
    OSSL_PROVIDER_unload(scene.base.vcrypto);
    OSSL_LIB_CTX_free(scene.base.libctx);
    leave(ops);
}

/* Wait contexts outlive the provider: their descriptors are closed by it. */
static void wait_contexts_outlive(void)
{
    unsigned fds = count_eventfds();

    load(&scene, false, FLIGHT);
    start(ops, &scene);
    for (unsigned i = 0; i < JOBS; i++) {
        EVP_CIPHER_CTX_free(ops[i].ctx);
        ops[i].ctx = NULL;
        op_unmap(&ops[i]);
    }
    unload(&scene);
    leave(ops);
    MUST(count_eventfds() == fds);
}

static void two_with_different_settings(void)
{
    load(&scene, false, FLIGHT);
    load(&second, false, "emulator_latency_us = 100\nqueue_size = 16\n");
    start(ops, &scene);
    start(others, &second);
    MUST(scene_stat(&scene, "live-devices") == 2);
    finish(others, &second);
    unload(&second);
    finish(ops, &scene);
    MUST(scene_stat(&scene, "requests") == JOBS);
    scene_close(&scene);
}

static void two_with_one_device(void)
{
    load(&scene, false, FLIGHT);
    load(&second, false, FLIGHT);
    start(ops, &scene);
    start(others, &second);
    MUST(scene_stat(&scene, "live-devices") == 1);
    leave(ops);
    unload(&scene);
    finish(others, &second);
    scene_close(&second);
}

static void cleanup_in_flight(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    leave(ops);
    EVP_CIPHER_free(scene.cipher);
    EVP_CIPHER_free(scene.reference);
    OPENSSL_cleanup();
}

static void cleanup_with_contexts(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    OPENSSL_cleanup();
}

static void exit_in_flight(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    exit(0);
}

static void exit_when_done(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    finish(ops, &scene);
    exit(0);
}

static void exit_without_a_job(void)
{
    load(&scene, true, FLIGHT);
    EVP_CIPHER_free(scene.cipher);
    EVP_CIPHER_free(scene.reference);
    exit(0);
}

static void exit_of_another_context(void)
{
    load(&scene, false, FLIGHT);
    start(ops, &scene);
    exit(0);
}

static void quick_exit_in_flight(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    _exit(0);
}

static int count_call(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 1;
}

static void exit_with_callbacks(void)
{
    static atomic_uint calls;

    load(&scene, true, FLIGHT);
    for (unsigned i = 0; i < JOBS; i++) {
        op_init(&ops[i], &scene, 512, i);
        ASYNC_WAIT_CTX_set_callback(ops[i].wait, count_call, &calls);
        op_step(&ops[i]);
    }
    exit(0);
}

static pthread_barrier_t started;

static void *start_and_exit(void *arg)
{
    (void)arg;
    start(others, &scene);
    pthread_barrier_wait(&started);
    exit(0);
}

static void *start_and_wait(void *arg)
{
    start(arg, &scene);
    pthread_barrier_wait(&started);
    pause();
    return NULL;
}

/* One thread ends the process, while others sit with jobs of theirs. */
static void exit_from_a_thread(void)
{
    pthread_t threads[2];

    MUST(pthread_barrier_init(&started, NULL, 2) == 0);
    load(&scene, true, FLIGHT);
    MUST(pthread_create(&threads[0], NULL, start_and_wait, ops) == 0);
    MUST(pthread_create(&threads[1], NULL, start_and_exit, NULL) == 0);
    pthread_join(threads[0], NULL);
}

static void *start_and_end(void *arg)
{
    start(arg, &scene);
    return NULL;
}

/* A thread ends, and its paused jobs can never be resumed. */
static void thread_ends(void)
{
    pthread_t thread;

    load(&scene, false, FLIGHT);
    MUST(pthread_create(&thread, NULL, start_and_end, ops) == 0);
    pthread_join(thread, NULL);
    leave(ops);
    scene_close(&scene);
}

/* The main thread is gone, the process goes on in another and ends there. */
static void *finish_alone(void *arg)
{
    (void)arg;
    start(others, &scene);
    finish(others, &scene);
    exit(0);
}

static void main_thread_ends(void)
{
    pthread_t thread;

    load(&scene, true, FLIGHT);
    start(ops, &scene);
    MUST(pthread_create(&thread, NULL, finish_alone, NULL) == 0);
    pthread_exit(NULL);
}

static void atexit_after_cleanup(void)
{
    leave(ops);
}

/* An application's own handler runs after OpenSSL's, and frees its contexts. */
static void contexts_freed_after_cleanup(void)
{
    MUST(atexit(atexit_after_cleanup) == 0);
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    for (unsigned i = 0; i < JOBS; i++) {
        EVP_CIPHER_CTX_free(ops[i].ctx);
        ops[i].ctx = NULL;
    }
    EVP_CIPHER_free(scene.cipher);
    EVP_CIPHER_free(scene.reference);
    exit(0);
}

/* What another program sees that takes this one's place: nothing of ours. */
static void after_exec(void)
{
    MUST(count_eventfds() == 0);
    MUST(count_threads() == 1);
    load(&scene, true, "");
    start(ops, &scene);
    finish(ops, &scene);
    exit(0);
}

static void exec_again(void)
{
    execl("/proc/self/exe", "teardown", "after_exec", (char *)NULL);
    _exit(127);
}

static void exec_in_flight(void)
{
    load(&scene, true, FLIGHT);
    start(ops, &scene);
    exec_again();
}

/* The child of a process with jobs in flight, which go on. */
static void fork_and_exec_in_flight(void)
{
    int status;
    pid_t pid;

    load(&scene, false, FLIGHT);
    start(ops, &scene);
    pid = fork();
    if (pid == 0)
        exec_again();
    finish(ops, &scene);
    MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    scene_close(&scene);
}

static const struct way {
    const char *name;
    void (*body)(void);
    bool leaks; /* nobody frees what the application had */
} ways[] = {
    {"again_and_again", again_and_again, false},
    {"unloaded_in_flight", unloaded_in_flight, false},
    {"context_freed_in_flight", context_freed_in_flight, false},
    {"wait_contexts_outlive", wait_contexts_outlive, false},
    {"two_with_different_settings", two_with_different_settings, false},
    {"two_with_one_device", two_with_one_device, false},
    {"cleanup_in_flight", cleanup_in_flight, false},
    {"cleanup_with_contexts", cleanup_with_contexts, true},
    {"exit_in_flight", exit_in_flight, true},
    {"exit_when_done", exit_when_done, true},
    {"exit_without_a_job", exit_without_a_job, false},
    {"exit_of_another_context", exit_of_another_context, true},
    {"quick_exit_in_flight", quick_exit_in_flight, true},
    {"exit_with_callbacks", exit_with_callbacks, true},
    {"exit_from_a_thread", exit_from_a_thread, true},
    {"thread_ends", thread_ends, false},
    {"main_thread_ends", main_thread_ends, true},
    {"contexts_freed_after_cleanup", contexts_freed_after_cleanup, false},
    {"after_exec", after_exec, true},
    {"exec_in_flight", exec_in_flight, true},
    {"fork_and_exec_in_flight", fork_and_exec_in_flight, false},
};
#define WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

/* Programs of their own, as processes that check forks would end differently:
 * so this program starts itself, with the way's name. */
static pid_t start_process(const char *way)
{
    pid_t pid = fork();

    MUST(pid >= 0);
    if (pid != 0)
        return pid;
    execl("/proc/self/exe", "teardown", way, (char *)NULL);
    _exit(127);
}

START_TEST(way_to_end)
{
    enum { BESIDE = 4 };
    unsigned n = rounds(48);

    for (unsigned i = 0; i < n; i += BESIDE) {
        pid_t pids[BESIDE];

        for (unsigned k = 0; k < BESIDE; k++)
            pids[k] = start_process(ways[_i].name);
        for (unsigned k = 0; k < BESIDE; k++) {
            int status;

            MUST(waitpid(pids[k], &status, 0) == pids[k]);
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                ck_abort_msg("%s: round %u ended with status %x", ways[_i].name, i + k, status);
        }
    }
}
END_TEST

static int run_way(const char *name)
{
    /* A hang is a death by this signal. */
    alarm(20);
    for (int i = 0; i < WAYS; i++) {
        if (strcmp(ways[i].name, name) == 0) {
            ways[i].body();
            return 0;
        }
    }
    return 2;
}

int main(int argc, char **argv)
{
    Suite *suite;
    TCase *tc;

    if (argc == 2)
        return run_way(argv[1]);
    suite = suite_create("async teardown");
    tc = tcase_create("teardown");
    tcase_set_timeout(tc, 100);
    tcase_add_loop_test(tc, way_to_end, 0, WAYS);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
