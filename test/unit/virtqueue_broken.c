/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that break a virtqueue: each is found out, and leads nowhere. */
#include <check.h>
#include <endian.h>
#include <errno.h>

#include "support.h"
#include "support/must.h"
#include "support/ring_model.h"

/* What a broken device may do with three chains of two in flight, whose heads
 * are given. */
static void past_the_end(struct model *m, const unsigned *heads)
{
    (void)heads;
    model_push(m, m->size, 0);
}

static void far_past_the_end(struct model *m, const unsigned *heads)
{
    (void)heads;
    model_push(m, 0xffffffff, 0);
}

/* An id whose low 16 bits are good. */
static void wide_id(struct model *m, const unsigned *heads)
{
    model_push(m, heads[0] | 0x10000, 0);
}

static void not_in_flight(struct model *m, const unsigned *heads)
{
    unsigned id = 0;

    while (id == heads[0] || id == heads[1] || id == heads[2])
        id++;
    model_push(m, id, 0);
}

static void jumps(struct model *m, const unsigned *heads, unsigned by)
{
    for (unsigned i = 0; i < m->size; i++)
        m->used->ring[i] = (struct vring_used_elem){htole32(heads[i % 3]), 0};
    m->used_next = (uint16_t)(m->used_next + by);
    __atomic_store_n(&m->used->idx, htole16(m->used_next), __ATOMIC_SEQ_CST);
}

static void jumps_one_too_far(struct model *m, const unsigned *heads)
{
    jumps(m, heads, m->size + 1);
}

static void jumps_half_way(struct model *m, const unsigned *heads)
{
    jumps(m, heads, 0x8000);
}

static void goes_back(struct model *m, const unsigned *heads)
{
    jumps(m, heads, 0xffff);
}

static void (*const breakages[])(struct model *m, const unsigned *heads) = {
    past_the_end,      far_past_the_end, wide_id,   not_in_flight,
    jumps_one_too_far, jumps_half_way,   goes_back,
};
#define NBREAKAGES ((int)(sizeof(breakages) / sizeof(breakages[0])))

START_TEST(hostile)
{
    struct virtqueue_seg segs[2] = {{1, 1}, {2, 2}};
    unsigned heads[3], head;
    struct popped p;
    struct model m;
    void *token;
    uint32_t len;

    model_open(&m, 8, _i % 4);
    model_run(&m, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(virtqueue_add(&m.vq, segs, 1, 1, &heads[i]), 0);
        ck_assert(model_pop(&m, &p));
        heads[i] = p.head;
    }
    breakages[_i / 4](&m, heads);
    ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), -EIO);
    /* And so it stays. */
    ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), -EIO);
    ck_assert(virtqueue_pending(&m.vq));
    model_close(&m);
}
END_TEST

/* The second time the chain is no longer with the device. */
START_TEST(repeated)
{
    struct virtqueue_seg segs[2] = {{1, 1}, {2, 2}};
    struct popped p, q;
    struct model m;
    void *token;
    unsigned head;
    uint32_t len;

    model_open(&m, 8, _i);
    ck_assert_int_eq(virtqueue_add(&m.vq, segs, 1, 1, &p), 0);
    ck_assert_int_eq(virtqueue_add(&m.vq, segs, 1, 1, &q), 0);
    ck_assert(model_pop(&m, &p) && model_pop(&m, &q));
    model_push(&m, q.head, 5);
    model_push(&m, q.head, 5);
    ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), 1);
    ck_assert_ptr_eq(token, &q);
    ck_assert_int_eq(virtqueue_get(&m.vq, &token, &head, &len), -EIO);
    model_close(&m);
}
END_TEST

/* A device that writes into the descriptor table misleads only itself. */
START_TEST(scribbles)
{
    struct support_random r = {.state = (uint64_t)_i + 1};
    struct model m;

    model_open(&m, 16, _i);
    for (unsigned i = 0; i < 1000; i++) {
        support_fill(&r, m.desc, sizeof(*m.desc) * m.size);
        if (m.indirect)
            support_fill(&r, m.vq.tables, sizeof(*m.desc) * m.size * VIRTQUEUE_SEGS_MAX);
        support_fill(&r, m.avail->ring, sizeof(m.avail->ring[0]) * m.size);
        model_run(&m, support_below(&r, 5));
    }
    MUST(m.vq.free_count == m.size);
    model_close(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("broken virtqueues");
    TCase *tc = tcase_create("devices");

    tcase_add_loop_test(tc, hostile, 0, 4 * NBREAKAGES);
    tcase_add_loop_test(tc, repeated, 0, 4);
    tcase_add_loop_test(tc, scribbles, 0, 4);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
