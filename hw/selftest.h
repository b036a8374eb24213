/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers for every algorithm: a device may advertise what it cannot do. */
#ifndef VCRYPTO_SELFTEST_H
#define VCRYPTO_SELFTEST_H

struct device;
struct device_caps;

/* Tries what dev->caps claims on the device itself, which was opened for
 * probing, and waits for the answers. What holds goes to *out. */
void selftest_run(struct device *dev, struct device_caps *out);

#endif
