/* SPDX-License-Identifier: Apache-2.0 */
#include "selftest.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "hw.h"
#include "key.h"
#include "selftest_ak.h"
#include "submit.h"

/*
 * One row per algorithm and key size. Inputs are patterns, the same for all:
 * key byte i is 7i + 1, IV byte i is 0xf0 + i (CCM and GCM: 12 bytes of it),
 * AAD byte i is 0xa0 + i, plaintext byte i is 3i. Expected outputs were made
 * with a software library; the driver's tests hold them against another.
 */
struct vector {
    enum hw_alg alg;
    uint8_t key_len, iv_len, len;
    const char *out, *tag;
};

#define AAD_LEN  20
#define TEXT_MAX 47

static const struct vector vectors[] = {
    {
        .alg = HW_AES_ECB,
        .key_len = 16,
        .iv_len = 0,
        .len = 32,
        .out = "\x71\x08\x32\x15\x74\xab\x99\xc8\x95\x9a\x78\x9c\x61\xfb\x97\x28\xbb\x0a\x5c\x6f"
               "\x70\x93\x05\xe7\x0c\xf5\xb5\xb3\x53\x87\x4a\x96",
    },
    {
        .alg = HW_AES_ECB,
        .key_len = 24,
        .iv_len = 0,
        .len = 32,
        .out = "\x62\xdb\xe4\xba\x7c\xd4\xe5\x42\x4b\x57\xb7\x9e\x7d\x63\x82\x79\x35\xbc\x33\x63"
               "\xed\xd4\xe1\xab\x56\x92\x60\x8f\x4a\x8e\xce\xa7",
    },
    {
        .alg = HW_AES_ECB,
        .key_len = 32,
        .iv_len = 0,
        .len = 32,
        .out = "\xf3\xac\xd9\xcc\x5e\x20\xa5\xa7\x3d\xfe\xfa\xf9\xfe\x20\x5a\x22\x6d\x80\x1d\x55"
               "\x66\x59\x89\xcf\x71\xca\x36\x6b\xc4\x83\x2e\x01",
    },
    {
        .alg = HW_AES_CBC,
        .key_len = 16,
        .iv_len = 16,
        .len = 32,
        .out = "\xf4\x7c\xe7\x63\x13\xa5\xeb\x9d\x85\x35\x49\x9e\x45\xca\xfc\x1b\x57\x31\x2b\xb1"
               "\x13\x3f\x0d\x87\x99\xb7\x95\x35\x87\x17\x3f\x1f",
    },
    {
        .alg = HW_AES_CBC,
        .key_len = 24,
        .iv_len = 16,
        .len = 32,
        .out = "\xd1\xf7\x6e\xec\x93\x8b\x41\x18\x48\x9f\x34\x5a\xd6\xad\x56\xf0\x36\x93\xee\x91"
               "\xbc\x57\x1f\x7b\x53\xc5\xa0\xb9\x17\xf9\xaa\xd5",
    },
    {
        .alg = HW_AES_CBC,
        .key_len = 32,
        .iv_len = 16,
        .len = 32,
        .out = "\x40\x67\xea\xad\x43\xde\x1e\xe7\x06\x45\xa5\x46\x5c\x4d\x6d\xbe\x32\x0b\xb1\x19"
               "\x3c\x4a\x81\x0d\x17\xc2\xf2\x3f\x73\xc9\x9d\xde",
    },
    {
        .alg = HW_AES_CTR,
        .key_len = 16,
        .iv_len = 16,
        .len = 32,
        .out = "\x9b\x1d\xbe\x67\x16\xa3\xe9\x12\x1a\xcc\x3b\x66\x57\xb2\x42\xe5\x5d\x4c\x2e\xe9"
               "\x89\x78\x73\x3d\xb8\xad\x22\x0b\x67\x3b\xf5\xc7",
    },
    {
        .alg = HW_AES_CTR,
        .key_len = 24,
        .iv_len = 16,
        .len = 32,
        .out = "\xa0\x17\x43\xdf\xf2\xb6\xa7\x28\x3a\x54\x58\xbe\xda\x73\x01\xaa\x90\xd6\x73\xf9"
               "\x7b\x6f\x57\x17\x8b\x8e\x06\x3b\xc5\x8b\xa2\xe4",
    },
    {
        .alg = HW_AES_CTR,
        .key_len = 32,
        .iv_len = 16,
        .len = 32,
        .out = "\x1f\xa8\xf4\xab\xea\x62\xa7\xb4\x1a\xcc\x28\xdb\x97\xd4\x46\xc6\x0b\x96\x09\x19"
               "\x5b\x9c\xf2\xd3\x2b\x4b\x0d\xa7\x72\x7b\x90\xbc",
    },
    {
        .alg = HW_AES_XTS,
        .key_len = 32,
        .iv_len = 16,
        .len = 32,
        .out = "\xf5\x58\x32\xe6\x38\x49\xb2\xea\xaa\x06\x60\x6e\xc2\x81\x9b\x06\xc4\xfa\xb9\x46"
               "\x64\x64\xc8\x32\xf7\xc2\xed\x67\x36\xf5\xcc\xe9",
    },
    {
        .alg = HW_AES_XTS,
        .key_len = 32,
        .iv_len = 16,
        .len = 47,
        .out = "\xf5\x58\x32\xe6\x38\x49\xb2\xea\xaa\x06\x60\x6e\xc2\x81\x9b\x06\x02\xd0\x17\xb0"
               "\xd2\xaf\x06\x83\x7e\x79\x17\xab\x1f\x45\x7a\x4f\xc4\xfa\xb9\x46\x64\x64\xc8\x32"
               "\xf7\xc2\xed\x67\x36\xf5\xcc",
    },
    {
        .alg = HW_AES_XTS,
        .key_len = 64,
        .iv_len = 16,
        .len = 32,
        .out = "\x60\xff\x6d\x7a\x70\xc0\xf5\x72\xeb\x67\x49\x6d\xfb\xcf\xb5\x10\x49\xe2\x09\xaf"
               "\x87\xfc\x1c\x52\x1b\xb5\x92\x1c\xe4\xdc\xbe\x68",
    },
    {
        .alg = HW_AES_XTS,
        .key_len = 64,
        .iv_len = 16,
        .len = 47,
        .out = "\x60\xff\x6d\x7a\x70\xc0\xf5\x72\xeb\x67\x49\x6d\xfb\xcf\xb5\x10\x71\xbe\x0d\x94"
               "\x09\x5d\x70\x6f\x3d\xd0\x04\x3d\x18\x1b\x65\x43\x49\xe2\x09\xaf\x87\xfc\x1c\x52"
               "\x1b\xb5\x92\x1c\xe4\xdc\xbe",
    },
    {
        .alg = HW_AES_GCM,
        .key_len = 16,
        .iv_len = 12,
        .len = 47,
        .out = "\x45\x7b\xdb\x23\x0b\x9f\x43\x7a\x35\xf7\x3b\x9e\x2c\x80\x6b\x9f\xe8\x83\xe6\x04"
               "\xee\xf6\x33\xe5\x6e\x5a\xa0\x67\x86\xc6\x70\xae\x11\x15\xdf\x11\x56\x0a\x66\x1f"
               "\x22\xac\x82\x69\x89\x51\x12",
        .tag = "\x32\xaf\x01\x85\x6a\xd4\xb2\xca\x01\x5b\x1f\x84\xa4\xee\x31\xc9",
    },
    {
        .alg = HW_AES_GCM,
        .key_len = 24,
        .iv_len = 12,
        .len = 47,
        .out = "\xb5\x25\xaa\x3d\xb6\xa1\x7f\x48\x60\x94\xef\x30\x4c\xe3\x86\xff\x70\x53\x63\x33"
               "\xa9\x2a\xc3\x67\xe9\x28\x04\xd7\xa5\x25\xc2\x75\x4a\x23\x1d\x9c\xa6\x73\x45\xd8"
               "\x04\x6c\xea\x16\xc6\x81\x57",
        .tag = "\x9f\x6a\xdb\x4b\xa6\x04\x36\xc1\xe6\x7f\x72\xc5\xc3\x13\x7e\x98",
    },
    {
        .alg = HW_AES_GCM,
        .key_len = 32,
        .iv_len = 12,
        .len = 47,
        .out = "\x27\x04\x1b\x6e\xaf\xe7\xc8\x4c\xfc\x33\xc5\x6d\x55\x06\x18\xca\x1d\x15\x64\x3e"
               "\x77\xd1\x15\x58\x30\xf4\xec\x44\x24\x13\xd4\x99\xaf\x2f\x82\xb2\x00\x23\x9f\xe3"
               "\x5b\x71\x01\x8c\x4f\x90\x6b",
        .tag = "\xc2\x86\x13\x7b\xcf\x06\x4b\x12\xcc\xcb\x28\x10\xe4\x61\xa2\x19",
    },
    {
        .alg = HW_AES_CCM,
        .key_len = 16,
        .iv_len = 12,
        .len = 47,
        .out = "\x3b\xf4\x30\x09\xf4\x88\x6f\xdb\x90\x51\x7a\x3c\x1d\xe4\x33\x0d\xd4\x51\x16\x45"
               "\x4e\x84\x7e\x91\xb3\x48\x73\xc8\x6d\xd3\x03\x9b\xa9\xdf\x34\x56\xf3\xe6\x5c\x6c"
               "\x12\xd8\x5c\x3d\x3f\xc5\x93",
        .tag = "\xa9\xab\x9d\xd4\x40\x30\xb1\xd2\x0a\xf1\xe3\xe3\x89\xed\x2b\x49",
    },
    {
        .alg = HW_AES_CCM,
        .key_len = 24,
        .iv_len = 12,
        .len = 47,
        .out = "\x7d\xba\x65\x00\x6b\xc0\xcc\x9d\xa7\xb8\x49\x42\xd6\x77\x10\x74\xe3\x50\x25\x7f"
               "\x54\x4b\xc5\x69\x0b\x9b\xe8\x06\x4f\x0a\x41\xf4\x8a\xca\x26\xd9\x27\x50\xa9\x92"
               "\x98\x8b\xdf\x31\xda\xc6\x83",
        .tag = "\xc1\xff\x18\x0d\xdb\xdc\xcf\x57\xea\x9a\x24\x22\x42\x3e\x4d\x61",
    },
    {
        .alg = HW_AES_CCM,
        .key_len = 32,
        .iv_len = 12,
        .len = 47,
        .out = "\x25\x33\x95\xe9\xf4\x81\xa6\x60\xdb\xf2\xcc\x66\x81\x0b\x71\x97\xf2\xf2\xb8\xf3"
               "\x50\x0e\xd3\xd9\xa2\x19\x6e\x31\xb2\xe7\x57\xf3\xa2\xfd\xb8\x58\xc1\x84\x47\x00"
               "\x9d\x0f\x99\xdb\x2a\xfc\x7c",
        .tag = "\x29\xeb\x7b\x9b\x40\x41\xfb\x11\x4b\xc3\x7d\x8e\x8d\xcb\x67\xc0",
    },
    {
        .alg = HW_CHACHA20_POLY1305,
        .key_len = 32,
        .iv_len = 12,
        .len = 47,
        .out = "\x54\x19\x63\x68\x4c\xcc\x88\xc5\x1d\x0b\xf7\x23\x2c\xf9\x46\xb6\xc3\x3c\xc6\xbc"
               "\x82\x18\xaf\xa3\x33\xf9\xfe\xe5\xba\x09\xe7\xae\x87\xe1\x3e\x82\xbf\x2c\x96\x32"
               "\x55\x8d\x47\x3e\x84\x8a\x19",
        .tag = "\xf9\x60\x70\x0f\x9e\x31\xa6\xef\x63\x80\x17\x6d\x94\x63\x06\x0d",
    },
};

/* The device has no thread: complete() runs inside device_poll. */
static void complete(struct hw_request *req)
{
    *(bool *)req->owner = true;
}

static void pattern(uint8_t *p, size_t n, unsigned step, unsigned first)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * step + first);
}

static struct hw_key *make_key(const struct vector *v)
{
    uint8_t bytes[64];
    struct hw_key_spec spec = {.alg = v->alg, .bytes = bytes, .len = v->key_len};

    pattern(bytes, sizeof(bytes), 7, 1);
    return hw_key_new(&spec);
}

struct hw_request *selftest_request(void)
{
    struct hw_request *req = hw_request_new(sizeof(bool), NULL);

    if (req != NULL)
        req->complete = complete;
    return req;
}

static int ask(struct device *dev, struct hw_request *req)
{
    const struct timespec pause = {.tv_nsec = 100000};
    uint64_t deadline = device_now() + (uint64_t)dev->cfg.timeout_ms * 1000000u;
    bool *done = req->owner;
    int rc;

    /* It was left with a device that did not answer. */
    if (!hw_request_reusable(req))
        return -ETIMEDOUT;
    *done = false;
    rc = submit_to(dev, 0, req, false);
    if (rc != 0)
        return rc;
    device_poll(dev);
    while (!*done) {
        if (device_now() > deadline ||
            atomic_load_explicit(&dev->state, memory_order_relaxed) != DEVICE_RUNNING) {
            /* Silent or broken: not a device to go on with. */
            device_fail(dev);
            return -ETIMEDOUT;
        }
        nanosleep(&pause, NULL);
        device_poll(dev);
    }
    return req->status;
}

int selftest_ask(struct device *dev, struct hw_request *req)
{
    int status = ask(dev, req);

    /* Its session goes at once: a device may have fewer than there are tests,
     * and it is not registered yet, so that a key's end does not reach it. */
    dev->ops->forget_key(dev, req->key->id);
    return status;
}

struct texts {
    uint8_t plain[TEXT_MAX], cipher[TEXT_MAX], result[TEXT_MAX], aad[AAD_LEN];
};

static void fill_in(struct hw_request *req, const struct vector *v, enum hw_op op, struct texts *t)
{
    uint8_t *from = op == HW_ENCRYPT ? t->plain : t->cipher;

    req->op = op;
    pattern(req->iv, HW_IV_MAX, 1, 0xf0);
    req->iv_len = v->iv_len;
    if (v->alg == HW_AES_CCM) {
        /* The nonce starts at the second byte. */
        memmove(req->iv + 1, req->iv, v->iv_len);
        req->iv[0] = 0;
    }
    if (v->tag != NULL) {
        req->tag_len = HW_TAG_MAX;
        req->aad = t->aad;
        req->aad_len = AAD_LEN;
        if (op == HW_DECRYPT)
            memcpy(req->tag, v->tag, HW_TAG_MAX);
    }
    req->src[0] = (struct iovec){from, v->len};
    req->dst[0] = (struct iovec){t->result, v->len};
    req->nsrc = req->ndst = 1;
}

static bool check(struct device *dev, struct hw_request *req, const struct vector *v, enum hw_op op,
                  struct texts *t)
{
    const void *want = op == HW_ENCRYPT ? (const void *)v->out : t->plain;

    fill_in(req, v, op, t);
    if (selftest_ask(dev, req) != 0)
        return false;
    hw_collect(req);
    if (memcmp(t->result, want, v->len) != 0)
        return false;
    return v->tag == NULL || op == HW_DECRYPT || memcmp(req->tag, v->tag, HW_TAG_MAX) == 0;
}

/* A wrong tag must be found out. */
static bool check_rejects(struct device *dev, struct hw_request *req, const struct vector *v,
                          struct texts *t)
{
    if (v->tag == NULL)
        return true;
    fill_in(req, v, HW_DECRYPT, t);
    req->tag[3] ^= 0x10;
    return selftest_ask(dev, req) == -EBADMSG;
}

static bool holds(struct device *dev, const struct vector *v)
{
    struct hw_request *req = selftest_request();
    struct texts t;
    bool ok;

    if (req == NULL)
        return false;
    req->key = make_key(v);
    pattern(t.plain, sizeof(t.plain), 3, 0);
    pattern(t.aad, sizeof(t.aad), 1, 0xa0);
    memcpy(t.cipher, v->out, v->len);
    ok = req->key != NULL && check(dev, req, v, HW_ENCRYPT, &t) &&
         check(dev, req, v, HW_DECRYPT, &t) && check_rejects(dev, req, v, &t);
    hw_key_unref(req->key);
    req->key = NULL;
    hw_request_unref(req);
    return ok;
}

/*
 * A row of whole blocks shows that the algorithm works, one that ends within a
 * block that it takes any length. Where only whole blocks work, so be it; an
 * AEAD has rows of the second kind only.
 */
void selftest_run(struct device *dev, struct device_caps *out)
{
    struct device_caps confirmed = dev->offered;

    memset(confirmed.ok, 0, sizeof(confirmed.ok));
    for (unsigned alg = 0; alg < HW_ALG_COUNT; alg++)
        confirmed.granularity[alg] = 16;
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        int cls = device_key_class(v->alg, v->key_len);

        if (!dev->offered.ok[v->alg][cls] || !holds(dev, v))
            continue;
        confirmed.ok[v->alg][cls] = true;
        if (v->len % 16 != 0)
            confirmed.granularity[v->alg] = 1;
    }
    selftest_ak(dev, &dev->offered, &confirmed);
    *out = confirmed;
}

int selftest_open(const char *spec, unsigned index, const struct hw_config *cfg,
                  struct device_caps *out, struct hw_error *err)
{
    struct device *dev;
    int rc = device_probe(spec, index, cfg, &dev, err);

    if (rc != 0)
        return rc;
    selftest_run(dev, out);
    device_free(dev);
    return 0;
}

bool selftest_covers(const struct device_caps *now, const struct device_caps *then)
{
    bool same = now->queues == then->queues && now->max_len >= then->max_len &&
                now->rsa_raw >= then->rsa_raw && now->rsa_pkcs1 >= then->rsa_pkcs1;

    for (unsigned alg = 0; alg < HW_ALG_COUNT; alg++) {
        same = same && now->granularity[alg] <= then->granularity[alg];
        for (unsigned cls = 0; cls < sizeof(now->ok[0]); cls++)
            same = same && now->ok[alg][cls] >= then->ok[alg][cls];
    }
    return same;
}
