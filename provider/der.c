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
