/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VCRYPTO_DECRYPT_RSA_H
#define VCRYPTO_DECRYPT_RSA_H

#include <openssl/core_dispatch.h>

extern const OSSL_DISPATCH asym_cipher_rsa[];

#endif
