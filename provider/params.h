/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters without repeating locate, convert and raise. "put" fills one in
 * if the caller asked for it, "take" reads one if the caller gave it. Both give
 * 1 where it is absent; 0 has an error in the queue.
 */
#ifndef VCRYPTO_PARAMS_H
#define VCRYPTO_PARAMS_H

#include <openssl/params.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * The one of that name, or NULL. EVP asks for one parameter of ten that there
 * are, several times for each message: two characters mostly tell that it is
 * another, and calls would cost more than all else that a small message takes.
 */
static inline const OSSL_PARAM *params_find(const OSSL_PARAM *p, const char *key)
{
    for (; p != NULL && p->key != NULL; p++)
        if (p->key[0] == key[0] && p->key[1] == key[1] && strcmp(p->key, key) == 0)
            return p;
    return NULL;
}

/* Whether it is this one and no other. */
static inline bool params_only(const OSSL_PARAM *p, const char *key)
{
    return params_find(p, key) == p && p != NULL && p[1].key == NULL;
}

int params_put_uint(OSSL_PARAM params[], const char *key, unsigned val);
int params_put_int(OSSL_PARAM params[], const char *key, int val);
int params_put_size(OSSL_PARAM params[], const char *key, size_t val);
/* As an octet string or as an octet pointer, whichever was asked for: the
 * pointer is to buf itself. */
int params_put_octets(OSSL_PARAM params[], const char *key, const void *buf, size_t len);

/* given may be NULL; *val is left alone where the parameter is absent. */
int params_take_uint(const OSSL_PARAM params[], const char *key, unsigned *val, bool *given);
int params_take_size(const OSSL_PARAM params[], const char *key, size_t *val, bool *given);
/* Octet string of any length, not copied: *val is NULL where absent. */
int params_take_octets(const OSSL_PARAM params[], const char *key, const void **val, size_t *len);

#endif
