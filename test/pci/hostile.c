/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver must not do. The function answers an error or asks for a
 * reset, reaches no memory that it was not given, and works after the reset.
 */
#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support.h"
#include "support/foreign.h"

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)
#define INDIRECT   FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX  FEATURE(VIRTIO_RING_F_EVENT_IDX)

static const struct emulator_config one_thread = {.threads = 1, .data_queues = 1};

static void expect_needs_reset(struct foreign *f)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    for (int i = 0; i < 5000 && !(foreign_status(f) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
        nanosleep(&ms, NULL);
    ck_assert(foreign_status(f) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* After a reset the function is as good as new. */
static void expect_recovery(struct foreign *f)
{
    const struct foreign_vector *v = foreign_vector_named("gcm-128");
    struct foreign_request r;
    uint64_t id;

    foreign_start(f, INDIRECT, 16);
    ck_assert_uint_eq(foreign_session(f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(f, &r, v, true, false, id);
    ck_assert_uint_eq(foreign_run(f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    foreign_check(&r);
}

static void desc(struct vring_desc *d, uint64_t addr, uint32_t len, int flags, unsigned next)
{
    d->addr = htole64(addr);
    d->len = htole32(len);
    d->flags = htole16((uint16_t)flags);
    d->next = htole16((uint16_t)next);
}

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT

/* Fills the descriptor table of queue 0, whose size is 16, and answers the
 * head. at: 4 KiB of the arena. */
typedef unsigned (*malform)(struct foreign *f, struct vring_desc *d, uint64_t at);

static unsigned next_outside(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 72, NEXT, 16);
    return 0;
}

static unsigned endless(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[3], at, 72, NEXT, 5);
    desc(&d[5], at, 1, NEXT, 3);
    return 3;
}

static unsigned endless_without_length(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 0, NEXT, 0);
    return 0;
}

static unsigned head_outside(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    (void)d;
    (void)at;
    return 16;
}

static unsigned writable_first(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 1, WRITE | NEXT, 1);
    desc(&d[1], at, 72, 0, 0);
    return 0;
}

static unsigned nothing_writable(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 72, 0, 0);
    return 0;
}

static unsigned short_header(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 71, NEXT, 1);
    desc(&d[1], at + 100, 1, WRITE, 0);
    return 0;
}

static unsigned no_header(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 1, WRITE, 0);
    return 0;
}

static unsigned table_and_next(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 32, TABLE | NEXT, 1);
    desc(&d[1], at, 1, WRITE, 0);
    return 0;
}

static unsigned table_of_odd_size(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 33, TABLE, 0);
    return 0;
}

static unsigned table_empty(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, 0, TABLE, 0);
    return 0;
}

static unsigned table_unmapped(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    (void)at;
    desc(&d[0], FOREIGN_UNMAPPED, 32, TABLE, 0);
    return 0;
}

static unsigned table_half_mapped(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    (void)at;
    desc(&d[0], FOREIGN_IOVA + FOREIGN_MEMORY - 16, 32, TABLE, 0);
    return 0;
}

static unsigned table_in_table(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    desc((struct vring_desc *)(f->mem + (at - FOREIGN_IOVA)), at, 32, TABLE, 0);
    desc(&d[0], at, 32, TABLE, 0);
    return 0;
}

static unsigned table_endless(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    desc((struct vring_desc *)(f->mem + (at - FOREIGN_IOVA)), at, 8, NEXT, 0);
    desc(&d[0], at, 16, TABLE, 0);
    return 0;
}

static unsigned table_next_outside(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    struct vring_desc *t = (struct vring_desc *)(f->mem + (at - FOREIGN_IOVA));

    desc(&t[0], at, 72, NEXT, 1);
    desc(&t[1], at + 100, 1, WRITE, 0); /* good, but not in the table */
    desc(&d[0], at, 16, TABLE, 0);
    return 0;
}

static unsigned longer_than_queue(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    struct vring_desc *t = (struct vring_desc *)(f->mem + (at - FOREIGN_IOVA));

    for (unsigned i = 0; i < 17; i++)
        desc(&t[i], at, 8, i < 16 ? NEXT : WRITE, i + 1);
    desc(&d[0], at, 17 * 16, TABLE, 0);
    return 0;
}

static unsigned four_gigabytes(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    (void)f;
    desc(&d[0], at, UINT32_MAX, NEXT, 1);
    desc(&d[1], at, UINT32_MAX, WRITE, 0);
    return 0;
}

static unsigned table_not_negotiated(struct foreign *f, struct vring_desc *d, uint64_t at)
{
    foreign_start(f, 0, 16);
    at = foreign_iova(f, foreign_alloc(f, 4096, 16));
    d = f->q[0].desc;
    desc((struct vring_desc *)(f->mem + (at - FOREIGN_IOVA)), at, 1, WRITE, 0);
    desc(&d[0], at, 16, TABLE, 0);
    return 0;
}

static const malform malformed[] = {
    next_outside,         endless,           endless_without_length,
    head_outside,         writable_first,    nothing_writable,
    short_header,         no_header,         table_and_next,
    table_of_odd_size,    table_empty,       table_unmapped,
    table_half_mapped,    table_in_table,    table_endless,
    table_next_outside,   longer_than_queue, four_gigabytes,
    table_not_negotiated,
};

START_TEST(malformed_chains)
{
    struct foreign f;
    void *at;
    unsigned head;

    foreign_open(&f, &one_thread);
    foreign_start(&f, INDIRECT, 16);
    at = foreign_alloc(&f, 4096, 16);
    head = malformed[_i](&f, f.q[0].desc, foreign_iova(&f, at));
    foreign_publish(&f, &f.q[0], (int)head);
    expect_needs_reset(&f);
    /* Announced by a configuration change, and nothing was returned. */
    for (int i = 0; i < 1000 && atomic_load(&f.msi[0]) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert_uint_eq(f.msi[0], 1);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.isr.bar, f.isr.off, 1), VIRTIO_PCI_ISR_CONFIG);
    ck_assert_uint_eq(emulator_bar_read(f.e, f.isr.bar, f.isr.off, 1), 0);
    ck_assert_uint_eq(f.q[0].used->idx, 0);
    /* Doorbells are in vain from now on, and do no harm. */
    foreign_ring(&f, &f.q[0]);
    expect_recovery(&f);
    foreign_close(&f);
}
END_TEST

START_TEST(index_jumps)
{
    struct foreign f;
    uint64_t at;

    foreign_open(&f, &one_thread);
    foreign_start(&f, INDIRECT, 16);
    /* Each single entry would be good. */
    at = foreign_iova(&f, foreign_alloc(&f, 4096, 16));
    desc(&f.q[0].desc[0], at, 72, NEXT, 1);
    desc(&f.q[0].desc[1], at + 100, 1, WRITE, 0);
    __atomic_store_n(&f.q[0].avail->idx, htole16(17), __ATOMIC_SEQ_CST);
    foreign_ring(&f, &f.q[0]);
    expect_needs_reset(&f);
    expect_recovery(&f);
    foreign_close(&f);
}
END_TEST

START_TEST(bad_ring_addresses)
{
    const uint64_t bad[] = {FOREIGN_UNMAPPED, FOREIGN_IOVA + 1, UINT64_MAX - 15,
                            FOREIGN_IOVA + FOREIGN_MEMORY - 16};
    struct foreign f;

    foreign_open(&f, &one_thread);
    foreign_reset(&f);
    ck_assert(foreign_negotiate(&f, FEATURES_BASE));
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * (unsigned)(_i / 4), 4, (uint32_t)bad[_i % 4]);
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_DESCHI + 8 * (unsigned)(_i / 4), 4,
                (uint32_t)(bad[_i % 4] >> 32));
    foreign_set(&f, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    foreign_set(&f, VIRTIO_PCI_COMMON_STATUS, 1, 15);
    expect_needs_reset(&f);
    expect_recovery(&f);
    foreign_close(&f);
}
END_TEST

/* One field of a good request is bent; the answer is the given status. */
struct bend {
    const char *vector;
    bool encrypt;
    unsigned off; /* in the header */
    uint32_t val; /* 32-bit field */
    uint8_t status;
};

#define OPCODE   0
#define SESSION  8
#define FLAG     16
#define IV_LEN   24
#define SRC_LEN  28
#define DST_LEN  32
#define OP_TYPE  64
#define AEAD_AAD 28
#define AEAD_SRC 32
#define AEAD_DST 36
#define AEAD_TAG 40

static const struct bend bends[] = {
    {"cbc-128", true, OPCODE, VIRTIO_CRYPTO_HASH, VIRTIO_CRYPTO_NOTSUPP},
    {"cbc-128", true, OPCODE, 0xffffffff, VIRTIO_CRYPTO_NOTSUPP},
    {"cbc-128", true, OPCODE, VIRTIO_CRYPTO_CIPHER_DECRYPT, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, SESSION, 0x7fffffff, VIRTIO_CRYPTO_INVSESS},
    {"cbc-128", true, SESSION + 4, 77, VIRTIO_CRYPTO_INVSESS},
    {"cbc-128", true, FLAG, 0, VIRTIO_CRYPTO_NOTSUPP},
    {"cbc-128", true, IV_LEN, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, IV_LEN, 15, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, SRC_LEN, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, SRC_LEN, 48, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, DST_LEN, 0, VIRTIO_CRYPTO_ERR},
    {"cbc-128", false, DST_LEN, 0xffffffc0, VIRTIO_CRYPTO_ERR},
    {"cbc-128", true, OP_TYPE, VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING, VIRTIO_CRYPTO_NOTSUPP},
    {"cbc-128", true, OP_TYPE, 99, VIRTIO_CRYPTO_NOTSUPP},
    {"gcm-128", true, IV_LEN, 16, VIRTIO_CRYPTO_NOTSUPP}, /* J0 is not done */
    {"gcm-128", true, IV_LEN, 17, VIRTIO_CRYPTO_ERR},
    {"gcm-128", true, IV_LEN, 0, VIRTIO_CRYPTO_ERR},
    {"gcm-128", true, AEAD_TAG, 12, VIRTIO_CRYPTO_ERR},
    {"gcm-128", false, AEAD_TAG, 0xfffffff0, VIRTIO_CRYPTO_ERR},
    {"gcm-128", true, AEAD_AAD, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {"gcm-128", false, AEAD_SRC, 3, VIRTIO_CRYPTO_ERR},
    {"gcm-128", false, AEAD_DST, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {"ccm-128", true, IV_LEN, 6, VIRTIO_CRYPTO_ERR},
    {"ccm-128", true, IV_LEN, 14, VIRTIO_CRYPTO_NOTSUPP},
};

START_TEST(bent_requests)
{
    const struct bend *b = &bends[_i];
    const struct foreign_vector *v = foreign_vector_named(b->vector);
    uint32_t val = htole32(b->val), len;
    struct foreign f;
    struct foreign_request r;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, REVISION_1, 0);
    ck_assert_uint_eq(foreign_session(&f, v, b->encrypt, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, v, b->encrypt, false, id);
    memcpy(r.header + b->off, &val, sizeof(val));
    ck_assert_uint_eq(foreign_run(&f, &r, 0, &len), b->status);
    ck_assert_uint_eq(len, r.dst_len + 1);
    for (unsigned i = 0; i < r.dst_len; i++)
        ck_assert_uint_eq(r.dst[i], 0);
    ck_assert_uint_eq(foreign_status(&f) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
    foreign_close(&f);
}
END_TEST

/* Lengths that the mode cannot do: seen by cutting the text, all fields right. */
START_TEST(lengths_of_the_mode)
{
    static const struct {
        const char *vector;
        uint32_t len;
        uint8_t status;
    } rows[] = {
        {"cbc-128", 63, VIRTIO_CRYPTO_ERR}, {"cbc-128", 0, VIRTIO_CRYPTO_OK},
        {"ecb-128", 1, VIRTIO_CRYPTO_ERR},  {"xts-128", 15, VIRTIO_CRYPTO_ERR},
        {"xts-128", 31, VIRTIO_CRYPTO_OK},  {"ctr-128", 1, VIRTIO_CRYPTO_OK},
    };
    const struct foreign_vector *v = foreign_vector_named(rows[_i].vector);
    uint32_t len = htole32(rows[_i].len);
    struct foreign f;
    struct foreign_request r;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, 0, 0);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, v, true, false, id);
    memcpy(r.header + SRC_LEN, &len, 4);
    memcpy(r.header + DST_LEN, &len, 4);
    r.src_len = r.dst_len = rows[_i].len;
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), rows[_i].status);
    foreign_close(&f);
}
END_TEST

/* Each piece of a request in turn where the host has no memory. */
START_TEST(unmapped_pieces)
{
    const struct foreign_vector *v = foreign_vector_named("gcm-128");
    struct foreign f;
    struct foreign_request r;
    struct piece p[6];
    struct emulator_counts counts;
    unsigned nread, n, head;
    uint32_t len;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, 0, 0);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, v, true, false, id);
    n = foreign_pieces(&f, &r, p, &nread);
    ck_assert_uint_eq(n, 6);
    p[_i].addr = _i % 2 ? FOREIGN_UNMAPPED : FOREIGN_IOVA + FOREIGN_MEMORY - p[_i].len / 2;
    foreign_publish(&f, &f.q[0], foreign_add(&f, &f.q[0], p, nread, n - nread, 0));
    foreign_wait(&f, &f.q[0], &head, &len);
    emulator_counts(f.e, &counts);
    ck_assert_uint_eq(counts.faults, 1);
    ck_assert_uint_eq(f.refused, 1);
    if (_i == 5) { /* the status itself */
        ck_assert_uint_eq(len, 0);
        ck_assert_uint_eq(*r.status, 0xee);
    } else {
        ck_assert_uint_eq(*r.status, VIRTIO_CRYPTO_ERR);
    }
    foreign_close(&f);
}
END_TEST

/* Without bus mastering nothing leaves the function. */
START_TEST(no_bus_master)
{
    struct foreign f;

    foreign_open(&f, &one_thread);
    emulator_config_write(f.e, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    foreign_reset(&f);
    ck_assert(foreign_negotiate(&f, FEATURES_BASE));
    foreign_queue(&f, 0, 16, VIRTIO_MSI_NO_VECTOR);
    foreign_set(&f, VIRTIO_PCI_COMMON_STATUS, 1, 15);
    expect_needs_reset(&f);
    ck_assert_uint_eq(f.refused, 0);
    emulator_config_write(f.e, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    expect_recovery(&f);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hostile driver");
    TCase *tc = tcase_create("hostile driver");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, malformed_chains, 0, sizeof(malformed) / sizeof(malformed[0]));
    tcase_add_test(tc, index_jumps);
    tcase_add_loop_test(tc, bad_ring_addresses, 0, 12);
    tcase_add_loop_test(tc, bent_requests, 0, sizeof(bends) / sizeof(bends[0]));
    tcase_add_loop_test(tc, lengths_of_the_mode, 0, 6);
    tcase_add_loop_test(tc, unmapped_pieces, 0, 6);
    tcase_add_test(tc, no_bus_master);
    suite_add_tcase(s, tc);
    return support_run(s);
}
