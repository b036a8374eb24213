/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quick rate: many requests at a time, each submitted again as soon as it is
 * done, for a third of a second.
 */
#include <openssl/evp.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "probe.h"

#define IN_FLIGHT    64
#define RATE_SECONDS 0.3
#define TAG_LEN      16
#define IV_LEN       12
#define DIGEST       32
/* The longest DER signature of P-256. */
#define ECDSA_MAX 72

struct bench {
    sem_t done;
    struct hw_pool *pool;
    struct hw_key *key;
    struct hw_request *req[IN_FLIGHT];
    uint8_t *data[IN_FLIGHT];
    size_t src_len, dst_len;
};

/* The owner's part of a request. */
struct slot {
    struct bench *bench;
    atomic_bool done;
};

/* Each post stands for one that is done: the bench waits for all of them. */
static void complete(struct hw_request *req)
{
    struct slot *s = req->owner;

    /* Release: pairs with the exchange in next_done. */
    atomic_store_explicit(&s->done, true, memory_order_release);
    sem_post(&s->bench->done);
}

static struct hw_key *symmetric_key(enum hw_alg alg, size_t len)
{
    uint8_t bytes[64];
    const struct hw_key_spec spec = {.alg = alg, .bytes = bytes, .len = len};

    /* XTS wants two keys that differ. */
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    return len <= sizeof(bytes) ? hw_key_new(&spec) : NULL;
}

static struct hw_key *asymmetric_key(enum hw_alg alg, size_t bits)
{
    EVP_PKEY *pkey = alg == HW_RSA ? EVP_PKEY_Q_keygen(NULL, "provider=default", "RSA", bits)
                                   : EVP_PKEY_Q_keygen(NULL, "provider=default", "EC", "P-256");
    unsigned char *der = NULL;
    int len = pkey != NULL ? i2d_PrivateKey(pkey, &der) : -1;
    struct hw_key *key = NULL;

    if (len > 0) {
        const struct hw_key_spec spec = {
            .alg = alg,
            .bytes = der,
            .len = (size_t)len,
            .is_private = true,
            .curve = alg == HW_ECDSA ? HW_CURVE_P256 : HW_CURVE_NONE,
            .bits = (unsigned)bits,
        };

        key = hw_key_new(&spec);
        OPENSSL_cleanse(der, (size_t)len);
    }
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    return key;
}

/* What the algorithm asks of a request, but for its data. */
static void fill_in(struct hw_request *req, enum hw_alg alg, bool pkcs1)
{
    switch (hw_alg_kind(alg)) {
    case HW_KIND_AKCIPHER:
        req->rsa_padding = pkcs1 ? HW_RSA_PKCS1 : HW_RSA_RAW;
        req->digest = pkcs1 ? HW_DIGEST_SHA256 : HW_DIGEST_NONE;
        /* Without padding there is no signature, only the private operation. */
        req->op = alg == HW_RSA && !pkcs1 ? HW_DECRYPT : HW_SIGN;
        return;
    case HW_KIND_AEAD:
        req->iv_len = IV_LEN;
        req->tag_len = TAG_LEN;
        break;
    default: req->iv_len = alg == HW_AES_ECB ? 0 : HW_IV_MAX; break;
    }
    req->op = HW_ENCRYPT;
}

/* How much goes in and how much comes out. */
static void set_lengths(struct bench *b, enum hw_alg alg, size_t bits, size_t len, bool pkcs1)
{
    b->src_len = b->dst_len = len;
    if (hw_alg_kind(alg) != HW_KIND_AKCIPHER)
        return;
    b->src_len = alg == HW_RSA && !pkcs1 ? bits / 8 : DIGEST;
    b->dst_len = alg == HW_RSA ? bits / 8 : ECDSA_MAX;
}

static bool make_requests(struct bench *b, enum hw_alg alg, bool pkcs1)
{
    size_t room = b->src_len > b->dst_len ? b->src_len : b->dst_len;

    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct hw_request *req = b->req[i] = hw_request_new(sizeof(struct slot), NULL);

        b->data[i] = calloc(1, room);
        if (req == NULL || b->data[i] == NULL)
            return false;
        ((struct slot *)req->owner)->bench = b;
        req->key = b->key;
        req->complete = complete;
        fill_in(req, alg, pkcs1);
        req->src[0] = (struct iovec){b->data[i], b->src_len};
        req->dst[0] = (struct iovec){b->data[i], b->dst_len};
        req->nsrc = req->ndst = 1;
    }
    return true;
}

/* One that is done; there is one for each post. */
static struct hw_request *next_done(struct bench *b)
{
    while (sem_wait(&b->done) != 0)
        ;
    for (unsigned i = 0;; i = (i + 1) % IN_FLIGHT) {
        struct slot *s = b->req[i]->owner;

        if (atomic_exchange_explicit(&s->done, false, memory_order_acquire))
            return b->req[i];
    }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Keeps all requests with the device until time is over. */
static double run(struct bench *b)
{
    double begin, end;
    unsigned in_flight = 0, done = 0, failed = 0;

    /* The first one opens the device, and makes the session. */
    if (hw_submit(b->pool, b->req[0], false) != 0 || next_done(b)->status != 0)
        return -1;
    begin = now();
    end = begin + RATE_SECONDS;
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        in_flight += hw_submit(b->pool, b->req[i], false) == 0;
    while (in_flight != 0) {
        struct hw_request *req = next_done(b);

        in_flight--;
        if (req->status == 0)
            done++;
        else
            failed++;
        if (failed == 0 && now() < end)
            in_flight += hw_submit(b->pool, req, false) == 0;
    }
    return failed != 0 || done == 0 ? -1 : done / (now() - begin);
}

double probe_rate(struct hw_pool *pool, enum hw_alg alg, size_t key_len, size_t len)
{
    struct bench b = {.pool = pool};
    struct hw_limits l;
    double rate = -1;
    bool pkcs1;

    if (!hw_pool_supports(pool, alg, key_len, &l))
        return -1;
    pkcs1 = alg == HW_RSA && l.rsa_pkcs1;
    b.key = hw_alg_kind(alg) == HW_KIND_AKCIPHER ? asymmetric_key(alg, key_len)
                                                 : symmetric_key(alg, key_len);
    sem_init(&b.done, 0, 0);
    set_lengths(&b, alg, key_len, len, pkcs1);
    if (b.key != NULL && make_requests(&b, alg, pkcs1))
        rate = run(&b);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        hw_request_unref(b.req[i]);
        free(b.data[i]);
    }
    hw_key_unref(b.key);
    sem_destroy(&b.done);
    return rate;
}
