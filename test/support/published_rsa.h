/* SPDX-License-Identifier: Apache-2.0 */
/* RSA Laboratories, oaep-vect.txt, example 1.1: RSAES-OAEP with SHA-1 and a key
 * of 1024 bits. In hexadecimal. */
#ifndef TEST_PUBLISHED_RSA_H
#define TEST_PUBLISHED_RSA_H

#define PUBLISHED_RSA_NUMBERS 8

extern const struct published_rsa {
    /* n, e, d, p, q, d mod p-1, d mod q-1, 1/q mod p */
    const char *numbers[PUBLISHED_RSA_NUMBERS];
    const char *cipher, *text;
} published_rsa;

#endif
