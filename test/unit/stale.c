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

int main(void)
{
    Suite *suite = suite_create("stale");
    TCase *tc = tcase_create("buffers");

    tcase_add_test(tc, not_placed);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
