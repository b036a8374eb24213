/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <check.h>
#include <dirent.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool subject_is_vcrypto(void)
{
    const char *subject = getenv("VCRYPTO_TLS_SUBJECT");

    return subject == NULL || strcmp(subject, "default") != 0;
}

static void fail_with_openssl(const char *what)
{
    char reason[256] = "no reason given";
    unsigned long e = ERR_peek_last_error();

    if (e != 0) {
        ERR_error_string_n(e, reason, sizeof(reason));
    }
    ck_abort_msg("%s: %s", what, reason);
}

void world_open_plain(struct world *w)
{
    w->vcrypto = NULL;
    w->libctx = OSSL_LIB_CTX_new();
    ck_assert_ptr_nonnull(w->libctx);
}

/* The lines of extra come last, and the last of two equal keys counts. */
static void write_configuration(FILE *f, const char *extra)
{
    const char *dir = getenv("VCRYPTO_MODULE_DIR");

    ck_assert_msg(dir != NULL, "VCRYPTO_MODULE_DIR does not say where vcrypto.so is");
    fprintf(f,
            "openssl_conf = init\n"
            "config_diagnostics = 1\n"
            "[init]\n"
            "random = random_sect\n"
            "providers = providers_sect\n"
            "alg_section = algorithms_sect\n"
            "[random_sect]\n"
            "properties = provider=default\n"
            "[providers_sect]\n"
            "default = default_sect\n"
            "vcrypto = vcrypto_sect\n"
            "[default_sect]\n"
            "activate = 1\n"
            "[algorithms_sect]\n"
            "default_properties = ?provider=vcrypto\n"
            "[vcrypto_sect]\n"
            "module = %s/vcrypto.so\n"
            "activate = 1\n"
            "device = emulator\n"
            "sync = offload\n"
            "min_bytes = 0\n"
            "fallback = no\n"
            "%s\n",
            dir, extra == NULL ? "" : extra);
}

void world_open_subject(struct world *w, const char *extra)
{
    char path[] = "/tmp/vcrypto-tls-XXXXXX";
    FILE *f;
    int fd, loaded;

    world_open_plain(w);
    if (!subject_is_vcrypto()) {
        return;
    }
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    write_configuration(f, extra);
    fclose(f);
    loaded = OSSL_LIB_CTX_load_config(w->libctx, path);
    unlink(path);
    if (loaded != 1) {
        fail_with_openssl("the subject's configuration");
    }
    w->vcrypto = OSSL_PROVIDER_load(w->libctx, "vcrypto");
    if (w->vcrypto == NULL) {
        fail_with_openssl("the provider");
    }
}

void world_close(struct world *w)
{
    OSSL_PROVIDER_unload(w->vcrypto);
    OSSL_LIB_CTX_free(w->libctx);
    *w = (struct world){0};
}

struct figures world_figures(const struct world *w)
{
    struct figures f = {0};
    uint64_t timeout = 0, error = 0, backlog = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_uint64("vcrypto-requests", &f.requests),
        OSSL_PARAM_uint64("vcrypto-completions", &f.completions),
        OSSL_PARAM_uint64("vcrypto-errors", &f.errors),
        OSSL_PARAM_uint64("vcrypto-timeouts", &f.timeouts),
        OSSL_PARAM_uint64("vcrypto-software-total", &f.software),
        OSSL_PARAM_uint64("vcrypto-software-timeout", &timeout),
        OSSL_PARAM_uint64("vcrypto-software-device-error", &error),
        OSSL_PARAM_uint64("vcrypto-software-backlog", &backlog),
        OSSL_PARAM_uint64("vcrypto-live-requests", &f.live_requests),
        OSSL_PARAM_uint64("vcrypto-live-waiters", &f.live_waiters),
        OSSL_PARAM_uint64("vcrypto-live-contexts", &f.live_contexts),
        OSSL_PARAM_uint64("vcrypto-live-dma-bytes", &f.live_dma_bytes),
        OSSL_PARAM_END,
    };

    if (w->vcrypto == NULL) {
        return f;
    }
    ck_assert_int_eq(OSSL_PROVIDER_get_params(w->vcrypto, params), 1);
    for (OSSL_PARAM *p = params; p->key != NULL; p++) {
        ck_assert_msg(OSSL_PARAM_modified(p), "the provider does not tell %s", p->key);
    }
    f.fallbacks = timeout + error + backlog;
    return f;
}

void world_settled(const struct world *w, const char *label)
{
    struct figures f = {0};

    for (int i = 0; i < 1000; i++) {
        f = world_figures(w);
        if ((f.live_requests | f.live_waiters | f.live_dma_bytes) == 0) {
            return;
        }
        usleep(1000);
    }
    ck_abort_msg("%s: still alive: %llu requests, %llu waiters, %llu DMA bytes", label,
                 (unsigned long long)f.live_requests, (unsigned long long)f.live_waiters,
                 (unsigned long long)f.live_dma_bytes);
}

void world_idle(const struct world *w, const char *label)
{
    struct figures f;

    world_settled(w, label);
    f = world_figures(w);
    ck_assert_msg(f.live_contexts == 0, "%s: %llu contexts still open", label,
                  (unsigned long long)f.live_contexts);
}

unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}
