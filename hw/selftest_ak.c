/* SPDX-License-Identifier: Apache-2.0 */
#include "selftest_ak.h"

#include <errno.h>
#include <string.h>

#include "hw.h"

#define KEY_MAX    2400
#define RESULT_MAX 512
#define DIGEST     32

/* What SHA-256 has before it in a PKCS#1 v1.5 signature. */
static const char digest_info[] = "3031300d060960864801650304020105000420";

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[0] != '\0'; hex += 2, n++) {
        unsigned hi = (unsigned)(hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10);
        unsigned lo = (unsigned)(hex[1] <= '9' ? hex[1] - '0' : hex[1] - 'a' + 10);

        out[n] = (uint8_t)(hi << 4 | lo);
    }
    return n;
}

struct texts {
    uint8_t key[KEY_MAX], digest[DIGEST];
    uint8_t block[RESULT_MAX], known[RESULT_MAX], result[RESULT_MAX];
    size_t key_len, known_len;
};

static void texts_of(struct texts *t, const char *key, const char *signature)
{
    memset(t, 0, sizeof(*t));
    t->key_len = from_hex(key, t->key);
    t->known_len = from_hex(signature, t->known);
    for (size_t i = 0; i < DIGEST; i++)
        t->digest[i] = (uint8_t)(3 * i);
}

/* The digest as RSA sees it when the signature's padding is made elsewhere. */
static void fill_block(struct texts *t)
{
    size_t info = strlen(digest_info) / 2;
    uint8_t *end = t->block + t->known_len - DIGEST - info;

    memset(t->block, 0xff, t->known_len);
    t->block[0] = 0;
    t->block[1] = 1;
    end[-1] = 0;
    from_hex(digest_info, end);
    memcpy(end + info, t->digest, DIGEST);
}

static bool rsa_answers(struct device *dev, struct hw_request *req, struct texts *t,
                        enum hw_rsa_padding padding)
{
    bool raw = padding == HW_RSA_RAW;

    memset(t->result, 0, sizeof(t->result));
    req->op = raw ? HW_DECRYPT : HW_SIGN;
    req->rsa_padding = (uint8_t)padding;
    req->digest = raw ? HW_DIGEST_NONE : HW_DIGEST_SHA256;
    req->src[0] = raw ? (struct iovec){t->block, t->known_len} : (struct iovec){t->digest, DIGEST};
    req->dst[0] = (struct iovec){t->result, t->known_len};
    req->nsrc = req->ndst = 1;
    if (selftest_ask(dev, req) != 0 || req->result_len != t->known_len)
        return false;
    hw_collect(req);
    return memcmp(t->result, t->known, t->known_len) == 0;
}

/* The first size shows what the device can do. Of others one way is enough,
 * the one that would be taken: large keys take long. */
static bool rsa_holds(struct device *dev, struct hw_request *req, struct texts *t,
                      struct device_caps *out)
{
    if (out->rsa_raw || out->rsa_pkcs1)
        return rsa_answers(dev, req, t, out->rsa_raw ? HW_RSA_RAW : HW_RSA_PKCS1);
    out->rsa_raw = rsa_answers(dev, req, t, HW_RSA_RAW);
    out->rsa_pkcs1 = rsa_answers(dev, req, t, HW_RSA_PKCS1);
    return out->rsa_raw || out->rsa_pkcs1;
}

static bool test_rsa(struct device *dev, const struct selftest_rsa *v, struct device_caps *out)
{
    struct hw_request *req = selftest_request();
    struct hw_key_spec spec = {.alg = HW_RSA, .is_private = true, .bits = v->bits};
    struct texts t;
    bool ok;

    if (req == NULL)
        return false;
    texts_of(&t, v->key, v->signature);
    fill_block(&t);
    spec.bytes = t.key;
    spec.len = t.key_len;
    req->key = hw_key_new(&spec);
    ok = req->key != NULL && rsa_holds(dev, req, &t, out);
    hw_key_unref(req->key);
    req->key = NULL;
    hw_request_unref(req);
    return ok;
}

static int verify(struct device *dev, struct hw_request *req, struct hw_key *key, struct texts *t,
                  const uint8_t *signature, size_t len)
{
    req->key = key;
    req->op = HW_VERIFY;
    req->src[0] = (struct iovec){(void *)(uintptr_t)signature, len};
    req->src[1] = (struct iovec){t->digest, DIGEST};
    req->nsrc = 2;
    req->ndst = 0;
    return selftest_ask(dev, req);
}

/* Two signatures are never the same: the device's own is for itself to verify,
 * once it has told a known one from a wrong one. */
static bool ecdsa_answers(struct device *dev, struct hw_request *req, struct hw_key *private,
                          struct hw_key *public, struct texts *t)
{
    if (verify(dev, req, public, t, t->known, t->known_len) != 0)
        return false;
    t->digest[7] ^= 0x10;
    if (verify(dev, req, public, t, t->known, t->known_len) != -EKEYREJECTED)
        return false;
    req->key = private;
    req->op = HW_SIGN;
    req->src[0] = (struct iovec){t->digest, DIGEST};
    req->dst[0] = (struct iovec){t->result, sizeof(t->result)};
    req->nsrc = req->ndst = 1;
    if (selftest_ask(dev, req) != 0)
        return false;
    hw_collect(req);
    return verify(dev, req, public, t, t->result, req->result_len) == 0;
}

static bool test_ecdsa(struct device *dev, const struct selftest_ecdsa *v)
{
    struct hw_request *req = selftest_request();
    struct hw_key_spec spec = {.alg = HW_ECDSA, .is_private = true, .curve = v->curve};
    size_t point = 1 + 2 * ((v->bits + 7) / 8);
    struct hw_key *private, *public;
    struct texts t;
    bool ok;

    if (req == NULL)
        return false;
    texts_of(&t, v->key, v->signature);
    spec.bits = v->bits;
    spec.bytes = t.key;
    spec.len = t.key_len;
    private = hw_key_new(&spec);
    spec.is_private = false;
    spec.bytes = t.key + t.key_len - point;
    spec.len = point;
    public = hw_key_new(&spec);
    ok = private != NULL && public != NULL && ecdsa_answers(dev, req, private, public, &t);
    req->key = NULL;
    hw_key_unref(private);
    hw_key_unref(public);
    hw_request_unref(req);
    return ok;
}

void selftest_ak(struct device *dev, const struct device_caps *offered, struct device_caps *out)
{
    out->rsa_raw = out->rsa_pkcs1 = false;
    out->granularity[HW_RSA] = out->granularity[HW_ECDSA] = 1;
    for (unsigned i = 0; i < selftest_rsa_count; i++) {
        int cls = device_key_class(HW_RSA, selftest_rsa[i].bits);

        if (offered->ok[HW_RSA][cls])
            out->ok[HW_RSA][cls] = test_rsa(dev, &selftest_rsa[i], out);
    }
    for (unsigned i = 0; i < selftest_ecdsa_count; i++) {
        int cls = device_key_class(HW_ECDSA, selftest_ecdsa[i].bits);

        if (offered->ok[HW_ECDSA][cls])
            out->ok[HW_ECDSA][cls] = test_ecdsa(dev, &selftest_ecdsa[i]);
    }
}
