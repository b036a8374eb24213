/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices that are open in this process, shared by all pools: a function
 * opens once in the whole machine.
 *
 * Two locks: one is held by whoever opens or probes a device, for as long as
 * that takes; the other guards the list, for a moment. A forked child gets
 * both anew, with an empty list: its parent's devices are not its own.
 */
#ifndef VCRYPTO_REGISTRY_H
#define VCRYPTO_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct device_caps;
struct hw_config;
struct hw_error;

/* Before anything else of hw/: the fork handler. Any number of times. */
void registry_init(void);
void registry_lock(void);    /* the one for opening */
bool registry_trylock(void); /* false: somebody has it */
void registry_unlock(void);

/*
 * Lock held. The device open under this name with this configuration, or a
 * newly opened one. A user of it is counted.
 */
int registry_get(const char *spec, unsigned index, const struct hw_config *cfg,
                 const struct device_caps *caps, struct device **out, struct hw_error *err);
/* Lock held. The capabilities of the device if it is open already. */
bool registry_caps(const char *spec, unsigned index, const struct hw_config *cfg,
                   struct device_caps *out);

/* Lock not held. Closes the device with its last user. */
void registry_put(struct device *dev);

/* Locked or not. All sessions of the key, on all devices. */
void registry_forget_key(uint64_t key_id);

#endif
