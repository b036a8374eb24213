/* SPDX-License-Identifier: Apache-2.0 */
/* EC keys for the device: ECPrivateKey of RFC 5915, or an uncompressed point. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <string.h>

#include "der.h"
#include "key.h"

#define FIELD_MAX 66
#define POINT_MAX (1 + 2 * FIELD_MAX)
#define KEY_MAX   256

static const struct curve {
    int nid;
    enum hw_curve hw;
    unsigned bits;
} curves[] = {
    {NID_X9_62_prime192v1, HW_CURVE_P192, 192}, {NID_secp224r1, HW_CURVE_P224, 224},
    {NID_X9_62_prime256v1, HW_CURVE_P256, 256}, {NID_secp384r1, HW_CURVE_P384, 384},
    {NID_secp521r1, HW_CURVE_P521, 521},
};

/* NULL: explicit parameters, or a curve that devices have no number for. */
static const struct curve *curve_of(const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    const char *name;
    int nid;

    if (p == NULL || !OSSL_PARAM_get_utf8_string_ptr(p, &name))
        return NULL;
    nid = OBJ_txt2nid(name);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (curves[i].nid == nid)
            return &curves[i];
    return NULL;
}

/* The twin exports points in whatever form the key asks for; coordinates are
 * coordinates. 0: the key has no public part. */
static size_t write_point(const struct key *key, size_t field, uint8_t *point)
{
    uint8_t x[FIELD_MAX], y[FIELD_MAX];
    OSSL_PARAM params[] = {
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_X, x, sizeof(x)),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_Y, y, sizeof(y)),
        OSSL_PARAM_END,
    };
    BIGNUM *n = NULL;
    bool ok = twins.keymgmt[KEY_EC].get_params(key->twin, params);

    point[0] = 4;
    for (unsigned i = 0; i < 2 && ok; i++)
        ok = OSSL_PARAM_modified(&params[i]) && OSSL_PARAM_get_BN(&params[i], &n) &&
             BN_bn2binpad(n, point + 1 + i * field, (int)field) == (int)field;
    BN_free(n);
    return ok ? 1 + 2 * field : 0;
}

static void write_curve(struct der *d, int nid)
{
    uint8_t oid[16], *p = oid;
    int len = i2d_ASN1_OBJECT(OBJ_nid2obj(nid), NULL);

    if (len <= 0 || len > (int)sizeof(oid) || i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &p) != len)
        d->overrun = true;
    else
        der_bytes(d, oid, (size_t)len);
}

static void write_private(struct der *d, const struct curve *curve, const uint8_t *number,
                          size_t len, const uint8_t *point, size_t point_len)
{
    static const uint8_t no_unused_bits = 0;
    size_t since;

    if (point_len != 0) {
        der_bytes(d, point, point_len);
        der_bytes(d, &no_unused_bits, 1);
        der_header(d, DER_BIT_STRING, 0);
        der_header(d, DER_CONTEXT(1), 0);
    }
    since = der_len(d);
    write_curve(d, curve->nid);
    der_header(d, DER_CONTEXT(0), since);
    since = der_len(d);
    der_bytes(d, number, len);
    der_header(d, DER_OCTET_STRING, since);
    der_small(d, 1);
    der_header(d, DER_SEQUENCE, 0);
}

/* *len: of the private number in out, as long as the order is; 0: there is none. */
static bool take_private(const OSSL_PARAM params[], size_t order, uint8_t *out, size_t *len)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY);
    BIGNUM *n = NULL;
    bool ok;

    *len = 0;
    if (p == NULL)
        return true;
    ok = OSSL_PARAM_get_BN(p, &n) && BN_bn2binpad(n, out, (int)order) == (int)order;
    if (ok)
        *len = order;
    BN_clear_free(n);
    return ok;
}

static struct hw_key *make_hw(const struct curve *curve, const uint8_t *number, size_t len,
                              const uint8_t *point, size_t point_len)
{
    struct hw_key_spec spec = {.alg = HW_ECDSA,
                               .curve = curve->hw,
                               .bits = curve->bits,
                               .is_private = len != 0,
                               .bytes = point,
                               .len = point_len};
    uint8_t buf[KEY_MAX];
    struct hw_key *hw;
    struct der d;

    if (len != 0) {
        der_begin(&d, buf, sizeof(buf));
        write_private(&d, curve, number, len, point, point_len);
        spec.bytes = buf + d.at;
        spec.len = d.overrun ? 0 : der_len(&d);
    }
    hw = spec.len != 0 ? hw_key_new(&spec) : NULL;
    OPENSSL_cleanse(buf, sizeof(buf));
    return hw;
}

enum key_form key_ec_device(const struct key *key, const OSSL_PARAM params[],
                            struct key_device *out)
{
    const struct curve *curve = curve_of(params);
    uint8_t point[POINT_MAX], number[FIELD_MAX];
    size_t len;

    if (curve == NULL)
        return KEY_FORM_NONE;
    /* Of all these curves the order is as long as the field. */
    out->size = (curve->bits + 7) / 8;
    if (take_private(params, out->size, number, &len)) {
        out->is_private = len != 0;
        out->hw = make_hw(curve, number, len, point, write_point(key, out->size, point));
    }
    OPENSSL_cleanse(number, sizeof(number));
    return out->hw != NULL ? KEY_FORM_MADE : KEY_FORM_FAILED;
}
