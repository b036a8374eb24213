/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers for every algorithm: a device may advertise what it cannot do. */
#ifndef VCRYPTO_SELFTEST_H
#define VCRYPTO_SELFTEST_H

#include <stdbool.h>

struct device;
struct device_caps;
struct hw_config;
struct hw_error;
struct hw_config;
struct hw_error;

/* Tries what dev->offered claims on the device itself, which was opened for
 * probing, and waits for the answers. What holds goes to *out. */
void selftest_run(struct device *dev, struct device_caps *out);

/* Opens a device that is not open for as long as its test takes. */
int selftest_open(const char *spec, unsigned index, const struct hw_config *cfg,
                  struct device_caps *out, struct hw_error *err);
/* Whether a device that does now what it did then. */
bool selftest_covers(const struct device_caps *now, const struct device_caps *then);

#endif
