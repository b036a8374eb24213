/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers.h"

#include "transport.h"

const struct driver_ops *const drivers[] = {&driver_virtio_crypto, NULL};

const struct transport_ops *const transports[] = {&transport_emulator, &transport_vfio, NULL};
