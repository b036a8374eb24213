/* SPDX-License-Identifier: Apache-2.0 */
/* RSA keys for the device: RSAPrivateKey of PKCS#1. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include "der.h"
#include "key.h"

/* In the order of RSAPrivateKey. */
static const char *const names[] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

#define NUMBERS (sizeof(names) / sizeof(names[0]))

static enum key_form take_numbers(const OSSL_PARAM params[], BIGNUM *numbers[])
{
    if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_FACTOR3) != NULL)
        return KEY_FORM_NONE;
    for (size_t i = 0; i < NUMBERS; i++) {
        const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, names[i]);

        if (p == NULL)
            return KEY_FORM_NONE;
        if (!OSSL_PARAM_get_BN(p, &numbers[i]))
            return KEY_FORM_FAILED;
    }
    /* An even modulus is none, and has no Montgomery form. */
    return BN_is_odd(numbers[0]) ? KEY_FORM_MADE : KEY_FORM_NONE;
}

/* *len: of the buffer, then of what is written at its end. */
static bool write_key(BIGNUM *const numbers[], uint8_t *buf, size_t size, const uint8_t **key,
                      size_t *len)
{
    struct der d;

    der_begin(&d, buf, size);
    for (size_t i = NUMBERS; i-- > 0;)
        der_uint(&d, numbers[i]);
    der_small(&d, 0);
    der_header(&d, DER_SEQUENCE, 0);
    *key = buf + d.at;
    *len = der_len(&d);
    return !d.overrun;
}

static struct hw_key *make_hw(BIGNUM *const numbers[])
{
    struct hw_key_spec spec = {.alg = HW_RSA, .is_private = true};
    size_t size = 64;
    struct hw_key *hw = NULL;
    const uint8_t *key;
    uint8_t *buf;

    for (size_t i = 0; i < NUMBERS; i++)
        size += (size_t)BN_num_bytes(numbers[i]) + 8;
    buf = OPENSSL_malloc(size);
    if (buf == NULL)
        return NULL;
    if (write_key(numbers, buf, size, &key, &spec.len)) {
        spec.bytes = key;
        spec.bits = (unsigned)BN_num_bits(numbers[0]);
        hw = hw_key_new(&spec);
    }
    OPENSSL_clear_free(buf, size);
    return hw;
}

static bool make_check(BIGNUM *const numbers[], struct key_device *out)
{
    BN_CTX *ctx = BN_CTX_new();
    bool ok;

    out->n = BN_dup(numbers[0]);
    out->e = BN_dup(numbers[1]);
    out->mont = BN_MONT_CTX_new();
    ok = ctx != NULL && out->n != NULL && out->e != NULL && out->mont != NULL &&
         BN_MONT_CTX_set(out->mont, out->n, ctx);
    BN_CTX_free(ctx);
    return ok;
}

enum key_form key_rsa_device(const struct key *key, const OSSL_PARAM params[],
                             struct key_device *out)
{
    BIGNUM *numbers[NUMBERS] = {NULL};
    enum key_form form = take_numbers(params, numbers);

    (void)key;
    if (form == KEY_FORM_MADE) {
        out->size = (size_t)BN_num_bytes(numbers[0]);
        out->is_private = true;
        if (make_check(numbers, out))
            out->hw = make_hw(numbers);
        if (out->hw == NULL)
            form = KEY_FORM_FAILED;
    }
    for (size_t i = 0; i < NUMBERS; i++)
        BN_clear_free(numbers[i]);
    return form;
}
