/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 10.0 /* seconds */

void must_failed(const char *file, int line, const char *cond)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, cond);
    ck_abort_msg("%s:%d: not so: %s", file, line, cond);
    abort();
}

static void open_with(struct scene *sc, const char *first, const char *settings)
{
    char text[512];

    snprintf(text, sizeof(text), "%s%s", first, settings != NULL ? settings : "");
    support_load(&sc->base, text);
    sc->cipher = support_cipher(&sc->base, "AES-128-CBC");
    sc->reference = support_default(&sc->base, "AES-128-CBC");
}

void scene_open(struct scene *sc, const char *settings)
{
    open_with(sc, SUPPORT_ALL_OFFLOAD, settings);
}

void scene_open_fallback(struct scene *sc, const char *settings)
{
    open_with(sc, "sync = offload\nmin_bytes = 0\nfallback = yes\n", settings);
}

uint64_t scene_stat(const struct scene *sc, const char *name)
{
    uint64_t val = UINT64_MAX;
    char full[64] = "";
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_uint64(full, &val),
        OSSL_PARAM_construct_end(),
    };

    snprintf(full, sizeof(full), "vcrypto-%s", name);
    MUST(OSSL_PROVIDER_get_params(sc->base.vcrypto, params) == 1);
    MUST(OSSL_PARAM_modified(&params[0]));
    return val;
}

static void wait_for_zero(const struct scene *sc, const char *name)
{
    double end = seconds_now() + PATIENCE;
    uint64_t n;

    while ((n = scene_stat(sc, name)) != 0) {
        if (!(seconds_now() < end))
            ck_abort_msg("%s is %llu", name, (unsigned long long)n);
        sleep_us(100);
    }
}

void scene_settled(const struct scene *sc)
{
    scene_settled_in_child(sc);
    wait_for_zero(sc, "live-keys");
}

void scene_settled_in_child(const struct scene *sc)
{
    static const char *const names[] = {"live-requests", "live-in-flight", "live-dma-bytes",
                                        "live-waiters",  "live-contexts",  "live-sessions"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        wait_for_zero(sc, names[i]);
}

void scene_close(struct scene *sc)
{
    scene_settled(sc);
    EVP_CIPHER_free(sc->cipher);
    EVP_CIPHER_free(sc->reference);
    support_unload(&sc->base);
}

static void fill(const struct op *op, uint8_t *key, uint8_t *iv, uint8_t *data)
{
    struct support_random for_key = {op->key_seed}, rnd = {op->seed};

    support_fill(&for_key, key, 16);
    support_fill(&rnd, iv, 16);
    support_fill(&rnd, data, op->len);
}

void op_init(struct op *op, const struct scene *sc, size_t len, uint64_t seed)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t key[16], iv[16];

    memset(op, 0, sizeof(*op));
    op->len = len;
    op->key_seed = op->seed = seed;
    op->mapped = (2 * len + page - 1) / page * page;
    op->in = mmap(NULL, op->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(op->in != MAP_FAILED);
    op->out = op->in + len;
    op->wait = ASYNC_WAIT_CTX_new();
    op->ctx = EVP_CIPHER_CTX_new();
    MUST(op->wait != NULL && op->ctx != NULL);
    fill(op, key, iv, op->in);
    MUST(EVP_EncryptInit_ex2(op->ctx, sc->cipher, key, iv, NULL) == 1);
    MUST(EVP_CIPHER_CTX_set_padding(op->ctx, 0) == 1);
}

void op_again(struct op *op, uint64_t seed)
{
    uint8_t key[16], iv[16];

    op->seed = seed;
    op->job = NULL;
    op->pauses = 0;
    op->ret = -1;
    op->error = 0;
    fill(op, key, iv, op->in);
    memset(op->out, 0, op->len);
    MUST(EVP_EncryptInit_ex2(op->ctx, NULL, NULL, iv, NULL) == 1);
}

static int job_main(void *arg)
{
    struct op *op = *(struct op **)arg;
    int n = 0;

    if (op->before != NULL)
        op->before(op);
    op->ret = EVP_EncryptUpdate(op->ctx, op->out, &n, op->in, (int)op->len);
    if (op->ret != 1) {
        op->error = ERR_peek_error();
        ERR_clear_error();
    }
    if (op->after != NULL)
        op->after(op);
    return op->ret == 1 && n == (int)op->len;
}

int op_step(struct op *op)
{
    int ret = -1, status = ASYNC_start_job(&op->job, op->wait, &ret, job_main, &op, sizeof(op));

    if (!(status == ASYNC_PAUSE || status == ASYNC_FINISH))
        ck_abort_msg("ASYNC_start_job: %d", status);
    if (status == ASYNC_PAUSE)
        op->pauses++;
    else
        MUST(ret == (op->ret == 1));
    return status;
}

int op_fd(const struct op *op)
{
    OSSL_ASYNC_FD fds[4] = {-1};
    size_t n = 0;

    MUST(ASYNC_WAIT_CTX_get_all_fds(op->wait, NULL, &n) == 1);
    MUST(n == 1);
    MUST(ASYNC_WAIT_CTX_get_all_fds(op->wait, fds, &n) == 1);
    return fds[0];
}

bool op_readable(const struct op *op, int ms)
{
    struct pollfd p = {.events = POLLIN};
    size_t fds = 0;
    int n;

    /* Done before it could pause: then there is no descriptor yet. */
    MUST(ASYNC_WAIT_CTX_get_all_fds(op->wait, NULL, &fds) == 1);
    if (fds == 0 && op->pauses == 0)
        return false;
    p.fd = op_fd(op);
    n = poll(&p, 1, ms);

    MUST(n >= 0);
    return n == 1 && p.revents == POLLIN;
}

void op_finish(struct op *op)
{
    while (op_step(op) == ASYNC_PAUSE)
        if (!(op_readable(op, (int)(PATIENCE * 1000))))
            ck_abort_msg("a paused job was not woken");
}

void op_check(const struct op *op, const struct scene *sc)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *in = malloc(op->len), *want = malloc(op->len), key[16], iv[16];
    int n = 0;

    MUST(ctx != NULL && in != NULL && want != NULL);
    fill(op, key, iv, in);
    MUST(EVP_EncryptInit_ex2(ctx, sc->reference, key, iv, NULL) == 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    MUST(EVP_EncryptUpdate(ctx, want, &n, in, (int)op->len) == 1);
    MUST(op->ret == 1);
    MUST(memcmp(op->out, want, op->len) == 0);
    EVP_CIPHER_CTX_free(ctx);
    free(in);
    free(want);
}

void op_unmap(struct op *op)
{
    if (op->in != NULL)
        MUST(munmap(op->in, op->mapped) == 0);
    op->in = op->out = NULL;
}

void op_fini(struct op *op)
{
    op_unmap(op);
    EVP_CIPHER_CTX_free(op->ctx);
    ASYNC_WAIT_CTX_free(op->wait);
    op->ctx = NULL;
    op->wait = NULL;
}

void op_whole(const struct scene *sc, size_t len, uint64_t seed)
{
    struct op op;

    op_init(&op, sc, len, seed);
    op_finish(&op);
    op_check(&op, sc);
    op_fini(&op);
}

void caller_init(struct caller *c)
{
    memset(c, 0, sizeof(*c));
    c->thread = pthread_self();
    c->ret = 1;
}

int caller_call(void *arg)
{
    struct caller *c = arg;

    if (pthread_equal(c->thread, pthread_self()))
        atomic_store(&c->own_thread, true);
    atomic_fetch_add(&c->calls, 1);
    return c->ret;
}

void caller_wait(const struct caller *c, unsigned n)
{
    double end = seconds_now() + PATIENCE;

    while (atomic_load(&c->calls) < n) {
        if (!(seconds_now() < end))
            ck_abort_msg("the callback was not called");
        sleep_us(20);
    }
}

/* Entries of a directory of /proc; those whose link holds text where given. */
static unsigned count_entries(const char *path, const char *text)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    unsigned n = 0;

    MUST(dir != NULL);
    while ((e = readdir(dir)) != NULL) {
        char link[256] = "";

        if (e->d_name[0] == '.')
            continue;
        if (text != NULL && readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1) < 0)
            continue;
        n += text == NULL || strstr(link, text) != NULL;
    }
    closedir(dir);
    return n;
}

unsigned count_threads(void)
{
    return count_entries("/proc/self/task", NULL);
}

unsigned count_fds(void)
{
    return count_entries("/proc/self/fd", NULL);
}

unsigned count_eventfds(void)
{
    return count_entries("/proc/self/fd", "eventfd");
}

static void *stay(void *barrier)
{
    pthread_barrier_wait(barrier);
    return NULL;
}

unsigned threads_at_rest(void)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    unsigned n;

    MUST(pthread_barrier_init(&barrier, NULL, 2) == 0);
    MUST(pthread_create(&thread, NULL, stay, &barrier) == 0);
    n = count_threads() - 1;
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
    wait_threads(n);
    return n;
}

/* A thread that was joined may be seen a moment longer. */
void wait_threads(unsigned n)
{
    double end = seconds_now() + PATIENCE;

    while (count_threads() != n) {
        if (!(seconds_now() < end))
            ck_abort_msg("%u threads instead of %u", count_threads(), n);
        sleep_us(100);
    }
}

double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void sleep_us(unsigned us)
{
    const struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

    nanosleep(&ts, NULL);
}

void linger(struct support_random *rnd, unsigned us)
{
    double end = seconds_now() + support_below(rnd, us * 1000) / 1e9;

    while (seconds_now() < end) {
    }
}

unsigned rounds(unsigned n)
{
    const char *san = getenv("VCRYPTO_SAN"), *times = getenv("VCRYPTO_TEST_ROUNDS");

    if (san != NULL && *san != '\0')
        n = n / 8 + 1;
    return times != NULL ? n * (unsigned)strtoul(times, NULL, 10) : n;
}
