/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a request: inside an ASYNC job by pausing it, outside by a short
 * poll and then sleeping. This file and waiter.c are the only users of
 * OpenSSL's ASYNC functions.
 *
 * The state of a flight is the meeting point of job and completion side:
 *
 *     RUNNING   in flight, the job runs: who completes it tells nobody
 *     PAUSED    in flight, the job is paused: who completes it signals
 *     SLEEPING  in flight, the thread sleeps on the state: likewise, a futex
 *     DONE      completed
 *     ABANDONED in flight, nobody will come back for it
 *
 * Exactly one exchange moves it to DONE, so each pause has at most one signal,
 * and a request that was completed before its job paused has none.
 */
#ifndef VCRYPTO_ASYNC_H
#define VCRYPTO_ASYNC_H

#include <openssl/async.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hw_pool;
struct hw_request;
struct waiter;

enum flight_state { FLIGHT_RUNNING, FLIGHT_PAUSED, FLIGHT_SLEEPING, FLIGHT_DONE, FLIGHT_ABANDONED };

/* In the request's memory, so it lives as long as the completion side needs
 * it. */
struct flight {
    _Atomic uint32_t state;
    struct waiter *waiter; /* our reference; NULL outside a job */
    bool fallback;         /* a failed device is software's business, not an error */
    /* As the wait context had them when the job first paused; NULL: none. */
    ASYNC_callback_fn callback;
    void *callback_arg;
    void *forsake_arg; /* of async_on_forsaken */
};

/* The job that the caller runs in, or NULL. */
ASYNC_JOB *async_job(void);

/*
 * Before submission. In a job: finds the waiter and sets the wait context's
 * status to OK, since after submission the completion side may set it. False:
 * no memory or descriptors for a waiter.
 */
bool async_begin(struct flight *f, ASYNC_JOB *job);
/* The submission found no room: the application is told to come back. */
void async_no_room(struct flight *f);
/* The request failed for good. */
void async_failed(struct flight *f);

/* Between async_begin and async_end, in a job: forsake(arg) is called when the
 * wait context is freed. arg is what must let the request go then. */
void async_on_forsaken(struct flight *f, void (*forsake)(void *arg), void *arg);

/*
 * Returns when the flight is DONE; false where this process will not have the
 * result, because the request was submitted before a fork. The job may be
 * resumed early any number of times. pool is polled when not in a job.
 */
bool async_wait(struct flight *f, struct hw_pool *pool);
/* After async_wait, or when nothing was submitted: lets the waiter go. */
void async_end(struct flight *f);
/* Whether it may end in a callback of the application's, of which nothing is
 * known: see hw_request's apart. */
bool async_calls_back(const struct flight *f);

/* Whether the completion side has said its last word, or was never asked: not
 * so where a job was abandoned in a pause and its context lives on. */
bool async_over(const struct flight *f);

/* On the completion side: the complete() of every request of ours. */
void async_complete(struct hw_request *req);
/* Nobody will wait for the flight any more. On the application's thread. */
void async_abandon(struct flight *f);
/* Of the request's fini. */
void async_fini(struct flight *f);

/* Waiters that are alive, for leak tests. */
uint64_t async_live_waiters(void);

#endif
