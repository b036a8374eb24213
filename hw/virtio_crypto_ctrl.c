/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions are made, ended and evicted here, through the same asynchronous path
 * as everything else. One lock, the session table's, guards the control ring,
 * the commands and the table; it is never held while a request is finished or
 * put on a data queue.
 */
#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "key.h"
#include "queue.h"
#include "virtio_crypto.h"

/* Evictions tried for one session before its requests go elsewhere. */
#define CREATE_TRIES 3
/* Looks, 0.1 ms apart, for the answers to the last commands. */
#define FAREWELL_TRIES 500

static struct vc_device *vc_of(struct device *dev)
{
    return dev->priv;
}

/* Lock held. NULL where the device is out of service: its rings, or all of it,
 * may be gone by the time the lock is released. */
static struct vc_device *running(struct device *dev)
{
    if (atomic_load_explicit(&dev->state, memory_order_acquire) != DEVICE_RUNNING)
        return NULL;
    return vc_of(dev);
}

/* Lock held. s is out of the table; its reference is ours to give away. */
static void end_session(struct vc_device *vc, struct session *s)
{
    /* Without memory the device keeps a session too many until its reset. */
    if (atomic_load_explicit(&s->state, memory_order_acquire) != SESSION_READY ||
        vc_send_end(vc, s->alg, s->id, s) != 0)
        session_unref(s);
}

/* Lock held. Makes room for one more session. */
static bool evict(struct vc_device *vc, bool busy_too)
{
    struct session *victim = session_evict(&vc->dev->sessions, busy_too);

    if (victim == NULL)
        return false;
    atomic_fetch_add_explicit(&vc->dev->sessions_evicted, 1, memory_order_relaxed);
    end_session(vc, victim);
    return true;
}

/* Lock held. A new session for r, its creation under way; a reference for the
 * caller. */
static int make_session(struct vc_device *vc, const struct request *r,
                        const struct session_use *use, struct session **out)
{
    struct session_table *t = &vc->dev->sessions;
    struct session *s;
    int rc;

    /* One that waits for room has nowhere else to go. */
    if (t->count >= t->limit && !evict(vc, r->pub.wait_for_room))
        return -ENOSPC;
    s = session_add(t, r->key, use);
    if (s == NULL)
        return -ENOMEM;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    rc = vc_send_create(vc, s);
    if (rc != 0) {
        session_unref(s);
        session_remove(t, s);
        session_unref(s);
        /* The caller's, who holds the key: this is not the key's last. */
        session_unref(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* Lock held. A session for r: ready and pinned (0), being made (-EINPROGRESS,
 * r waits with it), or an error. */
static int find_session(struct vc_device *vc, struct request *r, const struct session_use *use)
{
    struct session_table *t = &vc->dev->sessions;
    struct session *s = session_find(t, r->key->id, use);
    int rc = 0;

    if (s != NULL && atomic_load_explicit(&s->state, memory_order_acquire) == SESSION_FAILED &&
        s->error == -ESTALE) {
        session_remove(t, s);
        session_unref(s);
        session_unref(s);
        s = NULL;
    }
    if (s == NULL)
        rc = make_session(vc, r, use, &s);
    if (rc != 0)
        return rc;
    if (r->session != NULL)
        session_unref(r->session);
    r->session = s;
    switch (atomic_load_explicit(&s->state, memory_order_acquire)) {
    case SESSION_READY:
        /* It is in the table, so nobody has killed it. */
        r->pinned = session_pin(s);
        return r->pinned ? 0 : -EIO;
    case SESSION_FAILED:
        /* Disowned by the device since the look above. */
        return s->error == -ESTALE ? -EIO : s->error;
    default:
        r->place = REQUEST_SESSION;
        TAILQ_INSERT_TAIL(&s->waiters, r, link);
        return -EINPROGRESS;
    }
}

int vc_prepare(struct device *dev, struct request *r)
{
    struct vc_device *vc;
    struct session_use use;
    bool ring = false;
    int rc = -EIO;

    session_use_of(&r->pub, &use);
    /* The session of the last time: no lock, no look-up. */
    if (r->session != NULL && r->session->table == &dev->sessions &&
        memcmp(&r->session->use, &use, sizeof(use)) == 0 &&
        atomic_load_explicit(&r->session->state, memory_order_acquire) == SESSION_READY &&
        session_pin(r->session)) {
        r->pinned = true;
        return 0;
    }
    pthread_mutex_lock(&dev->sessions.lock);
    vc = running(dev);
    if (vc != NULL) {
        rc = find_session(vc, r, &use);
        ring = vc_commands_pump(vc, vc_strays_hold(vc));
    }
    pthread_mutex_unlock(&dev->sessions.lock);
    if (ring)
        vc_commands_kick(vc);
    return rc;
}

void vc_forget_key(struct device *dev, uint64_t key_id)
{
    struct vc_device *vc;
    struct session *s;
    bool ring = false;

    pthread_mutex_lock(&dev->sessions.lock);
    vc = running(dev);
    while (session_take(&dev->sessions, key_id, &s, 1) != 0) {
        if (vc != NULL)
            end_session(vc, s);
        else
            session_unref(s);
    }
    if (vc != NULL)
        ring = vc_commands_pump(vc, vc_strays_hold(vc));
    pthread_mutex_unlock(&dev->sessions.lock);
    if (ring)
        vc_commands_kick(vc);
}

/* What a command's answer means for those who wait. */
struct outcome {
    struct request_list waiters;
    int status;         /* 0: they are pinned and go to their queues */
    struct hw_key *key; /* no longer needed by the session */
};

/* Lock held. The session is or is not; its waiters go to out. */
static void settle(struct vc_device *vc, struct session *s, int status, struct outcome *out)
{
    struct request *r;

    out->status = status;
    TAILQ_CONCAT(&out->waiters, &s->waiters, link);
    out->key = s->key;
    s->key = NULL;
    if (status == 0) {
        TAILQ_FOREACH(r, &out->waiters, link)
        r->pinned = session_pin(s);
        atomic_fetch_add_explicit(&vc->dev->sessions_created, 1, memory_order_relaxed);
        atomic_store_explicit(&s->state, SESSION_READY, memory_order_release);
        return;
    }
    s->error = status;
    atomic_store_explicit(&s->state, SESSION_FAILED, memory_order_release);
    /* That the device cannot do it is worth remembering, the rest is not. */
    if (status != -ENOTSUP) {
        session_remove(&vc->dev->sessions, s);
        session_unref(s);
    }
}

/* Lock held. Makes room on a device that is full, perhaps: only REVISION_1 has
 * a status for that. It will not be asked for more than it has now. */
static bool make_room(struct vc_device *vc, struct session *s)
{
    struct session_table *t = &vc->dev->sessions;
    const struct request *first = TAILQ_FIRST(&s->waiters);

    if (vc_strays_suspected(vc, s))
        return true;
    if (t->limit >= t->count && t->count > 1)
        t->limit = t->count - 1;
    return s->tries++ < CREATE_TRIES && evict(vc, first != NULL && first->pub.wait_for_room);
}

/* Lock held. */
static bool retry_create(struct vc_device *vc, struct session *s)
{
    if (!make_room(vc, s))
        return false;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    if (vc_send_create(vc, s) == 0)
        return true;
    session_unref(s);
    return false;
}

static uint32_t *made_before(struct vc_device *vc, const struct session *s)
{
    return &vc->made[s->alg][s->use.padding == HW_RSA_PKCS1];
}

/*
 * Lock held. Whether the device refused an asymmetric session for what it is,
 * say for its digest: an error means that, or that the device is full, and one
 * that has made such a session can make another.
 */
static bool cannot_do(struct vc_device *vc, const struct session *s, uint32_t status)
{
    return status == VIRTIO_CRYPTO_NOTSUPP ||
           (status != VIRTIO_CRYPTO_NOSPC && hw_alg_kind(s->alg) == HW_KIND_AKCIPHER &&
            !(*made_before(vc, s) >> s->use.digest & 1));
}

/* Lock held. Answer to a creation. */
static void created(struct vc_device *vc, struct vc_command *c, struct outcome *out)
{
    struct virtio_crypto_session_input in;
    struct session *s = c->session;
    uint32_t status;

    memcpy(&in, c->buf.va + c->out_len, sizeof(in));
    status = le32toh(in.status);
    vc->creating--;
    if (status == VIRTIO_CRYPTO_OK) {
        s->id = le64toh(in.session_id);
        vc_strays_given(vc, s->id);
        *made_before(vc, s) |= (uint32_t)1 << s->use.digest;
        settle(vc, s, 0, out);
    } else if (cannot_do(vc, s, status)) {
        settle(vc, s, -ENOTSUP, out);
    } else if (!retry_create(vc, s)) {
        settle(vc, s, -ENOSPC, out);
    }
}

static void act_on(struct outcome *o)
{
    struct request *r;

    while ((r = TAILQ_FIRST(&o->waiters)) != NULL) {
        TAILQ_REMOVE(&o->waiters, r, link);
        if (o->status == 0)
            queue_enqueue(r->queue, r, true, false);
        else
            request_finish(r, o->status);
    }
    hw_key_unref(o->key);
}

/* One answer: 1, none: 0, -EIO. */
static int service_one(struct vc_device *vc)
{
    struct outcome out = {.waiters = TAILQ_HEAD_INITIALIZER(out.waiters)};
    struct vc_command *c = NULL;
    bool ring = false;
    int rc = 0;

    pthread_mutex_lock(&vc->dev->sessions.lock);
    /* Not listened to any more: sessions that are being made may be forgotten
     * then, and nobody expects their answers but the drop. */
    if (running(vc->dev) != NULL)
        rc = vc_command_answer(vc, &c);
    if (c != NULL) {
        if (c->creates)
            created(vc, c, &out);
        vc_strays_step(vc, c->session == NULL);
        ring = vc_commands_pump(vc, vc_strays_hold(vc));
    }
    pthread_mutex_unlock(&vc->dev->sessions.lock);
    if (ring)
        vc_commands_kick(vc);
    act_on(&out);
    if (c != NULL) {
        pthread_mutex_lock(&vc->dev->sessions.lock);
        vc_command_free(c);
        pthread_mutex_unlock(&vc->dev->sessions.lock);
    }
    return rc;
}

int vc_control_service(struct vc_device *vc)
{
    uint64_t deadline;
    int rc;

    do
        rc = service_one(vc);
    while (rc > 0);
    deadline = vc_control_deadline(vc->dev);
    return rc == 0 && deadline != 0 && deadline <= device_now() ? -EIO : rc;
}

uint64_t vc_control_deadline(struct device *dev)
{
    struct vc_device *vc = vc_of(dev);
    struct vc_command *first;
    uint64_t deadline;

    pthread_mutex_lock(&dev->sessions.lock);
    first = TAILQ_FIRST(&vc->commands);
    deadline = first == NULL ? 0 : first->deadline;
    pthread_mutex_unlock(&dev->sessions.lock);
    return deadline;
}

void vc_control_start(struct vc_device *vc)
{
    pthread_mutex_lock(&vc->dev->sessions.lock);
    vc_strays_start(vc);
    pthread_mutex_unlock(&vc->dev->sessions.lock);
}

void vc_control_farewell(struct vc_device *vc)
{
    const struct timespec pause = {.tv_nsec = 100000};

    /* The device forgets them by itself. */
    if (vc->revision_1)
        return;
    vc_forget_key(vc->dev, 0);
    for (unsigned i = 0; i < FAREWELL_TRIES && vc_control_deadline(vc->dev) != 0; i++) {
        nanosleep(&pause, NULL);
        if (vc_control_service(vc) != 0)
            break;
    }
}

void vc_control_drop(struct vc_device *vc, struct request_list *orphans)
{
    struct session_table *t = &vc->dev->sessions;
    struct hw_key *keys[16];
    struct session *dropped[16];
    struct vc_command *c;
    unsigned n;

    pthread_mutex_lock(&t->lock);
    while ((c = TAILQ_FIRST(&vc->commands)) != NULL) {
        TAILQ_REMOVE(&vc->commands, c, link);
        if (c->session != NULL)
            TAILQ_CONCAT(orphans, &c->session->waiters, link);
        vc_command_free(c);
    }
    do {
        n = session_take(t, 0, dropped, 16);
        for (unsigned i = 0; i < n; i++) {
            TAILQ_CONCAT(orphans, &dropped[i]->waiters, link);
            keys[i] = dropped[i]->key;
            dropped[i]->key = NULL;
        }
        pthread_mutex_unlock(&t->lock);
        for (unsigned i = 0; i < n; i++) {
            session_unref(dropped[i]);
            /* May be the last, and then wants the lock. */
            hw_key_unref(keys[i]);
        }
        pthread_mutex_lock(&t->lock);
    } while (n != 0);
    pthread_mutex_unlock(&t->lock);
    while (atomic_load_explicit(&t->kickers, memory_order_acquire) != 0)
        sched_yield();
}
