/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An init that fails for want of memory for its key, in an application that goes
 * on all the same: what follows is done with the old key and the old IV, or is
 * refused, but never with the old key and the new IV, which would be its keystream
 * a second time, nor with one key here and another there.
 */
#include <check.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "support.h"

#define LEN  400
#define MOST 4000 /* keys until memory is short */

static atomic_bool refuse;

/* The module's: keys come from slabs, and slabs from here. */
void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    return atomic_load(&refuse) ? MAP_FAILED : real(addr, len, prot, flags, fd, offset);
}

static const char *const names[] = {"AES-128-GCM", "ChaCha20-Poly1305", "AES-128-CTR",
                                    "AES-128-CBC"};
#define NAMES ((int)(sizeof(names) / sizeof(names[0])))

static const uint8_t first[32] = {1}, second[32] = {2}, iv1[16] = {3}, iv2[16] = {4};
static const uint8_t plain[LEN] = {5};
static struct support s;

/* New keys until there is no room for one more. */
static unsigned fill(EVP_CIPHER_CTX **ctx, const EVP_CIPHER *cipher)
{
    unsigned n;
    uint8_t key[32] = {9};

    for (n = 0; n < MOST; n++) {
        memcpy(key + 1, &n, sizeof(n));
        ctx[n] = EVP_CIPHER_CTX_new();
        if (EVP_EncryptInit_ex(ctx[n], cipher, NULL, key, iv1) != 1)
            return n + 1;
    }
    ck_abort_msg("%d keys fit", MOST);
}

static bool made_with(const EVP_CIPHER *theirs, const uint8_t *out, int len, const uint8_t *iv,
                      const uint8_t *key)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t want[LEN + 32];
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(c, theirs, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(c, want, &n, plain, len), 1);
    EVP_CIPHER_CTX_free(c);
    return memcmp(out, want, (size_t)len) == 0;
}

START_TEST(no_key)
{
    static EVP_CIPHER_CTX *others[MOST];
    EVP_CIPHER *ours, *theirs;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t out[LEN + 32];
    unsigned n;
    int len, rc;

    support_load(&s, "sync = offload\nmin_bytes = 150\nfallback = no\n");
    ours = support_cipher(&s, names[_i]);
    theirs = support_default(&s, names[_i]);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, ours, NULL, first, iv1), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(c, out, &len, plain, 160), 1);
    ck_assert_int_eq(len, 160);
    atomic_store(&refuse, true);
    n = fill(others, ours);
    rc = EVP_EncryptInit_ex(c, NULL, NULL, second, iv2);
    atomic_store(&refuse, false);
    ck_assert_int_eq(rc, 0);
    ERR_clear_error();
    /* Where it goes on, it does so where it was. */
    if (EVP_EncryptUpdate(c, out + 160, &len, plain + 160, 160) == 1)
        ck_assert(made_with(theirs, out, 320, iv1, first));
    /* And with a new IV, small or large, it has the first key. */
    for (int size = 100; size <= 200; size += 100) {
        ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv2), 1);
        ck_assert_int_eq(EVP_EncryptUpdate(c, out, &len, plain, size), 1);
        ck_assert(made_with(theirs, out, len, iv2, first));
    }
    ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, second, iv1), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(c, out, &len, plain, 200), 1);
    ck_assert(made_with(theirs, out, len, iv1, second));
    for (unsigned i = 0; i < n; i++)
        EVP_CIPHER_CTX_free(others[i]);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rekey");
    TCase *tc = tcase_create("rekey");

    tcase_add_loop_test(tc, no_key, 0, NAMES);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
