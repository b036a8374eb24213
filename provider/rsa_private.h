/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA's private operation on a device, with its result checked: a device that
 * goes wrong in one half of the computation with the primes would give the key
 * away, and one that goes wrong at all would look like wrong padding.
 */
#ifndef VCRYPTO_RSA_PRIVATE_H
#define VCRYPTO_RSA_PRIVATE_H

#include <stdint.h>

#include "key.h"
#include "offload.h"

/* Work memory for one operation, to hang from its context: it is secret, and
 * must outlive a pause. */
struct rsa_work {
    uint8_t *block;  /* what the operation is done on, as long as the modulus */
    uint8_t *result; /* likewise, with a byte of room before it */
};
size_t rsa_work_size(const struct key_device *device);
struct rsa_work rsa_work_at(const struct key_device *device, uint8_t *memory);

/* Whether the block is less than the modulus, as it must be. */
bool rsa_in_range(const struct key_device *device, const uint8_t *block);

/*
 * Runs req, which offload_begin gave and whose source and operation have been
 * filled in. With OFFLOAD_DONE the result is what becomes the block again when
 * raised to the public exponent. A wrong one counts as the device's failure.
 */
enum offload_result rsa_private(struct offload *off, struct hw_request *req,
                                const struct key_device *device, const struct rsa_work *w);

#endif
