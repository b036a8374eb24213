/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VCRYPTO_EXCHANGE_H
#define VCRYPTO_EXCHANGE_H

#include <openssl/core_dispatch.h>

extern const OSSL_DISPATCH exchange_ecdh[];

#endif
