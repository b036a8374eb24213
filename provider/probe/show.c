/* SPDX-License-Identifier: Apache-2.0 */
/* Functions in a list, and one device at length. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw_info.h"
#include "probe.h"

struct bit {
    unsigned number;
    const char *name;
};

/* VIRTIO's numbers. */
static const struct bit features[] = {
    {0, "REVISION_1"}, {28, "INDIRECT_DESC"},   {29, "EVENT_IDX"},
    {32, "VERSION_1"}, {33, "ACCESS_PLATFORM"}, {0, NULL},
};
static const struct bit services[] = {
    {0, "CIPHER"}, {1, "HASH"}, {2, "MAC"}, {3, "AEAD"}, {4, "AKCIPHER"}, {0, NULL},
};

/* An algorithm's lengths of key, as hw_pool_supports takes them, and the data
 * that its rates are measured with: two lengths, or one. */
#define LENGTHS     5
#define RATE_COLUMN 72
struct row {
    enum hw_alg alg;
    const char *name;
    size_t keys[LENGTHS];
    const char *labels[LENGTHS];
    size_t rate_key, data[2];
};

#define AES(n)                                                                                     \
    {16, 24, 32}, {"128", "192", "256"}, (n),                                                      \
    {                                                                                              \
        1024, 16384                                                                                \
    }

static const struct row rows[] = {
    {HW_AES_ECB, "AES-ECB", AES(16)},
    {HW_AES_CBC, "AES-CBC", AES(16)},
    {HW_AES_CTR, "AES-CTR", AES(16)},
    {HW_AES_XTS, "AES-XTS", {32, 64}, {"128", "256"}, 32, {1024, 16384}},
    {HW_AES_GCM, "AES-GCM", AES(16)},
    {HW_AES_CCM, "AES-CCM", AES(16)},
    {HW_CHACHA20_POLY1305, "ChaCha20-Poly1305", {32}, {"256"}, 32, {1024, 16384}},
    {HW_RSA,
     "RSA",
     {1024, 2048, 3072, 4096, 8192},
     {"1024", "2048", "3072", "4096", "8192"},
     2048,
     {0}},
    {HW_ECDSA, "ECDSA", {256, 384, 521}, {"P-256", "P-384", "P-521"}, 256, {0}},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void print_bits(const char *label, uint64_t set, const struct bit *names)
{
    printf("  %-10s", label);
    for (; names->name != NULL; names++)
        if (set >> names->number & 1)
            printf(" %s", names->name);
    printf("\n");
}

int probe_list(void)
{
    struct hw_function *f = NULL;
    struct hw_error err = {""};
    int n = hw_functions(&f, &err), ready = 0;

    if (n < 0) {
        fprintf(stderr, "vcrypto-probe: %s\n", err.text);
        return PROBE_BAD;
    }
    for (int i = 0; i < n; i++) {
        printf("%s  %04x:%04x rev %02x  driver %s  IOMMU group ", f[i].address, f[i].vendor,
               f[i].device, f[i].revision, f[i].driver[0] != '\0' ? f[i].driver : "none");
        printf(f[i].group >= 0 ? "%d" : "none", f[i].group);
        if (f[i].numa_node >= 0)
            printf("  node %d", f[i].numa_node);
        if (f[i].caps_known)
            printf("  MSI-X %u%s", f[i].vectors, f[i].flr ? "  FLR" : "");
        printf("\n    %s\n", f[i].ready ? "ready" : f[i].state.text);
        ready += f[i].ready;
    }
    if (n == 0)
        printf("no virtio-crypto function (1af4:1054) on this machine\n");
    free(f);
    return ready != 0 ? PROBE_GOOD : PROBE_BAD;
}

static void print_rate(struct hw_pool *pool, const struct row *r, size_t len)
{
    double rate = probe_rate(pool, r->alg, r->rate_key, len);

    if (rate < 0)
        printf("%14s", "failed");
    else
        printf("%12.0f/s", rate);
}

/* Returns whether any length of key works. */
static bool print_row(struct hw_pool *pool, const struct hw_info *info, const struct row *r,
                      bool quick)
{
    bool any = false;
    int at = 0;

    if (!(info->offered >> r->alg & 1))
        return false;
    at = printf("  %-18s", r->name);
    for (unsigned i = 0; i < LENGTHS && r->keys[i] != 0; i++) {
        struct hw_limits l;
        bool ok = hw_pool_supports(pool, r->alg, r->keys[i], &l);

        at += printf(" %s %s", r->labels[i], ok ? "ok" : "FAILS");
        if (ok && r->alg == HW_RSA && !any)
            at += printf("%s%s", l.rsa_raw ? " raw" : "", l.rsa_pkcs1 ? " PKCS1" : "");
        any = any || ok;
    }
    if (!quick && hw_pool_supports(pool, r->alg, r->rate_key, NULL)) {
        printf("%*s", at < RATE_COLUMN ? RATE_COLUMN - at : 0, "");
        for (unsigned i = 0; i < 2; i++)
            if (r->data[i] != 0 || i == 0)
                print_rate(pool, r, r->data[i]);
    }
    printf("\n");
    return any;
}

static bool print_device(struct hw_pool *pool, bool quick)
{
    struct hw_info info;
    bool any = false;

    hw_pool_info(pool, 0, &info);
    printf("%s\n", info.name);
    print_bits("features", info.features, features);
    print_bits("services", info.services, services);
    printf("  %-10s %u of %u entries, %u interrupt vectors\n", "queues", info.queues,
           info.queue_size, info.vectors);
    printf("  %-10s %zu bytes\n", "longest", info.max_len);
    printf("  %-18s %-*s%s\n", "offered", RATE_COLUMN - 21, "self test by key length",
           quick ? "" : "    1024 bytes   16384 bytes");
    for (unsigned i = 0; i < ROWS; i++)
        any = print_row(pool, &info, &rows[i], quick) || any;
    if (!any)
        printf("  nothing that it offers works\n");
    return any;
}

static void notice(const char *text)
{
    fprintf(stderr, "vcrypto-probe: %s\n", text);
}

int probe_device(const char *spec, bool quick)
{
    const struct hw_config cfg = {
        .device = spec,
        .queue_size = 256,
        .timeout_ms = 2000,
        .emulator_threads = 1,
        .notice = notice,
    };
    struct hw_error err;
    struct hw_pool *pool;
    bool good = false;
    int rc = hw_pool_new(&cfg, &pool, &err);

    if (rc == 0 && hw_pool_devices(pool) != 0)
        good = print_device(pool, quick);
    else
        fprintf(stderr, "vcrypto-probe: %s\n",
                err.text[0] != '\0' ? err.text : strerrordesc_np(-rc));
    hw_pool_free(pool);
    return good ? PROBE_GOOD : PROBE_BAD;
}
