/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets in the middle of work, of the function and of single queues, and a
 * driver that writes at random. Afterwards the host's memory is left alone.
 */
#include <check.h>
#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support.h"
#include "support/foreign.h"

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)
#define EVENT_IDX  FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT   FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define RING_RESET FEATURE(VIRTIO_F_RING_RESET)

static void pause_us(long us)
{
    const struct timespec ts = {.tv_nsec = us * 1000};

    nanosleep(&ts, NULL);
}

#define PER_QUEUE 60

/* A session, and requests with memory of their own for each place. */
struct load {
    struct foreign_request r[2][PER_QUEUE];
    size_t mark;
};

static void setup(struct foreign *f, struct load *l, uint64_t features, unsigned size)
{
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    uint64_t id;

    foreign_start(f, features, size);
    ck_assert_uint_eq(foreign_session(f, v, true, &id), VIRTIO_CRYPTO_OK);
    for (unsigned q = 0; q < 2; q++)
        for (unsigned i = 0; i < PER_QUEUE; i++)
            foreign_make(f, &l->r[q][i], v, true, false, id);
    l->mark = f->used;
}

/* As many requests as fit. */
static void flood(struct foreign *f, struct load *l, unsigned queue, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        foreign_send(f, &f->q[queue], &l->r[queue][i], 0);
}

START_TEST(in_the_middle)
{
    struct emulator_config cfg = {.threads = 3, .data_queues = 2};
    struct foreign f;
    struct load l;
    uint8_t *copy = malloc(FOREIGN_MEMORY);

    cfg.latency_us = _i ? 300 : 0;
    foreign_open(&f, &cfg);
    memset(f.mem, 0, FOREIGN_MEMORY);
    for (unsigned round = 0; round < 300; round++) {
        setup(&f, &l, INDIRECT | (round % 2 ? EVENT_IDX : 0), 256);
        flood(&f, &l, 0, PER_QUEUE);
        flood(&f, &l, 1, PER_QUEUE);
        if (round % 3)
            pause_us(round % 7 * 50);
        foreign_reset(&f);
        /* Nothing is written any more, and nobody is told anything. */
        if (round % 10 == 0) {
            for (unsigned i = 0; i < FOREIGN_VECTORS; i++)
                atomic_store(&f.msi[i], 0);
            memcpy(copy, f.mem, FOREIGN_MEMORY);
            pause_us(1000);
            ck_assert(memcmp(copy, f.mem, FOREIGN_MEMORY) == 0);
            for (unsigned i = 0; i < FOREIGN_VECTORS; i++)
                ck_assert_uint_eq(f.msi[i], 0);
        }
        memset(f.mem, (int)round, 1 << 16);
    }
    setup(&f, &l, 0, 0);
    ck_assert_uint_eq(foreign_run(&f, &l.r[0][0], 0, NULL), VIRTIO_CRYPTO_OK);
    foreign_close(&f);
    free(copy);
}
END_TEST

/* Power off with all rings full. */
START_TEST(power_off)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 2};
    struct foreign f;
    struct load l;

    cfg.latency_us = _i % 2 ? 1000 : 0;
    for (unsigned round = 0; round < 30; round++) {
        foreign_open(&f, &cfg);
        setup(&f, &l, INDIRECT, 256);
        flood(&f, &l, 0, PER_QUEUE);
        flood(&f, &l, 1, PER_QUEUE);
        foreign_close(&f);
    }
}
END_TEST

static atomic_bool finished;

static void *ring_on(void *arg)
{
    struct foreign *f = arg;

    while (!atomic_load(&finished)) {
        for (unsigned i = 0; i < 4; i++)
            emulator_bar_write(f->e, f->notify.bar, f->notify.off + i * f->notify_mult, 2, i);
        foreign_status(f);
    }
    return NULL;
}

/* Doorbells and register reads of another thread while the function is reset
 * again and again. */
START_TEST(beside_doorbells)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 2};
    struct foreign f;
    struct load l;
    pthread_t t;

    foreign_open(&f, &cfg);
    foreign_reset(&f);
    atomic_store(&finished, false);
    ck_assert_int_eq(pthread_create(&t, NULL, ring_on, &f), 0);
    for (unsigned round = 0; round < 1000; round++) {
        setup(&f, &l, INDIRECT, 256);
        flood(&f, &l, 0, PER_QUEUE);
        flood(&f, &l, 1, PER_QUEUE);
    }
    atomic_store(&finished, true);
    pthread_join(t, NULL);
    foreign_close(&f);
}
END_TEST

static void reset_queue(struct foreign *f, unsigned index, unsigned size)
{
    foreign_set(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    foreign_set(f, VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    ck_assert_uint_eq(foreign_get(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 1024);
    foreign_queue(f, index, size, 1 + index);
}

/* One queue is reset, and used again with another size; the other goes on. */
START_TEST(single_queue)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 2};
    struct foreign f;
    struct load l;

    cfg.latency_us = _i ? 300 : 0;
    foreign_open(&f, &cfg);
    setup(&f, &l, RING_RESET | REVISION_1, 256);
    for (unsigned round = 0; round < 200; round++) {
        unsigned head;
        uint32_t len;
        f.used = l.mark;
        flood(&f, &l, 0, PER_QUEUE);
        flood(&f, &l, 1, 20);
        reset_queue(&f, 0, 8u << round % 4);
        /* The device has let go of what was in work ... */
        for (unsigned i = 0; i < PER_QUEUE; i++)
            memset(l.r[0][i].dst, 0, l.r[0][i].dst_len);
        ck_assert_uint_eq(foreign_run(&f, &l.r[0][0], 0, NULL), VIRTIO_CRYPTO_OK);
        for (unsigned done = 0; done < 20; done++)
            foreign_wait(&f, &f.q[1], &head, &len);
        /* ... and answers none of it later, in a ring that knows nothing of it. */
        pause_us(_i ? 500 : 0);
        ck_assert_uint_eq(__atomic_load_n(&f.q[0].used->idx, __ATOMIC_ACQUIRE), 1);
        for (unsigned i = 1; i < PER_QUEUE; i++)
            must(l.r[0][i].dst[0] == 0, "written after the reset");
        reset_queue(&f, 0, 256);
    }
    ck_assert_uint_eq(f.refused, 0);
    foreign_close(&f);
}
END_TEST

/*
 * Noise in rings, descriptors and requests, over many resets. Under a thread
 * sanitizer noise in shared memory is what it reports, so not there.
 */
#ifndef __SANITIZE_THREAD__
static uint64_t noise_state;

static uint32_t noise(void)
{
    noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(noise_state >> 33);
}

/* A word that is now and then almost right. */
static uint32_t word(struct foreign *f)
{
    switch (noise() % 6) {
    case 0: return noise();
    case 1: return noise() % 32;
    case 2: return (uint32_t)FOREIGN_IOVA + noise() % (1 << 18);
    case 3: return 0xffffffffu << noise() % 32;
    case 4: return (uint32_t)(FOREIGN_IOVA >> 32);
    default: return 1u << noise() % 32;
    }
    (void)f;
}

START_TEST(noise_everywhere)
{
    struct emulator_config cfg = {.threads = 2, .data_queues = 2};
    struct foreign f;
    struct load l;
    struct emulator_counts counts;

    noise_state = (uint64_t)_i + 1;
    foreign_open(&f, &cfg);
    for (unsigned round = 0; round < 1500; round++) {
        setup(&f, &l, (noise() % 2 ? INDIRECT : 0) | (noise() % 2 ? REVISION_1 : 0), 32);
        for (unsigned n = 0; n < 20; n++) {
            struct fqueue *q = &f.q[noise() % 3];
            for (unsigned k = noise() % 4; k > 0; k--) {
                uint32_t val = word(&f);
                uint8_t *where = noise() % 2
                                     ? (uint8_t *)q->desc + noise() % (32 * 16 - 4)
                                     : l.r[0][0].header + noise() % (l.r[0][0].header_len - 4);
                memcpy(where, &val, 4);
            }
            q->avail->ring[q->avail->idx % 32] = (uint16_t)(noise() % 33);
            if (noise() % 2)
                q->avail->ring[q->avail->idx % 32] = (uint16_t)(noise() % 4);
            __atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + 1), __ATOMIC_SEQ_CST);
            foreign_ring(&f, q);
            if (noise() % 8 == 0)
                pause_us(20);
        }
    }
    emulator_counts(f.e, &counts);
    ck_assert_uint_gt(counts.requests, 1000);
    ck_assert_uint_gt(counts.control, 1000);
    setup(&f, &l, INDIRECT, 0);
    ck_assert_uint_eq(foreign_run(&f, &l.r[0][0], 0, NULL), VIRTIO_CRYPTO_OK);
    foreign_check(&l.r[0][0]);
    foreign_close(&f);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("resets");
    TCase *tc = tcase_create("resets");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, in_the_middle, 0, 2);
    tcase_add_loop_test(tc, power_off, 0, 2);
    tcase_add_test(tc, beside_doorbells);
    tcase_add_loop_test(tc, single_queue, 0, 2);
#ifndef __SANITIZE_THREAD__
    tcase_add_loop_test(tc, noise_everywhere, 0, 4);
#endif
    suite_add_tcase(s, tc);
    return support_run(s);
}
