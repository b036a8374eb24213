/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mistakes in an openssl.cnf that a load cannot find or does not show: a
 * provider sees only the keys that it asks for, and libcrypto passes over what
 * it does not understand.
 */
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "provider.h"

/* The file, and the section that is looked at: what config.c takes for the
 * core. */
struct file {
    const char *name;
    CONF *conf;
    const char *section;
    unsigned faults;
};

/* Keys of a provider's section that OpenSSL itself reads. */
static const char *const openssl_keys[] = {"module", "activate", "identity", "soft_load"};

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof(openssl_keys) / sizeof(openssl_keys[0]); i++)
        if (strcmp(key, openssl_keys[i]) == 0)
            return true;
    return config_is_key(key);
}

/* NULL: not there, which is no error. */
static const char *get(const struct file *f, const char *section, const char *key)
{
    const char *value;

    if (section == NULL)
        return NULL;
    ERR_set_mark();
    value = NCONF_get_string(f->conf, section, key);
    ERR_pop_to_mark();
    return value;
}

/* A section is vcrypto's by its module's name. */
static bool is_ours(const struct file *f, const char *section)
{
    const char *module = get(f, section, "module");
    const char *slash = module != NULL ? strrchr(module, '/') : NULL;

    if (module == NULL)
        return false;
    return strncmp(slash != NULL ? slash + 1 : module, "vcrypto", strlen("vcrypto")) == 0;
}

static int core_get_params(const OSSL_CORE_HANDLE *core, OSSL_PARAM params[])
{
    const struct file *f = (const struct file *)(const void *)core;

    for (OSSL_PARAM *p = params; p->key != NULL; p++) {
        const char *value = get(f, f->section, p->key);

        if (value != NULL && !OSSL_PARAM_set_utf8_ptr(p, value))
            return 0;
    }
    return 1;
}

/* What is wrong with a value config.c says on standard error too. */
static void core_new_error(const OSSL_CORE_HANDLE *core)
{
    (void)core;
}
static void core_set_error_debug(const OSSL_CORE_HANDLE *core, const char *file, int line,
                                 const char *func)
{
    (void)core, (void)file, (void)line, (void)func;
}
static void core_vset_error(const OSSL_CORE_HANDLE *core, uint32_t reason, const char *fmt,
                            va_list args)
{
    (void)core, (void)reason, (void)fmt, (void)args;
}

/* The values, as a load would take them. */
static bool values_are_good(struct file *f)
{
    struct provctx *prov = aligned_alloc(alignof(struct provctx), sizeof(*prov));
    bool good;

    if (prov == NULL)
        return false;
    memset(prov, 0, sizeof(*prov));
    prov->core = (const OSSL_CORE_HANDLE *)(const void *)f;
    prov->core_get_params = core_get_params;
    prov->core_new_error = core_new_error;
    prov->core_set_error_debug = core_set_error_debug;
    prov->core_vset_error = core_vset_error;
    algorithms_reset(prov);
    good = config_load(prov) == 1;
    free(prov);
    return good;
}

static void check_section(struct file *f)
{
    const STACK_OF(CONF_VALUE) *lines = NCONF_get_section(f->conf, f->section);

    for (int i = 0; i < sk_CONF_VALUE_num(lines); i++) {
        const char *key = sk_CONF_VALUE_value(lines, i)->name;

        if (is_known(key))
            continue;
        printf("%s: [%s]: unknown key: %s\n", f->name, f->section, key);
        f->faults++;
    }
    if (!values_are_good(f)) {
        printf("%s: [%s]: a bad value, see above\n", f->name, f->section);
        f->faults++;
    }
}

/* What a good section is of no use without. Notes, since all of it may be set
 * by calls as well. */
static void check_surroundings(const struct file *f)
{
    const char *init = get(f, "default", "openssl_conf");
    const char *algorithms = get(f, init, "alg_section");
    const char *query = get(f, algorithms, "default_properties");
    const char *random_query = get(f, get(f, init, "random"), "properties");
    const char *default_provider = get(f, get(f, init, "providers"), "default");

    if (init == NULL || get(f, init, "providers") == NULL)
        printf("%s: note: openssl_conf leads to no section with providers\n", f->name);
    if (get(f, "default", "config_diagnostics") == NULL)
        printf("%s: note: without config_diagnostics = 1 a failed load is passed over\n", f->name);
    if (get(f, default_provider, "activate") == NULL)
        printf("%s: note: the default provider is not activated\n", f->name);
    if (query == NULL || strstr(query, "vcrypto") == NULL)
        printf("%s: note: no default_properties prefer vcrypto\n", f->name);
    if (random_query == NULL || strstr(random_query, "provider=default") == NULL)
        printf("%s: note: the random generator is not kept away: [random] properties\n", f->name);
}

static int check_all(struct file *f)
{
    STACK_OF(OPENSSL_CSTRING) *names = NCONF_get_section_names(f->conf);
    unsigned ours = 0;

    for (int i = 0; i < sk_OPENSSL_CSTRING_num(names); i++) {
        f->section = sk_OPENSSL_CSTRING_value(names, i);
        if (!is_ours(f, f->section))
            continue;
        ours++;
        check_section(f);
    }
    sk_OPENSSL_CSTRING_free(names);
    if (ours == 0) {
        printf("%s: no section with a module vcrypto\n", f->name);
        return PROBE_BAD;
    }
    check_surroundings(f);
    if (f->faults == 0)
        printf("%s: good\n", f->name);
    return f->faults == 0 ? PROBE_GOOD : PROBE_BAD;
}

int probe_config(const char *file)
{
    struct file f = {.name = file, .conf = NCONF_new(NULL)};
    long line = 0;
    int status = PROBE_BAD;

    if (f.conf != NULL && NCONF_load(f.conf, file, &line) > 0)
        status = check_all(&f);
    else if (line > 0)
        printf("%s: line %ld cannot be read\n", file, line);
    else
        printf("%s: cannot be read\n", file);
    ERR_clear_error();
    NCONF_free(f.conf);
    return status;
}
