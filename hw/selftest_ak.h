/* SPDX-License-Identifier: Apache-2.0 */
/* The self test's asymmetric part. */
#ifndef VCRYPTO_SELFTEST_AK_H
#define VCRYPTO_SELFTEST_AK_H

#include "device.h"

/* Tries RSA and ECDSA as far as offered, and adds what holds to out, whose
 * asymmetric rows are false. */
void selftest_ak(struct device *dev, const struct device_caps *offered, struct device_caps *out);

/*
 * Submits a request of selftest_request and waits for its answer: the status,
 * or why it was not taken. -ETIMEDOUT fails the device.
 */
struct hw_request *selftest_request(void);
int selftest_ask(struct device *dev, struct hw_request *req);

/*
 * Keys and answers, in hexadecimal. What is signed are 32 bytes: byte i is 3i.
 * RSA: a private key, PKCS#1, and a PKCS#1 v1.5 signature with SHA-256. ECDSA:
 * an ECPrivateKey that ends with its public point, and some signature.
 */
struct selftest_rsa {
    unsigned bits;
    const char *key, *signature;
};
extern const struct selftest_rsa selftest_rsa[];
extern const unsigned selftest_rsa_count;

struct selftest_ecdsa {
    enum hw_curve curve;
    unsigned bits;
    const char *key, *signature;
};
extern const struct selftest_ecdsa selftest_ecdsa[];
extern const unsigned selftest_ecdsa_count;

#endif
