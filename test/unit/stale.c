/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data was copied for a device that then went and came back, before the request
 * was put on a ring: its DMA address means nothing any more, or another's
 * buffer. On one thread, with what is inside hw_submit taken apart.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "device.h"
#include "key.h"
#include "queue.h"
#include "request.h"
#include "submit.h"
#include "support.h"
#include "support/rig.h"

static void away_and_back(struct device *dev)
{
    struct hw_error err;

    device_fail(dev);
    device_drain(dev, -EIO);
    device_hardware_down(dev);
    ck_assert_int_eq(device_hardware_up(dev, &err), 0);
    atomic_store(&dev->state, DEVICE_RUNNING);
}

START_TEST(not_placed)
{
    struct hw_config cfg = rig_config(NULL);
    struct hw_error err;
    struct device *dev;
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_request *req = rig_request(key);
    struct request *r = request_of(req);
    uint8_t buf[64] = {0};

    ck_assert_int_eq(device_probe("emulator", 0, &cfg, &dev, &err), 0);
    rig_fill(req, buf, sizeof(buf));
    r->key = hw_key_ref(key);
    ck_assert_int_eq(request_stage(r, dev), 0);
    ck_assert(dma_buf_current(&r->buf));
    away_and_back(dev);
    ck_assert(!dma_buf_current(&r->buf));
    ck_assert_int_eq(queue_enqueue(&dev->queues[0], r, false, true), -EIO);
    ck_assert_uint_eq(atomic_load(&dev->queues[0].counts.requests), 0);
    /* The next attempt copies it anew. */
    ck_assert_int_eq(submit_to(dev, 0, req, false), 0);
    ck_assert(dma_buf_current(&r->buf));
    for (unsigned i = 0; i < 10 && rig_calls(req) == 0; i++)
        device_poll(dev);
    ck_assert_uint_eq(rig_calls(req), 1);
    ck_assert_int_eq(req->status, 0);
    hw_request_unref(req);
    hw_key_unref(key);
    device_hardware_down(dev);
    device_free(dev);
    rig_nothing_left();
}
END_TEST

/* Mapped bytes of times that are over. */
static size_t gone_bytes(const struct dma_pool *p)
{
    size_t sum = 0;

    for (const struct dma_batch *b = p->gone; b != NULL; b = b->next)
        for (unsigned i = 0; i < b->nparts; i++)
            sum += b->parts[i].mem.va != NULL ? b->parts[i].mem.len : 0;
    return sum;
}

static uint64_t dma_bytes(void)
{
    struct hw_live l;

    hw_live(&l);
    return l.dma_bytes;
}

/* A device goes that had been given much memory. What is kept of it is what a
 * result lies in, until that is released, and where a buffer was kept for later
 * before, until that request is used or freed. */
START_TEST(not_kept)
{
    enum { MANY = 40 };
    static const size_t lens[] = {64, 16384, 4096};
    struct hw_config cfg = rig_config(NULL);
    struct hw_error err;
    struct device *dev;
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_request *req[MANY];
    static uint8_t buf[16384];

    ck_assert_int_eq(device_probe("emulator", 0, &cfg, &dev, &err), 0);
    for (unsigned i = 0; i < MANY; i++) {
        req[i] = rig_request(key);
        rig_fill(req[i], buf, lens[i % 3]);
        request_of(req[i])->key = hw_key_ref(key);
        ck_assert_int_eq(request_stage(request_of(req[i]), dev), 0);
    }
    /* One of 64 bytes is left, for later, one of 16 KiB, and none of 4 KiB. */
    for (unsigned i = 2; i < MANY; i++)
        hw_request_unref(req[i]);
    hw_release(req[0]);
    ck_assert_ptr_nonnull(request_of(req[0])->buf.va);
    ck_assert_uint_ge(dev->dma->total, 3u << 20);
    away_and_back(dev);
    ck_assert_uint_eq(gone_bytes(dev->dma), 2u << 20);
    ck_assert_ptr_nonnull(hw_result(req[1]));
    hw_release(req[1]);
    ck_assert_ptr_null(request_of(req[1])->buf.va);
    ck_assert_uint_eq(gone_bytes(dev->dma), 1u << 20);
    ck_assert_uint_eq(dma_bytes(), dma_buf_size(&request_of(req[0])->buf));
    hw_release(req[0]);
    ck_assert_uint_eq(gone_bytes(dev->dma), 0);
    ck_assert_ptr_null(dev->dma->gone);
    ck_assert_uint_eq(dma_bytes(), 0);
    for (unsigned i = 0; i < 2; i++)
        hw_request_unref(req[i]);
    hw_key_unref(key);
    device_hardware_down(dev);
    device_free(dev);
    rig_nothing_left();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stale");
    TCase *tc = tcase_create("buffers");

    tcase_add_test(tc, not_placed);
    tcase_add_test(tc, not_kept);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
