/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: what a device knows of a key and of one way of using it. They are
 * made through the control queue when a request first needs one, while that
 * request waits; kept in a bounded table per device; evicted, the least
 * recently used first, when the table or the device is full; and forgotten at
 * a reset of the device.
 *
 * A session is pinned by each request in flight. pins counts them; eviction
 * takes it from 0 to SESSION_DEAD, after which no request can pin it again.
 * Memory is counted apart (refs): one for the table, one for each request that
 * remembers the session for its next use.
 */
#ifndef VCRYPTO_SESSION_H
#define VCRYPTO_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "hw.h"
#include "request.h"

#define SESSION_DEAD (-1)
/* How many there may be before the device has said how many it takes. */
#define SESSION_TABLE_MAX 16384
#define SESSION_BUCKETS   4096
/* A session used within this time is not given up for another key's: where
 * more keys are busy than the device has sessions, evicting would make one for
 * every request, and software serves the keys that came too late. */
#define SESSION_BUSY_MS 50

/* What tells sessions of one key apart. Compared as bytes: no padding. */
struct session_use {
    uint32_t op, tag_len, aad_len, padding, digest;
};

enum session_state { SESSION_MAKING, SESSION_READY, SESSION_FAILED };

struct session {
    atomic_int pins;
    atomic_uint refs;
    _Atomic uint32_t last_used; /* ms, wrapping */
    /* Stored (release) after id and error, loaded (acquire) before. */
    _Atomic enum session_state state;
    uint64_t id;       /* the device's */
    _Atomic int error; /* of SESSION_FAILED: -ENOTSUP for good, -ESTALE: make it again */
    const struct session_table *table; /* whose it is; only compared */
    enum hw_alg alg;
    uint64_t key_id;
    struct session_use use;
    struct hw_key *key;          /* ours while being made: its bytes are needed */
    struct request_list waiters; /* while being made */
    unsigned tries;
    struct session *next; /* in its bucket */
};

/* One per device. lock guards everything but the atomics of sessions. */
struct session_table {
    pthread_mutex_t lock;
    struct session *buckets[SESSION_BUCKETS];
    unsigned count;
    unsigned limit;      /* the device's, as far as known */
    atomic_uint kickers; /* about to ring the control queue's doorbell */
    unsigned hand;       /* bucket where the next eviction starts to look */
};

int session_table_init(struct session_table *t);
void session_table_fini(struct session_table *t);

void session_use_of(const struct hw_request *req, struct session_use *use);

/* Pins it and marks it used; false when it is dead. */
bool session_pin(struct session *s);
void session_unpin(struct session *s);
void session_unref(struct session *s);

/* These three with the lock held. */

/* With a reference for the caller; NULL: none alive. */
struct session *session_find(struct session_table *t, uint64_t key_id,
                             const struct session_use *use);
/* A new one in state SESSION_MAKING, in the table, one more reference for the
 * caller. NULL: no memory. */
struct session *session_add(struct session_table *t, struct hw_key *key,
                            const struct session_use *use);
/*
 * Takes out an idle session, the least recently used of a sample; the table's
 * reference goes to the caller. NULL: all are in use, or, unless busy_too,
 * were a moment ago.
 */
struct session *session_evict(struct session_table *t, bool busy_too);
/* Takes one session out, likewise dead from here on. */
void session_remove(struct session_table *t, struct session *s);
/* All sessions of a key, or all (key_id 0), into out[], up to max; the table's
 * references go to the caller. Returns how many. */
unsigned session_take(struct session_table *t, uint64_t key_id, struct session **out, unsigned max);

#endif
