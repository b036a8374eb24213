/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/der.h"

/* Definite lengths of up to four bytes; the shortest form is not insisted on. */
static bool take_length(struct der *in, size_t *len)
{
    size_t n = 0, bytes;

    if (in->len == 0)
        return false;
    bytes = *in->at;
    in->at++;
    in->len--;
    if (bytes < 0x80) {
        *len = bytes;
        return true;
    }
    bytes &= 0x7f;
    if (bytes == 0 || bytes > 4 || bytes > in->len)
        return false;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | in->at[i];
    in->at += bytes;
    in->len -= bytes;
    *len = n;
    return true;
}

bool der_take(struct der *in, uint8_t tag, struct der *out)
{
    struct der rest = *in;
    size_t len;

    if (rest.len == 0 || *rest.at != tag)
        return false;
    rest.at++;
    rest.len--;
    if (!take_length(&rest, &len) || len > rest.len)
        return false;
    *out = (struct der){rest.at, len};
    *in = (struct der){rest.at + len, rest.len - len};
    return true;
}

bool der_take_uint(struct der *in, struct der *out)
{
    struct der rest = *in;

    if (!der_take(&rest, DER_INTEGER, out) || out->len == 0 || (out->at[0] & 0x80))
        return false;
    while (out->len != 0 && out->at[0] == 0) {
        out->at++;
        out->len--;
    }
    *in = rest;
    return true;
}

size_t der_bits(const struct der *magnitude)
{
    size_t bits = magnitude->len * 8;

    if (bits == 0)
        return 0;
    for (uint8_t top = magnitude->at[0]; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    return bits;
}
