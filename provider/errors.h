/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's own errors. What the default provider would raise in the same
 * place is raised with ERR_raise(ERR_LIB_PROV, PROV_R_...) instead, so that
 * callers who look at reasons see the ones they know.
 */
#ifndef VCRYPTO_ERRORS_H
#define VCRYPTO_ERRORS_H

#include <openssl/core.h>

struct provctx;

enum errors_reason {
    ERRORS_BAD_CONFIG = 1, /* a key has a value that is not accepted */
    ERRORS_NO_DEVICE,      /* no configured device is usable, and fallback = no */
    ERRORS_DEVICE_FAILED,  /* the device failed, and fallback = no */
    ERRORS_TIMEOUT,        /* likewise, no answer in time */
    ERRORS_BUSY,           /* likewise, ring and backlog are full */
    ERRORS_UNSUPPORTED,    /* likewise, the device does not do this */
    ERRORS_NO_SOFTWARE,    /* the private default provider did not load */
};

/* Puts an error with printf-like data on the calling thread's queue. */
#define errors_raise(prov, reason, ...)                                                            \
    errors_raise_at((prov), (reason), __FILE__, __LINE__, __func__, __VA_ARGS__)

void errors_raise_at(const struct provctx *prov, enum errors_reason reason, const char *file,
                     int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/*
 * The same for an error that fails the load, which is told on standard error
 * too: libcrypto takes a provider that openssl.cnf activates in vain for a
 * trifle, drops its errors and goes on without it.
 */
#define errors_load(prov, reason, ...)                                                             \
    errors_load_at((prov), (reason), __FILE__, __LINE__, __func__, __VA_ARGS__)

void errors_load_at(const struct provctx *prov, enum errors_reason reason, const char *file,
                    int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* For OSSL_FUNC_PROVIDER_GET_REASON_STRINGS. */
const OSSL_ITEM *errors_strings(void);

#endif
