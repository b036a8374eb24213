/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asymmetric algorithms, which come in families: keys, and all that can be
 * done with them. One that lacked an operation would break it, since OpenSSL
 * looks for the others where the first was; so a family is offered whole,
 * where a device does the private operation, or not at all.
 */
#ifndef VCRYPTO_FAMILIES_H
#define VCRYPTO_FAMILIES_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <stdbool.h>
#include <stddef.h>

#include "hw.h"

struct provctx;

enum family_id { FAMILY_RSA, FAMILY_EC, FAMILY_COUNT };

/* A family in one provider context. Read-only once the provider is loaded. */
struct family {
    bool wanted;  /* by the configuration */
    bool offered; /* and there is a device for it, or none at all */
    struct hw_limits limits;
    size_t min_verify; /* smallest digest whose verification is offloaded */
};

#define FAMILIES_ALGORITHMS 4 /* the most for one operation, and the end */

/* What query_operation returns. */
struct families_offer {
    OSSL_ALGORITHM keymgmt[FAMILIES_ALGORITHMS], signature[FAMILIES_ALGORITHMS];
    OSSL_ALGORITHM asym_cipher[FAMILIES_ALGORITHMS], exchange[FAMILIES_ALGORITHMS];
};

void families_reset(struct provctx *prov);
/* The family that has an algorithm of this name, whatever the case, or -1. */
int families_find(const char *name, size_t len);
/*
 * The smallest digest whose ECDSA verification goes to the device; by default
 * none does. Private operations go there whatever their size. False: not a
 * family that has such a thing.
 */
bool families_set_min(struct provctx *prov, int family, size_t bytes);
/* After configuration, pool and software. 0: the default provider lacks some
 * function, an error is raised. */
int families_offer(struct provctx *prov);
/* NULL: nothing for this operation. */
const OSSL_ALGORITHM *families_query(const struct provctx *prov, int operation);
/* libssl knows a group only where the provider of its keys announces it: so the
 * groups of EC keys are ours to announce, too. */
OSSL_FUNC_provider_get_capabilities_fn families_get_capabilities;

#endif
