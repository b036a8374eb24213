/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/engines.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_crypto.h>

/* libcrypto first: it does what no other does. */
static const struct engine_ops *const engines[] = {
    &engine_libcrypto,
#ifdef VCRYPTO_IPSEC_MB
    &engine_ipsec_mb,
#endif
#ifdef VCRYPTO_CRYPTO_MB
    &engine_crypto_mb,
#endif
};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))
_Static_assert(ENGINES <= ENGINES_MAX, "room for each");

int engines_start(struct engines *e, unsigned workers)
{
    memset(e, 0, sizeof(*e));
    e->workers = workers;
    for (unsigned i = 0; i < ENGINES; i++)
        e->engine[i] = engines[i]->start(workers);
    if (e->engine[0] != NULL)
        return 0;
    engines_stop(e);
    return -ENODEV;
}

void engines_stop(struct engines *e)
{
    for (unsigned i = 0; i < ENGINES; i++)
        if (e->engine[i] != NULL)
            engines[i]->stop(e->engine[i]);
    memset(e, 0, sizeof(*e));
}

void engines_thread_end(const struct engines *e)
{
    for (unsigned i = 0; i < ENGINES; i++)
        if (e->engine[i] != NULL && engines[i]->thread_end != NULL)
            engines[i]->thread_end();
}

void engines_forked(void)
{
    for (unsigned i = 0; i < ENGINES; i++)
        if (engines[i]->forked != NULL)
            engines[i]->forked();
}

#define SUBKINDS 8
/* AES keys of 16, 24 and 32 bytes. */
#define KEY_STEP 8
/* RSA keys of the usual sizes differ by more than this in their encoding. */
#define AK_KEY_STEP 400

static unsigned kind_of(const struct engine_key *key)
{
    unsigned sub = key->key_len / KEY_STEP % (SUBKINDS / 2) * 2 + key->encrypt;

    if (key->alg->service == VIRTIO_CRYPTO_SERVICE_AKCIPHER)
        sub = key->ak.curve != 0 ? key->ak.curve : key->key_len / AK_KEY_STEP;
    if (sub >= SUBKINDS)
        sub = SUBKINDS - 1;
    return ((unsigned)(key->alg - algs) * SUBKINDS + sub) % ENGINE_KINDS;
}

void engines_use(const struct engines *e, const struct engine_key *key, struct engine_use *out)
{
    *out = (struct engine_use){.kind = kind_of(key)};
    for (unsigned i = 1; i < ENGINES; i++) {
        if (e->engine[i] == NULL)
            continue;
        out->least = engines[i]->least(e->engine[i], key);
        if (out->least != 0) {
            out->fast = i;
            return;
        }
    }
}

static void *state_of(const struct engines *e, unsigned i, const struct engine_key *key,
                      struct engine_states *st)
{
    if (st->of[i] == NULL)
        st->of[i] = engines[i]->open(e->engine[i], key);
    return st->of[i];
}

bool engines_open(const struct engines *e, const struct engine_key *key, struct engine_states *st)
{
    return state_of(e, 0, key, st) != NULL;
}

void engines_close(const struct engines *e, struct engine_states *st)
{
    (void)e;
    for (unsigned i = 0; i < ENGINES; i++)
        if (st->of[i] != NULL)
            engines[i]->close(st->of[i]);
    memset(st, 0, sizeof(*st));
}

/* The engine for w, where there are so many of its kind. */
static unsigned choose(const struct engines *e, const struct engine_work *w, unsigned count)
{
    unsigned i = w->use->fast;

    return i != 0 && count >= w->use->least && state_of(e, i, w->key, w->states) != NULL ? i : 0;
}

void engines_run(const struct engines *e, unsigned worker, struct engine_work *const *work,
                 unsigned n)
{
    struct engine_task *tasks[ENGINE_BATCH];
    uint8_t count[ENGINE_KINDS] = {0}, by[ENGINE_BATCH];

    for (unsigned k = 0; k < n; k++)
        count[work[k]->use->kind]++;
    for (unsigned k = 0; k < n; k++) {
        struct engine_work *w = work[k];

        by[k] = (uint8_t)choose(e, w, count[w->use->kind]);
        w->task.state = state_of(e, by[k], w->key, w->states);
        w->task.status = VIRTIO_CRYPTO_ERR;
    }
    for (unsigned i = 0; i < ENGINES; i++) {
        unsigned m = 0;

        for (unsigned k = 0; k < n; k++)
            if (by[k] == i && work[k]->task.state != NULL)
                tasks[m++] = &work[k]->task;
        if (m != 0)
            engines[i]->run(e->engine[i], worker, tasks, m);
    }
}
