/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers there are. A new accelerator is one file and a row. */
#ifndef VCRYPTO_DRIVERS_H
#define VCRYPTO_DRIVERS_H

#include "device.h"

extern const struct driver_ops driver_virtio_crypto;

/* NULL-terminated. */
extern const struct driver_ops *const drivers[];

#endif
