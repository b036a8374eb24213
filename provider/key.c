/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "provider.h"

/* The device form of keys that have none. */
static struct key_device none;

struct key *key_new(struct provctx *prov, enum key_type type, void *twin)
{
    struct key *key = twin != NULL ? OPENSSL_zalloc(sizeof(*key)) : NULL;

    if (key == NULL) {
        if (twin != NULL)
            twins.keymgmt[type].free(twin);
        return NULL;
    }
    atomic_init(&key->refs, 1);
    key->prov = prov;
    key->type = type;
    key->twin = twin;
    return key;
}

struct key *key_ref(struct key *key)
{
    if (key != NULL)
        atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

static void device_free(struct key_device *device)
{
    if (device == NULL || device == &none)
        return;
    hw_key_unref(device->hw);
    BN_free(device->n);
    BN_free(device->e);
    BN_MONT_CTX_free(device->mont);
    OPENSSL_free(device);
}

void key_changes(struct key *key)
{
    struct key_device *device = atomic_exchange_explicit(&key->device, NULL, memory_order_acq_rel);

    if (device != NULL && device != &none) {
        device->older = key->outdated;
        key->outdated = device;
    }
    atomic_store_explicit(&key->bits, 0, memory_order_relaxed);
}

void key_unref(struct key *key)
{
    /* acq_rel: what other holders did to the key comes before its release. */
    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    key_changes(key);
    for (struct key_device *d = key->outdated, *older; d != NULL; d = older) {
        older = d->older;
        device_free(d);
    }
    twins.keymgmt[key->type].free(key->twin);
    OPENSSL_free(key);
}

size_t key_bits(struct key *key)
{
    int bits = atomic_load_explicit(&key->bits, memory_order_relaxed);
    OSSL_PARAM params[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, &bits), OSSL_PARAM_END};

    if (bits != 0)
        return (size_t)bits;
    /* Where it cannot say it is software's, which has errors of its own. */
    ERR_set_mark();
    if (!twins.keymgmt[key->type].get_params(key->twin, params) || bits < 0)
        bits = 0;
    ERR_pop_to_mark();
    atomic_store_explicit(&key->bits, bits, memory_order_relaxed);
    return (size_t)bits;
}

struct making {
    const struct key *key;
    struct key_device *device;
    enum key_form form;
};

/* The twin exports itself to this. */
static int make(const OSSL_PARAM params[], void *arg)
{
    struct making *m = arg;

    m->form = m->key->type == KEY_EC ? key_ec_device(m->key, params, m->device)
                                     : key_rsa_device(m->key, params, m->device);
    return 1;
}

/* NULL: no memory. */
static struct key_device *device_new(struct key *key)
{
    struct making m = {.key = key, .form = KEY_FORM_FAILED};
    int selection = OSSL_KEYMGMT_SELECT_KEYPAIR | OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS;

    if (key->type != KEY_EC)
        selection = OSSL_KEYMGMT_SELECT_KEYPAIR;
    /* A key that cannot go to the device is nobody's error. */
    ERR_set_mark();
    m.device = OPENSSL_zalloc(sizeof(*m.device));
    if (m.device != NULL && !twins.keymgmt[key->type].export(key->twin, selection, make, &m))
        m.form = KEY_FORM_FAILED;
    ERR_pop_to_mark();
    if (m.form == KEY_FORM_MADE)
        return m.device;
    device_free(m.device);
    return m.form == KEY_FORM_NONE ? &none : NULL;
}

const struct key_device *key_device(struct key *key)
{
    struct key_device *device = atomic_load_explicit(&key->device, memory_order_acquire);
    struct key_device *seen = NULL;

    if (device == NULL) {
        device = device_new(key);
        if (device == NULL)
            return NULL;
        /* Two threads may have made it: the first keeps its own. */
        if (!atomic_compare_exchange_strong_explicit(&key->device, &seen, device,
                                                     memory_order_acq_rel, memory_order_acquire)) {
            device_free(device);
            device = seen;
        }
    }
    return device->hw != NULL ? device : NULL;
}
