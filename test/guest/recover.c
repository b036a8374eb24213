/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover DEVICE: makes QEMU's function ask for a reset (NEEDS_RESET), by a
 * request whose result is shorter than its source, among many good ones.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hw.h"

#define JOBS   32
#define LEN    1024u
#define ROUNDS 40u

static int failures;

static void report(bool good, const char *what)
{
    printf("%s - asks for a reset: %s\n", good ? "ok" : "not ok", what);
    failures += !good;
}

/* The owner's part of a request. */
struct job {
    atomic_bool done;
};

static struct hw_request *requests[JOBS];
static uint8_t plain[LEN], expected[LEN], results[JOBS][LEN];
static unsigned done_right, done_wrong, failed;

static void complete(struct hw_request *req)
{
    struct job *job = req->owner;

    atomic_store_explicit(&job->done, true, memory_order_release);
}

static void make_expected(const uint8_t key[16])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t iv[16] = {0};
    int n = 0;

    EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, key, iv);
    EVP_EncryptUpdate(ctx, expected, &n, plain, LEN);
    EVP_CIPHER_CTX_free(ctx);
}

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000};

    nanosleep(&t, NULL);
}

static bool submit(struct hw_pool *pool, unsigned i, size_t result_len)
{
    struct hw_request *req = requests[i];
    struct job *job = req->owner;

    atomic_store(&job->done, false);
    memset(results[i], 0, LEN);
    req->src[0] = (struct iovec){plain, LEN};
    req->dst[0] = (struct iovec){results[i], result_len};
    req->nsrc = req->ndst = 1;
    return hw_submit(pool, req, false) == 0;
}

/* Waits for request i; false: it never ends. */
static bool wait_for(unsigned i)
{
    struct job *job = requests[i]->owner;

    for (unsigned ms = 0; ms < 10000; ms++) {
        if (atomic_load_explicit(&job->done, memory_order_acquire))
            return true;
        pause_ms(1);
    }
    return false;
}

/* A round of requests, one of them bad. Returns whether all ended. */
static bool run_round(struct hw_pool *pool, bool with_bad)
{
    bool submitted[JOBS], ended = true;

    for (unsigned i = 0; i < JOBS; i++)
        submitted[i] = submit(pool, i, with_bad && i == JOBS / 2 ? LEN / 2 : LEN);
    for (unsigned i = 0; i < JOBS; i++) {
        if (!submitted[i]) {
            failed++;
            continue;
        }
        if (!wait_for(i)) {
            ended = false;
            continue;
        }
        if (requests[i]->status != 0) {
            failed++;
            continue;
        }
        hw_collect(requests[i]);
        if (memcmp(results[i], expected, LEN) == 0)
            done_right++;
        else
            done_wrong++;
        hw_release(requests[i]);
    }
    return ended;
}

static bool make_requests(struct hw_key *key)
{
    for (unsigned i = 0; i < JOBS; i++) {
        requests[i] = hw_request_new(sizeof(struct job), NULL);
        if (requests[i] == NULL)
            return false;
        requests[i]->key = key;
        requests[i]->op = HW_ENCRYPT;
        requests[i]->iv_len = 16;
        requests[i]->complete = complete;
    }
    return true;
}

static void run(struct hw_pool *pool)
{
    struct hw_stats s;
    bool ended = true;
    unsigned last = 0, tries = 0;

    for (unsigned i = 0; i < ROUNDS; i++)
        ended = run_round(pool, i == ROUNDS / 2) && ended;
    report(ended, "every request ends");
    report(done_wrong == 0, "no result is wrong");
    report(done_right >= JOBS * (ROUNDS / 2), "good ones before it are done");
    report(failed > 0, "the bad one fails");
    while (last < JOBS && tries++ < 500) {
        pause_ms(10);
        done_right = 0;
        ended = run_round(pool, false) && ended;
        last = done_right;
    }
    report(ended && last == JOBS, "all are done again afterwards");
    hw_pool_stats(pool, 0, &s);
    printf("requests %llu, completions %llu, resets %llu, sessions %llu\n",
           (unsigned long long)s.requests, (unsigned long long)s.completions,
           (unsigned long long)s.resets, (unsigned long long)s.sessions_created);
    report(s.resets == 1, "the device was reset once");
    report(s.sessions_created == 2, "the session was made again");
}

int main(int argc, char **argv)
{
    static const uint8_t bytes[16] = {1, 2, 3};
    const struct hw_key_spec spec = {.alg = HW_AES_CBC, .bytes = bytes, .len = sizeof(bytes)};
    const struct hw_config cfg = {.device = argc > 1 ? argv[1] : "emulator",
                                  .queue_size = 256,
                                  .timeout_ms = 2000,
                                  .emulator_threads = 1};
    struct hw_error err;
    struct hw_pool *pool;
    struct hw_key *key = hw_key_new(&spec);

    if (hw_pool_new(&cfg, &pool, &err) != 0 || key == NULL || !make_requests(key)) {
        printf("not ok - asks for a reset: %s\n", err.text);
        return 1;
    }
    make_expected(bytes);
    run(pool);
    for (unsigned i = 0; i < JOBS; i++)
        hw_request_unref(requests[i]);
    hw_key_unref(key);
    hw_pool_free(pool);
    return failures != 0;
}
