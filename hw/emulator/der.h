/* SPDX-License-Identifier: Apache-2.0 */
/* The few things of DER that keys are made of. */
#ifndef VCRYPTO_EMULATOR_DER_H
#define VCRYPTO_EMULATOR_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_INTEGER      0x02
#define DER_BIT_STRING   0x03
#define DER_OCTET_STRING 0x04
#define DER_SEQUENCE     0x30
#define DER_CONTEXT(n)   (0xa0 + (n))

/* Bytes not yet read, or an element's content. */
struct der {
    const uint8_t *at;
    size_t len;
};

/* Takes the next element if it has this tag; its content goes to out. False:
 * in has not moved. */
bool der_take(struct der *in, uint8_t tag, struct der *out);
/* Takes a non-negative INTEGER; out is its magnitude without leading zeros,
 * which for 0 is empty. */
bool der_take_uint(struct der *in, struct der *out);
/* Bits of a magnitude. */
size_t der_bits(const struct der *magnitude);

#endif
