/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion thread of a device: waits for its interrupts and for
 * deadlines, reaps, and brings a failed device back. All signals are blocked
 * in it: they are the application's.
 */
#ifndef VCRYPTO_COMPLETION_H
#define VCRYPTO_COMPLETION_H

#include <stdbool.h>

struct device;

/* Before completion_start: the hardware is not there yet, and looked for. */
void completion_absent(struct device *dev);
int completion_start(struct device *dev);
/* Returns when the thread has ended; it finishes the batch at hand. */
void completion_stop(struct device *dev);
bool completion_is_self(const struct device *dev);
/* For a device without a thread: reaps what is there, on the caller's. */
void completion_poll(struct device *dev);

#endif
