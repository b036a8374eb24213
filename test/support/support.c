/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <openssl/async.h>
#include <openssl/conf.h>
#include <openssl/params.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *module_dir(void)
{
    const char *dir = getenv("VCRYPTO_MODULE_DIR");

    ck_assert_msg(dir != NULL, "VCRYPTO_MODULE_DIR is not set");
    return dir;
}

static void write_config(char *path, const char *settings)
{
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "openssl_conf = init_sect\nconfig_diagnostics = 1\n"
            "[init_sect]\nrandom = random_sect\nproviders = provider_sect\n"
            "[random_sect]\nproperties = provider=default\n"
            "[provider_sect]\ndefault = default_sect\nvcrypto = vcrypto_sect\n"
            "[default_sect]\nactivate = 1\n"
            "[vcrypto_sect]\nmodule = %s/vcrypto.so\n%s\n",
            module_dir(), settings != NULL ? settings : "");
    ck_assert_int_eq(fclose(f), 0);
}

bool support_try_load(struct support *s, const char *settings)
{
    char path[] = "/tmp/vcrypto-test-XXXXXX";
    int ok;

    memset(s, 0, sizeof(*s));
    s->libctx = OSSL_LIB_CTX_new();
    ck_assert_ptr_nonnull(s->libctx);
    write_config(path, settings);
    ok = OSSL_LIB_CTX_load_config(s->libctx, path);
    unlink(path);
    ck_assert_int_eq(ok, 1);
    /* Loaded here, not activated there: the errors of a provider that the
     * configuration file activates are lost. */
    s->vcrypto = OSSL_PROVIDER_load(s->libctx, "vcrypto");
    if (s->vcrypto != NULL)
        return true;
    OSSL_LIB_CTX_free(s->libctx);
    s->libctx = NULL;
    return false;
}

void support_load(struct support *s, const char *settings)
{
    ck_assert(support_try_load(s, settings));
}

void support_unload(struct support *s)
{
    OSSL_PROVIDER_unload(s->vcrypto);
    OSSL_LIB_CTX_free(s->libctx);
    memset(s, 0, sizeof(*s));
}

uint64_t support_stat(const struct support *s, const char *name)
{
    uint64_t val = UINT64_MAX;
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_uint64(name, &val),
        OSSL_PARAM_construct_end(),
    };

    ck_assert_int_eq(OSSL_PROVIDER_get_params(s->vcrypto, params), 1);
    ck_assert_msg(OSSL_PARAM_modified(&params[0]), "no parameter %s", name);
    return val;
}

void support_settle(const struct support *s, const char *name, uint64_t val)
{
    for (int ms = 0; ms < 2000 && support_stat(s, name) != val; ms++)
        usleep(1000);
    ck_assert_msg(support_stat(s, name) == val, "%s is %llu", name,
                  (unsigned long long)support_stat(s, name));
}

static EVP_CIPHER *fetch(const struct support *s, const char *name, const char *query)
{
    EVP_CIPHER *c = EVP_CIPHER_fetch(s->libctx, name, query);

    ck_assert_msg(c != NULL, "%s is not there", name);
    return c;
}

EVP_CIPHER *support_cipher(const struct support *s, const char *name)
{
    return fetch(s, name, "provider=vcrypto");
}

EVP_CIPHER *support_default(const struct support *s, const char *name)
{
    return fetch(s, name, "provider=default");
}

struct job {
    int (*fn)(void *arg);
    void *arg;
};

static int job_main(void *arg)
{
    struct job *job = *(struct job **)arg;

    return job->fn(job->arg);
}

static void wait_readable(ASYNC_WAIT_CTX *wait)
{
    OSSL_ASYNC_FD fds[4];
    struct pollfd polled[4];
    size_t n = 0;

    ck_assert_int_eq(ASYNC_WAIT_CTX_get_all_fds(wait, NULL, &n), 1);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, 4);
    ck_assert_int_eq(ASYNC_WAIT_CTX_get_all_fds(wait, fds, &n), 1);
    for (size_t i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    ck_assert_msg(poll(polled, n, 10000) > 0, "a paused job was not woken");
}

int support_in_job(int (*fn)(void *arg), void *arg, unsigned *pauses)
{
    ASYNC_WAIT_CTX *wait = ASYNC_WAIT_CTX_new();
    ASYNC_JOB *job = NULL;
    struct job made = {fn, arg}, *to = &made;
    unsigned paused = 0;
    int ret = -1, status;

    ck_assert_ptr_nonnull(wait);
    while ((status = ASYNC_start_job(&job, wait, &ret, job_main, &to, sizeof(to))) == ASYNC_PAUSE) {
        paused++;
        wait_readable(wait);
    }
    ck_assert_int_eq(status, ASYNC_FINISH);
    ASYNC_WAIT_CTX_free(wait);
    if (pauses != NULL)
        *pauses = paused;
    return ret;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t support_hex(const char *hex, uint8_t *out, size_t room)
{
    size_t n = strlen(hex) / 2;

    ck_assert_uint_le(n, room);
    ck_assert_uint_eq(strlen(hex) % 2, 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert(digit(hex[2 * i]) >= 0 && digit(hex[2 * i + 1]) >= 0);
        out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
    return n;
}

uint32_t support_random(struct support_random *r)
{
    /* A linear congruential generator's upper half. */
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 32);
}

uint32_t support_below(struct support_random *r, uint32_t n)
{
    return (uint32_t)(((uint64_t)support_random(r) * n) >> 32);
}

void support_fill(struct support_random *r, void *buf, size_t len)
{
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)support_random(r);
}

int support_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int support_skip(const char *what, const char *why)
{
    printf("skip - %s: %s\n", what, why);
    return 77;
}
