/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the libcrypto engine share. */
#ifndef VCRYPTO_EMULATOR_ENGINE_LIBCRYPTO_H
#define VCRYPTO_EMULATOR_ENGINE_LIBCRYPTO_H

#include <openssl/crypto.h>

#include "emulator/engine.h"

/* How every state begins. */
struct engine_libcrypto_state {
    void (*close)(void *state);
};

/* engine_ops open and run_ak for asymmetric keys. */
void *engine_libcrypto_ak_open(OSSL_LIB_CTX *libctx, const struct engine_key *key);
int engine_libcrypto_ak_run(void *state, struct engine_ak_op *op);

#endif
