/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device fails in the middle of a message, and there is no software behind it:
 * the message is lost as a whole. Nothing more of it is taken: an AEAD's keystream
 * would begin anew and its tag be one of a part, and another mode's blocks would
 * have a hole. The next message is as good as ever.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "support.h"

#define LONG  200 /* the device's */
#define SHORT 100

static const struct mode {
    const char *name;
    size_t iv_len;
    bool announced; /* the length comes before the data, which comes in one */
} modes[] = {
    {"AES-128-GCM", 12, false},
    {"ChaCha20-Poly1305", 12, false},
    {"AES-128-CCM", 12, true},
};
#define MODES ((int)(sizeof(modes) / sizeof(modes[0])))

static const uint8_t key[32] = {1}, plain[LONG] = {3};
static struct support s;

static void start(EVP_CIPHER_CTX *c, const struct mode *m, const EVP_CIPHER *cipher, bool enc,
                  uint8_t first, const uint8_t *tag)
{
    uint8_t iv[16] = {first};

    if (cipher != NULL) {
        ck_assert_int_eq(EVP_CipherInit_ex(c, cipher, NULL, NULL, NULL, enc), 1);
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, (int)m->iv_len, NULL), 1);
    }
    if (m->announced || !enc)
        ck_assert_int_eq(
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, enc ? NULL : (void *)(uintptr_t)tag),
            1);
    ck_assert_int_eq(EVP_CipherInit_ex(c, NULL, NULL, cipher != NULL ? key : NULL, iv, enc), 1);
}

/* A message by the default provider: what is expected. */
static void by_default(const struct mode *m, uint8_t first, int len, uint8_t *out, uint8_t *tag)
{
    EVP_CIPHER *cipher = support_default(&s, m->name);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;

    start(c, m, cipher, true, first, NULL);
    ck_assert_int_eq(EVP_EncryptUpdate(c, out, &n, plain, len), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(c, out + len, &n), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(cipher);
}

static void refused(int rc)
{
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_ne(ERR_peek_error(), 0);
    ERR_clear_error();
}

static void lose(EVP_CIPHER_CTX *c, const struct mode *m, bool enc, const uint8_t *in)
{
    uint8_t out[LONG], tag[16];
    int n;

    if (m->announced)
        ck_assert_int_eq(EVP_CipherUpdate(c, NULL, &n, NULL, LONG), 1);
    for (unsigned i = 0; i < 3; i++)
        refused(EVP_CipherUpdate(c, out, &n, in, LONG));
    refused(EVP_CipherUpdate(c, out, &n, in, SHORT));
    refused(EVP_CipherUpdate(c, NULL, &n, in, 16));
    if (enc)
        refused(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag) > 0);
    refused(EVP_CipherFinal_ex(c, out, &n));
    if (enc)
        refused(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag) > 0);
}

START_TEST(device_fails)
{
    const struct mode *m = &modes[_i / 2];
    bool enc = _i % 2 == 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t secret[LONG], tag[16], next[LONG], next_tag[16], out[LONG], made[16];
    EVP_CIPHER *cipher;
    int n;

    support_load(&s, "sync = offload\nmin_bytes = 150\nfallback = no\nemulator_fault = error:1\n");
    cipher = support_cipher(&s, m->name);
    by_default(m, 2, LONG, secret, tag);
    by_default(m, 9, SHORT, next, next_tag);
    start(c, m, cipher, enc, 2, tag);
    for (unsigned round = 0; round < 2; round++) {
        lose(c, m, enc, enc ? plain : secret);
        start(c, m, NULL, enc, 9, next_tag);
        ck_assert_int_eq(EVP_CipherUpdate(c, out, &n, enc ? plain : next, SHORT), 1);
        ck_assert_mem_eq(out, enc ? next : plain, SHORT);
        ck_assert_int_eq(EVP_CipherFinal_ex(c, out, &n), 1);
        if (enc) {
            ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, made), 1);
            ck_assert_mem_eq(made, next_tag, 16);
        }
        start(c, m, NULL, enc, 2, tag);
    }
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 2);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(cipher);
    support_unload(&s);
}
END_TEST

static const struct {
    const char *name;
    bool pads;
} plains[] = {{"AES-128-CBC", true}, {"AES-128-ECB", true}, {"AES-128-CTR", false}};
#define PLAINS ((int)(sizeof(plains) / sizeof(plains[0])))

/* Pieces that are no whole blocks: bytes are kept back, and keystream is left. */
static const int pieces[] = {5, 59, 64, 72};
enum { PIECES = 4 };

static int encrypt_pieces(EVP_CIPHER_CTX *c, uint8_t *out, int *len)
{
    int ok = 1, n, at = 0;

    *len = 0;
    for (unsigned i = 0; i < PIECES && ok; i++) {
        ok = EVP_EncryptUpdate(c, out + *len, &n, plain + at, pieces[i]);
        at += pieces[i];
        *len += ok ? n : 0;
    }
    ok = ok && EVP_EncryptFinal_ex(c, out + *len, &n);
    *len += ok ? n : 0;
    return ok;
}

START_TEST(blocks)
{
    static const uint8_t iv[16] = {7};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new(), *copy;
    uint8_t want[LONG + 16], out[LONG + 16];
    EVP_CIPHER *theirs, *ours;
    int len, n, done = 0, failed = 0;

    support_load(&s, "sync = offload\nmin_bytes = 0\nfallback = no\nemulator_fault = error:7\n");
    theirs = support_default(&s, plains[_i].name);
    ours = support_cipher(&s, plains[_i].name);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, theirs, NULL, key, iv), 1);
    ck_assert_int_eq(encrypt_pieces(c, want, &len), 1);
    ck_assert_int_eq(EVP_EncryptInit_ex(c, ours, NULL, key, iv), 1);
    for (unsigned round = 0; round < 24; round++) {
        int got;

        ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv), 1);
        if (encrypt_pieces(c, out, &got)) {
            ck_assert_int_eq(got, len);
            ck_assert_mem_eq(out, want, (size_t)len);
            done++;
            continue;
        }
        failed++;
        ERR_clear_error();
        /* What came out before is right. */
        ck_assert_mem_eq(out, want, (size_t)got);
        /* A final may be tried again: all is there that belongs to it. */
        if (got == len - 16 && plains[_i].pads)
            continue;
        copy = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_CIPHER_CTX_copy(copy, c), 1);
        for (unsigned i = 0; i < 3; i++) {
            refused(EVP_EncryptUpdate(c, out, &n, plain, 64));
            refused(EVP_EncryptUpdate(copy, out, &n, plain, 5));
        }
        refused(EVP_EncryptFinal_ex(c, out, &n));
        refused(EVP_EncryptFinal_ex(copy, out, &n));
        /* CTR would go on with that counter. */
        if (!plains[_i].pads) {
            ck_assert_int_eq(EVP_EncryptInit_ex(c, NULL, NULL, NULL, NULL), 1);
            refused(EVP_EncryptUpdate(c, out, &n, plain, 64));
        }
        EVP_CIPHER_CTX_free(copy);
    }
    ck_assert_int_gt(done, 0);
    ck_assert_int_gt(failed, 0);
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_unload(&s);
}
END_TEST

/* TLS 1.0, whose records chain. */
START_TEST(records)
{
    static const uint8_t iv[16] = {7};
    unsigned version = 0x301;
    OSSL_PARAM params[2] = {OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
                            OSSL_PARAM_construct_end()};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher;
    uint8_t rec[LONG + 32];
    int n, done = 0;

    support_load(&s, "sync = offload\nmin_bytes = 0\nfallback = no\nemulator_fault = error:4\n");
    cipher = support_cipher(&s, "AES-128-CBC");
    ck_assert_int_eq(EVP_EncryptInit_ex(c, cipher, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_set_params(c, params), 1);
    while (EVP_EncryptUpdate(c, rec, &n, rec, SHORT) == 1)
        ck_assert_int_lt(++done, 4);
    ck_assert_int_gt(done, 0);
    ERR_clear_error();
    for (unsigned i = 0; i < 4; i++)
        refused(EVP_EncryptUpdate(c, rec, &n, rec, SHORT));
    EVP_CIPHER_CTX_free(c);
    EVP_CIPHER_free(cipher);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lost");
    TCase *tc = tcase_create("lost");

    tcase_add_loop_test(tc, device_fails, 0, 2 * MODES);
    tcase_add_loop_test(tc, blocks, 0, PLAINS);
    tcase_add_test(tc, records);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
