/* SPDX-License-Identifier: Apache-2.0 */
/* What the provider takes for an ECDSA signature, against what OpenSSL does. */
#include <check.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "../../provider/der.h"
#include "support.h"

static const unsigned orders[] = {1, 20, 32, 48, 63, 66};
#define ORDERS ((int)(sizeof(orders) / sizeof(orders[0])))

enum { LONGEST = 160 };

/* The only encoding of two numbers from 1, of at most so many bytes. */
static bool by_openssl(const uint8_t *sig, size_t len, size_t bytes)
{
    const uint8_t *p = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);
    bool ok = s != NULL && p == sig + len && i2d_ECDSA_SIG(s, NULL) == (int)len;

    for (unsigned i = 0; ok && i < 2; i++) {
        const BIGNUM *n = i == 0 ? ECDSA_SIG_get0_r(s) : ECDSA_SIG_get0_s(s);

        ok = !BN_is_zero(n) && !BN_is_negative(n) && (size_t)BN_num_bytes(n) <= bytes;
    }
    if (ok) {
        uint8_t again[LONGEST], *q = again;

        ok = i2d_ECDSA_SIG(s, &q) == (int)len && memcmp(again, sig, len) == 0;
    }
    ECDSA_SIG_free(s);
    ERR_clear_error();
    return ok;
}

/* From a copy of exactly that size, so that a sanitizer sees what is read. */
static bool same(const uint8_t *sig, size_t len, size_t bytes)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    bool ours;

    memcpy(copy, sig, len);
    ours = der_is_signature(copy, len, bytes);
    ck_assert_msg(ours == by_openssl(copy, len, bytes), "%zu bytes of order %zu: %d", len, bytes,
                  ours);
    free(copy);
    return ours;
}

static BIGNUM *number(unsigned *seed, size_t bytes)
{
    uint8_t raw[LONGEST];
    size_t len = (size_t)rand_r(seed) % (bytes + 2);

    for (size_t i = 0; i < len; i++)
        raw[i] = (uint8_t)(rand_r(seed) >> 3);
    return BN_bin2bn(raw, (int)len, NULL);
}

static size_t signature(unsigned *seed, size_t bytes, uint8_t *out)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    int len;

    ck_assert_int_eq(ECDSA_SIG_set0(s, number(seed, bytes), number(seed, bytes)), 1);
    len = i2d_ECDSA_SIG(s, &out);
    ck_assert_int_gt(len, 0);
    ECDSA_SIG_free(s);
    return (size_t)len;
}

START_TEST(encodings)
{
    unsigned seed = (unsigned)_i + 1, taken = 0, refused = 0;
    size_t bytes = orders[_i];

    for (unsigned round = 0; round < 600; round++) {
        uint8_t sig[LONGEST + 1] = {0};
        size_t len = signature(&seed, bytes, sig);

        if (same(sig, len, bytes))
            taken++;
        else
            refused++;
        (void)same(sig, len + 1, bytes);
        for (size_t i = 0; i < len; i++)
            (void)same(sig, i, bytes);
        /* Headers are where it is decided. */
        for (unsigned k = 0; k < 64; k++) {
            size_t at = (size_t)rand_r(&seed) % (k % 2 == 0 && len > 6 ? 6 : len);
            uint8_t was = sig[at];

            sig[at] = k % 4 < 2 ? (uint8_t)(was + k % 3 - 1) : (uint8_t)(rand_r(&seed) >> 3);
            (void)same(sig, len, bytes);
            sig[at] = was;
        }
    }
    ck_assert_uint_gt(taken, 30);
    ck_assert_uint_gt(refused, 10);
}
END_TEST

static const struct {
    size_t len;
    uint8_t sig[9];
    bool good;
} forms[] = {
    {8, {0x30, 6, 2, 1, 1, 2, 1, 1}, true},
    {9, {0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}, false}, /* lengths longer than need be */
    {9, {0x30, 7, 2, 0x81, 1, 1, 2, 1, 1}, false},
    {9, {0x30, 7, 2, 2, 0, 1, 2, 1, 1}, false}, /* a number that is */
    {9, {0x30, 7, 2, 2, 0, 0x80, 2, 1, 1}, true},
    {8, {0x30, 6, 2, 1, 0, 2, 1, 1}, false}, /* 0 */
    {7, {0x30, 5, 2, 0, 2, 1, 1}, false},
    {8, {0x30, 6, 2, 1, 0x80, 2, 1, 1}, false}, /* below 0 */
    {9, {0x30, 0x80, 2, 1, 1, 2, 1, 1, 0}, false},
    {9, {0x30, 6, 2, 1, 1, 2, 1, 1, 0}, false}, /* something behind it */
    {9, {0x30, 7, 2, 1, 1, 2, 1, 1, 0}, false},
};
#define FORMS ((int)(sizeof(forms) / sizeof(forms[0])))

START_TEST(form)
{
    ck_assert(same(forms[_i].sig, forms[_i].len, 1) == forms[_i].good);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("der");
    TCase *tc = tcase_create("signatures");

    tcase_add_loop_test(tc, encodings, 0, ORDERS);
    tcase_add_loop_test(tc, form, 0, FORMS);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
