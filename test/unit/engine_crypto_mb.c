/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine by crypto_mb: known answers, and random batches beside the engine
 * by libcrypto.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* unpadding as such */
#include <check.h>

#include "support.h"

#ifndef VCRYPTO_CRYPTO_MB

int main(void)
{
    return support_skip("engine_crypto_mb", "built without crypto_mb");
}

#else

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include "emulator/engine_crypto_mb.h"
#include "published_rsa.h"
#include "selftest_ak.h"
#include "support/must.h"

#define WORKERS 2

static void *other, *engine;

static void start(void)
{
    other = engine_libcrypto.start(WORKERS);
    engine = engine_crypto_mb.start(WORKERS);
    ck_assert(other != NULL && engine != NULL);
}

static void stop(void)
{
    engine_crypto_mb.stop(engine);
    engine_libcrypto.stop(other);
}

/* A key, in both engines. */
struct pair {
    struct engine_key key;
    uint8_t der[AKCIPHER_KEY_MAX];
    void *ours, *theirs;
    uint32_t size; /* RSA: bytes */
};

static struct engine_key rsa_key(uint32_t padding, uint32_t hash)
{
    return (struct engine_key){
        .alg = alg_find(VIRTIO_CRYPTO_SERVICE_AKCIPHER, AKCIPHER_RSA),
        .ak = {.is_private = true, .padding = padding, .hash = hash},
    };
}

static struct engine_key ec_key(uint32_t curve)
{
    return (struct engine_key){
        .alg = alg_find(VIRTIO_CRYPTO_SERVICE_AKCIPHER, AKCIPHER_ECDSA),
        .ak = {.is_private = true, .curve = curve},
    };
}

#define RAW rsa_key(VIRTIO_CRYPTO_RSA_RAW_PADDING, 0)

static void pair_open(struct pair *p)
{
    p->key.key = p->der;
    ck_assert_ptr_nonnull(p->theirs = engine_libcrypto.open(other, &p->key));
    ck_assert_ptr_nonnull(p->ours = engine_crypto_mb.open(engine, &p->key));
}

static void pair_close(struct pair *p)
{
    engine_libcrypto.close(p->theirs);
    engine_crypto_mb.close(p->ours);
}

/* Whether libcrypto had no part in what our engine did with this key. */
static bool alone(const struct pair *p)
{
    return ((const struct crypto_mb_state *)p->ours)->other == NULL;
}

static void pair_made(struct pair *p, const char *type, const char *group, size_t bits)
{
    EVP_PKEY *pkey = group != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
                                   : EVP_PKEY_Q_keygen(NULL, NULL, type, bits);
    uint8_t *end = p->der;

    ck_assert_ptr_nonnull(pkey);
    ck_assert_int_le(i2d_PrivateKey(pkey, NULL), (int)sizeof(p->der));
    p->key.key_len = (uint32_t)i2d_PrivateKey(pkey, &end);
    p->size = (uint32_t)bits / 8;
    EVP_PKEY_free(pkey);
}

static void pair_known(struct pair *p, const struct selftest_rsa *known)
{
    p->key.key_len = (uint32_t)support_hex(known->key, p->der, sizeof(p->der));
    p->size = known->bits / 8;
}

struct job {
    struct engine_task task;
    uint8_t src[1024], digest[128], dst[1024];
};

static void job_set(struct job *j, void *state, uint32_t opcode, uint32_t src_len, uint32_t room)
{
    j->task = (struct engine_task){
        .state = state,
        .ak = {.opcode = opcode, .src = j->src, .dst = j->dst, .src_len = src_len, .len = room},
        .status = -1,
    };
}

static void by_libcrypto(struct job *j, const struct pair *p, uint32_t opcode, uint32_t src_len,
                         uint32_t room)
{
    struct engine_task *task = &j->task;

    job_set(j, p->theirs, opcode, src_len, room);
    engine_libcrypto.run(other, 0, &task, 1);
}

#define DECRYPT VIRTIO_CRYPTO_AKCIPHER_DECRYPT
#define ENCRYPT VIRTIO_CRYPTO_AKCIPHER_ENCRYPT
#define SIGN    VIRTIO_CRYPTO_AKCIPHER_SIGN
#define VERIFY  VIRTIO_CRYPTO_AKCIPHER_VERIFY

static void must_verify(const struct pair *p, const struct job *signed_by, uint32_t digest_len)
{
    struct job *j = calloc(1, sizeof(*j));
    struct engine_task *task = &j->task;

    MUST(j != NULL && signed_by->task.status == VIRTIO_CRYPTO_OK);
    memcpy(j->src, signed_by->dst, signed_by->task.ak.len);
    job_set(j, p->theirs, VERIFY, signed_by->task.ak.len, 0);
    j->task.ak.digest = signed_by->src;
    j->task.ak.digest_len = digest_len;
    engine_libcrypto.run(other, 0, &task, 1);
    MUST(task->status == VIRTIO_CRYPTO_OK);
    free(j);
}

static void run_batch(unsigned worker, struct job *jobs, unsigned n)
{
    struct engine_task *tasks[ENGINE_BATCH];

    for (unsigned i = 0; i < n; i++)
        tasks[i] = &jobs[i].task;
    engine_crypto_mb.run(engine, worker, tasks, n);
}

/* Signatures that were made elsewhere, in as many lanes as there may be. */
START_TEST(test_known_signature)
{
    static struct job jobs[CRYPTO_MB_LANES];
    static struct pair p;
    static uint8_t want[CRYPTO_MB_RSA_BYTES];

    p.key = rsa_key(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_SHA256);
    pair_known(&p, &selftest_rsa[_i]);
    ck_assert_uint_eq(support_hex(selftest_rsa[_i].signature, want, sizeof(want)), p.size);
    pair_open(&p);
    for (unsigned n = 1; n <= CRYPTO_MB_LANES; n++) {
        bool enough = n >= engine_crypto_mb.least(engine, &p.key);

        for (unsigned i = 0; i < n; i++) {
            for (unsigned k = 0; k < 32; k++)
                jobs[i].src[k] = (uint8_t)(3 * k);
            job_set(&jobs[i], p.ours, SIGN, 32, p.size);
        }
        run_batch(0, jobs, n);
        for (unsigned i = 0; i < n; i++) {
            ck_assert_int_eq(jobs[i].task.status, VIRTIO_CRYPTO_OK);
            ck_assert_uint_eq(jobs[i].task.ak.len, p.size);
            ck_assert_mem_eq(jobs[i].dst, want, p.size);
        }
        if (enough) {
            pair_close(&p);
            pair_open(&p);
            run_batch(0, jobs, 0);
            for (unsigned i = 0; i < n; i++)
                job_set(&jobs[i], p.ours, SIGN, 32, p.size);
            run_batch(0, jobs, n);
            ck_assert(alone(&p));
        }
    }
    pair_close(&p);
}
END_TEST

static uint8_t *put_number(uint8_t *out, const char *hex)
{
    uint8_t bytes[256];
    size_t len = support_hex(hex, bytes, sizeof(bytes));
    size_t pad = bytes[0] >> 7;

    *out++ = DER_INTEGER;
    *out++ = 0x82;
    *out++ = (uint8_t)((len + pad) >> 8);
    *out++ = (uint8_t)(len + pad);
    if (pad != 0)
        *out++ = 0;
    memcpy(out, bytes, len);
    return out + len;
}

static void pair_published(struct pair *p)
{
    uint8_t *end = p->der + 4;

    end = put_number(end, "00"); /* the version */
    for (unsigned i = 0; i < PUBLISHED_RSA_NUMBERS; i++)
        end = put_number(end, published_rsa.numbers[i]);
    p->key.key_len = (uint32_t)(end - p->der);
    p->der[0] = DER_SEQUENCE;
    p->der[1] = 0x82;
    p->der[2] = (uint8_t)((p->key.key_len - 4) >> 8);
    p->der[3] = (uint8_t)(p->key.key_len - 4);
    p->size = 128;
}

/* What the published key's operation makes of the cipher text is a block that
 * holds the text. */
START_TEST(test_published_number)
{
    static struct job jobs[CRYPTO_MB_LANES];
    static struct pair p;
    uint8_t want[64], text[128];
    size_t len = support_hex(published_rsa.text, want, sizeof(want));

    p.key = RAW;
    pair_published(&p);
    pair_open(&p);
    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
        ck_assert_uint_eq(support_hex(published_rsa.cipher, jobs[i].src, sizeof(jobs[i].src)), 128);
        job_set(&jobs[i], p.ours, DECRYPT, 128, 128);
    }
    run_batch(0, jobs, CRYPTO_MB_LANES);
    ck_assert(alone(&p));
    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
        ck_assert_int_eq(jobs[i].task.status, VIRTIO_CRYPTO_OK);
        ck_assert_uint_eq(jobs[i].dst[0], 0);
        ck_assert_int_eq(
            RSA_padding_check_PKCS1_OAEP(text, sizeof(text), jobs[i].dst + 1, 127, 128, NULL, 0),
            (int)len);
        ck_assert_mem_eq(text, want, len);
    }
    pair_close(&p);
}
END_TEST

START_TEST(test_least)
{
    static const struct {
        size_t bits;
        const char *group;
        uint32_t curve;
        bool does;
    } keys[] = {
        {1024, NULL, 0, true},
        {1536, NULL, 0, false},
        {0, "P-192", VIRTIO_CRYPTO_CURVE_NIST_P192, false},
        {0, "P-224", VIRTIO_CRYPTO_CURVE_NIST_P224, false},
        {0, "P-256", VIRTIO_CRYPTO_CURVE_NIST_P256, true},
        {0, "P-384", VIRTIO_CRYPTO_CURVE_NIST_P384, true},
        {0, "P-521", VIRTIO_CRYPTO_CURVE_NIST_P521, true},
    };
    static struct pair p;

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        void *state;

        p.key = keys[i].curve != 0 ? ec_key(keys[i].curve) : RAW;
        pair_made(&p, keys[i].curve != 0 ? "EC" : "RSA", keys[i].group, keys[i].bits);
        p.key.key = p.der;
        ck_assert_int_eq(engine_crypto_mb.least(engine, &p.key) != 0, keys[i].does);
        ck_assert_uint_le(engine_crypto_mb.least(engine, &p.key), CRYPTO_MB_LANES);
        state = engine_crypto_mb.open(engine, &p.key);
        ck_assert_int_eq(state != NULL, keys[i].does);
        if (state != NULL)
            engine_crypto_mb.close(state);
        p.key.ak.is_private = false;
        ck_assert_uint_eq(engine_crypto_mb.least(engine, &p.key), 0);
        p.key.ak.is_private = true;
        p.key.key_len--;
        ck_assert_uint_eq(engine_crypto_mb.least(engine, &p.key), 0);
    }
}
END_TEST

/* The same digest, never the same signature; digests of all lengths. */
START_TEST(test_signatures)
{
    static const struct {
        const char *group;
        uint32_t curve, field;
    } rows[] = {
        {"P-256", VIRTIO_CRYPTO_CURVE_NIST_P256, 32},
        {"P-384", VIRTIO_CRYPTO_CURVE_NIST_P384, 48},
        {"P-521", VIRTIO_CRYPTO_CURVE_NIST_P521, 66},
    };
    static struct job jobs[CRYPTO_MB_LANES];
    static struct pair p;

    p.key = ec_key(rows[_i].curve);
    pair_made(&p, "EC", rows[_i].group, 0);
    pair_open(&p);
    for (uint32_t len = 1; len <= rows[_i].field + (_i == 2 ? -1u : 16u); len++) {
        for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
            memset(jobs[i].src, (int)len, sizeof(jobs[i].src));
            job_set(&jobs[i], p.ours, SIGN, len, 2 * rows[_i].field + 9);
        }
        run_batch(0, jobs, CRYPTO_MB_LANES);
        for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
            must_verify(&p, &jobs[i], len);
            for (unsigned k = 0; k < i; k++)
                MUST(memcmp(jobs[i].dst, jobs[k].dst, rows[_i].field) != 0);
        }
    }
    ck_assert(alone(&p));
    /* What the library does not take: no more than the order, no more bits. */
    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++) {
        memset(jobs[i].src, 0xff, sizeof(jobs[i].src));
        job_set(&jobs[i], p.ours, SIGN, rows[_i].field, 2 * rows[_i].field + 9);
    }
    run_batch(0, jobs, CRYPTO_MB_LANES);
    for (unsigned i = 0; i < CRYPTO_MB_LANES; i++)
        must_verify(&p, &jobs[i], rows[_i].field);
    ck_assert(!alone(&p));
    pair_close(&p);
}
END_TEST

/* Keys of all kinds for random batches. */
enum { KEYS = 11 };

static void all_keys(struct pair *p)
{
    static const uint32_t hashes[] = {VIRTIO_CRYPTO_RSA_MD5,    VIRTIO_CRYPTO_RSA_SHA1,
                                      VIRTIO_CRYPTO_RSA_SHA384, VIRTIO_CRYPTO_RSA_SHA512,
                                      VIRTIO_CRYPTO_RSA_SHA224, VIRTIO_CRYPTO_RSA_NO_HASH};
    unsigned n = 0;

    for (unsigned i = 0; i < selftest_rsa_count && i < 2; i++, n++) {
        p[n].key = RAW;
        pair_known(&p[n], &selftest_rsa[i]);
    }
    for (unsigned i = 0; i < 6; i++, n++) {
        p[n].key = rsa_key(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, hashes[i]);
        pair_made(&p[n], "RSA", NULL, i == 0 ? 2048 : 1024);
    }
    p[n].key = ec_key(VIRTIO_CRYPTO_CURVE_NIST_P256);
    pair_made(&p[n++], "EC", "P-256", 0);
    p[n].key = ec_key(VIRTIO_CRYPTO_CURVE_NIST_P384);
    pair_made(&p[n++], "EC", "P-384", 0);
    p[n].key = ec_key(VIRTIO_CRYPTO_CURVE_NIST_P521);
    pair_made(&p[n++], "EC", "P-521", 0);
    ck_assert_uint_eq(n, KEYS);
}

static const uint8_t digest_lens[] = {
    [VIRTIO_CRYPTO_RSA_NO_HASH] = 36, [VIRTIO_CRYPTO_RSA_MD5] = 16,
    [VIRTIO_CRYPTO_RSA_SHA1] = 20,    [VIRTIO_CRYPTO_RSA_SHA256] = 32,
    [VIRTIO_CRYPTO_RSA_SHA384] = 48,  [VIRTIO_CRYPTO_RSA_SHA512] = 64,
    [VIRTIO_CRYPTO_RSA_SHA224] = 28,
};

/* An operation of ours, and what libcrypto says of the same. Now and then it
 * makes no sense. */
static void random_job(struct job *j, struct job *want, const struct pair *p,
                       struct support_random *r)
{
    bool ec = p->key.alg->number == AKCIPHER_ECDSA;
    bool raw = !ec && p->key.ak.padding == VIRTIO_CRYPTO_RSA_RAW_PADDING;
    uint32_t opcode = raw ? DECRYPT : SIGN, room = ec ? 141 : p->size;
    uint32_t len = ec ? 1 + support_below(r, 80) : raw ? p->size : digest_lens[p->key.ak.hash];

    support_fill(r, j->src, sizeof(j->src));
    if (raw && support_below(r, 8) != 0)
        j->src[0] = 0; /* else it may be more than the modulus */
    if (support_below(r, 8) == 0)
        len = support_below(r, 2) ? len - 1 : len + 1;
    if (support_below(r, 8) == 0)
        room = support_below(r, room);
    if (support_below(r, 8) == 0)
        opcode = raw ? ENCRYPT : VERIFY;
    memcpy(want->src, j->src, sizeof(j->src));
    memset(j->dst, 0xee, sizeof(j->dst));
    by_libcrypto(want, p, opcode, len, room);
    job_set(j, p->ours, opcode, len, room);
    j->task.ak.digest = want->task.ak.digest = j->digest;
    MUST(j->task.ak.digest_len == 0);
}

static void compare(const struct job *j, const struct job *want, const struct pair *p)
{
    MUST(j->task.status == want->task.status);
    if (j->task.status != VIRTIO_CRYPTO_OK)
        return;
    if (p->key.alg->number == AKCIPHER_ECDSA) {
        must_verify(p, j, j->task.ak.src_len);
    } else {
        MUST(j->task.ak.len == want->task.ak.len);
        MUST(memcmp(j->dst, want->dst, j->task.ak.len) == 0);
    }
    for (uint32_t i = j->task.ak.len; i < sizeof(j->dst); i++)
        MUST(j->dst[i] == 0xee);
}

struct user {
    unsigned worker, batches;
    uint32_t seed;
    const struct pair *pairs;
};

static void *random_batches(void *arg)
{
    struct user *u = arg;
    struct support_random r = {.state = u->seed};
    struct job *jobs = calloc(ENGINE_BATCH, sizeof(*jobs)),
               *want = calloc(ENGINE_BATCH, sizeof(*want));

    MUST(jobs != NULL && want != NULL);
    for (unsigned b = 0; b < u->batches; b++) {
        unsigned n = 1 + support_below(&r, ENGINE_BATCH), kinds = 1 + support_below(&r, KEYS);
        const struct pair *of[ENGINE_BATCH];

        for (unsigned i = 0; i < n; i++) {
            of[i] = &u->pairs[(b + support_below(&r, kinds)) % KEYS];
            random_job(&jobs[i], &want[i], of[i], &r);
        }
        run_batch(u->worker, jobs, n);
        for (unsigned i = 0; i < n; i++)
            compare(&jobs[i], &want[i], of[i]);
    }
    free(jobs);
    free(want);
    return NULL;
}

/* Each worker has keys of its own. */
START_TEST(test_random)
{
    static struct pair pairs[WORKERS][KEYS];
    struct user users[WORKERS];
    pthread_t threads[WORKERS];
    pthread_attr_t attr;

    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    /* Not much more than a job has, since libcrypto's part is in it. */
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 64 * 1024), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        all_keys(pairs[i]);
        for (unsigned k = 0; k < KEYS; k++)
            pair_open(&pairs[i][k]);
        users[i] = (struct user){i, 12, (uint32_t)(1 + _i * WORKERS + (int)i), pairs[i]};
    }
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], &attr, random_batches, &users[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        for (unsigned k = 0; k < KEYS; k++)
            pair_close(&pairs[i][k]);
    }
    pthread_attr_destroy(&attr);
}
END_TEST

int main(void)
{
    void *here = engine_crypto_mb.start(1);
    Suite *suite;
    TCase *tc;

    if (here == NULL)
        return support_skip("engine_crypto_mb", "this CPU has no AVX-512 IFMA");
    engine_crypto_mb.stop(here);
    suite = suite_create("engine_crypto_mb");
    tc = tcase_create("engine");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_least);
    tcase_add_loop_test(tc, test_known_signature, 0, (int)selftest_rsa_count);
    tcase_add_test(tc, test_published_number);
    tcase_add_loop_test(tc, test_signatures, 0, 3);
    tcase_add_loop_test(tc, test_random, 0, 4);
    return support_run(suite);
}

#endif
