/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that shares nothing with hw/ takes the function from PCI discovery
 * to verified answers, with each of the optional features and without.
 */
#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support.h"
#include "support/foreign.h"

static const struct emulator_config one_thread = {.threads = 1, .data_queues = 1};

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)
#define EVENT_IDX  FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT   FEATURE(VIRTIO_RING_F_INDIRECT_DESC)

/* One bit of i each. */
static uint64_t combination(int i)
{
    return (i & 1 ? REVISION_1 : 0) | (i & 2 ? EVENT_IDX : 0) | (i & 4 ? INDIRECT : 0);
}

static uint32_t bar_size(struct foreign *f, unsigned off)
{
    uint32_t old = emulator_config_read(f->e, off, 4), mask;

    emulator_config_write(f->e, off, 4, 0xffffffff);
    mask = emulator_config_read(f->e, off, 4);
    emulator_config_write(f->e, off, 4, old);
    ck_assert_uint_eq(emulator_config_read(f->e, off, 4), old);
    return ~(mask & 0xfffffff0) + 1;
}

START_TEST(configuration_space)
{
    struct foreign f;

    foreign_open(&f, &one_thread);
    ck_assert_uint_ge(emulator_config_read(f.e, PCI_REVISION_ID, 1), 1);
    ck_assert_uint_eq(emulator_config_read(f.e, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
    ck_assert_uint_ge(emulator_config_read(f.e, PCI_SUBSYSTEM_ID, 2), 0x40);
    ck_assert_uint_eq(bar_size(&f, PCI_BASE_ADDRESS_1), 0x1000);
    ck_assert_uint_eq(bar_size(&f, PCI_BASE_ADDRESS_4), 0x4000);
    ck_assert(emulator_config_read(f.e, PCI_BASE_ADDRESS_4, 4) & PCI_BASE_ADDRESS_MEM_TYPE_64);
    ck_assert_uint_eq(emulator_config_read(f.e, PCI_BASE_ADDRESS_0, 4), 0);
    /* Read-only, outside, and crooked accesses. */
    emulator_config_write(f.e, PCI_VENDOR_ID, 4, 0);
    ck_assert_uint_eq(emulator_config_read(f.e, PCI_VENDOR_ID, 4), 0x10541af4);
    ck_assert_uint_eq(emulator_config_read(f.e, 0x100, 4), 0xffffffff);
    ck_assert_uint_eq(emulator_config_read(f.e, 0xffffff00, 2), 0xffff);
    ck_assert_uint_eq(emulator_config_read(f.e, 1, 2), 0xffff);
    ck_assert_uint_eq(emulator_config_read(f.e, 0, 3), 0xffffffff);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.common.bar, 0x4000, 4), 0xffffffff);
    ck_assert_uint_eq(emulator_bar_read(f.e, 0, 0, 1), 0xff);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.common.bar, UINT64_MAX - 3, 4), 0xffffffff);
    /* Without memory decoding nobody answers. */
    emulator_config_write(f.e, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff);
    emulator_config_write(f.e, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
    foreign_close(&f);
}
END_TEST

/* VIRTIO_PCI_CAP_PCI_CFG: registers through configuration space. */
START_TEST(configuration_window)
{
    struct foreign f;
    unsigned at;

    foreign_open(&f, &one_thread);
    for (at = emulator_config_read(f.e, PCI_CAPABILITY_LIST, 1);
         emulator_config_read(f.e, at, 1) != PCI_CAP_ID_VNDR ||
         emulator_config_read(f.e, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) != VIRTIO_PCI_CAP_PCI_CFG;)
        at = emulator_config_read(f.e, at + PCI_CAP_LIST_NEXT, 1);
    emulator_config_write(f.e, at + VIRTIO_PCI_CAP_BAR, 1, f.common.bar);
    emulator_config_write(f.e, at + VIRTIO_PCI_CAP_OFFSET, 4,
                          f.common.off + VIRTIO_PCI_COMMON_NUMQ);
    emulator_config_write(f.e, at + VIRTIO_PCI_CAP_LENGTH, 4, 2);
    ck_assert_uint_eq(emulator_config_read(f.e, at + 16, 2), 2);
    emulator_config_write(f.e, at + VIRTIO_PCI_CAP_OFFSET, 4,
                          f.common.off + VIRTIO_PCI_COMMON_STATUS);
    emulator_config_write(f.e, at + VIRTIO_PCI_CAP_LENGTH, 4, 1);
    emulator_config_write(f.e, at + 16, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    ck_assert_uint_eq(emulator_config_read(f.e, at + 16, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
    ck_assert_uint_eq(foreign_status(&f), VIRTIO_CONFIG_S_ACKNOWLEDGE);
    foreign_close(&f);
}
END_TEST

START_TEST(negotiation)
{
    struct foreign f;

    foreign_open(&f, &one_thread);
    ck_assert(!foreign_negotiate(&f, FEATURE(VIRTIO_F_ACCESS_PLATFORM)));
    foreign_reset(&f);
    ck_assert(!foreign_negotiate(&f, FEATURE(VIRTIO_F_VERSION_1)));
    foreign_reset(&f);
    ck_assert(!foreign_negotiate(&f, FEATURES_BASE | FEATURE(VIRTIO_F_RING_PACKED)));
    /* Without FEATURES_OK there is no DRIVER_OK. */
    foreign_set(&f, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_DRIVER_OK);
    ck_assert_uint_eq(foreign_status(&f) & VIRTIO_CONFIG_S_DRIVER_OK, 0);
    foreign_reset(&f);
    ck_assert(foreign_negotiate(&f, FEATURES_BASE));
    /* FEATURES_OK closes the features, and status bits stay until reset. */
    foreign_set(&f, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    foreign_set(&f, VIRTIO_PCI_COMMON_GF, 4, 1);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_GF, 4), 0);
    foreign_set(&f, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    ck_assert_uint_eq(foreign_status(&f), VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                                              VIRTIO_CONFIG_S_FEATURES_OK);
    foreign_set(&f, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_DF, 4), 0);
    foreign_close(&f);
}
END_TEST

START_TEST(registers)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 2, .queue_max = 64};
    struct foreign f;

    foreign_open(&f, &cfg);
    foreign_reset(&f);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_NUMQ, 2), 3);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
    for (unsigned bad = 0; bad < 4; bad++) {
        const unsigned size[] = {0, 63, 65, 128};
        foreign_set(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2, size[bad]);
        ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
    }
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_MSIX, 2, f.vectors);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 3);
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
    /* The wrong width is no access. */
    ck_assert_uint_eq(foreign_get(&f, VIRTIO_PCI_COMMON_Q_SELECT, 4), 0xffffffff);
    ck_assert_uint_eq(foreign_config(&f, 0), VIRTIO_CRYPTO_S_HW_READY);
    ck_assert_uint_ge(foreign_config(&f, offsetof(struct virtio_crypto_config, max_size)), 65536);
    foreign_close(&f);
}
END_TEST

/* Every vector both ways, cut every way, in place and not. */
START_TEST(known_answers)
{
    static const unsigned cuts[] = {0, 1, 7, 16};
    struct foreign f;
    struct foreign_request r;
    uint64_t id;
    uint32_t len;

    foreign_open(&f, &one_thread);
    foreign_start(&f, combination(_i), 0);
    for (unsigned n = 0; n < foreign_vectors_count * 2; n++) {
        const struct foreign_vector *v = &foreign_vectors[n / 2];
        bool encrypt = n % 2 == 0;
        ck_assert_uint_eq(foreign_session(&f, v, encrypt, &id), VIRTIO_CRYPTO_OK);
        for (unsigned c = 0; c < 8; c++) {
            foreign_make(&f, &r, v, encrypt, c & 1, id);
            ck_assert_msg(foreign_run(&f, &r, cuts[c / 2], &len) == VIRTIO_CRYPTO_OK,
                          "%s encrypt %d cut %u: status %u", v->name, encrypt, cuts[c / 2],
                          *r.status);
            ck_assert_uint_eq(len, r.dst_len + 1);
            foreign_check(&r);
        }
        ck_assert_uint_eq(foreign_destroy(&f, v->service, id), VIRTIO_CRYPTO_OK);
    }
    ck_assert_uint_eq(f.refused, 0);
    foreign_close(&f);
}
END_TEST

START_TEST(bad_tag)
{
    struct foreign f;
    struct foreign_request r;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, combination(_i), 0);
    for (unsigned n = 0; n < foreign_vectors_count; n++) {
        const struct foreign_vector *v = &foreign_vectors[n];
        if (v->tag == NULL)
            continue;
        ck_assert_uint_eq(foreign_session(&f, v, false, &id), VIRTIO_CRYPTO_OK);
        foreign_make(&f, &r, v, false, false, id);
        r.src[r.src_len - 1] ^= 1;
        ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_BADMSG);
        for (unsigned i = 0; i < r.dst_len; i++)
            ck_assert_uint_eq(r.dst[i], 0);
        /* The session is as good as before. */
        foreign_fill(&r, v, false);
        ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
        foreign_check(&r);
    }
    foreign_close(&f);
}
END_TEST

#define SLOTS 64

struct load {
    const struct foreign_vector *v;
    bool encrypt;
    uint64_t id;
};

/* Keeps every queue full; answers come back in any order. */
static void run_load(struct foreign *f, const struct load *load, unsigned nload, unsigned total)
{
    static struct foreign_request r[FOREIGN_QUEUES][SLOTS];
    static int owner[FOREIGN_QUEUES][1024];
    static size_t mark[FOREIGN_QUEUES][SLOTS];
    unsigned sent = 0, done = 0, idle = 0, head;
    uint32_t len;
    time_t end = time(NULL) + 120;

    memset(owner, -1, sizeof(owner));
    for (unsigned s = 0; s < f->queues * SLOTS; s++) {
        const struct load *l = &load[s % nload];
        foreign_make(f, &r[s / SLOTS][s % SLOTS], l->v, l->encrypt, s & 1, l->id);
        /* An indirect table: its place is used again with the slot. */
        foreign_alloc(f, 256, 16);
        mark[s / SLOTS][s % SLOTS] = f->used - 256;
    }
    for (unsigned s = 0; s < f->queues * SLOTS; s++) {
        f->used = mark[s / SLOTS][s % SLOTS];
        owner[s / SLOTS][foreign_send(f, &f->q[s / SLOTS], &r[s / SLOTS][s % SLOTS], 0)] =
            (int)(s % SLOTS);
        sent++;
    }
    while (done < total) {
        idle++;
        for (unsigned q = 0; q < f->queues; q++) {
            if (!foreign_take(f, &f->q[q], &head, &len))
                continue;
            int s = owner[q][head];
            const struct load *l = &load[(q * SLOTS + (unsigned)s) % nload];
            must(s >= 0 && len == r[q][s].dst_len + 1, "slot %d, %u bytes", s, len);
            owner[q][head] = -1;
            foreign_check(&r[q][s]);
            done++;
            idle = 0;
            if (sent == total)
                continue;
            foreign_fill(&r[q][s], l->v, l->encrypt);
            f->used = mark[q][s];
            owner[q][foreign_send(f, &f->q[q], &r[q][s], 0)] = s;
            sent++;
        }
        if (idle > 100) {
            struct timespec us = {0, 20000};
            nanosleep(&us, NULL);
            must(time(NULL) < end, "stuck after %u of %u", done, total);
        }
    }
}

START_TEST(many_threads)
{
    struct emulator_config cfg = {.threads = _i / 8 ? 4 : 1, .data_queues = 2};
    const char *names[] = {"cbc-128", "gcm-128", "xts-128-cts", "ccm-128"};
    struct load load[8];
    struct emulator_counts counts;
    struct foreign f;

    foreign_open(&f, &cfg);
    foreign_start(&f, combination(_i % 8), 512);
    for (unsigned i = 0; i < 8; i++) {
        load[i].v = foreign_vector_named(names[i / 2]);
        load[i].encrypt = i % 2;
        ck_assert_uint_eq(foreign_session(&f, load[i].v, load[i].encrypt, &load[i].id),
                          VIRTIO_CRYPTO_OK);
    }
    run_load(&f, load, 8, 20000);
    emulator_counts(f.e, &counts);
    ck_assert_uint_eq(counts.requests, 20000);
    ck_assert_uint_eq(counts.control, 8);
    ck_assert_uint_eq(counts.sessions, 8);
    ck_assert_uint_eq(counts.faults, 0);
    foreign_close(&f);
}
END_TEST

/* One at a time on a small ring: each one finds the device asleep, or nearly. */
START_TEST(lock_step)
{
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    struct foreign f;
    struct foreign_request r;
    uint64_t id;
    size_t mark;

    foreign_open(&f, &one_thread);
    foreign_start(&f, combination(_i), 8);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, v, true, false, id);
    mark = f.used;
    for (unsigned n = 0; n < 5000; n++) {
        f.used = mark;
        memset(r.dst, 0, r.dst_len);
        foreign_run(&f, &r, 0, NULL);
        foreign_check(&r);
    }
    foreign_close(&f);
}
END_TEST

/* Far enough for all 16-bit indices to wrap. */
START_TEST(wrap_around)
{
    struct load load = {foreign_vector_named("cbc-128"), true, 0};
    struct foreign f;

    foreign_open(&f, &one_thread);
    foreign_start(&f, combination(_i * 2), 512);
    ck_assert_uint_eq(foreign_session(&f, load.v, true, &load.id), VIRTIO_CRYPTO_OK);
    run_load(&f, &load, 1, 140000);
    foreign_close(&f);
}
END_TEST

/* Latency overlaps: 64 requests that take 20 ms each are done in far less
 * than 64 times that, and none is done before. */
START_TEST(latency)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    const struct foreign_vector *v = foreign_vector_named("ctr-128");
    struct timespec a, b;
    struct foreign f;
    struct load load = {v, true, 0};
    long ms;

    cfg.latency_us = 20000;
    foreign_open(&f, &cfg);
    foreign_start(&f, EVENT_IDX | INDIRECT, 0);
    ck_assert_uint_eq(foreign_session(&f, v, true, &load.id), VIRTIO_CRYPTO_OK);
    clock_gettime(CLOCK_MONOTONIC, &a);
    run_load(&f, &load, 1, SLOTS);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    ck_assert_int_ge(ms, 20);
    ck_assert_int_lt(ms, 20 * SLOTS / 2);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("foreign driver");
    TCase *tc = tcase_create("foreign driver");

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, configuration_space);
    tcase_add_test(tc, configuration_window);
    tcase_add_test(tc, negotiation);
    tcase_add_test(tc, registers);
    tcase_add_loop_test(tc, known_answers, 0, 8);
    tcase_add_loop_test(tc, bad_tag, 0, 2);
    tcase_add_loop_test(tc, lock_step, 0, 8);
    tcase_add_loop_test(tc, wrap_around, 0, 4);
    tcase_add_loop_test(tc, many_threads, 0, 16);
    tcase_add_test(tc, latency);
    suite_add_tcase(s, tc);
    return support_run(s);
}
