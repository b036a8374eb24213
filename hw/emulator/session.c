/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>

int sessions_init(struct sessions *s, unsigned limit, unsigned workers)
{
    memset(s, 0, sizeof(*s));
    s->slot = calloc(limit, sizeof(struct session *));
    if (s->slot == NULL)
        return -ENOMEM;
    s->limit = limit;
    if (engines_start(&s->engines, workers) != 0) {
        free(s->slot);
        return -ENODEV;
    }
    pthread_mutex_init(&s->lock, NULL);
    return 0;
}

void sessions_fini(struct sessions *s)
{
    sessions_clear(s);
    engines_stop(&s->engines);
    pthread_mutex_destroy(&s->lock);
    free(s->slot);
}

void sessions_clear(struct sessions *s)
{
    for (unsigned i = 0; i < s->limit; i++)
        if (s->slot[i] != NULL) {
            session_put(s->slot[i]);
            s->slot[i] = NULL;
        }
    s->alive = 0;
}

unsigned sessions_alive(struct sessions *s)
{
    unsigned n;

    pthread_mutex_lock(&s->lock);
    n = s->alive;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void session_free(struct session *session)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)session->key.key;

    for (unsigned i = 0; i < session->nstates; i++)
        engines_close(session->engines, &session->states[i]);
    if (bytes != NULL)
        explicit_bzero(bytes, session->key.key_len);
    free(bytes);
    free(session);
}

static struct session *session_new(const struct sessions *s, const struct engine_key *key,
                                   uint32_t aad_len)
{
    unsigned workers = s->engines.workers;
    struct session *session = calloc(1, sizeof(*session) + workers * sizeof(session->states[0]));
    uint8_t *bytes;

    if (session == NULL)
        return NULL;
    /* A key of no bytes is not told from no memory: no algorithm has one. */
    bytes = malloc(key->key_len);
    if (bytes == NULL) {
        free(session);
        return NULL;
    }
    memcpy(bytes, key->key, key->key_len);
    atomic_init(&session->refs, 1);
    session->engines = &s->engines;
    session->key = *key;
    session->key.key = bytes;
    session->aad_len = aad_len;
    session->nstates = workers;
    engines_use(&s->engines, &session->key, &session->use);
    return session;
}

/* The slot in the low half, a serial number in the high half: an id is not
 * soon used again, and a driver that keeps only 32 bits of it is found out. */
static int publish(struct sessions *s, struct session *session, uint64_t *id)
{
    int status = VIRTIO_CRYPTO_NOSPC;

    pthread_mutex_lock(&s->lock);
    for (unsigned n = 0; n < s->limit && s->alive < s->limit; n++) {
        unsigned i = (s->next + n) % s->limit;
        if (s->slot[i] != NULL)
            continue;
        *id = session->id = (uint64_t)++s->serial << 32 | i;
        s->slot[i] = session;
        s->next = i + 1;
        s->alive++;
        status = VIRTIO_CRYPTO_OK;
        break;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

int session_create(struct sessions *s, const struct engine_key *key, uint32_t aad_len,
                   unsigned worker, uint64_t *id)
{
    struct session *session = session_new(s, key, aad_len);
    int status = VIRTIO_CRYPTO_ERR;

    if (session != NULL && engines_open(&s->engines, &session->key, &session->states[worker]))
        status = publish(s, session, id);
    /* Once published it may be gone: only its id is ours. */
    if (status != VIRTIO_CRYPTO_OK && session != NULL)
        session_free(session);
    return status;
}

/* Under s->lock. */
static struct session **lookup(struct sessions *s, uint64_t id)
{
    uint64_t i = id & UINT32_MAX;

    if (i >= s->limit || s->slot[i] == NULL || s->slot[i]->id != id)
        return NULL;
    return &s->slot[i];
}

int session_destroy(struct sessions *s, uint64_t id, uint32_t service)
{
    struct session *session = NULL, **at;

    pthread_mutex_lock(&s->lock);
    at = lookup(s, id);
    if (at != NULL && (*at)->key.alg->service == service) {
        session = *at;
        *at = NULL;
        s->alive--;
    }
    pthread_mutex_unlock(&s->lock);
    if (session == NULL)
        return VIRTIO_CRYPTO_ERR;
    session_put(session);
    return VIRTIO_CRYPTO_OK;
}

void sessions_lock(struct sessions *s)
{
    pthread_mutex_lock(&s->lock);
}

void sessions_unlock(struct sessions *s)
{
    pthread_mutex_unlock(&s->lock);
}

struct session *session_get(struct sessions *s, uint64_t id)
{
    struct session **at = lookup(s, id);

    if (at == NULL)
        return NULL;
    atomic_fetch_add_explicit(&(*at)->refs, 1, memory_order_relaxed);
    return *at;
}

void session_put(struct session *session)
{
    /* acq_rel: every worker's use of its states comes before the release of
     * all of them here. */
    if (atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) == 1)
        session_free(session);
}
