/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's crypto_mb as compute engine: eight private key operations at once, in
 * the lanes of AVX-512 IFMA. Eight take as long as one, so what counts is how
 * many there are; libcrypto does what is left over, and all that the library
 * does not do.
 */
#include "emulator/engine_crypto_mb.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <linux/virtio_crypto.h>

#include <crypto_mb/cpu_features.h>
#include <crypto_mb/rsa.h>

#include "emulator/engine_other.h"
#include "secret.h"

struct engine_crypto_mb {
    struct engine_other other;
    unsigned workers;
    struct crypto_mb_worker *worker[]; /* each NULL until first used, then that worker's own */
};

/* CPUID is slow in a virtual machine, and what it says does not change. */
static bool usable;

static void detect(void)
{
    int64u features = mbx_get_cpu_features();

    usable = mbx_is_crypto_mb_applicable(features) && (features & mbcpAVX512_ENABLEDBYOS) &&
             mbx_RSA_Method_BufSize(mbx_RSA4K_private_crt_Method()) <= CRYPTO_MB_ROOM;
}

static void *crypto_mb_start(unsigned workers)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct engine_crypto_mb *e;

    pthread_once(&once, detect);
    if (workers == 0 || !usable)
        return NULL;
    e = calloc(1, sizeof(*e) + workers * sizeof(e->worker[0]));
    if (e == NULL)
        return NULL;
    e->workers = workers;
    engine_other_init(&e->other, workers);
    return e;
}

static void crypto_mb_stop(void *engine)
{
    struct engine_crypto_mb *e = engine;

    engine_other_fini(&e->other);
    for (unsigned i = 0; i < e->workers; i++) {
        if (e->worker[i] != NULL)
            crypto_mb_random_free(e->worker[i]->random);
        secret_free(e->worker[i], sizeof(*e->worker[i]));
    }
    free(e);
}

static const struct crypto_mb_kind *find(const struct crypto_mb_kind *kinds, unsigned n,
                                         size_t size)
{
    for (unsigned i = 0; i < n; i++)
        if (kinds[i].size == size)
            return &kinds[i];
    return NULL;
}

/* NULL: not done here. */
static const struct crypto_mb_kind *kind_of(const struct engine_key *key, struct akcipher_key *out)
{
    if (key->alg->service != VIRTIO_CRYPTO_SERVICE_AKCIPHER || !key->ak.is_private ||
        akcipher_parse(key, out) != VIRTIO_CRYPTO_OK)
        return NULL;
    if (key->alg->number == AKCIPHER_RSA)
        return find(crypto_mb_rsa, crypto_mb_rsa_count, der_bits(&out->numbers[0]));
    return find(crypto_mb_ecdsa, crypto_mb_ecdsa_count, key->ak.curve);
}

static unsigned crypto_mb_least(void *engine, const struct engine_key *key)
{
    struct akcipher_key parsed;
    const struct crypto_mb_kind *kind = kind_of(key, &parsed);

    (void)engine;
    return kind != NULL ? kind->least : 0;
}

bool crypto_mb_number(const struct der *number, int64u *out, unsigned words)
{
    if (number->len > words * sizeof(*out))
        return false;
    memset(out, 0, words * sizeof(*out));
    for (size_t i = 0; i < number->len; i++)
        out[i / 8] |= (int64u)number->at[number->len - 1 - i] << i % 8 * 8;
    return true;
}

static void crypto_mb_close(void *state)
{
    struct crypto_mb_state *st = state;

    engine_other_close(st->other);
    secret_free(st, sizeof(*st));
}

static void *crypto_mb_open(void *engine, const struct engine_key *key)
{
    struct akcipher_key parsed;
    const struct crypto_mb_kind *kind = kind_of(key, &parsed);
    struct crypto_mb_state *st = kind != NULL ? secret_alloc(sizeof(*st)) : NULL;

    if (st == NULL)
        return NULL;
    memset(st, 0, sizeof(*st));
    st->kind = kind;
    st->engine = engine;
    st->key = *key;
    if (kind->take(st, &parsed))
        return st;
    crypto_mb_close(st);
    return NULL;
}

/* By libcrypto. */
static void run_other(struct engine_crypto_mb *e, unsigned worker, struct engine_task *task)
{
    struct crypto_mb_state *st = task->state;

    engine_other_run(&e->other, &st->key, &st->other, worker, task);
}

/* makecontext hands on integers only. */
static void on_own_stack(unsigned high, unsigned low)
{
    struct crypto_mb_worker *w = (struct crypto_mb_worker *)(uintptr_t)((uint64_t)high << 32 | low);

    w->states[0]->kind->compute(w);
}

static bool compute(struct crypto_mb_worker *w)
{
    uint64_t at = (uintptr_t)w;
    ucontext_t here, there;

    /* cppcheck-suppress getcontextCalled ; a stack is wanted, not a thread */
    if (getcontext(&there) != 0)
        return false;
    there.uc_stack.ss_sp = w->stack;
    there.uc_stack.ss_size = sizeof(w->stack);
    there.uc_link = &here;
    makecontext(&there, (void (*)(void))on_own_stack, 2, (unsigned)(at >> 32), (unsigned)at);
    /* cppcheck-suppress swapcontextCalled */
    return swapcontext(&here, &there) == 0;
}

/* Tasks of one kind; those that come to nothing keep their status. */
static void run_lanes(struct crypto_mb_worker *w, struct engine_task *const *tasks, unsigned n)
{
    const struct crypto_mb_state *first = tasks[0]->state;
    const struct crypto_mb_kind *kind = first->kind;
    uint32_t there = 0;

    for (unsigned i = 0; i < n; i++) {
        w->states[i] = tasks[i]->state;
        if (kind->put(w, i, &tasks[i]->ak))
            there |= 1u << i;
    }
    w->n = n;
    if (!compute(w))
        there = 0;
    for (unsigned i = 0; i < n; i++)
        if ((there & 1u << i) && MBX_GET_STS(w->status, (int)i) == MBX_STATUS_OK &&
            kind->get(w, i, &tasks[i]->ak))
            tasks[i]->status = VIRTIO_CRYPTO_OK;
    explicit_bzero(&w->lanes, sizeof(w->lanes));
}

/* Takes tasks of one kind out of *left. */
static unsigned take_group(struct engine_task *const *tasks, uint32_t *left,
                           struct engine_task **group)
{
    const struct crypto_mb_state *first = tasks[__builtin_ctz(*left)]->state;
    unsigned k = 0;

    for (unsigned i = 0; i < ENGINE_BATCH && k < CRYPTO_MB_LANES; i++) {
        if (!(*left & 1u << i) ||
            ((const struct crypto_mb_state *)tasks[i]->state)->kind != first->kind)
            continue;
        group[k++] = tasks[i];
        *left &= ~(1u << i);
    }
    return k;
}

static void crypto_mb_run(void *engine, unsigned worker, struct engine_task *const *tasks,
                          unsigned n)
{
    struct engine_crypto_mb *e = engine;
    struct engine_task *group[CRYPTO_MB_LANES];
    uint32_t left = 0;

    if (e->worker[worker] == NULL)
        e->worker[worker] = secret_alloc(sizeof(*e->worker[worker]));
    for (unsigned i = 0; i < n; i++) {
        const struct crypto_mb_state *st = tasks[i]->state;

        tasks[i]->status = VIRTIO_CRYPTO_ERR;
        if (e->worker[worker] != NULL && st->kind->can(st, &tasks[i]->ak))
            left |= 1u << i;
        else
            run_other(e, worker, tasks[i]);
    }
    while (left != 0) {
        unsigned k = take_group(tasks, &left, group);
        const struct crypto_mb_state *first = group[0]->state;

        if (k >= first->kind->least)
            run_lanes(e->worker[worker], group, k);
        for (unsigned i = 0; i < k; i++)
            if (group[i]->status != VIRTIO_CRYPTO_OK)
                run_other(e, worker, group[i]);
    }
}

const struct engine_ops engine_crypto_mb = {
    .name = "crypto_mb",
    .start = crypto_mb_start,
    .stop = crypto_mb_stop,
    .least = crypto_mb_least,
    .open = crypto_mb_open,
    .run = crypto_mb_run,
    .close = crypto_mb_close,
};
