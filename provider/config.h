/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's section of openssl.cnf. The keys, their types, ranges and
 * defaults are one table in config.c.
 */
#ifndef VCRYPTO_CONFIG_H
#define VCRYPTO_CONFIG_H

#include <stdbool.h>

#include "hw.h"

struct provctx;

struct config {
    struct hw_config hw;    /* strings belong to the core and live as long as the provider */
    bool sync_offload;      /* sync = offload: calls outside a job go to the device too */
    bool fallback;          /* a failed device's work goes to software */
    const char *algorithms; /* as given; resolved into prov->algorithms */
    const char *min_bytes;  /* as given or NULL; likewise */
};

/*
 * Reads every key through the core, checks it, and applies algorithms and
 * min_bytes to prov->algorithms. 0 with an error that names the key, the value
 * and what is accepted.
 */
int config_load(struct provctx *prov);

/* Whether name is a key of the section, besides those that OpenSSL reads. */
bool config_is_key(const char *name);

#endif
