/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulator's engines beside each other, with nothing around them: ns per
 * operation when so many operations are done at once, on one CPU. Engines take
 * turns, and the least of many rounds counts, so that other load matters
 * little. The tables of least() come from here.
 *
 *   engines [ROUNDS [NAME]]     NAME: one algorithm, as in algs.c
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_crypto.h>

#include "emulator/engine.h"

#define DEPTH_MAX 32
#define LEN_MAX   16384
/* As the driver lays them out. A multiple of 4096 would have all lanes compete
 * for the same lines of the cache: 2.5 times slower. */
#define STRIDE (LEN_MAX + 1024)
#define AAD    13

static const struct engine_ops *const engines[] = {
    &engine_libcrypto,
#ifdef VCRYPTO_IPSEC_MB
    &engine_ipsec_mb,
#endif
};
#define ENGINES (sizeof(engines) / sizeof(engines[0]))

static void *engine[ENGINES];
static uint8_t data[DEPTH_MAX][STRIDE];
static uint8_t key_bytes[64], iv[16], aad[AAD], tags[DEPTH_MAX][16];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A round long enough for the clock, short enough to fall between others'. */
static double round_of(unsigned e, void *const *states, unsigned depth, unsigned len, bool is_aead)
{
    struct engine_task task[DEPTH_MAX], *tasks[DEPTH_MAX];
    unsigned times = 1 + 100000 / (len * depth);
    double begin;

    for (unsigned i = 0; i < depth; i++) {
        task[i] = (struct engine_task){
            .state = states[i],
            .op = {.iv = iv, .src = data[i], .dst = data[i], .tag = tags[i], .len = len},
        };
        task[i].op.iv_len = is_aead ? 12 : 16;
        if (is_aead) {
            task[i].op.aad = aad;
            task[i].op.aad_len = AAD;
        }
        tasks[i] = &task[i];
    }
    begin = now();
    for (unsigned i = 0; i < times; i++)
        engines[e]->run(engine[e], 0, tasks, depth);
    return (now() - begin) / (times * depth);
}

static void measure(const struct engine_key *key, unsigned len, unsigned depth, unsigned rounds)
{
    bool is_aead = key->alg->service == VIRTIO_CRYPTO_SERVICE_AEAD;
    void *states[ENGINES][DEPTH_MAX];
    double best[ENGINES];

    for (unsigned e = 0; e < ENGINES; e++) {
        best[e] = 1e12;
        for (unsigned i = 0; i < DEPTH_MAX; i++)
            states[e][i] = engine[e] != NULL && engines[e]->least(engine[e], key) != 0
                               ? engines[e]->open(engine[e], key)
                               : NULL;
    }
    for (unsigned r = 0; r < rounds; r++)
        for (unsigned e = 0; e < ENGINES; e++) {
            double t = states[e][0] != NULL ? round_of(e, states[e], depth, len, is_aead) : 0;

            if (t != 0 && t < best[e])
                best[e] = t;
        }
    printf("%-18s %3u %s %6u %3u", key->alg->name, key->key_len * 8, key->encrypt ? "enc" : "dec",
           len, depth);
    for (unsigned e = 0; e < ENGINES; e++)
        if (states[e][0] != NULL)
            printf("  %s %8.0f ns (%.2f)", engines[e]->name, best[e], best[0] / best[e]);
    printf("\n");
    for (unsigned e = 0; e < ENGINES; e++)
        for (unsigned i = 0; i < DEPTH_MAX; i++)
            if (states[e][i] != NULL)
                engines[e]->close(states[e][i]);
}

static void measure_alg(const struct alg *alg, unsigned rounds)
{
    static const unsigned lens[] = {1024, LEN_MAX};

    for (unsigned k = 0; k < ALG_KEY_LENS && alg->key_lens[k] != 0; k++)
        for (unsigned enc = 2; enc-- > 0;)
            for (unsigned l = 0; l < 2; l++)
                for (unsigned depth = 1; depth <= DEPTH_MAX; depth *= 2) {
                    struct engine_key key = {.alg = alg,
                                             .encrypt = enc,
                                             .key = key_bytes,
                                             .key_len = alg->key_lens[k],
                                             .tag_len = alg->tag_max};

                    measure(&key, lens[l], depth, rounds);
                }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    for (unsigned i = 0; i < sizeof(key_bytes); i++)
        key_bytes[i] = (uint8_t)i; /* XTS wants halves that differ */
    for (unsigned e = 0; e < ENGINES; e++)
        engine[e] = engines[e]->start(1);
    for (size_t i = 0; i < algs_count; i++)
        if (algs[i].key_lens[0] != 0 && (argc < 3 || strcmp(algs[i].name, argv[2]) == 0))
            measure_alg(&algs[i], rounds);
    for (unsigned e = 0; e < ENGINES; e++)
        if (engine[e] != NULL)
            engines[e]->stop(engine[e]);
    return 0;
}
