/* SPDX-License-Identifier: Apache-2.0 */
/* hw_submit for a device that has been chosen. */
#ifndef VCRYPTO_SUBMIT_H
#define VCRYPTO_SUBMIT_H

#include <stdbool.h>

#include "device.h"

/* Errors as hw_submit's. slot: any number that spreads threads over queues. */
int submit_to(struct device *dev, unsigned slot, struct hw_request *req, bool more);

#endif
