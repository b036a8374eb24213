/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"

#include <string.h>

#include "live.h"
#include "registry.h"
#include "secret.h"

static const enum hw_kind kinds[HW_ALG_COUNT] = {
    [HW_AES_ECB] = HW_KIND_CIPHER,         [HW_AES_CBC] = HW_KIND_CIPHER,
    [HW_AES_CTR] = HW_KIND_CIPHER,         [HW_AES_XTS] = HW_KIND_CIPHER,
    [HW_AES_GCM] = HW_KIND_AEAD,           [HW_AES_CCM] = HW_KIND_AEAD,
    [HW_CHACHA20_POLY1305] = HW_KIND_AEAD, [HW_RSA] = HW_KIND_AKCIPHER,
    [HW_ECDSA] = HW_KIND_AKCIPHER,
};

enum hw_kind hw_alg_kind(enum hw_alg alg)
{
    return kinds[alg];
}

struct hw_key *hw_key_new(const struct hw_key_spec *spec)
{
    static _Atomic uint64_t last_id;
    struct hw_key *key = secret_alloc(sizeof(*key) + spec->len);

    if (key == NULL)
        return NULL;
    atomic_init(&key->refs, 1);
    atomic_init(&key->has_sessions, false);
    key->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    key->spec = *spec;
    key->spec.bytes = memcpy(key + 1, spec->bytes, spec->len);
    live_add(&live.keys, 1);
    return key;
}

struct hw_key *hw_key_ref(struct hw_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void hw_key_unref(struct hw_key *key)
{
    /* acq_rel: what other holders did to the key comes before its release. */
    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (atomic_load_explicit(&key->has_sessions, memory_order_relaxed))
        registry_forget_key(key->id);
    secret_free(key, sizeof(*key) + key->spec.len);
    live_add(&live.keys, -1);
}

bool hw_key_equals(const struct hw_key *key, const void *bytes, size_t len)
{
    const volatile uint8_t *a = key->spec.bytes, *b = bytes;
    uint8_t diff = 0;

    if (len != key->spec.len)
        return false;
    for (size_t i = 0; i < len; i++)
        diff |= a[i] ^ b[i];
    return diff == 0;
}

const void *hw_key_bytes(const struct hw_key *key)
{
    return key->spec.bytes;
}

size_t hw_key_len(const struct hw_key *key)
{
    return key->spec.len;
}
