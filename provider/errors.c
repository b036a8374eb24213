/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <openssl/err.h>
#include <openssl/proverr.h>
#include <stdarg.h>
#include <stdio.h>

#include "provider.h"

/*
 * Reason, the same thing among OpenSSL's own reasons, text. The second is for
 * errors of a load that fails: the core takes our texts over only once it has
 * succeeded.
 */
#define ERRORS(X)                                                                                  \
    X(ERRORS_BAD_CONFIG, PROV_R_INVALID_CONFIG_DATA, "bad configuration value")                    \
    X(ERRORS_NO_DEVICE, ERR_R_INIT_FAIL, "no usable device")                                       \
    X(ERRORS_DEVICE_FAILED, 0, "device failed")                                                    \
    X(ERRORS_TIMEOUT, 0, "device did not answer in time")                                          \
    X(ERRORS_BUSY, 0, "device busy")                                                               \
    X(ERRORS_UNSUPPORTED, 0, "device does not support this")                                       \
    X(ERRORS_NO_SOFTWARE, ERR_R_INIT_FAIL, "default provider not available")

#define KNOWN(reason, known, text) [reason] = (known),
#define ITEM(reason, known, text)  {reason, (void *)(text)},

static const int known[] = {ERRORS(KNOWN)};
static const OSSL_ITEM items[] = {ERRORS(ITEM){0, NULL}};

void errors_raise_at(const struct provctx *prov, enum errors_reason reason, const char *file,
                     int line, const char *func, const char *fmt, ...)
{
    uint32_t code = (uint32_t)reason;
    va_list ap;

    if (known[reason] != 0)
        code = (uint32_t)ERR_PACK(ERR_LIB_PROV, 0, known[reason]);
    va_start(ap, fmt);
    prov->core_new_error(prov->core);
    prov->core_set_error_debug(prov->core, file, line, func);
    prov->core_vset_error(prov->core, code, fmt, ap);
    va_end(ap);
}

void errors_load_at(const struct provctx *prov, enum errors_reason reason, const char *file,
                    int line, const char *func, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    errors_raise_at(prov, reason, file, line, func, "%s", text);
    fprintf(stderr, "vcrypto: not loaded: %s\n", text);
}

const OSSL_ITEM *errors_strings(void)
{
    return items;
}
