/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: lines "key = value" in place of the section, through the
 * provider's own reading of it; and the device list and the emulator's fault
 * string, which hw/ reads. What is accepted must lie in its range.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/params.h>

#include "device_list.h"
#include "emulator/emulator.h"
#include "emulator/faults.h"
#include "input.h"
#include "provider.h"

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            abort();                                                                               \
    } while (0)

#define LINES 16

static struct {
    const char *name, *value;
} lines[LINES];
static unsigned nlines;

static int get_params(const OSSL_CORE_HANDLE *core, OSSL_PARAM params[])
{
    (void)core;
    for (; params->key != NULL; params++)
        for (unsigned i = 0; i < nlines; i++)
            if (strcmp(lines[i].name, params->key) == 0)
                OSSL_PARAM_set_utf8_ptr(params, lines[i].value);
    return 1;
}

static void new_error(const OSSL_CORE_HANDLE *core)
{
    (void)core;
}

static void set_error_debug(const OSSL_CORE_HANDLE *core, const char *file, int line,
                            const char *func)
{
    (void)core, (void)file, (void)line, (void)func;
}

static void vset_error(const OSSL_CORE_HANDLE *core, uint32_t reason, const char *fmt, va_list args)
{
    (void)core, (void)reason, (void)fmt, (void)args;
}

static char *strip(char *s)
{
    char *end;

    while (*s == ' ')
        s++;
    end = s + strlen(s);
    while (end > s && end[-1] == ' ')
        *--end = '\0';
    return s;
}

static void split(char *text)
{
    char *line;

    nlines = 0;
    while (nlines < LINES && (line = strsep(&text, "\n")) != NULL) {
        char *name = strsep(&line, "=");

        if (line == NULL)
            continue;
        lines[nlines].name = strip(name);
        lines[nlines++].value = strip(line);
    }
}

static const char *value_of(const char *name, const char *otherwise)
{
    for (unsigned i = 0; i < nlines; i++)
        if (strcmp(lines[i].name, name) == 0)
            otherwise = lines[i].value;
    return otherwise;
}

static void check(const struct config *c)
{
    unsigned size = c->hw.queue_size;

    MUST(size >= 8 && size <= 256 && (size & (size - 1)) == 0);
    MUST(c->hw.timeout_ms >= 1 && c->hw.timeout_ms <= 3600000);
    MUST(c->hw.emulator_threads >= 1 && c->hw.emulator_threads <= 64);
    MUST(c->hw.emulator_latency_us <= 10000000);
    MUST(c->hw.device != NULL);
}

static void provider_side(void)
{
    static struct provctx prov;

    memset(&prov, 0, sizeof(prov));
    prov.core_get_params = get_params;
    prov.core_new_error = new_error;
    prov.core_set_error_debug = set_error_debug;
    prov.core_vset_error = vset_error;
    algorithms_reset(&prov);
    if (config_load(&prov) == 1)
        check(&prov.config);
}

static void device_side(void)
{
    struct device_list list;
    struct faults faults;
    struct hw_error err = {""};
    const char *device = value_of("device", "emulator");

    /* What the machine has is no matter of the input's. */
    if (strstr(device, "auto") == NULL && device_list_parse(device, &list, &err) == 0) {
        MUST(list.n <= DEVICE_LIST_MAX);
        for (unsigned i = 0; i < list.n; i++)
            MUST(memchr(list.entry[i].spec, 0, sizeof(list.entry[i].spec)) != NULL &&
                 memchr(list.entry[i].name, 0, sizeof(list.entry[i].name)) != NULL);
    }
    MUST(memchr(err.text, 0, sizeof(err.text)) != NULL);
    err.text[0] = '\0';
    if (faults_parse(value_of("emulator_fault", NULL), &faults, &err) != 0)
        MUST(err.text[0] != '\0');
    MUST(memchr(err.text, 0, sizeof(err.text)) != NULL);
}

static void *nothing(void *host, uint64_t iova, size_t len, bool write)
{
    (void)host, (void)iova, (void)len, (void)write;
    return NULL;
}

static void no_message(void *host, uint64_t address, uint32_t data)
{
    (void)host, (void)address, (void)data;
}

/* A function that is accepted can be powered on. */
static void function_side(void)
{
    static const struct emulator_host host = {.dma = nothing, .msi = no_message};
    struct emulator_config cfg = {.fault = value_of("emulator_fault", NULL)};
    struct hw_error err = {""};
    struct emulator *e;
    int rc = emulator_new(&cfg, &host, NULL, &e, &err);

    if (rc == 0)
        emulator_free(e);
    else
        MUST(rc == -EINVAL && err.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);

    MUST(text != NULL);
    split(text);
    provider_side();
    device_side();
    function_side();
    free(text);
    return 0;
}
