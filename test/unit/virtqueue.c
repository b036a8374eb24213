/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a split virtqueue: chains, full rings, wrap-around,
 * suppression of kicks and interrupts.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "support.h"
#include "support/must.h"
#include "support/ring_model.h"

#define QUEUE_MAX 256u

static const unsigned sizes[] = {8, 16, 64, 256};

START_TEST(layout)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned size = sizes[i];
        struct model m;
        size_t avail_end, used_end;

        model_open(&m, size, _i);
        avail_end = m.vq.avail_off + 6 + 2 * (size_t)size;
        used_end = m.vq.used_off + 6 + 8 * (size_t)size;
        ck_assert_uint_eq(m.vq.desc_off, 0);
        ck_assert_uint_ge(m.vq.avail_off, 16 * size);
        ck_assert_uint_eq(m.vq.avail_off % 2, 0);
        ck_assert_uint_ge(m.vq.used_off, avail_end);
        ck_assert_uint_eq(m.vq.used_off % 4, 0);
        ck_assert_uint_ge(m.bytes, used_end);
        if (m.indirect)
            ck_assert_uint_ge(m.bytes, used_end + 16 * VIRTQUEUE_SEGS_MAX * size);
        model_close(&m);
    }
}
END_TEST

/* Fills the ring to the last descriptor, and again after one came back. */
START_TEST(full)
{
    struct virtqueue_seg segs[VIRTQUEUE_SEGS_MAX + 1] = {{1, 1}};
    struct model m;
    struct popped p;
    void *token;
    unsigned head;
    uint32_t len;

    model_open(&m, 16, _i);
    /* Longer than any chain may be. */
    ck_assert_int_eq(virtqueue_next(&m.vq, VIRTQUEUE_SEGS_MAX + 1), -ENOSPC);
    ck_assert_int_eq(virtqueue_add(&m.vq, segs, VIRTQUEUE_SEGS_MAX, 1, &m), -ENOSPC);
    for (unsigned round = 0; round < 5; round++) {
        /* Chains of four: 4 direct ones fill the table, or 16 indirect ones. */
        unsigned fit = m.indirect ? 16 : 4;

        for (unsigned i = 0; i < fit; i++)
            ck_assert_int_eq(virtqueue_add(&m.vq, segs, 2, 2, &segs[i % 4]), 0);
        ck_assert_int_eq(virtqueue_next(&m.vq, 1), -ENOSPC);
        ck_assert_int_eq(virtqueue_add(&m.vq, segs, 1, 0, &m), -ENOSPC);
        ck_assert_uint_eq(le16toh(m.avail->idx), (uint16_t)(m.avail_next + fit));
        ck_assert(model_pop(&m, &p));
        model_push(&m, p.head, 7);
        ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), 1);
        ck_assert_int_eq(virtqueue_next(&m.vq, 4), (int)head);
        ck_assert_int_eq(virtqueue_next(&m.vq, 5), m.indirect ? (int)head : -ENOSPC);
        ck_assert_int_eq(virtqueue_add(&m.vq, segs, 2, 2, &m), 0);
        ck_assert_int_eq(virtqueue_next(&m.vq, 1), -ENOSPC);
        while (model_pop(&m, &p))
            model_push(&m, p.head, 7);
        for (unsigned i = 0; i < fit; i++)
            ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), 1);
        ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), 0);
    }
    model_close(&m);
}
END_TEST

/* Several times round all 16-bit indices, with any number of chains in flight
 * that come back in any order. */
START_TEST(wrap_around)
{
    struct support_random r = {.state = (uint64_t)_i + 1};
    static struct popped out[QUEUE_MAX];
    static uint64_t tags[QUEUE_MAX];
    uint64_t next = 0, popped = 0, pushed = 0, got = 0, longest = 0;
    unsigned nout = 0;
    struct model m;
    void *token;
    unsigned head;
    uint32_t len;

    model_open(&m, sizes[_i / 4], _i % 4);
    while (got < 200000) {
        /* What the ring does not take is tried again. */
        for (unsigned n = support_below(&r, m.size); n > 0 && model_add(&m, next) == 0; n--)
            next++;
        (void)virtqueue_should_kick(&m.vq);
        for (unsigned n = support_below(&r, m.size); n > 0 && model_pop(&m, &out[nout]); n--) {
            model_check_chain(&out[nout], popped);
            tags[out[nout].head] = popped++;
            nout++;
        }
        longest = nout > longest ? nout : longest;
        for (unsigned n = support_below(&r, m.size); n > 0 && nout > 0; n--) {
            unsigned i = support_below(&r, nout);

            model_push(&m, out[i].head, (uint32_t)tags[out[i].head]);
            out[i] = out[--nout];
            pushed++;
        }
        for (unsigned n = support_below(&r, m.size); n > 0 && got < pushed; n--) {
            MUST(virtqueue_pending(&m.vq));
            MUST(virtqueue_get(&m.vq, &token, &head, &len) == 1);
            MUST((uintptr_t)token == tags[head] + 1);
            MUST(len == (uint32_t)tags[head]);
            got++;
        }
        if (got == pushed) {
            MUST(!virtqueue_pending(&m.vq));
            MUST(virtqueue_get(&m.vq, &token, &head, &len) == 0);
        }
    }
    ck_assert_uint_ge(longest, m.indirect ? m.size / 2 : 2);
    model_close(&m);
}
END_TEST

/* Where the index stands when the boundaries are tried. */
static const unsigned bases[] = {0, 1, 100, 32766, 32768, 65527, 65532, 65534, 65535, 65536};
#define NBASES ((int)(sizeof(bases) / sizeof(bases[0])))

/* A kick is wanted when the index passes avail_event, and only then. */
START_TEST(kicks)
{
    struct popped p;
    void *token;
    unsigned head;
    uint32_t len;

    for (unsigned batch = 1; batch <= 4; batch++) {
        for (int event = -3; event <= 6; event++) {
            uint16_t base = (uint16_t)bases[_i];
            struct model m;

            model_open(&m, 32, 1 | 2);
            model_start_at(&m, bases[_i]);
            *model_avail_event(&m) = htole16((uint16_t)(base + event));
            ck_assert(!virtqueue_should_kick(&m.vq));
            for (unsigned i = 0; i < batch; i++)
                ck_assert_int_eq(model_add(&m, i), 0);
            ck_assert_int_eq(virtqueue_should_kick(&m.vq), event >= 0 && event < (int)batch);
            /* Asked once is asked for all of them. */
            ck_assert(!virtqueue_should_kick(&m.vq));
            while (model_pop(&m, &p))
                model_push(&m, p.head, 0);
            while (virtqueue_get(&m.vq, &token, &head, &len) == 1)
                ;
            model_close(&m);
        }
    }
}
END_TEST

START_TEST(kick_flags)
{
    struct model m;

    model_open(&m, 32, _i * 2);
    ck_assert(!virtqueue_should_kick(&m.vq));
    ck_assert_int_eq(model_add(&m, 0), 0);
    ck_assert(virtqueue_should_kick(&m.vq));
    m.used->flags = htole16(VRING_USED_F_NO_NOTIFY);
    ck_assert_int_eq(model_add(&m, 1), 0);
    ck_assert(!virtqueue_should_kick(&m.vq));
    m.used->flags = 0;
    ck_assert(!virtqueue_should_kick(&m.vq));
    ck_assert_int_eq(model_add(&m, 2), 0);
    ck_assert(virtqueue_should_kick(&m.vq));
    model_close(&m);
}
END_TEST

static void several(struct model *m, unsigned n)
{
    struct popped p;

    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(model_add(m, i), 0);
        ck_assert(model_pop(m, &p));
        model_push(m, p.head, 0);
    }
}

static void reap(struct model *m, unsigned n)
{
    void *token;
    unsigned head;
    uint32_t len;

    while (n-- > 0)
        ck_assert_int_eq(virtqueue_get(&m->vq, &token, &head, &len), 1);
    ck_assert_int_eq(virtqueue_get(&m->vq, &token, &head, &len), 0);
}

static void check_interrupts(struct model *m)
{
    uint16_t old = m->used_next;

    /* On: the first chain that becomes used interrupts. */
    ck_assert(!virtqueue_irq_on(&m->vq));
    several(m, 1);
    ck_assert(model_interrupts(m, old));
    reap(m, 1);
    /* Off: none does, one by one or in a batch, however many fit. */
    virtqueue_irq_off(&m->vq);
    old = m->used_next;
    for (unsigned i = 0; i < m->size; i++) {
        several(m, 1);
        ck_assert(!model_interrupts(m, (uint16_t)(m->used_next - 1)));
        ck_assert(!model_interrupts(m, old));
    }
    /* On again: what came meanwhile is told, and not yet taken. */
    ck_assert(virtqueue_irq_on(&m->vq));
    reap(m, m->size);
    ck_assert(!virtqueue_irq_on(&m->vq));
    old = m->used_next;
    several(m, m->size);
    ck_assert(model_interrupts(m, old));
    reap(m, m->size);
}

START_TEST(interrupts)
{
    struct model m;

    /* Chains of up to 6 in 8 entries: indirect, so that all 8 can be out. */
    model_open(&m, 8, _i % 2 | 2);
    model_start_at(&m, bases[_i / 2]);
    check_interrupts(&m);
    check_interrupts(&m);
    model_close(&m);
}
END_TEST

/* With the interrupt on and the driver slow: one interrupt, not one for each. */
START_TEST(one_interrupt)
{
    unsigned count = 0;
    struct model m;

    model_open(&m, 64, 1 | 2);
    model_start_at(&m, 65530);
    ck_assert(!virtqueue_irq_on(&m.vq));
    for (unsigned i = 0; i < 40; i++) {
        several(&m, 1);
        count += model_interrupts(&m, (uint16_t)(m.used_next - 1));
    }
    ck_assert_uint_eq(count, 1);
    model_close(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtqueue");
    TCase *tc = tcase_create("ring");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, layout, 0, 4);
    tcase_add_loop_test(tc, full, 0, 4);
    tcase_add_loop_test(tc, wrap_around, 0, 16);
    tcase_add_loop_test(tc, kicks, 0, NBASES);
    tcase_add_loop_test(tc, interrupts, 0, 2 * NBASES);
    tcase_add_test(tc, one_interrupt);
    /* Without event index only. */
    tcase_add_loop_test(tc, kick_flags, 0, 2);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
