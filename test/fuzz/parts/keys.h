/* SPDX-License-Identifier: Apache-2.0 */
/* Keys whose form is right. */
#ifndef FUZZ_KEYS_H
#define FUZZ_KEYS_H

/* RSAPrivateKey of PKCS#1, in hexadecimal. */
const char *keys_rsa(void);

#endif
