/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine by IPsec-MB: published vectors, and random batches beside the
 * engine by libcrypto.
 */
#include <check.h>

#include "support.h"

#ifndef VCRYPTO_IPSEC_MB

int main(void)
{
    return support_skip("engine_ipsec_mb", "built without IPsec-MB");
}

#else

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include "support/engine_pair.h"
#include "support/engine_vectors.h"
#include "support/must.h"

#define WORKERS  2
#define DATA_MAX 20000

#define CIPHER(n) VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_##n
#define AEAD(n)   VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_##n

static void start(void)
{
    engine_pair_engines_start(&engine_libcrypto, &engine_ipsec_mb, WORKERS);
}

static void vector_check(const struct engine_vector *v, bool encrypt, unsigned i)
{
    static uint8_t in[512], out[512], tag[16], text[512];
    const struct alg *alg = alg_find(v->service, v->number);
    uint32_t len = (uint32_t)support_hex(encrypt ? v->plain : v->cipher, in, sizeof(in));
    uint32_t iv_len = (uint32_t)support_hex(v->iv, text, sizeof(text)), aad_len;
    struct engine_pair p;

    engine_pair_init(&p, len);
    p.key.alg = alg;
    p.key.encrypt = encrypt;
    p.key.key_len = (uint32_t)support_hex(v->key, p.key_bytes, sizeof(p.key_bytes));
    p.key.tag_len = (uint32_t)support_hex(v->tag, tag, sizeof(tag));
    memcpy(p.iv.end - iv_len, text, iv_len);
    aad_len = (uint32_t)support_hex(v->aad, text, sizeof(text));
    memcpy(p.aad.end - aad_len, text, aad_len);
    memcpy(p.src.end - len, in, len);
    memcpy(p.tags[i], tag, sizeof(tag));
    engine_pair_open(&p);
    engine_pair_task(&p, i, len, iv_len, aad_len);
    if (encrypt)
        memset(p.tags[i], 0, sizeof(p.tags[i]));
    engine_pair_run(&p, i);
    ck_assert_msg(p.tasks[i].status == VIRTIO_CRYPTO_OK, "%s: status %d", v->name,
                  p.tasks[i].status);
    ck_assert_uint_eq(support_hex(encrypt ? v->cipher : v->plain, out, sizeof(out)), len);
    ck_assert_msg(memcmp(p.dst[i].end - len, out, len) == 0, "%s: data", v->name);
    ck_assert_msg(memcmp(p.tags[i], tag, p.key.tag_len) == 0, "%s: tag", v->name);
    engine_pair_close(&p);
    engine_pair_fini(&p);
}

START_TEST(test_vector)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned encrypt = 0; encrypt < 2; encrypt++)
            vector_check(&engine_vectors[_i], encrypt, i);
}
END_TEST

/* What it is asked for elsewhere: keys that it takes, and those that it does not. */
START_TEST(test_least)
{
    static const struct {
        uint8_t service, number;
        uint32_t key_len;
        bool does;
    } keys[] = {
        {CIPHER(AES_CBC), 16, true},  {CIPHER(AES_CBC), 24, true},
        {CIPHER(AES_CBC), 32, true},  {AEAD(GCM), 24, true},
        {AEAD(CCM), 16, true},        {AEAD(CCM), 24, false},
        {AEAD(CCM), 32, true},        {CIPHER(AES_XTS), 32, false},
        {CIPHER(AES_XTS), 64, false}, {VIRTIO_CRYPTO_SERVICE_AKCIPHER, 1, 0, false},
    };
    uint8_t bytes[64] = {0};

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        for (unsigned encrypt = 0; encrypt < 2; encrypt++) {
            struct engine_key key = {.alg = alg_find(keys[i].service, keys[i].number),
                                     .encrypt = encrypt,
                                     .key = bytes,
                                     .key_len = keys[i].key_len,
                                     .tag_len = 16};
            unsigned least = engine_ipsec_mb.least(engine_pair_engine(1), &key);

            ck_assert_uint_le(least, ENGINE_BATCH);
            ck_assert_int_eq(least != 0, keys[i].does);
            if (!keys[i].does)
                ck_assert_ptr_null(engine_ipsec_mb.open(engine_pair_engine(1), &key));
        }
}
END_TEST

struct user {
    unsigned worker;
    uint32_t seed;
    unsigned batches;
};

/* Batches of 1 to 32, of keys that serve several of them. */
static void *random_batches(void *arg)
{
    struct user *u = arg;
    struct support_random r = {.state = u->seed};
    struct engine_pair *p = calloc(ENGINE_BATCH, sizeof(*p));

    MUST(p != NULL);
    for (unsigned i = 0; i < ENGINE_BATCH; i++) {
        engine_pair_init(&p[i], DATA_MAX);
        p[i].worker = u->worker;
        engine_pair_random_key(&p[i], &r);
    }
    for (unsigned b = 0; b < u->batches; b++) {
        unsigned n = 1 + support_below(&r, ENGINE_BATCH), again = support_below(&r, ENGINE_BATCH);
        struct engine_task *tasks[ENGINE_BATCH];

        engine_pair_close(&p[again]);
        engine_pair_random_key(&p[again], &r);
        for (unsigned i = 0; i < n; i++) {
            unsigned at = (again + i) % ENGINE_BATCH;

            engine_pair_random_task(&p[at], &r, DATA_MAX);
            engine_pair_run(&p[at], 0);
            tasks[i] = &p[at].tasks[1];
        }
        engine_ipsec_mb.run(engine_pair_engine(1), u->worker, tasks, n);
        for (unsigned i = 0; i < n; i++)
            engine_pair_compare(&p[(again + i) % ENGINE_BATCH]);
    }
    for (unsigned i = 0; i < ENGINE_BATCH; i++) {
        engine_pair_close(&p[i]);
        engine_pair_fini(&p[i]);
    }
    free(p);
    return NULL;
}

START_TEST(test_random)
{
    struct user u = {.worker = 0, .seed = 100 + (uint32_t)_i, .batches = 60};

    random_batches(&u);
}
END_TEST

START_TEST(test_threads)
{
    struct user users[WORKERS];
    pthread_t threads[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++) {
        users[i] = (struct user){.worker = i, .seed = 7 + i, .batches = 40};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, random_batches, &users[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* Longer than a lane can count. */
START_TEST(test_long)
{
    static const uint32_t lens[] = {32768, 32784, 65520, 65536, 65552, 1u << 20};
    const unsigned n = sizeof(lens) / sizeof(lens[0]);
    const struct alg *alg = &algs[_i / 2];
    struct support_random r = {.state = 1};
    struct engine_task *tasks[sizeof(lens) / sizeof(lens[0])];
    struct engine_pair p[sizeof(lens) / sizeof(lens[0])];
    struct engine_key key = {
        .alg = alg, .encrypt = _i % 2, .key_len = alg->key_lens[0], .tag_len = alg->tag_max};

    if (engine_ipsec_mb.least(engine_pair_engine(1), &key) == 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        engine_pair_init(&p[i], lens[i]);
        p[i].key = key;
        p[i].in_place = i % 2;
        support_fill(&r, p[i].src.end - lens[i], lens[i]);
        memset(p[i].key_bytes, (int)i, sizeof(p[i].key_bytes));
        engine_pair_open(&p[i]);
        engine_pair_task(&p[i], 0, lens[i], alg->iv_min, 0);
        if (engine_pair_is_aead(&p[i]) && !key.encrypt)
            engine_pair_cipher_text(&p[i], &r);
        memcpy(p[i].tags[1], p[i].tags[0], sizeof(p[i].tags[0]));
        for (unsigned e = 0; e < 2; e++)
            engine_pair_task(&p[i], e, lens[i], alg->iv_min, 0);
        engine_pair_run(&p[i], 0);
        tasks[i] = &p[i].tasks[1];
    }
    engine_ipsec_mb.run(engine_pair_engine(1), 0, tasks, n);
    for (unsigned i = 0; i < n; i++) {
        engine_pair_compare(&p[i]);
        engine_pair_close(&p[i]);
        engine_pair_fini(&p[i]);
    }
}
END_TEST

/* The key stream made of ECB and a counter of ours. */
static void expect_ctr(const uint8_t *key, const uint8_t *iv, uint8_t *stream, uint32_t len)
{
    struct engine_key ecb = {
        .alg = alg_find(CIPHER(AES_ECB)), .encrypt = true, .key = key, .key_len = 16};
    struct engine_task task = {.op = {.src = stream, .dst = stream, .len = len}}, *one = &task;
    uint8_t counter[16];

    memcpy(counter, iv, 16);
    for (uint32_t at = 0; at < len; at += 16) {
        memcpy(stream + at, counter, 16);
        for (int i = 15; i >= 0 && ++counter[i] == 0; i--)
            ;
    }
    task.state = engine_libcrypto.open(engine_pair_engine(0), &ecb);
    engine_libcrypto.run(engine_pair_engine(0), 0, &one, 1);
    ck_assert_int_eq(task.status, VIRTIO_CRYPTO_OK);
    engine_libcrypto.close(task.state);
}

/* All 16 bytes are the counter: _i of them are ff, and it wraps after some
 * blocks. */
START_TEST(test_counter)
{
    uint8_t zero[1024] = {0}, out[1024], stream[1024], iv[16], key_bytes[32];
    struct engine_key key = {.alg = alg_find(CIPHER(AES_CTR)), .key = key_bytes, .key_len = 16};
    struct engine_task task, *one = &task;
    void *state;

    memset(key_bytes, 0x5a, sizeof(key_bytes));
    memset(iv, 0x17, sizeof(iv));
    memset(iv + 16 - _i, 0xff, (size_t)_i);
    ck_assert_ptr_nonnull(state = engine_ipsec_mb.open(engine_pair_engine(1), &key));
    for (unsigned before = 1; before <= 20; before++) {
        iv[15] = (uint8_t)(256 - before);
        expect_ctr(key_bytes, iv, stream, sizeof(stream));
        for (uint32_t len = 1; len <= sizeof(out); len += 13) {
            memset(out, 0, sizeof(out));
            task = (struct engine_task){
                .state = state,
                .op = {.iv = iv, .iv_len = 16, .src = zero, .dst = out, .len = len}};
            engine_ipsec_mb.run(engine_pair_engine(1), 0, &one, 1);
            MUST(task.status == VIRTIO_CRYPTO_OK);
            MUST(memcmp(out, stream, len) == 0);
            MUST(len == sizeof(out) || out[len] == 0);
        }
    }
    engine_ipsec_mb.close(state);
}
END_TEST

/* Every bit of a tag counts, and so does the AAD; nothing else is an error. */
START_TEST(test_forged)
{
    static const struct {
        uint8_t number;
        uint32_t key_len, tag_len, iv_len;
    } rows[] = {
        {VIRTIO_CRYPTO_AEAD_GCM, 16, 16, 12},
        {VIRTIO_CRYPTO_AEAD_GCM, 32, 5, 12},
        {VIRTIO_CRYPTO_AEAD_CCM, 16, 8, 13},
        {VIRTIO_CRYPTO_AEAD_CHACHA20_POLY1305, 32, 16, 12},
    };
    struct support_random r = {.state = 3};
    const uint32_t len = 100, aad_len = 13;
    struct engine_pair p;

    engine_pair_init(&p, len);
    p.key = (struct engine_key){.alg = alg_find(VIRTIO_CRYPTO_SERVICE_AEAD, rows[_i].number),
                                .key_len = rows[_i].key_len,
                                .tag_len = rows[_i].tag_len};
    engine_pair_open(&p);
    do {
        engine_pair_task(&p, 1, len, rows[_i].iv_len, aad_len);
        p.tasks[0] = p.tasks[1];
        engine_pair_cipher_text(&p, &r);
    } while (p.forged);
    for (unsigned bit = 0; bit < p.key.tag_len * 8; bit++) {
        p.tags[1][bit / 8] ^= (uint8_t)(1u << bit % 8);
        engine_pair_run(&p, 1);
        MUST(p.tasks[1].status == VIRTIO_CRYPTO_BADMSG);
        p.tags[1][bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    engine_pair_run(&p, 1);
    ck_assert_int_eq(p.tasks[1].status, VIRTIO_CRYPTO_OK);
    p.aad.end[-1] ^= 1;
    engine_pair_run(&p, 1);
    ck_assert_int_eq(p.tasks[1].status, VIRTIO_CRYPTO_BADMSG);
    engine_pair_close(&p);
    engine_pair_fini(&p);
}
END_TEST

/* Where a job rings the doorbell its stack is all there is; sanitizers need
 * more for themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK (512 * 1024)
#else
#define STACK (32 * 1024)
#endif

START_TEST(test_stack)
{
    struct user u = {.worker = 0, .seed = 5, .batches = 20};
    pthread_attr_t attr;
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, random_batches, &u), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}
END_TEST

int main(void)
{
    void *here = engine_ipsec_mb.start(1);
    Suite *suite;
    TCase *tc;

    if (here == NULL)
        return support_skip("engine_ipsec_mb", "this CPU has no AVX2");
    engine_ipsec_mb.stop(here);
    suite = suite_create("engine_ipsec_mb");
    tc = tcase_create("engine");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, start, engine_pair_engines_stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_least);
    tcase_add_loop_test(tc, test_vector, 0, (int)engine_vectors_count);
    tcase_add_loop_test(tc, test_counter, 1, 17);
    tcase_add_loop_test(tc, test_forged, 0, 4);
    tcase_add_loop_test(tc, test_long, 0, (int)algs_count * 2);
    tcase_add_loop_test(tc, test_random, 0, 8);
    tcase_add_test(tc, test_threads);
    tcase_add_test(tc, test_stack);
    return support_run(suite);
}

#endif
