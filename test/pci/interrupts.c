/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X, the ISR register, and the suppression of interrupts and doorbells. */
#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support.h"
#include "support/foreign.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)

static const struct emulator_config one_thread = {.threads = 1, .data_queues = 1};

static void pause_ms(long ms)
{
    const struct timespec ts = {.tv_nsec = ms * 1000000};

    nanosleep(&ts, NULL);
}

static unsigned messages(struct foreign *f, unsigned vector, unsigned want)
{
    for (int i = 0; i < 2000 && atomic_load(&f->msi[vector]) < want; i++)
        pause_ms(1);
    pause_ms(5); /* one too many would come now */
    return atomic_load(&f->msi[vector]);
}

static void setup(struct foreign *f, struct foreign_request *r, uint64_t features)
{
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    uint64_t id;

    foreign_open(f, &one_thread);
    foreign_start(f, features, 0);
    ck_assert_uint_eq(foreign_session(f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(f, r, v, true, false, id);
}

START_TEST(one_per_request)
{
    struct foreign f;
    struct foreign_request r;
    struct emulator_counts counts;

    setup(&f, &r, 0);
    for (unsigned i = 1; i <= 5; i++) {
        foreign_run(&f, &r, 0, NULL);
        ck_assert_uint_eq(messages(&f, 1, i), i);
    }
    ck_assert_uint_eq(f.msi[0], 0);
    emulator_counts(f.e, &counts);
    ck_assert_uint_eq(counts.interrupts, 6); /* the session's, too */
    /* With MSI-X the ISR register says nothing of queues. */
    ck_assert_uint_eq(emulator_bar_read(f.e, f.isr.bar, f.isr.off, 1), 0);
    foreign_close(&f);
}
END_TEST

static uint32_t pending(struct foreign *f)
{
    return emulator_bar_read(f->e, f->msix_bar, f->msix_pba, 4);
}

START_TEST(masked)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, 0);
    if (_i == 0)
        foreign_vector(&f, 1, true);
    else
        emulator_config_write(f.e, f.msix_cap + PCI_MSIX_FLAGS, 2,
                              PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    foreign_run(&f, &r, 0, NULL);
    foreign_run(&f, &r, 0, NULL);
    for (int i = 0; i < 1000 && pending(&f) != 2; i++)
        pause_ms(1);
    ck_assert_uint_eq(f.msi[1], 0);
    ck_assert_uint_eq(pending(&f), 2);
    if (_i == 0)
        foreign_vector(&f, 1, false);
    else
        emulator_config_write(f.e, f.msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    /* Two became one. */
    ck_assert_uint_eq(messages(&f, 1, 1), 1);
    ck_assert_uint_eq(pending(&f), 0);
    foreign_close(&f);
}
END_TEST

START_TEST(without_msix)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, 0);
    emulator_config_write(f.e, f.msix_cap + PCI_MSIX_FLAGS, 2, 0);
    foreign_run(&f, &r, 0, NULL);
    for (int i = 0; i < 1000; i++) {
        if (emulator_config_read(f.e, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT)
            break;
        pause_ms(1);
    }
    ck_assert(emulator_config_read(f.e, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.isr.bar, f.isr.off, 1), 1);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.isr.bar, f.isr.off, 1), 0);
    ck_assert(!(emulator_config_read(f.e, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
    ck_assert_uint_eq(f.msi[1], 0);
    foreign_close(&f);
}
END_TEST

START_TEST(no_vector)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, 0);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
    foreign_run(&f, &r, 0, NULL);
    pause_ms(10);
    ck_assert_uint_eq(f.msi[1], 0);
    foreign_close(&f);
}
END_TEST

START_TEST(suppressed_by_flag)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, 0);
    __atomic_store_n(&f.q[0].avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT), __ATOMIC_SEQ_CST);
    foreign_run(&f, &r, 0, NULL);
    pause_ms(10);
    ck_assert_uint_eq(f.msi[1], 0);
    __atomic_store_n(&f.q[0].avail->flags, 0, __ATOMIC_SEQ_CST);
    foreign_run(&f, &r, 0, NULL);
    ck_assert_uint_eq(messages(&f, 1, 1), 1);
    foreign_close(&f);
}
END_TEST

/* With the event index: only the used entry that used_event names. */
START_TEST(suppressed_by_event)
{
    struct foreign f;
    struct foreign_request r;

    setup(&f, &r, EVENT_IDX);
    __atomic_store_n(&f.q[0].avail->ring[f.q[0].size], htole16(3), __ATOMIC_SEQ_CST);
    /* The flag is to be ignored then. */
    __atomic_store_n(&f.q[0].avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT), __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 3; i++)
        foreign_run(&f, &r, 0, NULL);
    pause_ms(10);
    ck_assert_uint_eq(f.msi[1], 0);
    foreign_run(&f, &r, 0, NULL);
    ck_assert_uint_eq(messages(&f, 1, 1), 1);
    for (unsigned i = 0; i < 5; i++)
        foreign_run(&f, &r, 0, NULL);
    pause_ms(10);
    ck_assert_uint_eq(f.msi[1], 1);
    foreign_close(&f);
}
END_TEST

/* While it works the function spares the driver the doorbell: of a batch that
 * one doorbell announces, the rest needs none. */
#define SPARED 100

START_TEST(doorbells_spared)
{
    const struct foreign_vector *v = foreign_vector_named("cbc-256");
    struct emulator_config cfg = {.threads = 1, .data_queues = 1};
    struct foreign f;
    static struct foreign_request r[SPARED];
    struct piece p[SPARED][6];
    unsigned nread = 0, n = 0, head;
    uint64_t id;
    uint32_t len;

    foreign_open(&f, &cfg);
    foreign_start(&f, _i ? EVENT_IDX : 0, 1024);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    /* Memory of their own: several may be in work at once. */
    for (unsigned i = 0; i < SPARED; i++) {
        foreign_make(&f, &r[i], v, true, false, id);
        n = foreign_pieces(&f, &r[i], p[i], &nread);
    }
    for (int round = 0; round < 200; round++) {
        /* Made visible at once, one doorbell. */
        for (unsigned i = 0; i < SPARED; i++) {
            int first = foreign_add(&f, &f.q[0], p[i], nread, n - nread, 0);

            f.q[0].avail->ring[(f.q[0].avail->idx + i) % f.q[0].size] = (uint16_t)first;
        }
        __atomic_store_n(&f.q[0].avail->idx, (uint16_t)(f.q[0].avail->idx + SPARED),
                         __ATOMIC_SEQ_CST);
        foreign_ring(&f, &f.q[0]);
        for (unsigned i = 0; i < SPARED; i++)
            foreign_wait(&f, &f.q[0], &head, &len);
    }
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("interrupts");
    TCase *tc = tcase_create("interrupts");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_per_request);
    tcase_add_loop_test(tc, masked, 0, 2);
    tcase_add_test(tc, without_msix);
    tcase_add_test(tc, no_vector);
    tcase_add_test(tc, suppressed_by_flag);
    tcase_add_test(tc, suppressed_by_event);
    tcase_add_loop_test(tc, doorbells_spared, 0, 2);
    suite_add_tcase(s, tc);
    return support_run(s);
}
