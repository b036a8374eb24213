/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's IPsec-MB as compute engine: what is serial within one operation, as
 * CBC encryption is, it does for up to 16 operations side by side, and the
 * rest with the widest vectors that the CPU has.
 *
 * What the library cannot do within a key that it can (a long AAD in CCM, say)
 * is done by libcrypto, which is started for it when that first happens.
 */
#include "emulator/engine_ipsec_mb.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/engine_other.h"

struct engine_ipsec_mb {
    bool wide; /* AVX-512 and VAES */
    unsigned workers;
    struct engine_other other;
    struct ipsec_mb_worker worker[];
};

#define CIPHER(n) VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_##n
#define AEAD(n)   VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_##n
#define ENC       true
#define DEC       false
#define ALL       7
#define NOT_192   5

/*
 * Where it pays, measured at 1 KiB and 16 KiB against libcrypto 3.0 by
 * test/bench/engines. With AVX-512 and VAES one operation at 16 KiB takes, of
 * libcrypto's time: ECB, CBC decryption and CTR 0.5, GCM 0.4, ChaCha20-Poly1305
 * 0.93. One CBC encryption alone takes 1.5, two 0.75 each, 16 of them 0.09; CCM
 * 1.35, 0.75, 0.15. The old AVX2 code gains only where it has lanes, and a
 * little in GCM.
 */
static const struct row {
    uint8_t service, number;
    bool encrypt;
    uint8_t key_lens;     /* a bit for each of struct alg's */
    uint8_t wide, narrow; /* engine_ops.least, with AVX-512 and VAES, without */
    const struct ipsec_mb_mode *mode;
} rows[] = {
    {CIPHER(AES_ECB), ENC, ALL, 1, 1, &ipsec_mb_ecb},
    {CIPHER(AES_ECB), DEC, ALL, 1, 1, &ipsec_mb_ecb},
    {CIPHER(AES_CBC), ENC, ALL, 2, 2, &ipsec_mb_cbc_encrypt},
    {CIPHER(AES_CBC), DEC, ALL, 1, 1, &ipsec_mb_cbc_decrypt},
    {CIPHER(AES_CTR), ENC, ALL, 1, 0, &ipsec_mb_ctr},
    {CIPHER(AES_CTR), DEC, ALL, 1, 0, &ipsec_mb_ctr},
    {AEAD(GCM), ENC, ALL, 1, 1, &ipsec_mb_gcm},
    {AEAD(GCM), DEC, ALL, 1, 1, &ipsec_mb_gcm},
    {AEAD(CCM), ENC, NOT_192, 2, 2, &ipsec_mb_ccm},
    {AEAD(CCM), DEC, NOT_192, 2, 2, &ipsec_mb_ccm},
    {AEAD(CHACHA20_POLY1305), ENC, ALL, 1, 0, &ipsec_mb_chacha20_poly1305},
    {AEAD(CHACHA20_POLY1305), DEC, ALL, 1, 0, &ipsec_mb_chacha20_poly1305},
};

static const struct row *row_of(const struct engine_key *key)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (row->service != key->alg->service || row->number != key->alg->number ||
            row->encrypt != key->encrypt)
            continue;
        for (unsigned j = 0; j < ALG_KEY_LENS; j++)
            if (key->alg->key_lens[j] == key->key_len && (row->key_lens & 1u << j))
                return row;
    }
    return NULL;
}

/* CPUID is slow in a virtual machine, and what it says does not change. */
static uint64_t features;

static void detect(void)
{
    features = imb_get_feature_flags();
}

static bool has(uint64_t wanted)
{
    return (features & wanted) == wanted;
}

/* The library goes by CPUID alone; the kernel may not save those registers. */
static bool usable(void)
{
    return has(IMB_CPUFLAGS_AVX2) && __builtin_cpu_supports("avx2") &&
           (!has(IMB_FEATURE_AVX512F) || __builtin_cpu_supports("avx512f"));
}

/* The manager that it has, or makes; NULL: no memory, or the library's self
 * test failed. */
static IMB_MGR *manager(struct ipsec_mb_worker *w)
{
    IMB_MGR *mgr = w->mgr;

    if (mgr != NULL || (mgr = alloc_mb_mgr(0)) == NULL)
        return mgr;
    init_mb_mgr_auto(mgr, NULL);
    if (imb_get_errno(mgr) != 0) {
        free_mb_mgr(mgr);
        return NULL;
    }
    return w->mgr = mgr;
}

static void ipsec_mb_stop(void *engine)
{
    struct engine_ipsec_mb *e = engine;

    engine_other_fini(&e->other);
    for (unsigned i = 0; i < e->workers; i++) {
        if (e->worker[i].mgr == NULL)
            continue;
        explicit_bzero(e->worker[i].mgr, imb_get_mb_mgr_size());
        free_mb_mgr(e->worker[i].mgr);
    }
    explicit_bzero(e, sizeof(*e) + e->workers * sizeof(e->worker[0]));
    free(e);
}

/* A manager is 200 KiB and takes as many microseconds to make, so a worker's
 * is made when it first has work. The first expands the keys of all. */
static void *ipsec_mb_start(unsigned workers)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct engine_ipsec_mb *e;

    pthread_once(&once, detect);
    if (workers == 0 || !usable())
        return NULL;
    e = calloc(1, sizeof(*e) + workers * sizeof(e->worker[0]));
    if (e == NULL)
        return NULL;
    e->workers = workers;
    e->wide = has(IMB_CPUFLAGS_AVX512_T2);
    engine_other_init(&e->other, workers);
    if (manager(&e->worker[0]) == NULL) {
        ipsec_mb_stop(e);
        return NULL;
    }
    return e;
}

static unsigned ipsec_mb_least(void *engine, const struct engine_key *key)
{
    const struct engine_ipsec_mb *e = engine;
    const struct row *row = row_of(key);

    if (row == NULL)
        return 0;
    return e->wide ? row->wide : row->narrow;
}

static void ipsec_mb_close(void *state)
{
    struct ipsec_mb_state *st = state;

    engine_other_close(st->other);
    explicit_bzero(st, sizeof(*st));
    free(st);
}

static void *ipsec_mb_open(void *engine, const struct engine_key *key)
{
    struct engine_ipsec_mb *e = engine;
    const struct row *row = row_of(key);
    struct ipsec_mb_state *st;

    if (row == NULL)
        return NULL;
    st = aligned_alloc(64, (sizeof(*st) + 63) & ~(size_t)63);
    if (st == NULL)
        return NULL;
    memset(st, 0, sizeof(*st));
    st->engine = e;
    st->mode = row->mode;
    st->key = *key;
    /* Of the manager this reads function pointers only. */
    st->mode->expand(e->worker[0].mgr, st);
    return st;
}

/* By libcrypto. */
static void run_other(struct engine_ipsec_mb *e, unsigned worker, struct engine_task *task)
{
    struct ipsec_mb_state *st = task->state;

    engine_other_run(&e->other, &st->key, &st->other, worker, task);
}

static void ipsec_mb_run(void *engine, unsigned worker, struct engine_task *const *tasks,
                         unsigned n)
{
    struct engine_ipsec_mb *e = engine;
    struct ipsec_mb_worker *w = &e->worker[worker];
    struct engine_task *group[ENGINE_BATCH];
    bool have = manager(w) != NULL;
    uint32_t left = 0;

    for (unsigned i = 0; i < n; i++) {
        struct engine_task *task = tasks[i];
        const struct ipsec_mb_state *st = task->state;

        if (!have || (st->mode->can != NULL && !st->mode->can(&task->op)))
            run_other(e, worker, task);
        else if (st->mode->one != NULL)
            task->status = st->mode->one(w, st, &task->op);
        else
            left |= 1u << i;
    }
    /* The lanes are per mode and key length. */
    while (left != 0) {
        const struct ipsec_mb_state *first = tasks[__builtin_ctz(left)]->state;
        unsigned k = 0;

        for (unsigned i = 0; i < n; i++) {
            const struct ipsec_mb_state *st = tasks[i]->state;

            if (!(left & 1u << i) || st->mode != first->mode ||
                st->key.key_len != first->key.key_len || st->key.encrypt != first->key.encrypt)
                continue;
            group[k++] = tasks[i];
            left &= ~(1u << i);
        }
        first->mode->many(w, group, k);
    }
}

const struct engine_ops engine_ipsec_mb = {
    .name = "IPsec-MB",
    .start = ipsec_mb_start,
    .stop = ipsec_mb_stop,
    .least = ipsec_mb_least,
    .open = ipsec_mb_open,
    .run = ipsec_mb_run,
    .close = ipsec_mb_close,
};
