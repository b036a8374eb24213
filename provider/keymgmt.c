/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key management of RSA, RSA-PSS and EC keys: the twin does all of it.
 *
 * There is no "load": it takes over a key object that a decoder or store of
 * the same provider has made, and we have neither. The default provider's
 * decoders see that a key of ours is wanted, and export theirs to us.
 */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "provider.h"

static const struct twin_keymgmt *twin_of(const struct key *key)
{
    return &twins.keymgmt[key->type];
}

static void *make(void *provctx, enum key_type type)
{
    struct provctx *prov = provctx;

    return key_new(prov, type, twins.keymgmt[type].new(prov->software.provctx));
}

static void keymgmt_free(void *keydata)
{
    key_unref(keydata);
}

static int keymgmt_has(const void *keydata, int selection)
{
    const struct key *key = keydata;

    return key != NULL && twin_of(key)->has(key->twin, selection);
}

static int keymgmt_match(const void *keydata1, const void *keydata2, int selection)
{
    const struct key *a = keydata1, *b = keydata2;

    return a->type == b->type && twin_of(a)->match(a->twin, b->twin, selection);
}

static int keymgmt_validate(const void *keydata, int selection, int checktype)
{
    const struct key *key = keydata;

    return twin_of(key)->validate(key->twin, selection, checktype);
}

static int keymgmt_import(void *keydata, int selection, const OSSL_PARAM params[])
{
    struct key *key = keydata;

    if (key == NULL)
        return 0;
    key_changes(key);
    return twin_of(key)->import(key->twin, selection, params);
}

static int keymgmt_export(void *keydata, int selection, OSSL_CALLBACK *param_cb, void *cbarg)
{
    struct key *key = keydata;

    return key != NULL && twin_of(key)->export(key->twin, selection, param_cb, cbarg);
}

static void *keymgmt_dup(const void *keydata_from, int selection)
{
    const struct key *from = keydata_from;

    return key_new(from->prov, from->type, twin_of(from)->dup(from->twin, selection));
}

static int keymgmt_get_params(void *keydata, OSSL_PARAM params[])
{
    struct key *key = keydata;

    return twin_of(key)->get_params(key->twin, params);
}

/* Whether there is more than the form in which the key is written. */
static bool changes_numbers(const OSSL_PARAM params[])
{
    static const char *const forms[] = {
        OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PKEY_PARAM_EC_ENCODING,
        OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, OSSL_PKEY_PARAM_EC_GROUP_CHECK_TYPE,
        OSSL_PKEY_PARAM_USE_COFACTOR_ECDH};

    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        unsigned n = 0;

        while (n < sizeof(forms) / sizeof(forms[0]) && strcmp(p->key, forms[n]) != 0)
            n++;
        if (n == sizeof(forms) / sizeof(forms[0]))
            return true;
    }
    return false;
}

static int keymgmt_set_params(void *keydata, const OSSL_PARAM params[])
{
    struct key *key = keydata;

    if (changes_numbers(params))
        key_changes(key);
    return twin_of(key)->set_params(key->twin, params);
}

/* Generation in progress. */
struct gen {
    struct provctx *prov;
    enum key_type type;
    void *twin;
};

static int keymgmt_gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    struct gen *gen = genctx;
    OSSL_PARAM *copy;
    int ok;

    if (!twin_params(&params, &copy))
        return 0;
    ok = twins.keymgmt[gen->type].gen_set_params(gen->twin, params);
    OPENSSL_free(copy);
    return ok;
}

static void keymgmt_gen_cleanup(void *genctx)
{
    struct gen *gen = genctx;

    if (gen == NULL)
        return;
    if (gen->twin != NULL)
        twins.keymgmt[gen->type].gen_cleanup(gen->twin);
    OPENSSL_free(gen);
}

static void *gen_init(void *provctx, enum key_type type, int selection, const OSSL_PARAM params[])
{
    struct provctx *prov = provctx;
    struct gen *gen = OPENSSL_zalloc(sizeof(*gen));
    OSSL_PARAM *copy = NULL;

    if (gen == NULL) {
        ERR_raise(ERR_LIB_PROV, ERR_R_MALLOC_FAILURE);
        return NULL;
    }
    gen->prov = prov;
    gen->type = type;
    if (twin_params(&params, &copy))
        gen->twin = twins.keymgmt[type].gen_init(prov->software.provctx, selection, params);
    OPENSSL_free(copy);
    if (gen->twin == NULL) {
        keymgmt_gen_cleanup(gen);
        return NULL;
    }
    return gen;
}

static int keymgmt_gen_set_template(void *genctx, void *templ)
{
    struct gen *gen = genctx;
    struct key *key = templ;

    return key != NULL && twins.keymgmt[gen->type].gen_set_template(gen->twin, key->twin);
}

static void *keymgmt_gen(void *genctx, OSSL_CALLBACK *cb, void *cbarg)
{
    struct gen *gen = genctx;

    return key_new(gen->prov, gen->type, twins.keymgmt[gen->type].gen(gen->twin, cb, cbarg));
}

/* What is called without a key, and so once for each type. */
#define TYPED(name, TYPE)                                                                          \
    static void *new_##name(void *provctx)                                                         \
    {                                                                                              \
        return make(provctx, TYPE);                                                                \
    }                                                                                              \
    static void *gen_init_##name(void *provctx, int selection, const OSSL_PARAM params[])          \
    {                                                                                              \
        return gen_init(provctx, TYPE, selection, params);                                         \
    }                                                                                              \
    static const OSSL_PARAM *gen_settable_params_##name(void *genctx, void *provctx)               \
    {                                                                                              \
        struct gen *gen = genctx;                                                                  \
        struct provctx *prov = provctx;                                                            \
                                                                                                   \
        return twins.keymgmt[TYPE].gen_settable_params(gen != NULL ? gen->twin : NULL,             \
                                                       prov->software.provctx);                    \
    }                                                                                              \
    static const OSSL_PARAM *gettable_params_##name(void *provctx)                                 \
    {                                                                                              \
        struct provctx *prov = provctx;                                                            \
                                                                                                   \
        return twins.keymgmt[TYPE].gettable_params(prov->software.provctx);                        \
    }                                                                                              \
    static const OSSL_PARAM *import_types_##name(int selection)                                    \
    {                                                                                              \
        return twins.keymgmt[TYPE].import_types(selection);                                        \
    }                                                                                              \
    static const OSSL_PARAM *export_types_##name(int selection)                                    \
    {                                                                                              \
        return twins.keymgmt[TYPE].export_types(selection);                                        \
    }

TYPED(rsa, KEY_RSA)
TYPED(rsa_pss, KEY_RSA_PSS)
TYPED(ec, KEY_EC)

static const char *query_operation_name_rsa_pss(int operation_id)
{
    return twins.keymgmt[KEY_RSA_PSS].query_operation_name(operation_id);
}

static const char *query_operation_name_ec(int operation_id)
{
    return twins.keymgmt[KEY_EC].query_operation_name(operation_id);
}

static const OSSL_PARAM *settable_params_ec(void *provctx)
{
    struct provctx *prov = provctx;

    return twins.keymgmt[KEY_EC].settable_params(prov->software.provctx);
}

#define FN(id, f)                                                                                  \
    {                                                                                              \
        OSSL_FUNC_KEYMGMT_##id, (void (*)(void))(f)                                                \
    }

#define FUNCTIONS(name)                                                                            \
    FN(NEW, new_##name), FN(FREE, keymgmt_free), FN(GEN_INIT, gen_init_##name),                    \
        FN(GEN_SET_PARAMS, keymgmt_gen_set_params),                                                \
        FN(GEN_SETTABLE_PARAMS, gen_settable_params_##name), FN(GEN, keymgmt_gen),                 \
        FN(GEN_CLEANUP, keymgmt_gen_cleanup), FN(GET_PARAMS, keymgmt_get_params),                  \
        FN(GETTABLE_PARAMS, gettable_params_##name), FN(HAS, keymgmt_has),                         \
        FN(MATCH, keymgmt_match), FN(VALIDATE, keymgmt_validate), FN(IMPORT, keymgmt_import),      \
        FN(IMPORT_TYPES, import_types_##name), FN(EXPORT, keymgmt_export),                         \
        FN(EXPORT_TYPES, export_types_##name), FN(DUP, keymgmt_dup)

const OSSL_DISPATCH keymgmt_rsa[] = {FUNCTIONS(rsa), {0, NULL}};

const OSSL_DISPATCH keymgmt_rsa_pss[] = {
    FUNCTIONS(rsa_pss),
    FN(QUERY_OPERATION_NAME, query_operation_name_rsa_pss),
    {0, NULL},
};

const OSSL_DISPATCH keymgmt_ec[] = {
    FUNCTIONS(ec),
    FN(GEN_SET_TEMPLATE, keymgmt_gen_set_template),
    FN(SET_PARAMS, keymgmt_set_params),
    FN(SETTABLE_PARAMS, settable_params_ec),
    FN(QUERY_OPERATION_NAME, query_operation_name_ec),
    {0, NULL},
};
