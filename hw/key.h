/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as the driver sees them; hw.h has what their users see. */
#ifndef VCRYPTO_KEY_H
#define VCRYPTO_KEY_H

#include <stdatomic.h>

#include "hw.h"

struct hw_key {
    atomic_uint refs;
    /* Set before the first session is asked for, so that a key that never met
     * a device is released without looking for sessions. */
    atomic_bool has_sessions;
    uint64_t id;             /* never reused in this process; 0 is none */
    struct hw_key_spec spec; /* spec.bytes points behind this structure */
};

#endif
