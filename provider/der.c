/* SPDX-License-Identifier: Apache-2.0 */
#include "der.h"

#include <string.h>

void der_begin(struct der *d, uint8_t *buf, size_t size)
{
    d->buf = buf;
    d->at = d->end = size;
    d->overrun = false;
}

size_t der_len(const struct der *d)
{
    return d->end - d->at;
}

/* len bytes before all others, or NULL. */
static uint8_t *room(struct der *d, size_t len)
{
    if (d->overrun || len > d->at) {
        d->overrun = true;
        return NULL;
    }
    d->at -= len;
    return d->buf + d->at;
}

void der_bytes(struct der *d, const void *bytes, size_t len)
{
    uint8_t *to = room(d, len);

    if (to != NULL)
        memcpy(to, bytes, len);
}

static void byte(struct der *d, size_t b)
{
    uint8_t c = (uint8_t)b;

    der_bytes(d, &c, 1);
}

void der_header(struct der *d, uint8_t tag, size_t since)
{
    size_t len = der_len(d) - since, more = 0;

    if (len >= 0x80) {
        for (size_t rest = len; rest != 0; rest >>= 8, more++)
            byte(d, rest);
        byte(d, 0x80 | more);
    } else {
        byte(d, len);
    }
    byte(d, tag);
}

void der_uint(struct der *d, const BIGNUM *n)
{
    size_t since = der_len(d), len = (size_t)BN_num_bytes(n);
    uint8_t *to = room(d, len);

    if (to != NULL)
        BN_bn2bin(n, to);
    /* The first bit is the sign; and 0 takes a byte. */
    if (to == NULL || len == 0 || (to[0] & 0x80))
        byte(d, 0);
    der_header(d, DER_INTEGER, since);
}

void der_small(struct der *d, uint8_t n)
{
    size_t since = der_len(d);

    byte(d, n);
    der_header(d, DER_INTEGER, since);
}

/* What has not been read yet. */
struct rest {
    const uint8_t *at;
    size_t len;
};

/* Tag and length, which is the shortest form of one below 256 that the rest has
 * room for. */
static bool take_header(struct rest *in, uint8_t tag, size_t *len)
{
    size_t head = in->len >= 3 && in->at[1] == 0x81 ? 3 : 2;

    if (in->len < head || in->at[0] != tag)
        return false;
    *len = in->at[head - 1];
    if ((*len >= 0x80) != (head == 3) || *len > in->len - head)
        return false;
    in->at += head;
    in->len -= head;
    return true;
}

static bool take_positive(struct rest *in, size_t bytes)
{
    size_t len, zero;

    if (!take_header(in, DER_INTEGER, &len) || len == 0 || (in->at[0] & 0x80))
        return false;
    zero = in->at[0] == 0;
    /* A leading zero is there for the sign alone, and 0 is no number of these. */
    if (len - zero > bytes || (zero != 0 && (len == 1 || !(in->at[1] & 0x80))))
        return false;
    in->at += len;
    in->len -= len;
    return true;
}

bool der_is_signature(const uint8_t *sig, size_t len, size_t bytes)
{
    struct rest in = {sig, len};
    size_t inner;

    return take_header(&in, DER_SEQUENCE, &inner) && inner == in.len && take_positive(&in, bytes) &&
           take_positive(&in, bytes) && in.len == 0;
}
