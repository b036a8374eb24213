/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a core dump would show: every mapping of this process that the kernel
 * would write to one is searched for key bytes and for plaintext, after use.
 * What the test itself knows of them lies where no dump looks.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/support/rig.h"
#include "hw.h"
#include "support.h"

#define KEY_LEN  32
#define TEXT_LEN 4000
#define CHUNK    65536

/* One mapping, not dumped. */
static struct hidden {
    uint8_t key[64], text[TEXT_LEN], out[TEXT_LEN + 64], tag[16];
    uint8_t chunk[CHUNK + KEY_LEN];
} * h;

static void hide(void)
{
    struct support_random r = {4711};

    h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(h != MAP_FAILED);
    ck_assert_int_eq(madvise(h, sizeof(*h), MADV_DONTDUMP), 0);
    support_fill(&r, h->key, sizeof(h->key));
    support_fill(&r, h->text, sizeof(h->text));
}

static unsigned search(int mem, unsigned long from, unsigned long to, const uint8_t *what)
{
    unsigned found = 0;

    for (unsigned long at = from; at < to; at += CHUNK) {
        ssize_t n = pread(mem, h->chunk, sizeof(h->chunk), (off_t)at);
        const uint8_t *p = h->chunk;

        while (n > 0 && (p = memmem(p, (size_t)(h->chunk + n - p), what, 16)) != NULL) {
            if (at + (unsigned long)(p - h->chunk) < to && p < h->chunk + CHUNK)
                found++;
            p++;
        }
    }
    return found;
}

/* Of a mapping: whether it holds what the test itself knows. */
static bool hides(unsigned long from, unsigned long to)
{
    return (uintptr_t)h >= from && (uintptr_t)h < to;
}

/* How often 16 bytes are in memory: in what would be dumped, or in all of it but
 * what is hidden. */
static unsigned in_memory(const uint8_t *what, bool all)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long from = 0, to = 0, a, b;
    unsigned found = 0;
    char line[512], name[256] = "", rights[5] = "";

    ck_assert(maps != NULL && mem >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx %4s", &a, &b, rights) == 3) {
            from = a;
            to = b;
            snprintf(name, sizeof(name), "%.250s", line);
        }
        /* What a sanitizer reserves is larger than can be searched. */
        if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " rd") == NULL ||
            strstr(name, "[v") != NULL || to - from > (1ul << 32) ||
            (all ? hides(from, to) : strstr(line, " dd") != NULL))
            continue;
        a = search(mem, from, to, what);
        if (a != 0)
            printf("%lu times in %s", a, name);
        found += (unsigned)a;
    }
    fclose(maps);
    close(mem);
    return found;
}

static unsigned dumped(const uint8_t *what)
{
    return in_memory(what, false);
}

/* The search finds what is there. */
START_TEST(finds)
{
    uint8_t *plain;
    unsigned n;

    hide();
    ck_assert_uint_eq(dumped(h->key), 0);
    plain = malloc(1000);
    ck_assert_ptr_nonnull(plain);
    memcpy(plain + 333, h->key, 16);
    /* Who calls a function for the first time leaves his registers on the
     * stack, where the dynamic linker has saved them. */
    n = dumped(h->key);
    ck_assert_uint_ge(n, 1);
    explicit_bzero(plain, 1000);
    ck_assert_uint_lt(dumped(h->key), n);
    free(plain);
}
END_TEST

/* Key handles are where no dump looks, while they live. */
START_TEST(keys)
{
    static const size_t lens[] = {16, 32, 64};
    struct hw_key_spec spec = {.alg = HW_AES_XTS};
    struct hw_key *key;

    hide();
    spec.bytes = h->key;
    spec.len = lens[_i];
    key = hw_key_new(&spec);
    ck_assert_ptr_nonnull(key);
    ck_assert(hw_key_equals(key, h->key, spec.len));
    ck_assert_uint_eq(dumped(h->key), 0);
    hw_key_unref(key);
    ck_assert_uint_eq(dumped(h->key), 0);
}
END_TEST

/* DMA memory, with the text of a request that the device has, is the parent's
 * alone. */
START_TEST(not_in_children)
{
    struct hw_config cfg = rig_config("lose:1");
    struct hw_pool *pool;
    struct hw_key *key = rig_key(HW_AES_CTR, 16, 1);
    struct hw_request *req = rig_request(key);
    int status;
    pid_t pid;

    hide();
    cfg.timeout_ms = 60000;
    pool = rig_open(&cfg);
    rig_fill(req, h->text, TEXT_LEN);
    ck_assert_int_eq(hw_submit(pool, req, false), 0);
    /* Its session is made meanwhile. */
    RIG_UNTIL(in_memory(h->text + 100, true) != 0);
    pid = fork();
    if (pid == 0)
        _exit(in_memory(h->text + 100, true) == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_uint_ne(in_memory(h->text + 100, true), 0);
    hw_request_unref(req);
    hw_key_unref(key);
    rig_close(pool);
}
END_TEST

static const char *const names[] = {
    "AES-256-ECB", "AES-256-CBC", "AES-256-CTR", "AES-128-XTS", "AES-256-GCM", "ChaCha20-Poly1305",
};

struct use {
    EVP_CIPHER *cipher;
    bool again; /* a second update: an AEAD's stream goes on in software */
};

static int use(void *arg)
{
    const struct use *u = arg;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0, more = 0;
    bool ok = ctx != NULL && EVP_CipherInit_ex(ctx, u->cipher, NULL, h->key, h->text, 1) == 1 &&
              EVP_CipherUpdate(ctx, h->out, &len, h->text, TEXT_LEN / 2) == 1;

    if (ok && u->again)
        ok = EVP_CipherUpdate(ctx, h->out + len, &more, h->text + len, TEXT_LEN / 2) == 1;
    if (ok)
        ok = EVP_CipherFinal_ex(ctx, h->out + len + more, &len) == 1;
    if (!ok)
        ERR_print_errors_fp(stdout);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* _i: algorithm, one or two updates, in a job or not. */
START_TEST(after_use)
{
    struct use u = {.again = _i & 1};
    struct support s;

    hide();
    support_load(&s, SUPPORT_ALL_OFFLOAD);
    u.cipher = support_cipher(&s, names[_i / 4]);
    if (_i & 2)
        ck_assert_int_eq(support_in_job(use, &u, NULL), 1);
    else
        ck_assert_int_eq(use(&u), 1);
    ck_assert_uint_gt(support_stat(&s, "vcrypto-requests"), 0);
    EVP_CIPHER_free(u.cipher);
    support_settle(&s, "vcrypto-live-keys", 0);
    support_settle(&s, "vcrypto-live-sessions", 0);
    /* The device hears of it in the background. */
    for (unsigned i = 0; i < 100 && dumped(h->key) + dumped(h->key + 16) != 0; i++)
        usleep(20000);
    ck_assert_uint_eq(dumped(h->key), 0);
    ck_assert_uint_eq(dumped(h->key + 16), 0);
    for (int i = 0; i < TEXT_LEN - 16; i += 499)
        ck_assert_uint_eq(dumped(h->text + i), 0);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("secrets");
    TCase *tc = tcase_create("core dumps");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, finds);
    tcase_add_loop_test(tc, keys, 0, 3);
    tcase_add_test(tc, not_in_children);
    tcase_add_loop_test(tc, after_use, 0, 4 * (int)(sizeof(names) / sizeof(names[0])));
    suite_add_tcase(s, tc);
    return support_run(s);
}
