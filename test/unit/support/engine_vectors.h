/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published vectors of what the emulator's engines do, in hexadecimal.
 */
#ifndef TEST_ENGINE_VECTORS_H
#define TEST_ENGINE_VECTORS_H

#include <stddef.h>
#include <stdint.h>

struct engine_vector {
    const char *name;
    uint8_t service, number; /* VIRTIO_CRYPTO_* */
    const char *key, *iv, *aad, *plain, *cipher, *tag;
};

extern const struct engine_vector engine_vectors[];
extern const size_t engine_vectors_count;

#endif
