/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory runs out within an AEAD message: with its AAD, with its first data, or
 * where it goes on behind what the device has done and the default provider is to
 * be brought there. Nothing more is taken until the next message, since to begin
 * again would use keystream twice, and there is no tag, which would be of a part.
 */
#include <check.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define LEN   640
#define FIRST 200
#define AAD   100
#define TAG   16

/* Where it runs out. */
enum place { AT_AAD, AT_DATA, BEHIND, PLACES };

static const struct {
    const char *name;
    int least[PLACES]; /* failures there are */
} modes[] = {
    {"ChaCha20-Poly1305", {0, 0, 2}}, /* the default provider has its context already */
    {"AES-128-GCM", {1, 1, 2}},
};
#define MODES (int)(sizeof(modes) / sizeof(modes[0]))

static const uint8_t aad[AAD] = {4};

/* OpenSSL's allocator, and the module's: from now on this one is refused, and
 * all that follow. Less than 0: none is. */
static atomic_int refuse_from = -1;
/* Those that follow are not. */
static atomic_bool once;

static bool refused(void)
{
    int n = atomic_load(&refuse_from);

    if (n > 0 || (n == 0 && atomic_load(&once)))
        atomic_fetch_sub(&refuse_from, 1);
    return n == 0;
}

static void *get_memory(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return refused() ? NULL : malloc(n);
}

static void *get_other_memory(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return refused() ? NULL : realloc(p, n);
}

static void give_memory(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static int update(EVP_CIPHER_CTX *c, uint8_t *out, const uint8_t *in, int len)
{
    int n = 0;

    return EVP_EncryptUpdate(c, out, &n, in, len);
}

/* The message up to there, and the step that may fail. */
static int step(EVP_CIPHER_CTX *c, enum place place, int refuse, uint8_t *out, const uint8_t *plain)
{
    int ok;

    if (place != AT_AAD)
        ck_assert_int_eq(update(c, NULL, aad, AAD), 1);
    if (place == BEHIND)
        ck_assert_int_eq(update(c, out, plain, FIRST), 1);
    atomic_store(&refuse_from, refuse);
    switch (place) {
    case AT_AAD: ok = update(c, NULL, aad, AAD); break;
    case AT_DATA: ok = update(c, out, plain, FIRST); break;
    default: ok = update(c, out + FIRST, plain + FIRST, LEN - FIRST); break;
    }
    atomic_store(&refuse_from, -1);
    ERR_clear_error();
    return ok;
}

/* The rest of a message of which that step succeeded. */
static void rest(EVP_CIPHER_CTX *c, enum place place, uint8_t *out, const uint8_t *plain)
{
    int n;

    if (place == AT_AAD)
        ck_assert_int_eq(update(c, out, plain, FIRST), 1);
    if (place != BEHIND)
        ck_assert_int_eq(update(c, out + FIRST, plain + FIRST, LEN - FIRST), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(c, out + LEN, &n), 1);
}

static void is_lost(EVP_CIPHER_CTX *c, const uint8_t *plain)
{
    uint8_t out[LEN] = {0};
    int n;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(update(c, i == 1 ? NULL : out, plain, LEN), 0);
        ERR_clear_error();
    }
    ck_assert_int_eq(EVP_EncryptFinal_ex(c, out, &n), 0);
    ERR_clear_error();
    ck_assert_int_le(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, out), 0);
    ERR_clear_error();
}

START_TEST(no_memory)
{
    static const uint8_t key[32] = {1}, iv[12] = {2}, plain[LEN] = {3};
    const char *name = modes[_i / PLACES].name;
    enum place place = (enum place)(_i % PLACES);
    uint8_t want[LEN], out[LEN], tag[TAG], made[TAG];
    struct support s;
    EVP_CIPHER *ours, *theirs;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int failed = 0, n;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ours = support_cipher(&s, name);
    theirs = support_default(&s, name);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, theirs, NULL, key, iv), 1);
    ck_assert_int_eq(step(c, AT_AAD, -1, want, plain), 1);
    rest(c, AT_AAD, want, plain);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, tag), 1);
    for (int at = 0;; at++) {
        uint64_t before = support_stat(&s, "vcrypto-requests");

        EVP_CIPHER_CTX_free(c);
        c = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_EncryptInit_ex(c, ours, NULL, key, iv), 1);
        if (step(c, place, at, out, plain) == 1)
            break;
        ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), before + (place == BEHIND));
        failed++;
        is_lost(c, plain);
        /* And the next one is whole. */
        ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv), 1);
        ck_assert_int_eq(update(c, NULL, aad, AAD), 1);
        ck_assert_int_eq(update(c, out, plain, LEN), 1);
        ck_assert_int_eq(EVP_EncryptFinal_ex(c, made, &n), 1);
        ck_assert_mem_eq(out, want, LEN);
    }
    rest(c, place, out, plain);
    ck_assert_mem_eq(out, want, LEN);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, made), 1);
    ck_assert_mem_eq(made, tag, TAG);
    ck_assert_int_ge(failed, modes[_i / PLACES].least[place]);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_unload(&s);
}
END_TEST

enum { KEY_EC, KEY_RSA, KEY_PKCS1, KEY_PSS, KEYS };

static int sign(struct support *s, EVP_PKEY *key, int kind, int refuse)
{
    static const uint8_t digest[32] = {5};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s->libctx, key, "provider=vcrypto");
    uint8_t sig[256];
    size_t len = sizeof(sig);
    int rc;

    ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
    if (kind > KEY_RSA)
        ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    if (kind == KEY_PSS)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
    ERR_clear_error();
    atomic_store(&refuse_from, refuse);
    rc = EVP_PKEY_sign(ctx, sig, &len, digest, sizeof(digest));
    EVP_PKEY_CTX_free(ctx);
    return rc;
}

/* One piece of memory is refused while a new key signs for the first time: there
 * is a signature, or an error, not both; and then it is the device's key all the
 * same. (Of an RSA key OpenSSL may give out, or take, less than there
 * is, and call that success.) */
START_TEST(key_once)
{
    struct support s;
    EVP_PKEY *like;
    int at;

    support_load(&s, "sync = offload\nmin_bytes = 0\n");
    atomic_store(&once, true);
    like = _i != KEY_EC ? EVP_PKEY_Q_keygen(s.libctx, "provider=vcrypto", "RSA", (size_t)1024)
                        : EVP_PKEY_Q_keygen(s.libctx, "provider=vcrypto", "EC", "P-256");
    ck_assert_ptr_nonnull(like);
    for (at = 0;; at++) {
        EVP_PKEY *key = EVP_PKEY_dup(like);
        int rc = sign(&s, key, _i, at);
        bool all = atomic_exchange(&refuse_from, -1) >= 0;
        uint64_t before;

        ck_assert_msg((rc == 1) == (ERR_peek_error() == 0), "memory %d: %d, error %lx", at, rc,
                      ERR_peek_error());
        before = support_stat(&s, "vcrypto-requests");
        rc = sign(&s, key, _i, -1);
        ck_assert_msg(rc == 1, "memory %d: then %d, error %lx", at, rc, ERR_peek_last_error());
        if (_i == KEY_EC)
            ck_assert_msg(support_stat(&s, "vcrypto-requests") == before + 1, "memory %d", at);
        EVP_PKEY_free(key);
        if (all)
            break;
    }
    ck_assert_int_gt(at, 50);
    EVP_PKEY_free(like);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tc = tcase_create("no_memory");

    if (CRYPTO_set_mem_functions(get_memory, get_other_memory, give_memory) != 1)
        return EXIT_FAILURE;
    tcase_add_loop_test(tc, no_memory, 0, MODES * PLACES);
    tcase_add_loop_test(tc, key_once, 0, KEYS);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
