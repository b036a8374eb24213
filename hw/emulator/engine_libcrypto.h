/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the libcrypto engine share. */
#ifndef VCRYPTO_EMULATOR_ENGINE_LIBCRYPTO_H
#define VCRYPTO_EMULATOR_ENGINE_LIBCRYPTO_H

#include <openssl/crypto.h>

#include "emulator/engine.h"

/* How every state begins. */
struct engine_libcrypto_state {
    int (*run)(void *state, struct engine_task *task); /* answers VIRTIO_CRYPTO_* */
    void (*close)(void *state);
};

/* engine_ops open for asymmetric keys. */
void *engine_libcrypto_ak_open(OSSL_LIB_CTX *libctx, const struct engine_key *key);

#endif
