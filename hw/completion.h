/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion thread of a device: waits for its interrupts and for
 * deadlines, reaps, and brings a failed device back. All signals are blocked
 * in it: they are the application's.
 */
#ifndef VCRYPTO_COMPLETION_H
#define VCRYPTO_COMPLETION_H

struct device;
struct device_caps;
struct hw_config;
struct hw_error;

/*
 * Opens the entry of the list as its index'th namesake, brings it up, and starts
 * its thread. caps is what a self test confirmed. A device that another process
 * has is out of service until it is free: that is no error, but err says so.
 */
int completion_open(const char *spec, unsigned index, const struct hw_config *cfg,
                    const struct device_caps *caps, struct device **out, struct hw_error *err);
/* Ends the thread, which finishes the batch at hand, and frees the device, see
 * device_free; on that thread itself, as soon as it gets back. */
void completion_close(struct device *dev);

#endif
