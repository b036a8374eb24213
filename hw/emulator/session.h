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

#include "emulator/engine.h"

/* Of symmetric keys; see AKCIPHER_KEY_MAX for others. */
#define SESSION_KEY_MAX 64

struct session {
    atomic_uint refs; /* one is the table's */
    uint64_t id;
    const struct alg *alg;
    const struct engine_ops *engine;
    bool encrypt;
    uint32_t key_len, tag_len, aad_len;
    struct engine_ak ak;
    uint8_t *key; /* of key_len bytes, ours */
    unsigned nstates;
    /* The engine's state of each service thread, made at its first use;
     * touched by that thread only, and by whoever drops the last reference. */
    void *states[];
};

struct sessions {
    pthread_mutex_t lock;
    struct session **slot;
    unsigned limit, alive;
    unsigned next; /* where the search for a free slot starts */
    uint32_t serial;
    const struct engine_ops *engine;
    void *engine_state;
    unsigned threads;
};

/* 0 or -ENOMEM, -ENODEV (no engine). */
int sessions_init(struct sessions *s, const struct engine_ops *engine, unsigned limit,
                  unsigned threads);
void sessions_fini(struct sessions *s);
/* Destroys all; called with no service thread running. */
void sessions_clear(struct sessions *s);
unsigned sessions_alive(struct sessions *s);

/*
 * Makes a session whose state for service thread `thread` is ready, and puts
 * its id into *id. Answers VIRTIO_CRYPTO_OK, _ERR (the engine refuses the
 * key) or _NOSPC.
 */
int session_create(struct sessions *s, const struct engine_key *key, uint32_t aad_len,
                   unsigned thread, uint64_t *id);
/* VIRTIO_CRYPTO_OK or _ERR (no such session of this service). */
int session_destroy(struct sessions *s, uint64_t id, uint32_t service);

/* A reference, to be given back by session_put; NULL: no such session. */
struct session *session_get(struct sessions *s, uint64_t id);
void session_put(struct session *session);

/* The engine's state of this service thread; NULL: no memory. */
void *session_state(const struct sessions *s, struct session *session, unsigned thread);

#endif
