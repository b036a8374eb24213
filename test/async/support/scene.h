/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the async tests share: the provider with everything offloaded, and
 * cipher operations that run as jobs, a step at a time. Everything here fails
 * the test that calls it when it cannot do its work.
 */
#ifndef TEST_ASYNC_SCENE_H
#define TEST_ASYNC_SCENE_H

#include <openssl/async.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "support.h"

/*
 * check's assertions take a lock and write to a file each time: too slow for
 * stress loops, and deadly in the child of a fork beside other threads.
 */
_Noreturn void must_failed(const char *file, int line, const char *cond);
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            must_failed(__FILE__, __LINE__, #cond);                                                \
    } while (0)

struct scene {
    struct support base;
    EVP_CIPHER *cipher;    /* ours, AES-128-CBC */
    EVP_CIPHER *reference; /* the default provider's */
};

/* settings: further lines for the provider's section, or NULL. */
void scene_open(struct scene *sc, const char *settings);
/* The same, with software to go to. */
void scene_open_fallback(struct scene *sc, const char *settings);
/* Waits for the live counts, and unloads. */
void scene_close(struct scene *sc);
/* The same for what a forked child can let go of: a key whose session the
 * parent's device is just making stays. */
void scene_settled_in_child(const struct scene *sc);
uint64_t scene_stat(const struct scene *sc, const char *name); /* without "vcrypto-" */
/* Waits until nothing is alive, ten seconds at most. */
void scene_settled(const struct scene *sc);

/*
 * One update of len bytes, in a context with a key, an IV and data that
 * follow from seed. Memory that is freed under a paused job must be an owner's of its
 * own: so input and output are mappings, and the operation itself must outlive
 * the job, as the arguments of a job do in any application.
 */
struct op {
    EVP_CIPHER_CTX *ctx;
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job;
    uint8_t *in, *out;
    size_t len, mapped;
    uint64_t key_seed, seed;
    int ret;             /* of the update */
    unsigned pauses;     /* seen so far */
    unsigned long error; /* of an update that failed: taken from the queue */
    /* Runs in the job, before the update and after it. */
    void (*before)(struct op *op);
    void (*after)(struct op *op);
    void *user;
};

void op_init(struct op *op, const struct scene *sc, size_t len, uint64_t seed);
/* For another time with the same context: data and IV from a new seed, the key
 * as it was. */
void op_again(struct op *op, uint64_t seed);
/* Starts the job or resumes it: ASYNC_PAUSE or ASYNC_FINISH. */
int op_step(struct op *op);
/* The descriptor in its wait context, which is the only one. */
int op_fd(const struct op *op);
/* Whether its descriptor is readable within ms. */
bool op_readable(const struct op *op, int ms);
/* Steps whenever the descriptor is readable until the job has finished. */
void op_finish(struct op *op);
/* The update succeeded, and with the right result. */
void op_check(const struct op *op, const struct scene *sc);
/* Takes the buffers away: an access to them is a crash from now on. */
void op_unmap(struct op *op);
/* Frees what is left. */
void op_fini(struct op *op);

/* op_init, op_finish, op_check, op_fini. */
void op_whole(const struct scene *sc, size_t len, uint64_t seed);

/* How often it was called, and from where. */
struct caller {
    atomic_uint calls;
    atomic_bool own_thread; /* called on the thread that made this */
    pthread_t thread;
    int ret;
};
void caller_init(struct caller *c);
int caller_call(void *arg); /* an ASYNC_callback_fn */
/* Waits until it was called n times, ten seconds at most. */
void caller_wait(const struct caller *c, unsigned n);

unsigned count_threads(void);
/* The same before there is any but the caller's: ThreadSanitizer has one of its
 * own from the first one on. */
unsigned threads_at_rest(void);
unsigned count_fds(void);
unsigned count_eventfds(void);
/* Waits until there are n threads again, ten seconds at most. */
void wait_threads(unsigned n);
double seconds_now(void);
void sleep_us(unsigned us);
/* Keeps the processor busy for a random time, us at most. */
void linger(struct support_random *rnd, unsigned us);

/* How often stress loops go round: n, or less with a sanitizer, times the
 * environment's VCRYPTO_TEST_ROUNDS. */
unsigned rounds(unsigned n);

#endif
