/* SPDX-License-Identifier: Apache-2.0 */
#include "provider.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#define VERSION "0.1.0"

static const char warning_param[] = "vcrypto-warning";

static const OSSL_PARAM fixed_params[PROVIDER_FIXED_PARAMS] = {
    OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
    OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
    OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
    OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
    OSSL_PARAM_utf8_ptr(warning_param, NULL, 0),
};

static void fill_gettable(struct provctx *prov)
{
    size_t n = PROVIDER_FIXED_PARAMS;

    memcpy(prov->gettable, fixed_params, sizeof(fixed_params));
    n += stats_gettable(prov->gettable + n);
    prov->gettable[n] = OSSL_PARAM_construct_end();
}

static const OSSL_PARAM *gettable_params(void *provctx)
{
    const struct provctx *prov = provctx;

    return prov->gettable;
}

static int put_text(OSSL_PARAM params[], const char *key, const char *text)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, key);

    return p == NULL || OSSL_PARAM_set_utf8_ptr(p, text);
}

static int get_params(void *provctx, OSSL_PARAM params[])
{
    struct provctx *prov = provctx;
    OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

    return put_text(params, OSSL_PROV_PARAM_NAME, "vcrypto provider") &&
           put_text(params, OSSL_PROV_PARAM_VERSION, VERSION) &&
           put_text(params, OSSL_PROV_PARAM_BUILDINFO, VERSION) &&
           put_text(params, warning_param, prov->warning) &&
           (status == NULL || OSSL_PARAM_set_int(status, 1)) && stats_get_params(prov, params);
}

static const OSSL_ALGORITHM *query_operation(void *provctx, int operation, int *no_cache)
{
    const struct provctx *prov = provctx;

    *no_cache = 0;
    return operation == OSSL_OP_CIPHER ? prov->ciphers : families_query(prov, operation);
}

static const OSSL_ITEM *get_reason_strings(void *provctx)
{
    (void)provctx;
    return errors_strings();
}

static void provider_free(struct provctx *prov)
{
    if (prov->pool != NULL)
        hw_pool_free(prov->pool);
    software_close(&prov->software);
    stats_close(&prov->stats);
    free(prov);
}

static void teardown(void *provctx)
{
    const char *wanted = secure_getenv("VCRYPTO_STATS");

    if (wanted != NULL && strcmp(wanted, "1") == 0)
        stats_print(provctx);
    provider_free(provctx);
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable_params},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))families_get_capabilities},
    {OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, (void (*)(void))get_reason_strings},
    {0, NULL},
};

static bool take_core(struct provctx *prov, const OSSL_DISPATCH *in)
{
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            prov->core_get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR: prov->core_new_error = OSSL_FUNC_core_new_error(in); break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            prov->core_set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            prov->core_vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        default: break;
        }
    }
    return prov->core_get_params != NULL && prov->core_new_error != NULL &&
           prov->core_set_error_debug != NULL && prov->core_vset_error != NULL;
}

/* Loading is over, and there is nobody to return an error to. */
static void say(const char *text)
{
    fprintf(stderr, "vcrypto: %s\n", text);
}

/* The pool. Without a device, software is enough with fallback = yes: an error
 * left in the queue of a load that succeeds would confuse the caller, so the
 * reason goes to standard error and into a parameter. */
static int open_pool(struct provctx *prov)
{
    struct hw_error err = {""};
    int rc;

    prov->config.hw.notice = say;
    /* The emulator, which uses libcrypto too, may do its self tests on this
     * thread; a tag that is meant to be wrong is no error of the load. */
    ERR_set_mark();
    rc = hw_pool_new(&prov->config.hw, &prov->pool, &err);
    ERR_pop_to_mark();
    if (rc == 0) {
        if (err.text[0] != '\0')
            fprintf(stderr, "vcrypto: warning: %s; the other devices do its work\n", err.text);
        return 1;
    }
    if (rc == -EINVAL) {
        errors_load(prov, ERRORS_BAD_CONFIG, "emulator_fault = %s: %s",
                    prov->config.hw.emulator_fault, err.text);
        return 0;
    }
    if (rc != -ENODEV || prov->pool == NULL || !prov->config.fallback) {
        errors_load(prov, ERRORS_NO_DEVICE, "device = %s: %s", prov->config.hw.device,
                    rc == -ENODEV ? err.text : strerrordesc_np(-rc));
        return 0;
    }
    snprintf(prov->warning, sizeof(prov->warning),
             "device = %.40s: %.170s; all is done in software", prov->config.hw.device, err.text);
    fprintf(stderr, "vcrypto: warning: %s\n", prov->warning);
    return 1;
}

static int open_software(struct provctx *prov)
{
    if (software_open(&prov->software))
        return 1;
    errors_load(prov, ERRORS_NO_SOFTWARE, "the default provider cannot be loaded");
    return 0;
}

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx)
{
    /* aligned_alloc: struct stats has cache lines of its own. */
    struct provctx *prov = aligned_alloc(alignof(struct provctx), sizeof(*prov));

    if (prov == NULL)
        return 0;
    memset(prov, 0, sizeof(*prov));
    prov->core = handle;
    stats_open(&prov->stats);
    algorithms_reset(prov);
    families_reset(prov);
    fill_gettable(prov);
    if (!take_core(prov, in) || !config_load(prov) || !open_software(prov) || !open_pool(prov) ||
        !algorithms_offer(prov) || !families_offer(prov)) {
        provider_free(prov);
        return 0;
    }
    *provctx = prov;
    *out = functions;
    return 1;
}
