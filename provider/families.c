/* SPDX-License-Identifier: Apache-2.0 */
#include "families.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdint.h>
#include <string.h>

#include "algorithms.h"
#include "decrypt_rsa.h"
#include "exchange.h"
#include "key.h"
#include "provider.h"
#include "sign.h"

/* Names as the default provider has them, so that a property query alone
 * decides who answers. */
#define RSA_NAMES "RSA:rsaEncryption:1.2.840.113549.1.1.1"

static const struct row {
    enum family_id family;
    int operation;
    size_t offer; /* in struct families_offer */
    const char *names;
    const OSSL_DISPATCH *dispatch;
} rows[] = {
#define OFFER(field) offsetof(struct families_offer, field)
    {FAMILY_RSA, OSSL_OP_KEYMGMT, OFFER(keymgmt), RSA_NAMES, keymgmt_rsa},
    {FAMILY_RSA, OSSL_OP_KEYMGMT, OFFER(keymgmt), "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10",
     keymgmt_rsa_pss},
    {FAMILY_RSA, OSSL_OP_SIGNATURE, OFFER(signature), RSA_NAMES, signature_rsa},
    {FAMILY_RSA, OSSL_OP_ASYM_CIPHER, OFFER(asym_cipher), RSA_NAMES, asym_cipher_rsa},
    {FAMILY_EC, OSSL_OP_KEYMGMT, OFFER(keymgmt), "EC:id-ecPublicKey:1.2.840.10045.2.1", keymgmt_ec},
    {FAMILY_EC, OSSL_OP_SIGNATURE, OFFER(signature), "ECDSA", signature_ecdsa},
    {FAMILY_EC, OSSL_OP_KEYEXCH, OFFER(exchange), "ECDH", exchange_ecdh},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Keys of which one must be a device's for the family to be worth offering. */
static const struct size {
    enum family_id family;
    enum hw_alg alg;
    size_t bits;
} sizes[] = {
    {FAMILY_RSA, HW_RSA, 2048}, {FAMILY_RSA, HW_RSA, 4096}, {FAMILY_EC, HW_ECDSA, 256},
    {FAMILY_EC, HW_ECDSA, 384}, {FAMILY_EC, HW_ECDSA, 521}, {FAMILY_EC, HW_ECDSA, 192},
    {FAMILY_EC, HW_ECDSA, 224},
};

void families_reset(struct provctx *prov)
{
    for (int i = 0; i < FAMILY_COUNT; i++) {
        prov->families[i] = (struct family){.wanted = true, .min_verify = SIZE_MAX};
    }
}

int families_find(const char *name, size_t len)
{
    for (size_t i = 0; i < ROWS; i++)
        if (algorithms_has_name(rows[i].names, name, len))
            return (int)rows[i].family;
    return -1;
}

bool families_set_min(struct provctx *prov, int family, size_t bytes)
{
    if (family != FAMILY_EC)
        return false;
    prov->families[FAMILY_EC].min_verify = bytes;
    return true;
}

static bool on_device(const struct provctx *prov, enum family_id family, struct hw_limits *limits)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (sizes[i].family == family &&
            hw_pool_supports(prov->pool, sizes[i].alg, sizes[i].bits, limits))
            return true;
    return false;
}

static void add(struct families_offer *offer, const struct row *row)
{
    OSSL_ALGORITHM *a = (OSSL_ALGORITHM *)((char *)offer + row->offer);

    while (a->algorithm_names != NULL)
        a++;
    a->algorithm_names = row->names;
    a->property_definition = "provider=vcrypto";
    a->implementation = row->dispatch;
}

int families_offer(struct provctx *prov)
{
    /* A pool of no devices: fallback = yes, and all that is wanted is software. */
    bool devices = hw_pool_devices(prov->pool) != 0, any = false;

    for (int i = 0; i < FAMILY_COUNT; i++) {
        struct family *f = &prov->families[i];

        f->offered = f->wanted && (!devices || on_device(prov, (enum family_id)i, &f->limits));
        any = any || f->offered;
    }
    if (any && !twins_open(&prov->software)) {
        errors_load(prov, ERRORS_NO_SOFTWARE, "it lacks a function of RSA or EC keys");
        return 0;
    }
    for (size_t i = 0; i < ROWS; i++)
        if (prov->families[rows[i].family].offered)
            add(&prov->offer, &rows[i]);
    return 1;
}

const OSSL_ALGORITHM *families_query(const struct provctx *prov, int operation)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].operation == operation && prov->families[rows[i].family].offered)
            return (const OSSL_ALGORITHM *)((const char *)&prov->offer + rows[i].offer);
    return NULL;
}

struct capabilities {
    OSSL_CALLBACK *cb;
    void *arg;
};

/* Passes on a group of the default provider's whose keys we have. */
static int pass_on(const OSSL_PARAM params[], void *arg)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
    const struct capabilities *to = arg;
    const char *keys;

    if (p == NULL || !OSSL_PARAM_get_utf8_string_ptr(p, &keys) || strcmp(keys, "EC") != 0)
        return 1;
    return to->cb(params, to->arg);
}

int families_get_capabilities(void *provctx, const char *capability, OSSL_CALLBACK *cb, void *arg)
{
    const struct provctx *prov = provctx;
    struct capabilities to = {cb, arg};

    if (!prov->families[FAMILY_EC].offered || strcmp(capability, "TLS-GROUP") != 0)
        return 1;
    return OSSL_PROVIDER_get_capabilities(prov->software.provider, capability, pass_on, &to);
}
