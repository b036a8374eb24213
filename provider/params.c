/* SPDX-License-Identifier: Apache-2.0 */
#include "params.h"

#include <openssl/err.h>
#include <openssl/proverr.h>
#include <stdint.h>

static OSSL_PARAM *find(OSSL_PARAM params[], const char *key)
{
    return (OSSL_PARAM *)(uintptr_t)params_find(params, key);
}

static int put_result(int ok)
{
    if (!ok)
        ERR_raise(ERR_LIB_PROV, PROV_R_FAILED_TO_SET_PARAMETER);
    return ok;
}

static int take_result(int ok, bool *given)
{
    if (!ok)
        ERR_raise(ERR_LIB_PROV, PROV_R_FAILED_TO_GET_PARAMETER);
    else if (given != NULL)
        *given = true;
    return ok;
}

int params_put_uint(OSSL_PARAM params[], const char *key, unsigned val)
{
    OSSL_PARAM *p = find(params, key);

    return p == NULL || put_result(OSSL_PARAM_set_uint(p, val));
}

int params_put_int(OSSL_PARAM params[], const char *key, int val)
{
    OSSL_PARAM *p = find(params, key);

    return p == NULL || put_result(OSSL_PARAM_set_int(p, val));
}

int params_put_size(OSSL_PARAM params[], const char *key, size_t val)
{
    OSSL_PARAM *p = find(params, key);

    return p == NULL || put_result(OSSL_PARAM_set_size_t(p, val));
}

int params_put_octets(OSSL_PARAM params[], const char *key, const void *buf, size_t len)
{
    OSSL_PARAM *p = find(params, key);

    if (p == NULL)
        return 1;
    /* Trying both would leave an error behind: libssl takes it for a failure. */
    return put_result(p->data_type == OSSL_PARAM_OCTET_PTR
                          ? OSSL_PARAM_set_octet_ptr(p, buf, len)
                          : OSSL_PARAM_set_octet_string(p, buf, len));
}

int params_take_uint(const OSSL_PARAM params[], const char *key, unsigned *val, bool *given)
{
    const OSSL_PARAM *p = params_find(params, key);

    return p == NULL || take_result(OSSL_PARAM_get_uint(p, val), given);
}

int params_take_size(const OSSL_PARAM params[], const char *key, size_t *val, bool *given)
{
    const OSSL_PARAM *p = params_find(params, key);

    return p == NULL || take_result(OSSL_PARAM_get_size_t(p, val), given);
}

int params_take_octets(const OSSL_PARAM params[], const char *key, const void **val, size_t *len)
{
    const OSSL_PARAM *p = params_find(params, key);

    *val = NULL;
    *len = 0;
    if (p == NULL)
        return 1;
    if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data == NULL)
        return take_result(0, NULL);
    *val = p->data;
    *len = p->data_size;
    return 1;
}
