/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as bytes, against the specification's layouts (VIRTIO 1.2, sections
 * 5.9.7.1 and 5.9.7.2) written out as little-endian words.
 */
#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "support.h"
#include "virtio_crypto.h"

#define COUNT(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define WORDS_MAX 18
#define ID        0x1122334455667788u
#define ID_WORDS  0x55667788, 0x11223344

enum { KEY_CBC, KEY_GCM, KEY_RSA, KEY_ECDSA };

static const struct hw_key_spec keys[] = {
    [KEY_CBC] = {.alg = HW_AES_CBC, .bytes = "0123456789abcdef", .len = 16},
    [KEY_GCM] = {.alg = HW_AES_GCM, .bytes = "0123456789abcdef0123456789abcdef", .len = 32},
    [KEY_RSA] = {.alg = HW_RSA, .bytes = "DER", .len = 3, .is_private = true, .bits = 2048},
    [KEY_ECDSA] = {.alg = HW_ECDSA, .bytes = "DER+", .len = 4, .curve = HW_CURVE_P384, .bits = 384},
};

/* Without REVISION_1 a message has legacy words, of which those not given are
 * zero; with it, only those given. */
struct message {
    unsigned n;
    uint32_t words[WORDS_MAX];
};

static void check_message(const struct message *m, unsigned legacy, bool revision_1,
                          const uint8_t *out, size_t len)
{
    uint32_t want[WORDS_MAX] = {0};
    unsigned n = revision_1 ? m->n : legacy;

    for (unsigned i = 0; i < m->n; i++)
        want[i] = htole32(m->words[i]);
    ck_assert_uint_eq(len, 4 * n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t got;

        memcpy(&got, out + 4 * i, 4);
        ck_assert_msg(got == want[i], "word %u is %08x, not %08x", i, le32toh(got),
                      le32toh(want[i]));
    }
    for (size_t i = len; i < 4 * WORDS_MAX; i++)
        ck_assert_uint_eq(out[i], 0xee);
}

/* header: opcode, algo, flag, reserved */
static const struct {
    int key;
    struct session_use use;
    struct message m;
} creations[] = {
    /* op_type_flf: algo, key_len, op, padding and 32 bytes; op_type, padding */
    {KEY_CBC,
     {.op = HW_ENCRYPT},
     {18, {0x0002, 3, 0, 0, 3, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}}},
    {KEY_CBC,
     {.op = HW_DECRYPT},
     {18, {0x0002, 3, 0, 0, 3, 16, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}}},
    /* algo, key_len, tag_len, aad_len, op, padding */
    {KEY_GCM,
     {.op = HW_ENCRYPT, .tag_len = 12, .aad_len = 13},
     {10, {0x0302, 1, 0, 0, 1, 32, 12, 13, 1, 0}}},
    {KEY_GCM,
     {.op = HW_DECRYPT, .tag_len = 16, .aad_len = 0},
     {10, {0x0302, 1, 0, 0, 1, 32, 16, 0, 2, 0}}},
    /* algo, key_type, key_len, then of 44 bytes: padding_algo, hash_algo */
    {KEY_RSA, {.op = HW_DECRYPT, .padding = HW_RSA_RAW}, {18, {0x0404, 1, 0, 0, 1, 2, 3, 0, 0}}},
    {KEY_RSA,
     {.op = HW_SIGN, .padding = HW_RSA_PKCS1, .digest = HW_DIGEST_SHA1},
     {18, {0x0404, 1, 0, 0, 1, 2, 3, 1, 5}}},
    {KEY_RSA,
     {.op = HW_SIGN, .padding = HW_RSA_PKCS1, .digest = HW_DIGEST_SHA256},
     {18, {0x0404, 1, 0, 0, 1, 2, 3, 1, 6}}},
    {KEY_RSA,
     {.op = HW_SIGN, .padding = HW_RSA_PKCS1, .digest = HW_DIGEST_SHA224},
     {18, {0x0404, 1, 0, 0, 1, 2, 3, 1, 9}}},
    /* and here: curve_id */
    {KEY_ECDSA, {.op = HW_VERIFY}, {18, {0x0404, 2, 0, 0, 2, 1, 4, 4}}},
};

START_TEST(create)
{
    struct vc_device vc = {.revision_1 = _i % 2};
    struct session s = {.use = creations[_i / 2].use};
    uint8_t out[4 * WORDS_MAX];

    s.key = hw_key_new(&keys[creations[_i / 2].key]);
    ck_assert_ptr_nonnull(s.key);
    s.alg = s.key->spec.alg;
    memset(out, 0xee, sizeof(out));
    check_message(&creations[_i / 2].m, 4 + 14, vc.revision_1, out, vc_format_create(&vc, &s, out));
    hw_key_unref(s.key);
}
END_TEST

/* header, then session_id */
static const struct {
    enum hw_alg alg;
    struct message m;
} ends[] = {
    {HW_AES_CBC, {6, {0x0003, 3, 0, 0, ID_WORDS}}}, {HW_AES_XTS, {6, {0x0003, 13, 0, 0, ID_WORDS}}},
    {HW_AES_GCM, {6, {0x0303, 1, 0, 0, ID_WORDS}}}, {HW_RSA, {6, {0x0405, 1, 0, 0, ID_WORDS}}},
    {HW_ECDSA, {6, {0x0405, 2, 0, 0, ID_WORDS}}},
};

START_TEST(destroy)
{
    struct vc_device vc = {.revision_1 = _i % 2};
    uint8_t out[4 * WORDS_MAX];

    memset(out, 0xee, sizeof(out));
    /* The algorithm does not matter to the device. */
    check_message(&ends[_i / 2].m, 4 + 14, vc.revision_1, out,
                  vc_format_destroy(&vc, ends[_i / 2].alg, ID, out));
}
END_TEST

/* header: opcode, algo, session_id, flag (session mode, where it counts),
 * padding. F stands for that flag. */
#define F 0xf1a6

static const struct {
    int key;
    enum hw_op op;
    size_t src[2], dst; /* as the caller has them */
    unsigned iv_len, aad_len, tag_len;
    struct message m;
} requests[] = {
    /* op_type_flf: iv_len, src_data_len, dst_data_len, padding and 24 bytes;
     * op_type, padding */
    {KEY_CBC,
     HW_ENCRYPT,
     {48, 16},
     64,
     16,
     0,
     0,
     {18, {0x0000, 3, ID_WORDS, F, 0, 16, 64, 64, 0, 0, 0, 0, 0, 0, 0, 1, 0}}},
    {KEY_CBC,
     HW_DECRYPT,
     {64, 0},
     64,
     16,
     0,
     0,
     {18, {0x0001, 3, ID_WORDS, F, 0, 16, 64, 64, 0, 0, 0, 0, 0, 0, 0, 1, 0}}},
    /* iv_len, aad_len, src_data_len, dst_data_len, tag_len, reserved; the tag
     * follows the ciphertext on both ways */
    {KEY_GCM,
     HW_ENCRYPT,
     {50, 0},
     50,
     12,
     13,
     16,
     {12, {0x0300, 1, ID_WORDS, F, 0, 12, 13, 50, 66, 16, 0}}},
    {KEY_GCM,
     HW_DECRYPT,
     {50, 0},
     50,
     12,
     0,
     8,
     {12, {0x0301, 1, ID_WORDS, F, 0, 12, 0, 58, 50, 8, 0}}},
    /* src_data_len, dst_data_len */
    {KEY_RSA, HW_ENCRYPT, {256, 0}, 256, 0, 0, 0, {8, {0x0400, 1, ID_WORDS, F, 0, 256, 256}}},
    {KEY_RSA, HW_DECRYPT, {256, 0}, 256, 0, 0, 0, {8, {0x0401, 1, ID_WORDS, F, 0, 256, 256}}},
    {KEY_RSA, HW_SIGN, {32, 0}, 256, 0, 0, 0, {8, {0x0402, 1, ID_WORDS, F, 0, 32, 256}}},
    /* the signature, then what was signed; dst_data_len is the latter's */
    {KEY_RSA, HW_VERIFY, {256, 32}, 0, 0, 0, 0, {8, {0x0403, 1, ID_WORDS, F, 0, 256, 32}}},
    {KEY_ECDSA, HW_VERIFY, {70, 48}, 0, 0, 0, 0, {8, {0x0403, 2, ID_WORDS, F, 0, 70, 48}}},
};

START_TEST(data)
{
    struct vc_device vc = {.revision_1 = _i % 2};
    struct hw_request *req = hw_request_new(0, NULL);
    struct request *r = (struct request *)req;
    struct message m = requests[_i / 2].m;
    struct session s = {.id = ID};
    uint8_t out[4 * WORDS_MAX];

    ck_assert_ptr_nonnull(req);
    r->key = hw_key_new(&keys[requests[_i / 2].key]);
    ck_assert_ptr_nonnull(r->key);
    r->session = &s;
    req->op = requests[_i / 2].op;
    req->iv_len = (uint8_t)requests[_i / 2].iv_len;
    req->aad_len = requests[_i / 2].aad_len;
    req->tag_len = (uint8_t)requests[_i / 2].tag_len;
    for (unsigned i = 0; i < 2; i++)
        req->src[i].iov_len = requests[_i / 2].src[i];
    r->src_len = requests[_i / 2].src[0] + requests[_i / 2].src[1];
    r->dst_len = requests[_i / 2].dst;
    m.words[4] = vc.revision_1 ? 1 : 0;
    memset(out, 0xee, sizeof(out));
    check_message(&m, 6 + 12, vc.revision_1, out, vc_format_data(&vc, r, out));
    r->session = NULL;
    hw_request_unref(req);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("format");
    TCase *tc = tcase_create("messages");

    tcase_add_loop_test(tc, create, 0, 2 * COUNT(creations));
    tcase_add_loop_test(tc, destroy, 0, 2 * COUNT(ends));
    tcase_add_loop_test(tc, data, 0, 2 * COUNT(requests));
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
