/* SPDX-License-Identifier: Apache-2.0 */
/* The fault string: what it accepts, and that each fault does what it says. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hw.h"
#include "support.h"
#include "support/foreign.h"

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)

static const struct {
    const char *fault, *named; /* what the error must mention */
} bad[] = {
    {"nonsense", "nonsense"},
    {"nonsense", "needs_reset:N"},
    {"lose:3,nonsense:1", "nonsense"},
    {"lose", "lose:N"},
    {"lose:0", "lose:N"},
    {"lose:-1", "lose:N"},
    {"lose:x", "lose:N"},
    {"lose:1:2", "lose:N"},
    {"lose:99999999999", "lose:N"},
    {"late:1", "late:N:MS"},
    {"late:1:2:3", "late:N:MS"},
    {"status:1:256", "status:N:CODE"},
    {"withhold", "revision_1"},
    {"withhold:version_1", "event_idx"},
    {"withhold:event_idx:1", "withhold"},
    {"no_algo:aes-gcm-siv", "aes-gcm"},
    {"liar:", "chacha20-poly1305"},
    {"queues:64", "1 to 63"},
    {"queue_max:63", "queue_max"},
    {"sessions:0", "sessions"},
    {",", "unknown"},
};

static int open_with(const char *fault, struct hw_error *err, struct emulator **e)
{
    static const struct emulator_host host = {NULL, NULL}; /* never called */
    struct emulator_config cfg = {.threads = 1, .fault = fault};

    return emulator_new(&cfg, &host, NULL, e, err);
}

START_TEST(refused)
{
    struct hw_error err = {""};
    struct emulator *e;

    ck_assert_int_eq(open_with(bad[_i].fault, &err, &e), -EINVAL);
    ck_assert_ptr_null(e);
    ck_assert_msg(strstr(err.text, bad[_i].named) != NULL, "%s: %s", bad[_i].fault, err.text);
}
END_TEST

START_TEST(accepted)
{
    const char *good[] = {NULL,
                          "none",
                          "",
                          "lose:3",
                          "late:2:10,flip:7",
                          "status:1:255",
                          "withhold:revision_1,withhold:event_idx,no_algo:aes-xts"};
    struct hw_error err = {""};
    struct emulator *e;

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(open_with(good[i], &err, &e), 0);
        emulator_free(e);
    }
}
END_TEST

START_TEST(withheld)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {{"revision_1", FOREIGN_REVISION_1},
                {"event_idx", VIRTIO_RING_F_EVENT_IDX},
                {"indirect_desc", VIRTIO_RING_F_INDIRECT_DESC},
                {"access_platform", VIRTIO_F_ACCESS_PLATFORM},
                {"ring_reset", VIRTIO_F_RING_RESET}};
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    char fault[64];
    struct foreign f;
    uint64_t all;

    foreign_open(&f, &cfg);
    all = foreign_offered(&f);
    ck_assert(all & FEATURE(rows[_i].bit));
    foreign_close(&f);
    snprintf(fault, sizeof(fault), "withhold:%s", rows[_i].name);
    cfg.fault = fault;
    foreign_open(&f, &cfg);
    ck_assert_uint_eq(foreign_offered(&f), all & ~FEATURE(rows[_i].bit));
    foreign_close(&f);
    cfg.fault = NULL;
    cfg.withhold = FEATURE(rows[_i].bit);
    foreign_open(&f, &cfg);
    ck_assert_uint_eq(foreign_offered(&f), all & ~FEATURE(rows[_i].bit));
    foreign_close(&f);
}
END_TEST

START_TEST(sizes)
{
    struct emulator_config cfg = {
        .threads = 1, .data_queues = 1, .fault = "queues:5,queue_max:32,vectors:2"};
    struct foreign f;

    foreign_open(&f, &cfg);
    ck_assert_uint_eq(f.queues, 5);
    ck_assert_uint_eq(f.vectors, 2);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_NUMQ, 2), 6);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 32);
    foreign_close(&f);
}
END_TEST

static uint32_t ciphers(struct foreign *f)
{
    return foreign_config(f, offsetof(struct virtio_crypto_config, cipher_algo_l));
}

START_TEST(algorithms)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    const struct foreign_vector *v = foreign_vector_named("xts-128");
    struct foreign f;
    uint64_t id;

    cfg.fault = _i ? "liar:aes-xts" : "no_algo:aes-xts";
    foreign_open(&f, &cfg);
    ck_assert_uint_eq(ciphers(&f) >> VIRTIO_CRYPTO_CIPHER_AES_XTS & 1, (unsigned)_i);
    ck_assert_uint_eq(ciphers(&f) >> VIRTIO_CRYPTO_CIPHER_AES_CBC & 1, 1);
    foreign_start(&f, 0, 0);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_NOTSUPP);
    v = foreign_vector_named("cbc-128");
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_close(&f);
}
END_TEST

static void setup(struct foreign *f, struct foreign_request *r, const char *fault,
                  const char *vector)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1, .fault = fault};
    const struct foreign_vector *v = foreign_vector_named(vector);
    uint64_t id;

    foreign_open(f, &cfg);
    foreign_start(f, REVISION_1, 0);
    ck_assert_uint_eq(foreign_session(f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(f, r, v, true, false, id);
}

/* Every third answers this; the others are right. */
START_TEST(wrong_status)
{
    static const struct {
        const char *fault;
        uint8_t status;
    } rows[] = {{"error:3", VIRTIO_CRYPTO_ERR},
                {"badmsg:3", VIRTIO_CRYPTO_BADMSG},
                {"status:3:5", VIRTIO_CRYPTO_NOSPC},
                {"status:3:200", 200}};
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, rows[_i].fault, "gcm-128");
    for (unsigned n = 1; n <= 9; n++) {
        uint8_t want = n % 3 ? VIRTIO_CRYPTO_OK : rows[_i].status;
        ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), want);
        if (want == VIRTIO_CRYPTO_OK)
            foreign_check(&r);
    }
    foreign_close(&f);
}
END_TEST

START_TEST(flipped)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, "flip:2", "cbc-128");
    for (unsigned n = 1; n <= 4; n++) {
        ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
        ck_assert_int_eq(memcmp(r.dst, r.want, r.dst_len) != 0, n % 2 == 0);
        r.dst[0] ^= n % 2 == 0;
        foreign_check(&r);
    }
    foreign_close(&f);
}
END_TEST

static bool comes(struct foreign *f, unsigned *head, int ms)
{
    const struct timespec ts = {.tv_nsec = 1000000};
    uint32_t len;

    for (int i = 0; i < ms; i++) {
        if (foreign_take(f, &f->q[0], head, &len))
            return true;
        nanosleep(&ts, NULL);
    }
    return false;
}

START_TEST(lost)
{
    struct foreign f;
    struct foreign_request r;
    unsigned head;
    int sent;

    setup(&f, &r, "lose:2", "cbc-128");
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    sent = foreign_send(&f, &f.q[0], &r, 0);
    ck_assert_int_ge(sent, 0);
    ck_assert(!comes(&f, &head, 50));
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    foreign_close(&f);
}
END_TEST

START_TEST(late)
{
    struct foreign f;
    struct foreign_request r;
    struct timespec a, b;
    unsigned head;
    int slow, quick;

    setup(&f, &r, "late:2:100", "cbc-128");
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    clock_gettime(CLOCK_MONOTONIC, &a);
    slow = foreign_send(&f, &f.q[0], &r, 0);
    quick = foreign_send(&f, &f.q[0], &r, 0);
    /* The one behind it overtakes it. */
    ck_assert(comes(&f, &head, 5000));
    ck_assert_uint_eq(head, (unsigned)quick);
    ck_assert(comes(&f, &head, 5000));
    ck_assert_uint_eq(head, (unsigned)slow);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 99);
    foreign_close(&f);
}
END_TEST

START_TEST(bad_used_id)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, "bad_id:1", "cbc-128");
    foreign_send(&f, &f.q[0], &r, 0);
    while (__atomic_load_n(&f.q[0].used->idx, __ATOMIC_ACQUIRE) == 0)
        ;
    ck_assert_uint_ge(le32toh(f.q[0].used->ring[0].id), f.q[0].size);
    foreign_close(&f);
}
END_TEST

START_TEST(needs_reset)
{
    struct foreign f;
    struct foreign_request r;
    unsigned head;

    setup(&f, &r, "needs_reset:2", "cbc-128");
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    ck_assert(!(foreign_status(&f) & VIRTIO_CONFIG_S_NEEDS_RESET));
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    for (int i = 0; i < 1000 && !(foreign_status(&f) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert(foreign_status(&f) & VIRTIO_CONFIG_S_NEEDS_RESET);
    foreign_send(&f, &f.q[0], &r, 0);
    ck_assert(!comes(&f, &head, 20));
    foreign_close(&f);
}
END_TEST

START_TEST(lost_interrupt)
{
    struct foreign f;
    struct foreign_request r;

    /* The session's was the first. */
    setup(&f, &r, "lose_irq:2", "cbc-128");
    for (unsigned n = 0; n < 10; n++)
        ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    for (int i = 0; i < 1000 && atomic_load(&f.msi[1]) < 5; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    ck_assert_uint_eq(f.msi[1], 5);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, accepted);
    tcase_add_loop_test(tc, withheld, 0, 5);
    tcase_add_test(tc, sizes);
    tcase_add_loop_test(tc, algorithms, 0, 2);
    tcase_add_loop_test(tc, wrong_status, 0, 4);
    tcase_add_test(tc, flipped);
    tcase_add_test(tc, lost);
    tcase_add_test(tc, late);
    tcase_add_test(tc, bad_used_id);
    tcase_add_test(tc, needs_reset);
    tcase_add_test(tc, lost_interrupt);
    suite_add_tcase(s, tc);
    return support_run(s);
}
