/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver against a hostile device, on one thread. What must hold whatever
 * the device does: a request accepted is completed exactly once, results stay
 * within their buffers, and nothing is left alive in the end.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "hw.h"
#include "input.h"
#include "key.h"
#include "parts/clock.h"
#include "parts/hostile.h"
#include "queue.h"
#include "selftest.h"
#include "submit.h"

#define SLOTS 48
#define KEYS  8
#define STEPS 150

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

struct owner {
    unsigned expected; /* complete() calls still to come */
};

struct slot {
    struct hw_request *req;
    uint8_t *buf;
};

static struct input in;
static struct device *dev;
static struct hw_key *keys[KEYS];
static struct slot slots[SLOTS];

static void complete(struct hw_request *req)
{
    struct owner *o = req->owner;

    MUST(o->expected == 1);
    o->expected = 0;
}

/* Kept by the driver until the device has said its last word. */
static void fini(struct hw_request *req)
{
    const struct owner *o = req->owner;

    MUST(o->expected == 0);
}

static struct hw_key *make_key(enum hw_alg alg)
{
    static const uint8_t bytes[64] = {1};
    struct hw_key_spec spec = {.alg = alg, .bytes = bytes, .len = 16, .is_private = true};

    if (alg == HW_AES_XTS || alg == HW_CHACHA20_POLY1305)
        spec.len = 32;
    if (hw_alg_kind(alg) == HW_KIND_AKCIPHER) {
        spec.bits = alg == HW_RSA ? 2048 : 256;
        spec.curve = HW_CURVE_P256;
        spec.len = 64;
    }
    return hw_key_new(&spec);
}

static struct hw_key *some_key(void)
{
    struct hw_key **k = &keys[input_below(&in, KEYS)];
    enum hw_alg alg = (enum hw_alg)input_below(&in, HW_ALG_COUNT);

    if (*k == NULL) {
        *k = make_key(alg);
        MUST(*k != NULL);
    }
    return *k;
}

static void drop(struct slot *s)
{
    hw_request_unref(s->req);
    free(s->buf);
    memset(s, 0, sizeof(*s));
}

static void fill_in(struct slot *s, struct hw_key *key)
{
    static const uint8_t aad[DEVICE_AAD_MAX];
    struct hw_request *req = s->req;
    enum hw_kind kind = hw_alg_kind(key->spec.alg);
    size_t len = input_u8(&in) & 1 ? input_u16(&in) : input_u8(&in), to = len;
    uint8_t how = input_u8(&in);

    req->key = key;
    req->op = kind == HW_KIND_AKCIPHER ? (enum hw_op)(how % 4) : (enum hw_op)(how % 2);
    req->iv_len = 12;
    req->tag_len = kind == HW_KIND_AEAD ? 16 : 0;
    req->aad_len = kind == HW_KIND_AEAD ? input_u8(&in) : 0;
    req->aad = aad;
    req->wait_for_room = how & 4;
    req->complete = complete;
    if (kind == HW_KIND_AKCIPHER)
        to = req->op == HW_VERIFY ? 0 : key->spec.bits / 8;
    free(s->buf);
    s->buf = calloc(1, (len > to ? len : to) + 1);
    MUST(s->buf != NULL);
    req->src[0] = (struct iovec){s->buf, len / 2};
    req->src[1] = (struct iovec){s->buf + len / 2, len - len / 2};
    req->dst[0] = (struct iovec){s->buf, to};
    req->nsrc = 2;
    req->ndst = 1;
}

/* Its memory must stay: the slot's own, or it is left with the driver. */
static void submit(struct slot *s, struct hw_key *key, bool more)
{
    struct owner *o;
    int rc;

    if (s->req != NULL && !hw_request_reusable(s->req))
        drop(s);
    if (s->req == NULL)
        s->req = hw_request_new(sizeof(*o), fini);
    MUST(s->req != NULL);
    o = s->req->owner;
    if (o->expected != 0)
        return;
    fill_in(s, key);
    o->expected = 1;
    rc = submit_to(dev, input_u8(&in), s->req, more);
    if (rc != 0 && !(rc == -EAGAIN && s->req->wait_for_room))
        o->expected = 0;
}

static void step_submit(void)
{
    struct hw_key *key = some_key();

    submit(&slots[input_below(&in, SLOTS)], key, false);
}

static void step_submit_many(void)
{
    struct hw_key *key = some_key();

    for (unsigned i = 0, n = input_below(&in, SLOTS); i < n; i++)
        submit(&slots[i], key, true);
    for (unsigned i = 0; i < dev->nqueues; i++)
        queue_flush(&dev->queues[i]);
}

static void step_serve(void)
{
    unsigned queue = input_u8(&in);

    hostile_serve(queue, 1 + input_u8(&in) % 16);
}

static void step_poll(void)
{
    device_poll(dev);
}

/* What the completion thread does besides: it has none here. */
static void step_deadlines(void)
{
    clock_advance((uint64_t)input_u8(&in) * 1000000u);
    for (unsigned i = 0; i < dev->nqueues; i++) {
        queue_feed(&dev->queues[i]);
        (void)queue_deadlines(&dev->queues[i], device_now());
    }
}

static void step_restart(void)
{
    struct hw_error err;

    device_drain(dev, -EIO);
    if (dev->ops->start(dev, &err) != 0)
        return;
    MUST(hostile_masters());
    atomic_store(&dev->state, DEVICE_RUNNING);
}

static bool gone(void)
{
    return dev->transport == NULL;
}

static void step_away(void)
{
    device_fail(dev);
    device_drain(dev, -EIO);
    device_hardware_down(dev);
}

static void step_back(void)
{
    struct hw_error err;

    if (device_hardware_up(dev, &err) == 0)
        atomic_store(&dev->state, DEVICE_RUNNING);
}

static void step_forget(void)
{
    struct hw_key **k = &keys[input_below(&in, KEYS)];

    if (*k == NULL)
        return;
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].req != NULL && slots[i].req->key == *k)
            drop(&slots[i]);
    /* As the last reference would, did the registry know of the device. */
    if (atomic_load(&(*k)->refs) == 1)
        dev->ops->forget_key(dev, (*k)->id);
    hw_key_unref(*k);
    *k = NULL;
}

static void step_abandon(void)
{
    struct slot *s = &slots[input_below(&in, SLOTS)];

    if (s->req != NULL)
        drop(s);
}

static void step_collect(void)
{
    struct slot *s = &slots[input_below(&in, SLOTS)];
    const struct owner *o = s->req != NULL ? s->req->owner : NULL;

    if (o != NULL && o->expected == 0 && s->req->status == 0 && hw_request_reusable(s->req))
        hw_collect(s->req);
}

static void step_release(void)
{
    struct slot *s = &slots[input_below(&in, SLOTS)];

    if (s->req != NULL)
        hw_release(s->req);
}

static void step_selftest(void)
{
    struct device_caps caps;

    if (!gone())
        selftest_run(dev, &caps);
}

static void (*const steps[])(void) = {
    step_submit,  step_submit,  step_submit_many, step_serve,       step_serve,     step_poll,
    step_poll,    hostile_poke, step_forget,      hostile_register, step_deadlines, step_forget,
    step_abandon, step_collect, step_release,     step_restart,     step_away,      step_selftest,
};

static void use(void)
{
    for (unsigned i = 0; i < STEPS && in.left != 0; i++) {
        void (*step)(void) = steps[input_below(&in, sizeof(steps) / sizeof(steps[0]))];

        if (gone())
            step = step_back;
        step();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hw_config cfg = {.device = "hostile", .queue_size = 16, .timeout_ms = 5};
    struct hw_error err = {""};
    struct hw_live l;

    in = (struct input){data, size};
    hostile_prepare(&in);
    if (device_probe("hostile", 0, &cfg, &dev, &err) == 0) {
        use();
        /* Those in flight are abandoned. */
        for (unsigned i = 0; i < SLOTS; i++)
            if (slots[i].req != NULL)
                drop(&slots[i]);
        device_free(dev);
        for (unsigned i = 0; i < KEYS; i++) {
            hw_key_unref(keys[i]);
            keys[i] = NULL;
        }
    }
    hw_live(&l);
    MUST(l.requests == 0 && l.in_flight == 0 && l.dma_bytes == 0 && l.sessions == 0 &&
         l.keys == 0 && l.devices == 0);
    MUST(hostile_mapped() == 0);
    return 0;
}
