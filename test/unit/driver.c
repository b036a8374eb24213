/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver against the emulated function, through hw.h alone: known answers
 * with every set of features, and what the pool says of itself.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "support/answers.h"
#include "support/rig.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
/* The granularity of an asymmetric key. */
#define NONE SIZE_MAX

/* Each of the optional features withheld or not: one bit of i each. */
static void withhold(int i, char *text, size_t size)
{
    snprintf(text, size, "queues:2%s%s%s", i & 1 ? ",withhold:revision_1" : "",
             i & 2 ? ",withhold:event_idx" : "", i & 4 ? ",withhold:indirect_desc" : "");
}

static void ask_all(const struct hw_config *cfg)
{
    struct hw_pool *pool = rig_open(cfg);
    struct hw_stats s;

    answer_all(pool);
    s = rig_stats(pool);
    /* The device did it: both directions, in place and not. */
    ck_assert_uint_eq(s.requests, known_answers_count * 4);
    ck_assert_uint_eq(s.completions, s.requests);
    ck_assert_uint_eq(s.errors + s.timeouts + s.resets + s.backlogged, 0);
    ck_assert_uint_eq(s.sessions_created, known_answers_count * 2);
    ck_assert_uint_ge(s.kicks, 1);
    ck_assert_uint_ge(s.interrupts, 1);
    rig_close(pool);
}

START_TEST(features)
{
    char fault[128] = "";
    struct hw_config cfg = rig_config(fault);

    withhold(_i % 8, fault, sizeof(fault));
    cfg.emulator_threads = _i < 8 ? 1 : 3;
    ask_all(&cfg);
}
END_TEST

static const unsigned queue_sizes[] = {8, 16, 32, 64, 128, 256, 512, 1024};

START_TEST(sizes)
{
    char fault[128] = "";
    struct hw_config cfg = rig_config(fault);

    withhold(_i % 8, fault, sizeof(fault));
    cfg.queue_size = queue_sizes[_i / 8];
    ask_all(&cfg);
}
END_TEST

static const char *const shapes[] = {
    "queues:1",       "queues:4",  "queues:63",          "queue_max:8",
    "queue_max:1024", "vectors:1", "vectors:2,queues:3", "vectors:3,queues:5,withhold:ring_reset",
};

START_TEST(hardware)
{
    struct hw_config cfg = rig_config(shapes[_i]);

    ask_all(&cfg);
}
END_TEST

static const struct {
    enum hw_alg alg;
    size_t key_len;
    /* As far as the self tests look: nobody asks for parts of blocks in CTR
     * mode. 0: not supported. */
    size_t granularity;
} support[] = {
    {HW_AES_ECB, 16, 16},
    {HW_AES_ECB, 24, 16},
    {HW_AES_ECB, 32, 16},
    {HW_AES_CBC, 16, 16},
    {HW_AES_CBC, 24, 16},
    {HW_AES_CBC, 32, 16},
    {HW_AES_CTR, 16, 16},
    {HW_AES_CTR, 24, 16},
    {HW_AES_CTR, 32, 16},
    {HW_AES_XTS, 32, 1},
    {HW_AES_XTS, 64, 1},
    {HW_AES_GCM, 16, 1},
    {HW_AES_GCM, 24, 1},
    {HW_AES_GCM, 32, 1},
    {HW_AES_CCM, 16, 1},
    {HW_AES_CCM, 24, 1},
    {HW_AES_CCM, 32, 1},
    {HW_CHACHA20_POLY1305, 32, 1},
    {HW_AES_CBC, 0, 0},
    {HW_AES_CBC, 15, 0},
    {HW_AES_CBC, 64, 0},
    {HW_AES_XTS, 16, 0},
    {HW_AES_XTS, 33, 0},
    {HW_AES_XTS, 48, 0},
    {HW_CHACHA20_POLY1305, 16, 0},
    {HW_RSA, 2048, NONE},
    {HW_RSA, 4096, NONE},
    {HW_ECDSA, 256, NONE},
    {HW_ECDSA, 521, NONE},
    {HW_RSA, 0, 0},
    {HW_ECDSA, 255, 0},
};

START_TEST(capabilities)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);

    for (int i = 0; i < COUNT(support); i++) {
        struct hw_limits l = {.max_len = 0};
        bool yes = hw_pool_supports(pool, support[i].alg, support[i].key_len, &l);

        ck_assert_msg(yes == (support[i].granularity != 0), "algorithm %d, key of %zu",
                      support[i].alg, support[i].key_len);
        ck_assert_int_eq(hw_pool_supports(pool, support[i].alg, support[i].key_len, NULL), yes);
        if (!yes)
            continue;
        if (support[i].granularity != NONE)
            ck_assert_uint_eq(l.granularity, support[i].granularity);
        ck_assert_uint_eq(l.max_len, 65536);
        ck_assert_uint_eq(l.max_aad, 1024);
    }
    rig_close(pool);
}
END_TEST

/* The longest request is done, one more byte is refused, and so is what no
 * device does; nothing of it stays. */
START_TEST(limits)
{
    static uint8_t buf[65536 + 16], aad[1025];
    static const uint8_t zeros[sizeof(buf)];
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    struct hw_key *ctr = rig_key(HW_AES_CTR, 16, 1), *gcm = rig_key(HW_AES_GCM, 32, 2);
    struct hw_key *bad = rig_key(HW_AES_CBC, 20, 3);
    struct hw_request *req = rig_request(ctr);
    struct hw_live l;

    rig_fill(req, buf, 65536);
    ck_assert_int_eq(rig_do(pool, req), 0);
    hw_collect(req);
    ck_assert_uint_eq(req->result_len, 65536);
    rig_fill(req, buf, 65536);
    ck_assert_int_eq(rig_do(pool, req), 0);
    hw_collect(req);
    ck_assert_mem_eq(buf, zeros, sizeof(buf));
    rig_fill(req, buf, 65537);
    ck_assert_int_eq(hw_submit(pool, req, false), -EMSGSIZE);

    req->key = gcm;
    req->tag_len = 16;
    req->aad = aad;
    req->aad_len = 1024;
    rig_fill(req, buf, 65536);
    ck_assert_int_eq(rig_do(pool, req), 0);
    req->aad_len = 1025;
    ck_assert_int_eq(hw_submit(pool, req, false), -EMSGSIZE);

    req->key = bad;
    req->aad_len = 0;
    ck_assert_int_eq(hw_submit(pool, req, false), -ENOTSUP);
    ck_assert_uint_eq(rig_calls(req), 3);
    hw_release(req);
    ck_assert_ptr_null(hw_result(req));
    hw_live(&l);
    ck_assert_uint_eq(l.in_flight, 0);
    ck_assert_uint_eq(l.dma_bytes, 0);
    hw_request_unref(req);
    hw_key_unref(ctr);
    hw_key_unref(gcm);
    hw_key_unref(bad);
    rig_close(pool);
}
END_TEST

/* Whatever is changed on the way, the device notices; that is an answer. */
START_TEST(forgeries)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    unsigned tried = 0;

    for (unsigned i = 0; i < known_answers_count; i++) {
        struct answer_use u;

        if (known_answers[i].tag == NULL)
            continue;
        answer_start(&u, &known_answers[i]);
        for (unsigned what = 0; what < 4; what++) {
            answer_fill(&u, HW_DECRYPT, false);
            if (what == 0)
                u.req->tag[u.req->tag_len - 1] ^= 0x80;
            else if (what == 1 && u.len != 0)
                u.cipher[u.len - 1] ^= 1;
            else if (what == 2 && u.req->aad_len != 0)
                u.aad[0] ^= 1;
            else if (what == 3)
                u.req->iv[3] ^= 1;
            else
                continue;
            tried++;
            ck_assert_int_eq(rig_do(pool, u.req), -EBADMSG);
            /* No text that was not verified. */
            ck_assert_uint_eq(u.req->result_len, 0);
            if (what == 1)
                u.cipher[u.len - 1] ^= 1;
        }
        answer_ask(&u, pool);
        answer_end(&u);
    }
    ck_assert_uint_eq(tried, 8 * 4 - 2);
    ck_assert_uint_eq(rig_stats(pool).errors, 0);
    rig_close(pool);
}
END_TEST

/* A session for each tag length, AAD length and direction, made once. */
START_TEST(ways_of_use)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = rig_open(&cfg);
    const struct answer *gcm = NULL;
    struct answer_use u;
    uint64_t created = 0;

    for (unsigned i = 0; i < known_answers_count; i++)
        if (strcmp(known_answers[i].source, "GCM, test case 4") == 0)
            gcm = &known_answers[i];
    ck_assert_ptr_nonnull(gcm);
    answer_start(&u, gcm);
    for (unsigned round = 0; round < 3; round++) {
        for (uint8_t len = 4; len <= 16; len++) {
            answer_fill(&u, HW_ENCRYPT, false);
            u.req->tag_len = len;
            memset(u.req->tag, 0, sizeof(u.req->tag));
            ck_assert_int_eq(rig_do(pool, u.req), 0);
            answer_check(&u, HW_ENCRYPT);
            answer_fill(&u, HW_DECRYPT, false);
            u.req->tag_len = len;
            ck_assert_int_eq(rig_do(pool, u.req), 0);
            answer_check(&u, HW_DECRYPT);
        }
        for (size_t len = 0; len < 20; len++) {
            answer_fill(&u, HW_ENCRYPT, false);
            u.req->aad_len = len;
            ck_assert_int_eq(rig_do(pool, u.req), 0);
            hw_collect(u.req);
            /* The text does not depend on it, the tag does. */
            ck_assert_mem_eq(u.result, u.cipher, u.len);
            ck_assert_mem_ne(u.req->tag, u.tag, 16);
        }
        created = 13 * 2 + 20;
        ck_assert_uint_eq(rig_stats(pool).sessions_created, created);
    }
    answer_end(&u);
    rig_close(pool);
}
END_TEST

/* Loading claims nothing; pools of one configuration share their device. */
START_TEST(light_loading)
{
    struct hw_config cfg = rig_config(NULL), other = rig_config("queues:1");
    struct hw_pool *a = rig_open(&cfg), *b = rig_open(&cfg), *c = rig_open(&other);
    struct hw_live l;

    hw_live(&l);
    ck_assert_uint_eq(l.devices, 0);
    ck_assert_uint_eq(hw_pool_devices(a), 1);
    ck_assert_uint_eq(rig_stats(a).requests, 0);
    answer_all(a);
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 1);
    answer_all(b);
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 1);
    ck_assert_uint_eq(rig_stats(a).requests, known_answers_count * 8);
    ck_assert_uint_eq(rig_stats(b).requests, known_answers_count * 8);
    answer_all(c);
    hw_live(&l);
    ck_assert_uint_eq(l.devices, 2);
    ck_assert_uint_eq(rig_stats(c).requests, known_answers_count * 4);
    hw_pool_free(a);
    answer_all(b);
    hw_pool_free(c);
    rig_close(b);
}
END_TEST

/* A function that is not there or of no use leaves a pool that can be asked. */
static const struct {
    const char *device, *fault, *says;
} absent[] = {
    {"nonsense", NULL, "nonsense"},
    {"pci:fffe:ff:1f.7", NULL, "fffe:ff:1f.7"},
    {"emulator", "withhold:access_platform", "ACCESS_PLATFORM"},
    {"pci:fffe:ff:1f.7,pci:fffe:ff:1f.6", NULL, "fffe:ff:1f.7"},
};

START_TEST(no_device)
{
    struct hw_config cfg = rig_config(absent[_i].fault);
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 0);
    struct hw_request *req = rig_request(key);
    struct hw_pool *pool = NULL;
    struct hw_error err;
    uint8_t buf[16] = {0};

    cfg.device = absent[_i].device;
    ck_assert_int_eq(hw_pool_new(&cfg, &pool, &err), -ENODEV);
    ck_assert_msg(strstr(err.text, absent[_i].says) != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(pool);
    ck_assert(!hw_pool_supports(pool, HW_AES_CTR, 16, NULL));
    rig_fill(req, buf, sizeof(buf));
    ck_assert_int_eq(hw_submit(pool, req, false), -ENODEV);
    ck_assert_uint_eq(rig_calls(req), 0);
    ck_assert_uint_eq(hw_poll(pool), 0);
    hw_flush(pool);
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

/* What is said wrongly is refused. */
static const struct {
    const char *device, *fault, *says;
} malformed[] = {
    {"emulator:1", NULL, "emulator:1"},        {"emulator", "explode:1", "explode"},
    {"emulator", "withhold:colour", "colour"}, {"emulator", "lose:0", "lose"},
    {"emulator", "queue_max:9", "queue_max"},
};

START_TEST(bad_words)
{
    struct hw_config cfg = rig_config(malformed[_i].fault);
    struct hw_pool *pool = NULL;
    struct hw_error err;

    cfg.device = malformed[_i].device;
    ck_assert_int_eq(hw_pool_new(&cfg, &pool, &err), -EINVAL);
    ck_assert_msg(strstr(err.text, malformed[_i].says) != NULL, "%s", err.text);
    ck_assert_ptr_null(pool);
    rig_nothing_left();
}
END_TEST

/* One of the list is enough; why the other is not used is told. */
START_TEST(one_of_two)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_pool *pool = NULL;
    struct hw_error err;

    cfg.device = "pci:fffe:ff:1f.7, emulator";
    ck_assert_int_eq(hw_pool_new(&cfg, &pool, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "fffe:ff:1f.7"));
    ck_assert_uint_eq(hw_pool_devices(pool), 1);
    answer_all(pool);
    ck_assert_uint_eq(rig_stats(pool).requests, known_answers_count * 4);
    rig_close(pool);
}
END_TEST

/* The interrupt for it is lost, so only hw_poll can have found it. */
START_TEST(polling)
{
    struct hw_config cfg = rig_config("lose_irq:2");
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 0);
    struct hw_request *req = rig_request(key);
    struct hw_pool *pool;
    uint8_t buf[16] = {0};
    unsigned found = 0;

    cfg.timeout_ms = 60000;
    cfg.emulator_latency_us = 300000;
    pool = rig_open(&cfg);
    ck_assert_uint_eq(hw_poll(pool), 0);
    rig_fill(req, buf, sizeof(buf));
    ck_assert_int_eq(hw_submit(pool, req, false), 0);
    RIG_UNTIL((found = hw_poll(pool)) != 0);
    ck_assert_uint_eq(found, 1);
    ck_assert_uint_eq(rig_calls(req), 1);
    ck_assert_int_eq(req->status, 0);
    ck_assert_uint_ge(rig_stats(pool).polls, 1);
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("driver");
    TCase *tc = tcase_create("answers");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, features, 0, 16);
    tcase_add_loop_test(tc, sizes, 0, 8 * COUNT(queue_sizes));
    tcase_add_loop_test(tc, hardware, 0, COUNT(shapes));
    tcase_add_test(tc, capabilities);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, forgeries);
    tcase_add_test(tc, ways_of_use);
    tcase_add_test(tc, light_loading);
    tcase_add_loop_test(tc, no_device, 0, COUNT(absent));
    tcase_add_loop_test(tc, bad_words, 0, COUNT(malformed));
    tcase_add_test(tc, one_of_two);
    tcase_add_test(tc, polling);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
