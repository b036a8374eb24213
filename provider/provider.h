/* SPDX-License-Identifier: Apache-2.0 */
/* One loaded provider: what belongs to the library context that loaded it. */
#ifndef VCRYPTO_PROVIDER_H
#define VCRYPTO_PROVIDER_H

#include <openssl/core_dispatch.h>
#include <stdbool.h>

#include "algorithms.h"
#include "config.h"
#include "errors.h"
#include "families.h"
#include "hw.h"
#include "software.h"
#include "stats.h"

#define PROVIDER_FIXED_PARAMS 5

struct provctx {
    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_core_get_params_fn *core_get_params;
    OSSL_FUNC_core_new_error_fn *core_new_error;
    OSSL_FUNC_core_set_error_debug_fn *core_set_error_debug;
    OSSL_FUNC_core_vset_error_fn *core_vset_error;

    struct config config;
    struct hw_pool *pool; /* of no devices where none was usable and fallback = yes */
    struct software software;
    struct algorithm algorithms[ALG_COUNT];
    OSSL_ALGORITHM ciphers[ALG_COUNT + 1]; /* what query_operation returns */
    struct family families[FAMILY_COUNT];
    struct families_offer offer;
    OSSL_PARAM gettable[PROVIDER_FIXED_PARAMS + STATS_PARAMS_MAX + 1];
    char warning[256]; /* why it runs without a device, or empty */

    struct stats stats; /* last: it keeps its cache lines to itself */
};

#endif
