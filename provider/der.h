/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough DER to write keys and to look at signatures. It is written from
 * its end to its beginning, so that each length is known when it is needed. */
#ifndef VCRYPTO_DER_H
#define VCRYPTO_DER_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_INTEGER      0x02
#define DER_BIT_STRING   0x03
#define DER_OCTET_STRING 0x04
#define DER_SEQUENCE     0x30
#define DER_CONTEXT(n)   (0xa0 + (n))

struct der {
    uint8_t *buf;
    size_t at;    /* what is written starts here */
    size_t end;   /* size of buf */
    bool overrun; /* it did not fit: the result is worth nothing */
};

void der_begin(struct der *d, uint8_t *buf, size_t size);
size_t der_len(const struct der *d);

void der_bytes(struct der *d, const void *bytes, size_t len);
/* Tag and length of all that was written since there were `since` bytes. */
void der_header(struct der *d, uint8_t tag, size_t since);
/* An INTEGER, not negative. */
void der_uint(struct der *d, const BIGNUM *n);
void der_small(struct der *d, uint8_t n); /* below 128 */

/* Whether it is a SEQUENCE of two INTEGERs and nothing else, each positive, of at
 * most so many bytes (100 or fewer), and in its shortest form. */
bool der_is_signature(const uint8_t *sig, size_t len, size_t bytes);

#endif
