/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "key.h"
#include "live.h"

int session_table_init(struct session_table *t)
{
    memset(t, 0, sizeof(*t));
    t->limit = SESSION_TABLE_MAX;
    return -pthread_mutex_init(&t->lock, NULL);
}

void session_table_fini(struct session_table *t)
{
    pthread_mutex_destroy(&t->lock);
}

void session_use_of(const struct hw_request *req, struct session_use *use)
{
    memset(use, 0, sizeof(*use));
    /* An asymmetric session serves all operations. */
    if (hw_alg_kind(req->key->spec.alg) != HW_KIND_AKCIPHER)
        use->op = req->op;
    switch (hw_alg_kind(req->key->spec.alg)) {
    case HW_KIND_AEAD:
        use->tag_len = req->tag_len;
        use->aad_len = (uint32_t)req->aad_len;
        break;
    case HW_KIND_AKCIPHER:
        use->padding = req->rsa_padding;
        use->digest = req->digest;
        break;
    default: break;
    }
}

static uint32_t now_ms(void)
{
    return (uint32_t)(device_now() / 1000000u);
}

bool session_pin(struct session *s)
{
    uint32_t now = now_ms();
    int pins = atomic_load_explicit(&s->pins, memory_order_relaxed);

    do {
        if (pins < 0)
            return false;
        /* Acquire: pairs with the release in session_unpin, through the count. */
    } while (!atomic_compare_exchange_weak_explicit(&s->pins, &pins, pins + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    if (atomic_load_explicit(&s->last_used, memory_order_relaxed) != now)
        atomic_store_explicit(&s->last_used, now, memory_order_relaxed);
    return true;
}

void session_unpin(struct session *s)
{
    /* Release: whoever evicts it does so after our use. */
    atomic_fetch_sub_explicit(&s->pins, 1, memory_order_release);
}

static bool kill_idle(struct session *s)
{
    int idle = 0;

    return atomic_compare_exchange_strong_explicit(&s->pins, &idle, SESSION_DEAD,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

void session_unref(struct session *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    hw_key_unref(s->key);
    free(s);
}

static struct session **bucket(struct session_table *t, uint64_t key_id)
{
    return &t->buckets[key_id % SESSION_BUCKETS];
}

struct session *session_find(struct session_table *t, uint64_t key_id,
                             const struct session_use *use)
{
    for (struct session *s = *bucket(t, key_id); s != NULL; s = s->next) {
        if (s->key_id == key_id && memcmp(&s->use, use, sizeof(*use)) == 0) {
            atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
            return s;
        }
    }
    return NULL;
}

struct session *session_add(struct session_table *t, struct hw_key *key,
                            const struct session_use *use)
{
    struct session *s = calloc(1, sizeof(*s));
    struct session **b = bucket(t, key->id);

    if (s == NULL)
        return NULL;
    atomic_init(&s->refs, 2);
    atomic_init(&s->state, SESSION_MAKING);
    atomic_init(&s->last_used, now_ms());
    s->table = t;
    s->alg = key->spec.alg;
    s->key_id = key->id;
    s->key = hw_key_ref(key);
    atomic_store_explicit(&key->has_sessions, true, memory_order_relaxed);
    s->use = *use;
    TAILQ_INIT(&s->waiters);
    s->next = *b;
    *b = s;
    t->count++;
    live_add(&live.sessions, 1);
    return s;
}

static void unlink_session(struct session_table *t, struct session *s)
{
    struct session **p = bucket(t, s->key_id);

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    t->count--;
    live_add(&live.sessions, -1);
}

/* How many idle sessions are compared for the oldest. */
#define EVICT_SAMPLE 32

struct session *session_evict(struct session_table *t, bool busy_too)
{
    struct session *oldest = NULL;
    uint32_t now = now_ms(), age, most = 0;
    unsigned sampled = 0;

    for (unsigned i = 0; i < SESSION_BUCKETS && sampled < EVICT_SAMPLE; i++) {
        t->hand = (t->hand + 1) % SESSION_BUCKETS;
        for (struct session *s = t->buckets[t->hand]; s != NULL; s = s->next) {
            if (atomic_load_explicit(&s->state, memory_order_acquire) == SESSION_MAKING ||
                atomic_load_explicit(&s->pins, memory_order_relaxed) != 0)
                continue;
            sampled++;
            age = now - atomic_load_explicit(&s->last_used, memory_order_relaxed);
            if (oldest == NULL || age > most) {
                oldest = s;
                most = age;
            }
        }
    }
    if (oldest == NULL || (most < SESSION_BUSY_MS && !busy_too))
        return NULL;
    /* It may have been pinned meanwhile: then there is none this time. */
    if (!kill_idle(oldest))
        return NULL;
    unlink_session(t, oldest);
    return oldest;
}

void session_remove(struct session_table *t, struct session *s)
{
    unlink_session(t, s);
    atomic_store_explicit(&s->pins, SESSION_DEAD, memory_order_release);
}

unsigned session_take(struct session_table *t, uint64_t key_id, struct session **out, unsigned max)
{
    unsigned first = key_id != 0 ? (unsigned)(key_id % SESSION_BUCKETS) : 0;
    unsigned end = key_id != 0 ? first + 1 : SESSION_BUCKETS;
    unsigned n = 0;

    for (unsigned i = first; i < end && n < max && t->count != 0; i++) {
        struct session *s = t->buckets[i], *next;

        for (; s != NULL && n < max; s = next) {
            next = s->next;
            if (key_id != 0 && s->key_id != key_id)
                continue;
            session_remove(t, s);
            out[n++] = s;
        }
    }
    return n;
}
