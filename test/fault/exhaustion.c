/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the module asks for is refused once, each in its turn: memory,
 * descriptors, mappings, threads. A load may fail then, and so may a call; what
 * is answered is right, nothing crashes, and nothing of it is left behind.
 *
 * Requests are the module's own: those that come straight from its code, and
 * those that OpenSSL's allocator says come from its files. So what OpenSSL
 * itself does without memory is not what is tested.
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

static struct {
    uintptr_t from, to; /* the module's code */
    atomic_long asked;
    long refuse; /* this one; 0: none */
    bool on;     /* and all that follow */
} shim;

static bool refused(void)
{
    long n = atomic_fetch_add(&shim.asked, 1) + 1;

    return shim.refuse != 0 && (n == shim.refuse || (shim.on && n > shim.refuse));
}

/* A sanitizer has an allocator of its own in this place. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
static bool by_module(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    return at >= shim.from && at < shim.to;
}

#define REFUSED() (by_module(__builtin_return_address(0)) && refused())

extern void *__libc_malloc(size_t n);             /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_calloc(size_t n, size_t m);   /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_realloc(void *p, size_t n);   /* NOLINT(bugprone-reserved-identifier) */
extern void *__libc_memalign(size_t a, size_t n); /* NOLINT(bugprone-reserved-identifier) */

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
void *malloc(size_t n)
{
    return REFUSED() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
    return REFUSED() ? NULL : __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
    return REFUSED() ? NULL : __libc_realloc(p, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    if (REFUSED())
        return ENOMEM;
    *p = __libc_memalign(align, n);
    return *p == NULL ? ENOMEM : 0;
}

int eventfd(unsigned count, int flags)
{
    static int (*next)(unsigned, int);

    if (REFUSED()) {
        errno = EMFILE;
        return -1;
    }
    if (next == NULL)
        next = (int (*)(unsigned, int))dlsym(RTLD_NEXT, "eventfd");
    return next(count, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (REFUSED())
        return EAGAIN;
    if (next == NULL)
        next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
            RTLD_NEXT, "pthread_create");
    return next(thread, attr, start, arg);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    static void *(*next)(void *, size_t, int, int, int, off_t);

    if (REFUSED()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (next == NULL)
        next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return next(addr, len, prot, flags, fd, off);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
#endif

/* OpenSSL's allocator, as the module's files use it. */
static bool by_file(const char *file)
{
    return file != NULL && strstr(file, "provider/") == file;
}

static void *ossl_malloc(size_t n, const char *file, int line)
{
    (void)line;
    return n == 0 || (by_file(file) && refused()) ? NULL : malloc(n);
}

static void *ossl_realloc(void *p, size_t n, const char *file, int line)
{
    (void)line;
    return by_file(file) && refused() ? NULL : realloc(p, n);
}

static void ossl_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    if (strstr(info->dlpi_name, "vcrypto.so") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
            shim.from = info->dlpi_addr + p->p_vaddr;
            shim.to = shim.from + p->p_memsz;
        }
    }
    return 1;
}

#define TEXT_LEN 1000

static const char *const names[] = {"AES-128-CBC", "AES-256-GCM"};

struct call {
    EVP_CIPHER *ours;
    uint8_t want[TEXT_LEN + 32];
    int want_len;
};

static const uint8_t key[32] = {3, 1, 4}, iv[16] = {1, 5, 9}, text[TEXT_LEN] = {2, 6};

/* The length; -1: an error. */
static int crypt_with(const EVP_CIPHER *cipher, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = -1, more = 0;

    if (ctx == NULL || EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv) != 1 ||
        EVP_EncryptUpdate(ctx, out, &len, text, TEXT_LEN) != 1 ||
        EVP_EncryptFinal_ex(ctx, out + len, &more) != 1)
        len = -1;
    EVP_CIPHER_CTX_free(ctx);
    return len < 0 ? -1 : len + more;
}

static int one_call(void *arg)
{
    const struct call *c = arg;
    uint8_t out[TEXT_LEN + 32];
    int len = crypt_with(c->ours, out);

    /* An error is fine, a wrong answer is not. */
    if (len >= 0)
        ck_assert(len == c->want_len && memcmp(out, c->want, (size_t)len) == 0);
    return len >= 0;
}

/* Load, calls in a job and outside, and all of it undone. */
static void scenario(void)
{
    struct support s;
    struct call c;
    EVP_CIPHER *theirs;

    if (!support_try_load(&s, "sync = offload\nmin_bytes = 0\n"))
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        c.ours = EVP_CIPHER_fetch(s.libctx, names[i], "provider=vcrypto");
        if (c.ours == NULL)
            continue;
        theirs = support_default(&s, names[i]);
        c.want_len = crypt_with(theirs, c.want);
        ck_assert_int_ge(c.want_len, TEXT_LEN);
        (void)one_call(&c);
        (void)support_in_job(one_call, &c, NULL);
        EVP_CIPHER_free(theirs);
        EVP_CIPHER_free(c.ours);
    }
    support_unload(&s);
}

static void nothing_left(long n)
{
    static const char *const live[] = {"requests", "in-flight", "waiters", "dma-bytes",
                                       "sessions", "keys",      "devices", "contexts"};
    struct support s;
    char name[48];

    support_load(&s, NULL);
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
        snprintf(name, sizeof(name), "vcrypto-live-%s", live[i]);
        for (int ms = 0; ms < 2000 && support_stat(&s, name) != 0; ms++)
            usleep(1000);
        ck_assert_msg(support_stat(&s, name) == 0, "%s after number %ld was refused", name, n);
    }
    support_unload(&s);
}

/* _i: one is refused, or that one and all after it. */
START_TEST(each_in_turn)
{
    const char *asked = getenv("FAULT_STEP");
    /* In a short run not each, but some of all. */
    long step = asked != NULL ? strtol(asked, NULL, 10) : 7, n = 1 - step, tried = 0, most;

    ck_assert_int_eq(CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free), 1);
    /* Twice without: what stays for good has been made then. */
    scenario();
    ck_assert_int_eq(dl_iterate_phdr(find_module, NULL), 1);
    atomic_store(&shim.asked, 0);
    scenario();
    most = atomic_load(&shim.asked);
    ck_assert_int_gt(most, 5);
    shim.on = _i != 0;
    do {
        n += step;
        atomic_store(&shim.asked, 0);
        shim.refuse = n;
        scenario();
        shim.refuse = 0;
        tried++;
        ERR_clear_error();
        if (n / step % 8 == 0)
            nothing_left(n);
    } while (atomic_load(&shim.asked) >= n);
    nothing_left(n);
    printf("%ld of %ld requests refused%s\n", tried, most, shim.on ? " with all that follow" : "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exhaustion");
    TCase *tc = tcase_create("refusals");

    tcase_set_timeout(tc, getenv("FAULT_STEP") != NULL ? 3600 : 110);
    tcase_add_loop_test(tc, each_in_turn, 0, 2);
    suite_add_tcase(s, tc);
    return support_run(s);
}
