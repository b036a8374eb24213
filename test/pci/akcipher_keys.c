/* SPDX-License-Identifier: Apache-2.0 */
/* AKCIPHER keys that are nonsense. */
#include <check.h>
#include <string.h>

#include "support.h"
#include "support/ak.h"

static const struct {
    bool ec;
    uint32_t algo, type, specific, hash, stated, status;
} bends[] = {
    {false, 0, PRIVATE, 1, 8, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, 3, PRIVATE, 1, 8, 0, VIRTIO_CRYPTO_NOTSUPP}, /* the kernel's ECDSA */
    {false, ALGO_RSA, 0, 1, 8, 0, VIRTIO_CRYPTO_ERR},
    {false, ALGO_RSA, 3, 1, 8, 0, VIRTIO_CRYPTO_ERR},
    {false, ALGO_RSA, PUBLIC, 1, 8, 0, VIRTIO_CRYPTO_ERR}, /* it is a private key */
    {false, ALGO_RSA, PRIVATE, 2, 8, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, ALGO_RSA, PRIVATE, 1, VIRTIO_CRYPTO_RSA_MD2, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, ALGO_RSA, PRIVATE, 1, VIRTIO_CRYPTO_RSA_MD4, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, ALGO_RSA, PRIVATE, 1, 10, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, ALGO_RSA, PRIVATE, 1, 0xffffffff, 0, VIRTIO_CRYPTO_NOTSUPP},
    {false, ALGO_RSA, PRIVATE, 0, 0xffffffff, 0, VIRTIO_CRYPTO_OK}, /* ignored */
    {false, ALGO_RSA, PRIVATE, 1, 6, 100, VIRTIO_CRYPTO_ERR},
    {false, ALGO_RSA, PRIVATE, 1, 6, 5000, VIRTIO_CRYPTO_ERR},
    {false, ALGO_RSA, PRIVATE, 1, 6, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {false, ALGO_ECDSA, PRIVATE, 3, 0, 0, VIRTIO_CRYPTO_ERR},  /* another algorithm's key */
    {true, ALGO_RSA, PRIVATE, 1, 6, 0, VIRTIO_CRYPTO_NOTSUPP}, /* a key of several primes? */
    {true, ALGO_ECDSA, PRIVATE, 0, 0, 0, VIRTIO_CRYPTO_NOTSUPP},
    {true, ALGO_ECDSA, PRIVATE, 6, 0, 0, VIRTIO_CRYPTO_NOTSUPP},
    {true, ALGO_ECDSA, PRIVATE, 0xffffffff, 0, 0, VIRTIO_CRYPTO_NOTSUPP},
    {true, ALGO_ECDSA, PRIVATE, 4, 0, 0, VIRTIO_CRYPTO_ERR}, /* another curve's key */
    {true, ALGO_ECDSA, PRIVATE, 2, 0, 0, VIRTIO_CRYPTO_ERR},
    {true, ALGO_ECDSA, PUBLIC, 3, 0, 0, VIRTIO_CRYPTO_ERR},
    {true, ALGO_ECDSA, PRIVATE, 3, 0, 0, VIRTIO_CRYPTO_OK},
};

START_TEST(bent_sessions)
{
    struct wish w = {.algo = bends[_i].algo, .type = bends[_i].type, .key = key};
    uint64_t id;

    open_function(true);
    if (bends[_i].ec)
        take_ecdsa(2);
    else
        take_rsa();
    w.key_len = (uint32_t)key_len;
    w.specific[0] = bends[_i].specific;
    w.specific[1] = bends[_i].hash;
    w.stated = bends[_i].stated;
    ck_assert_uint_eq(make(&w, &id), bends[_i].status);
    foreign_close(&f);
}
END_TEST

/* Every beginning of a key is refused. */
START_TEST(short_keys)
{
    struct wish w = {.type = PRIVATE, .key = key};
    uint64_t id;

    open_function(true);
    if (_i == 0) {
        take_rsa();
        w.algo = ALGO_RSA;
    } else {
        take_ecdsa(_i - 1);
        w.algo = ALGO_ECDSA;
        w.specific[0] = (uint32_t)selftest_ecdsa[_i - 1].curve;
    }
    for (w.key_len = 0; w.key_len < key_len; w.key_len++)
        must(make(&w, &id) == VIRTIO_CRYPTO_ERR, "of %u bytes", w.key_len);
    ck_assert_uint_eq(make(&w, &id), VIRTIO_CRYPTO_OK);
    w.key_len++;
    ck_assert_uint_eq(make(&w, &id), VIRTIO_CRYPTO_ERR);
    foreign_close(&f);
}
END_TEST

/* Any byte may be wrong: the device says no, or computes something, and goes
 * on. */
START_TEST(broken_keys)
{
    struct wish w = {.algo = ALGO_RSA, .type = PRIVATE, .key = key};
    unsigned taken = 0;
    struct operation op;
    uint32_t len;
    uint64_t id;

    open_function(true);
    take_rsa();
    w.key_len = (uint32_t)key_len;
    for (size_t at = (size_t)_i; at < key_len; at += at < 16 ? 1 : 23) {
        key[at] ^= (uint8_t)(1 << at % 8);
        if (make(&w, &id) == VIRTIO_CRYPTO_OK) {
            taken++;
            op = OP(DECRYPT, id, block, SIZE, SIZE);
            (void)run(&op, &len);
            ck_assert_uint_eq(foreign_destroy(&f, VIRTIO_CRYPTO_SERVICE_AKCIPHER, id),
                              VIRTIO_CRYPTO_OK);
        }
        key[at] ^= (uint8_t)(1 << at % 8);
    }
    ck_assert_uint_gt(taken, 10);
    id = rsa_session(VIRTIO_CRYPTO_RSA_RAW_PADDING, 0);
    op = OP(DECRYPT, id, block, SIZE, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
    ck_assert_mem_eq(out, sig, SIZE);
    foreign_close(&f);
}
END_TEST

/* More than two primes, and a modulus too small, are known for what they are. */
START_TEST(unsupported_keys)
{
    static const uint8_t small[] = {0x30, 8, 2, 1, 5, 2, 3, 1, 0, 1};
    struct wish w = {.algo = ALGO_RSA, .type = PRIVATE, .key = key};
    uint64_t id;

    open_function(true);
    take_rsa();
    w.key_len = (uint32_t)key_len;
    ck_assert_uint_eq(key[6], 0);
    key[6] = 1;
    ck_assert_uint_eq(make(&w, &id), VIRTIO_CRYPTO_NOTSUPP);
    w = (struct wish){.algo = ALGO_RSA, .type = PUBLIC, .key = small, .key_len = sizeof(small)};
    ck_assert_uint_eq(make(&w, &id), VIRTIO_CRYPTO_NOTSUPP);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("akcipher keys");
    TCase *tc = tcase_create("keys");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, bent_sessions, 0, sizeof(bends) / sizeof(bends[0]));
    tcase_add_loop_test(tc, short_keys, 0, 6);
    tcase_add_loop_test(tc, broken_keys, 0, 3);
    tcase_add_test(tc, unsupported_keys);
    suite_add_tcase(s, tc);
    return support_run(s);
}
