/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: a key with its algorithm, held by the device. A session lives
 * until it is destroyed (or the function is reset) and no request uses it.
 */
#ifndef VCRYPTO_EMULATOR_SESSION_H
#define VCRYPTO_EMULATOR_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/engines.h"

/* Of symmetric keys; see AKCIPHER_KEY_MAX for others. */
#define SESSION_KEY_MAX 64

struct session {
    atomic_uint refs; /* one is the table's */
    uint64_t id;
    const struct engines *engines;
    struct engine_key key; /* its bytes are ours */
    struct engine_use use;
    uint32_t aad_len;
    unsigned nstates;
    /* Of each worker, made at its first use; touched by that worker only, and
     * by whoever drops the last reference. */
    struct engine_states states[];
};

struct sessions {
    pthread_mutex_t lock;
    struct session **slot;
    unsigned limit, alive;
    unsigned next; /* where the search for a free slot starts */
    uint32_t serial;
    struct engines engines;
};

/* 0 or -ENOMEM, -ENODEV (no engine). */
int sessions_init(struct sessions *s, unsigned limit, unsigned workers);
void sessions_fini(struct sessions *s);
/* Destroys all; called with no worker at work. */
void sessions_clear(struct sessions *s);
unsigned sessions_alive(struct sessions *s);

/*
 * Makes a session that is ready for one worker, and puts its id into *id.
 * Answers VIRTIO_CRYPTO_OK, _ERR (the engine refuses the key) or _NOSPC.
 */
int session_create(struct sessions *s, const struct engine_key *key, uint32_t aad_len,
                   unsigned worker, uint64_t *id);
/* VIRTIO_CRYPTO_OK or _ERR (no such session of this service). */
int session_destroy(struct sessions *s, uint64_t id, uint32_t service);

/* References, to be given back by session_put; NULL: no such session. Between
 * lock and unlock. */
void sessions_lock(struct sessions *s);
void sessions_unlock(struct sessions *s);
struct session *session_get(struct sessions *s, uint64_t id);
void session_put(struct session *session);

#endif
