/* SPDX-License-Identifier: Apache-2.0 */
#include "twin_asym.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

#include "software.h"

struct twins twins;

typedef void any_fn(void);

/* Where one of the default provider's functions goes, and whether it may be
 * missing. */
struct place {
    int id;
    size_t offset; /* in its struct */
    bool optional;
};

#define MUST(op, ID, type, member)                                                                 \
    {                                                                                              \
        OSSL_FUNC_##op##_##ID, offsetof(struct type, member), false                                \
    }
#define MAY(op, ID, type, member)                                                                  \
    {                                                                                              \
        OSSL_FUNC_##op##_##ID, offsetof(struct type, member), true                                 \
    }
#define END                                                                                        \
    {                                                                                              \
        0, 0, true                                                                                 \
    }

#define KEYMGMT(ID, member)     MUST(KEYMGMT, ID, twin_keymgmt, member)
#define KEYMGMT_MAY(ID, member) MAY(KEYMGMT, ID, twin_keymgmt, member)

static const struct place keymgmt_places[] = {
    KEYMGMT(NEW, new),
    KEYMGMT(FREE, free),
    KEYMGMT(GEN_INIT, gen_init),
    KEYMGMT_MAY(GEN_SET_TEMPLATE, gen_set_template),
    KEYMGMT(GEN_SET_PARAMS, gen_set_params),
    KEYMGMT(GEN_SETTABLE_PARAMS, gen_settable_params),
    KEYMGMT(GEN, gen),
    KEYMGMT(GEN_CLEANUP, gen_cleanup),
    KEYMGMT(GET_PARAMS, get_params),
    KEYMGMT(GETTABLE_PARAMS, gettable_params),
    KEYMGMT_MAY(SET_PARAMS, set_params),
    KEYMGMT_MAY(SETTABLE_PARAMS, settable_params),
    KEYMGMT_MAY(QUERY_OPERATION_NAME, query_operation_name),
    KEYMGMT(HAS, has),
    KEYMGMT(VALIDATE, validate),
    KEYMGMT(MATCH, match),
    KEYMGMT(IMPORT, import),
    KEYMGMT(IMPORT_TYPES, import_types),
    KEYMGMT(EXPORT, export),
    KEYMGMT(EXPORT_TYPES, export_types),
    KEYMGMT(DUP, dup),
    END,
};

#define SIGNATURE(ID, member)     MUST(SIGNATURE, ID, twin_signature, member)
#define SIGNATURE_MAY(ID, member) MAY(SIGNATURE, ID, twin_signature, member)

static const struct place signature_places[] = {
    SIGNATURE(NEWCTX, newctx),
    SIGNATURE(FREECTX, freectx),
    SIGNATURE(DUPCTX, dupctx),
    SIGNATURE(SIGN_INIT, sign_init),
    SIGNATURE(SIGN, sign),
    SIGNATURE(VERIFY_INIT, verify_init),
    SIGNATURE(VERIFY, verify),
    SIGNATURE_MAY(VERIFY_RECOVER_INIT, verify_recover_init),
    SIGNATURE_MAY(VERIFY_RECOVER, verify_recover),
    SIGNATURE(DIGEST_SIGN_INIT, digest_sign_init),
    SIGNATURE(DIGEST_VERIFY_INIT, digest_verify_init),
    SIGNATURE(GET_CTX_PARAMS, get_ctx_params),
    SIGNATURE(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    SIGNATURE(SET_CTX_PARAMS, set_ctx_params),
    SIGNATURE(SETTABLE_CTX_PARAMS, settable_ctx_params),
    END,
};

#define CIPHER(ID, member) MUST(ASYM_CIPHER, ID, twin_asym_cipher, member)

static const struct place asym_cipher_places[] = {
    CIPHER(NEWCTX, newctx),
    CIPHER(FREECTX, freectx),
    CIPHER(DUPCTX, dupctx),
    CIPHER(ENCRYPT_INIT, encrypt_init),
    CIPHER(ENCRYPT, encrypt),
    CIPHER(DECRYPT_INIT, decrypt_init),
    CIPHER(DECRYPT, decrypt),
    CIPHER(GET_CTX_PARAMS, get_ctx_params),
    CIPHER(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    CIPHER(SET_CTX_PARAMS, set_ctx_params),
    CIPHER(SETTABLE_CTX_PARAMS, settable_ctx_params),
    END,
};

#define EXCHANGE(ID, member) MUST(KEYEXCH, ID, twin_exchange, member)

static const struct place exchange_places[] = {
    EXCHANGE(NEWCTX, newctx),
    EXCHANGE(FREECTX, freectx),
    EXCHANGE(DUPCTX, dupctx),
    EXCHANGE(INIT, init),
    EXCHANGE(DERIVE, derive),
    EXCHANGE(SET_PEER, set_peer),
    EXCHANGE(GET_CTX_PARAMS, get_ctx_params),
    EXCHANGE(GETTABLE_CTX_PARAMS, gettable_ctx_params),
    EXCHANGE(SET_CTX_PARAMS, set_ctx_params),
    EXCHANGE(SETTABLE_CTX_PARAMS, settable_ctx_params),
    END,
};

static const struct wanted {
    int operation;
    const char *name; /* the first in the default provider's list */
    const struct place *places;
    void *to;
} wanted[] = {
    {OSSL_OP_KEYMGMT, "RSA", keymgmt_places, &twins.keymgmt[KEY_RSA]},
    {OSSL_OP_KEYMGMT, "RSA-PSS", keymgmt_places, &twins.keymgmt[KEY_RSA_PSS]},
    {OSSL_OP_KEYMGMT, "EC", keymgmt_places, &twins.keymgmt[KEY_EC]},
    {OSSL_OP_SIGNATURE, "RSA", signature_places, &twins.rsa_signature},
    {OSSL_OP_SIGNATURE, "ECDSA", signature_places, &twins.ecdsa},
    {OSSL_OP_ASYM_CIPHER, "RSA", asym_cipher_places, &twins.rsa_cipher},
    {OSSL_OP_KEYEXCH, "ECDH", exchange_places, &twins.ecdh},
};

static any_fn *function(const OSSL_DISPATCH *d, int id)
{
    for (; d->function_id != 0; d++)
        if (d->function_id == id)
            return d->function;
    return NULL;
}

static bool take(const struct wanted *w, const OSSL_DISPATCH *d)
{
    for (const struct place *p = w->places; p->id != 0; p++) {
        any_fn *fn = function(d, p->id);

        if (fn == NULL && !p->optional)
            return false;
        /* All function pointers look alike. */
        memcpy((char *)w->to + p->offset, &fn, sizeof(fn));
    }
    return true;
}

static bool find(const struct software *sw, const struct wanted *w)
{
    int no_cache = 0;
    size_t len = strlen(w->name);
    const OSSL_ALGORITHM *all =
        OSSL_PROVIDER_query_operation(sw->provider, w->operation, &no_cache);
    bool found = false;

    for (const OSSL_ALGORITHM *a = all; a != NULL && a->algorithm_names != NULL && !found; a++)
        if (strcspn(a->algorithm_names, ":") == len &&
            strncmp(a->algorithm_names, w->name, len) == 0)
            found = take(w, a->implementation);
    if (all != NULL)
        OSSL_PROVIDER_unquery_operation(sw->provider, w->operation, all);
    return found;
}

bool twins_open(const struct software *sw)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool found;
    bool ok;

    pthread_mutex_lock(&lock);
    if (!found) {
        found = true;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
            found = found && find(sw, &wanted[i]);
    }
    ok = found;
    pthread_mutex_unlock(&lock);
    return ok;
}

/* "properties", "mgf1-properties", "digest-props", "kdf-digest-props". */
static bool is_property_query(const OSSL_PARAM *p)
{
    static const char *const ends[] = {"properties", "-props"};
    size_t len = strlen(p->key);

    for (unsigned i = 0; i < 2; i++) {
        size_t n = strlen(ends[i]);

        if (len >= n && strcmp(p->key + len - n, ends[i]) == 0)
            return true;
    }
    return false;
}

bool twin_params(const OSSL_PARAM **params, OSSL_PARAM **copy)
{
    const OSSL_PARAM *p;
    OSSL_PARAM *to;
    bool any = false;

    *copy = NULL;
    if (*params == NULL)
        return true;
    for (p = *params; p->key != NULL; p++)
        any = any || is_property_query(p);
    if (!any)
        return true;
    *copy = to = OPENSSL_malloc((size_t)(p - *params + 1) * sizeof(*p));
    if (to == NULL) {
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return false;
    }
    for (p = *params; p->key != NULL; p++)
        if (!is_property_query(p))
            *to++ = *p;
    *to = OSSL_PARAM_construct_end();
    *params = *copy;
    return true;
}
