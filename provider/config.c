/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/params.h>

#include "provider.h"

struct key;

struct choice {
    const char *word;
    uint8_t value; /* of a bool or an enumeration in one byte */
};

/*
 * A key of the section. Its value goes to offset in struct config, as the type
 * its kind says; check looks at texts only.
 */
struct key {
    const char *name;
    enum { NUMBER, POWER_OF_TWO, CHOICE, TEXT } kind;
    size_t offset;
    const char *initial;
    const char *accepted; /* for people; numbers say their range themselves */
    unsigned min, max;
    const struct choice *choices; /* to a NULL word */
    int (*check)(struct provctx *prov, const struct key *key, const char *value);
};

#define AT(m) offsetof(struct config, m)

static const struct choice sync_choices[] = {{"software", false}, {"offload", true}, {NULL, 0}};
static const struct choice yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
static const struct choice completion_choices[] = {{"interrupt", HW_COMPLETION_INTERRUPT},
                                                   {"poll", HW_COMPLETION_POLL},
                                                   {"adaptive", HW_COMPLETION_ADAPTIVE},
                                                   {NULL, 0}};

static int check_device(struct provctx *prov, const struct key *key, const char *value);
static int check_algorithms(struct provctx *prov, const struct key *key, const char *value);
static int check_min_bytes(struct provctx *prov, const struct key *key, const char *value);

#define NUM(name, m, initial, min, max)                                                            \
    {                                                                                              \
        name, NUMBER, AT(m), initial, NULL, min, max, NULL, NULL                                   \
    }

static const struct key keys[] = {
    /* First: what min_bytes is unless it is set depends on it. */
    {"device", TEXT, AT(hw.device), "emulator",
     "a comma-separated list of: emulator, auto, pci:DDDD:BB:DD.F", 0, 0, NULL, check_device},
    {"algorithms", TEXT, AT(algorithms), "ALL",
     "ALL, or a comma-separated list of names as `openssl list -cipher-algorithms` shows them", 0,
     0, NULL, check_algorithms},
    {"sync", CHOICE, AT(sync_offload), "software", "software, offload", 0, 0, sync_choices, NULL},
    {"min_bytes", TEXT, AT(min_bytes), NULL,
     "a comma-separated list of: N, NAME:N, NAME:enc:N, NAME:dec:N", 0, 0, NULL, check_min_bytes},
    {"completion", CHOICE, AT(hw.completion), "adaptive", "adaptive, interrupt, poll", 0, 0,
     completion_choices, NULL},
    {"queue_size", POWER_OF_TWO, AT(hw.queue_size), "256", NULL, 8, 256, NULL, NULL},
    NUM("timeout_ms", hw.timeout_ms, "2000", 1, 3600000),
    {"fallback", CHOICE, AT(fallback), "yes", "yes, no", 0, 0, yes_no, NULL},
    NUM("emulator_threads", hw.emulator_threads, "1", 1, 64),
    NUM("emulator_latency_us", hw.emulator_latency_us, "0", 0, 10000000),
    /* What faults there are only the emulator knows: it refuses bad ones. */
    {"emulator_fault", TEXT, AT(hw.emulator_fault), "none", NULL, 0, 0, NULL, NULL},
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

static int refuse(const struct provctx *prov, enum errors_reason reason, const struct key *key,
                  const char *value)
{
    if (key->accepted != NULL)
        errors_load(prov, reason, "%s = %s: accepted is %s", key->name, value, key->accepted);
    else
        errors_load(prov, reason, "%s = %s: accepted is %s from %u to %u", key->name, value,
                    key->kind == POWER_OF_TWO ? "a power of two" : "a number", key->min, key->max);
    return 0;
}

/* All of s, which ends at end: decimal digits and nothing else. */
static bool parse_number(const char *s, const char *end, unsigned long long max,
                         unsigned long long *out)
{
    unsigned long long n = 0;

    if (s == end)
        return false;
    for (; s < end; s++) {
        if (*s < '0' || *s > '9')
            return false;
        n = n * 10 + (unsigned)(*s - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return true;
}

static int set_number(struct provctx *prov, const struct key *key, const char *value)
{
    unsigned long long n = 0;

    if (!parse_number(value, value + strlen(value), key->max, &n) || n < key->min ||
        (key->kind == POWER_OF_TWO && (n & (n - 1)) != 0))
        return refuse(prov, ERRORS_BAD_CONFIG, key, value);
    *(unsigned *)((char *)&prov->config + key->offset) = (unsigned)n;
    return 1;
}

static int set_choice(struct provctx *prov, const struct key *key, const char *value)
{
    const struct choice *c = key->choices;

    while (c->word != NULL && strcmp(c->word, value) != 0)
        c++;
    if (c->word == NULL)
        return refuse(prov, ERRORS_BAD_CONFIG, key, value);
    *((uint8_t *)&prov->config + key->offset) = c->value;
    return 1;
}

static int set_text(struct provctx *prov, const struct key *key, const char *value)
{
    if (value != NULL && key->check != NULL && !key->check(prov, key, value))
        return 0;
    *(const char **)((char *)&prov->config + key->offset) = value;
    return 1;
}

static int set_key(struct provctx *prov, const struct key *key, const char *value)
{
    switch (key->kind) {
    case NUMBER:
    case POWER_OF_TWO: return set_number(prov, key, value);
    case CHOICE: return set_choice(prov, key, value);
    case TEXT: break;
    }
    return set_text(prov, key, value);
}

/* The next entry of a comma-separated list, without the blanks around it.
 * False at its end; an empty entry is one too. */
static bool next_entry(const char **list, const char **entry, const char **end)
{
    const char *s = *list;

    if (s == NULL)
        return false;
    *list = strchr(s, ',');
    *end = *list != NULL ? *list : s + strlen(s);
    if (*list != NULL)
        ++*list;
    while (s < *end && (*s == ' ' || *s == '\t'))
        s++;
    while (*end > s && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        --*end;
    *entry = s;
    return true;
}

static bool is_word(const char *s, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - s) == len && strncasecmp(s, word, len) == 0;
}

static int check_device(struct provctx *prov, const struct key *key, const char *value)
{
    const char *s, *end;

    for (const char *list = value; next_entry(&list, &s, &end);) {
        if (!is_word(s, end, "emulator") && !is_word(s, end, "auto") &&
            (end - s <= 4 || strncmp(s, "pci:", 4) != 0))
            return refuse(prov, ERRORS_BAD_CONFIG, key, value);
        if (!is_word(s, end, "emulator"))
            algorithms_expect_functions(prov);
    }
    return 1;
}

static int check_algorithms(struct provctx *prov, const struct key *key, const char *value)
{
    const char *s, *end;

    if (strcasecmp(value, "ALL") == 0)
        return 1;
    for (int i = 0; i < ALG_COUNT; i++)
        prov->algorithms[i].wanted = false;
    for (int i = 0; i < FAMILY_COUNT; i++)
        prov->families[i].wanted = false;
    for (const char *list = value; next_entry(&list, &s, &end);) {
        int id = algorithms_find(s, (size_t)(end - s));
        int family = families_find(s, (size_t)(end - s));

        if (id >= 0)
            prov->algorithms[id].wanted = true;
        else if (family >= 0)
            prov->families[family].wanted = true;
        else
            return refuse(prov, ERRORS_BAD_CONFIG, key, value);
    }
    return 1;
}

/* The last ':' in [s, end), or NULL. */
static const char *last_colon(const char *s, const char *end)
{
    return memrchr(s, ':', (size_t)(end - s));
}

/* One entry of min_bytes: which rows and directions, and how many bytes. */
static bool set_min_bytes(struct provctx *prov, const char *s, const char *end)
{
    const char *colon = last_colon(s, end);
    unsigned long long n;
    bool set[2] = {true, true};
    int first = 0, last = ALG_COUNT - 1;

    if (!parse_number(colon != NULL ? colon + 1 : s, end, SIZE_MAX / 2, &n))
        return false;
    if (colon != NULL) {
        const char *name_end = colon;
        const char *dir = last_colon(s, colon);

        if (dir != NULL) {
            set[HW_ENCRYPT] = is_word(dir + 1, colon, "enc");
            set[HW_DECRYPT] = is_word(dir + 1, colon, "dec");
            name_end = dir;
        }
        first = last = algorithms_find(s, (size_t)(name_end - s));
        if (first < 0)
            return set[HW_DECRYPT] &&
                   families_set_min(prov, families_find(s, (size_t)(name_end - s)), (size_t)n);
        if (!set[HW_ENCRYPT] && !set[HW_DECRYPT])
            return false;
    } else {
        families_set_min(prov, FAMILY_EC, (size_t)n);
    }
    for (int i = first; i <= last; i++)
        for (int op = HW_ENCRYPT; op <= HW_DECRYPT; op++)
            if (set[op])
                prov->algorithms[i].min_bytes[op] = (size_t)n;
    return true;
}

static int check_min_bytes(struct provctx *prov, const struct key *key, const char *value)
{
    const char *s, *end;

    for (const char *list = value; next_entry(&list, &s, &end);)
        if (!set_min_bytes(prov, s, end))
            return refuse(prov, ERRORS_BAD_CONFIG, key, value);
    return 1;
}

int config_load(struct provctx *prov)
{
    const char *values[KEYS];
    OSSL_PARAM params[KEYS + 1];

    for (size_t i = 0; i < KEYS; i++) {
        values[i] = keys[i].initial;
        params[i] = OSSL_PARAM_construct_utf8_ptr(keys[i].name, (char **)(uintptr_t)&values[i], 0);
    }
    params[KEYS] = OSSL_PARAM_construct_end();
    if (!prov->core_get_params(prov->core, params)) {
        errors_load(prov, ERRORS_BAD_CONFIG, "the configuration cannot be read");
        return 0;
    }
    for (size_t i = 0; i < KEYS; i++)
        if (!set_key(prov, &keys[i], values[i]))
            return 0;
    return 1;
}

bool config_is_key(const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return true;
    return false;
}
