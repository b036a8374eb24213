/* SPDX-License-Identifier: Apache-2.0 */
/* TLS records through EVP, as libssl makes them: ours and the default
 * provider's side by side. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/ssl3.h>
#include <openssl/tls1.h>
#include <string.h>

#include "support.h"

#define ROOM 17000

enum { OURS, THEIRS, SIDES };

static struct support s;
static struct support_random rnd = {.state = 11};
static EVP_CIPHER_CTX *ctx[SIDES];
static uint8_t key[32], iv[16], plain[ROOM], rec[SIDES][ROOM];

static void set_up(void)
{
    support_load(&s, SUPPORT_ALL_OFFLOAD);
    support_fill(&rnd, key, sizeof(key));
    support_fill(&rnd, iv, sizeof(iv));
    support_fill(&rnd, plain, sizeof(plain));
}

static void open_pair(const char *name, int enc, const uint8_t *start_iv)
{
    EVP_CIPHER *c[SIDES] = {support_cipher(&s, name), support_default(&s, name)};

    for (int i = 0; i < SIDES; i++) {
        ctx[i] = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_CipherInit_ex(ctx[i], c[i], NULL, key, start_iv, enc), 1);
        EVP_CIPHER_free(c[i]);
    }
}

static void close_pair(void)
{
    for (int i = 0; i < SIDES; i++)
        EVP_CIPHER_CTX_free(ctx[i]);
}

static void tear_down(void)
{
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_unload(&s);
}

static const int versions[] = {SSL3_VERSION, TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION};
static const size_t mac_sizes[] = {0, 20, 32, 48};

#define CASES 16

static void tell(int version, size_t mac_size)
{
    OSSL_PARAM params[3] = {
        OSSL_PARAM_construct_int(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
        OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac_size),
        OSSL_PARAM_construct_end(),
    };

    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(EVP_CIPHER_CTX_set_params(ctx[i], params), 1);
}

static const uint8_t *mac_of(EVP_CIPHER_CTX *c, size_t mac_size)
{
    const uint8_t *mac = NULL;
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, (void **)(uintptr_t)&mac,
                                       mac_size),
        OSSL_PARAM_construct_end(),
    };

    ck_assert_int_eq(EVP_CIPHER_CTX_get_params(c, params), 1);
    return mac;
}

/* Encrypts len bytes on both sides; the record's length. */
static int seal_cbc(size_t len)
{
    int n[SIDES];

    for (int i = 0; i < SIDES; i++) {
        memcpy(rec[i], plain, len);
        ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &n[i], rec[i], (int)len), 1);
    }
    ck_assert_int_eq(n[OURS], n[THEIRS]);
    ck_assert_mem_eq(rec[OURS], rec[THEIRS], (size_t)n[OURS]);
    return n[OURS];
}

/* Decrypts rec on both sides. With bad padding, the MAC is random by design. */
static void open_cbc(int version, size_t mac_size, size_t len, bool good)
{
    size_t skip = version > TLS1_VERSION ? 16 : 0;
    int ok[SIDES], n[SIDES] = {0, 0};

    for (int i = 0; i < SIDES; i++)
        ok[i] = EVP_CipherUpdate(ctx[i], rec[i], &n[i], rec[i], (int)len);
    ck_assert_int_eq(ok[OURS] > 0, ok[THEIRS] > 0);
    ERR_clear_error();
    if (ok[THEIRS] <= 0)
        return;
    ck_assert_int_eq(n[OURS], n[THEIRS]);
    ck_assert_mem_eq(rec[OURS] + skip, rec[THEIRS] + skip, (size_t)n[OURS]);
    if (mac_size != 0 && good)
        ck_assert_mem_eq(mac_of(ctx[OURS], mac_size), mac_of(ctx[THEIRS], mac_size), mac_size);
}

START_TEST(test_cbc)
{
    int version = versions[_i / 4];
    size_t mac_size = mac_sizes[_i % 4];
    static uint8_t sealed[200][ROOM];
    static int len[200];
    int count = 0;

    open_pair("AES-256-CBC", 1, iv);
    tell(version, mac_size);
    for (size_t n = 16 + mac_size; count < 199; n += 1 + support_below(&rnd, 11)) {
        len[count] = seal_cbc(n);
        memcpy(sealed[count], rec[OURS], (size_t)len[count]);
        count++;
    }
    len[count] = seal_cbc(16384 + 16 + mac_size);
    memcpy(sealed[count], rec[OURS], (size_t)len[count]);
    count++;
    close_pair();

    open_pair("AES-256-CBC", 0, iv);
    tell(version, mac_size);
    for (int i = 0; i < count; i++) {
        for (int side = 0; side < SIDES; side++)
            memcpy(rec[side], sealed[i], (size_t)len[i]);
        open_cbc(version, mac_size, (size_t)len[i], true);
    }
    /* Padding that is wrong, and a record that is too short to have any. */
    for (int i = 1; i < 50; i++) {
        for (int side = 0; side < SIDES; side++) {
            memcpy(rec[side], sealed[i], (size_t)len[i]);
            rec[side][len[i] - 1] ^= (uint8_t)(1u << (i % 8));
        }
        open_cbc(version, mac_size, (size_t)len[i], false);
    }
    for (size_t n = 0; n <= 64; n += 8)
        open_cbc(version, mac_size, n, false);
    close_pair();
}
END_TEST

START_TEST(test_cbc_misuse)
{
    int n;

    open_pair("AES-128-CBC", 1, iv);
    tell(TLS1_2_VERSION, 20);
    for (int i = 0; i < SIDES; i++) {
        ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &n, plain, 64), 0);
        ck_assert_int_eq(EVP_CipherFinal_ex(ctx[i], rec[i], &n), 0);
        EVP_CIPHER_CTX_set_padding(ctx[i], 0);
        ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &n, rec[i], 64), 0);
        ck_assert_uint_ne(ERR_peek_error(), 0);
    }
    close_pair();
}
END_TEST

static void record_header(uint8_t header[13], size_t len)
{
    static const uint8_t front[11] = {0, 0, 0, 0, 0, 0, 0, 1, 0x17, 3, 3};

    memcpy(header, front, sizeof(front));
    header[11] = (uint8_t)(len >> 8);
    header[12] = (uint8_t)len;
}

static void announce(int i, size_t len)
{
    uint8_t header[13];

    record_header(header, len);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_TLS1_AAD, 13, header), 16);
}

/* n bytes of payload sealed by both into rec[], the same. */
static void seal_gcm(size_t n)
{
    int got;

    for (int i = 0; i < SIDES; i++) {
        announce(i, n + 8);
        memcpy(rec[i] + 8, plain, n);
        ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &got, rec[i], (int)n + 24), 1);
        ck_assert_int_eq(got, (int)n + 24);
    }
    ck_assert_mem_eq(rec[OURS], rec[THEIRS], n + 24);
}

/* What was refused has been decrypted: the IV has moved, and the next message,
 * which gives the same again, begins with it. */
START_TEST(test_cbc_after_refusal)
{
    int n[SIDES];

    /* By software. */
    support_unload(&s);
    support_load(&s, "");
    for (unsigned round = 0; round < 4; round++) {
        open_pair("AES-128-CBC", 0, iv);
        tell(versions[round], 20);
        for (int i = 0; i < SIDES; i++)
            memcpy(rec[i], plain, 64);
        /* Too short for its MAC. */
        open_cbc(versions[round], 20, 16, false);
        tell(0, 0);
        for (int i = 0; i < SIDES; i++) {
            ck_assert_int_eq(EVP_CipherInit_ex(ctx[i], NULL, NULL, NULL, iv, 0), 1);
            memcpy(rec[i], plain, 64);
            ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &n[i], rec[i], 64), 1);
        }
        ck_assert_int_eq(n[OURS], n[THEIRS]);
        ck_assert_mem_eq(rec[OURS], rec[THEIRS], (size_t)n[OURS]);
        close_pair();
    }
}
END_TEST

START_TEST(test_gcm)
{
    static uint8_t sealed[60][ROOM];
    static size_t lens[60];
    uint64_t before;
    int got;

    open_pair("AES-128-GCM", 1, NULL);
    /* The whole IV, since its random part would not be the same. */
    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, -1, iv), 1);
    for (size_t k = 0; k < 60; k++) {
        lens[k] = k == 59 ? 16384 : k == 0 ? 0 : support_below(&rnd, 2000);
        seal_gcm(lens[k]);
        memcpy(sealed[k], rec[OURS], lens[k] + 24);
    }
    close_pair();
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 60);

    open_pair("AES-128-GCM", 0, NULL);
    for (int i = 0; i < SIDES; i++) {
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, 4, iv), 1);
        before = support_stat(&s, "vcrypto-requests");
        for (size_t k = 0; k < 60; k++) {
            memcpy(rec[i], sealed[k], lens[k] + 24);
            announce(i, lens[k] + 24);
            ck_assert_int_eq(EVP_CipherUpdate(ctx[i], rec[i], &got, rec[i], (int)lens[k] + 24), 1);
            ck_assert_int_eq(got, (int)lens[k]);
            ck_assert_mem_eq(rec[i] + 8, plain, lens[k]);
        }
        ck_assert_uint_eq(support_stat(&s, "vcrypto-requests") - before, i == OURS ? 60 : 0);
    }
    close_pair();
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), 0);
}
END_TEST

/* Any byte of it wrong: an error, and no plaintext in the buffer. Nothing is
 * repeated in software: the device has answered. */
START_TEST(test_gcm_forged)
{
    static const uint8_t none[100];
    uint8_t sealed[124];
    int got;

    open_pair("AES-128-GCM", 1, NULL);
    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, -1, iv), 1);
    seal_gcm(100);
    memcpy(sealed, rec[OURS], sizeof(sealed));
    close_pair();
    open_pair("AES-128-GCM", 0, NULL);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[OURS], EVP_CTRL_AEAD_SET_IV_FIXED, 4, iv), 1);
    for (size_t at = 0; at < sizeof(sealed); at += 3) {
        memcpy(rec[OURS], sealed, sizeof(sealed));
        rec[OURS][at] ^= 0x20;
        announce(OURS, sizeof(sealed));
        ck_assert_int_eq(EVP_CipherUpdate(ctx[OURS], rec[OURS], &got, rec[OURS], sizeof(sealed)),
                         0);
        ck_assert_mem_eq(rec[OURS] + 8, none, sizeof(none));
        ck_assert_uint_ne(ERR_peek_error(), 0);
        ERR_clear_error();
    }
    close_pair();
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-errors"), 0);
}
END_TEST

/* IVs that are generated: explicit part out of one, into the other. */
START_TEST(test_gcm_iv_generation)
{
    uint8_t out[SIDES][12], message[SIDES][64];
    int n;

    open_pair("AES-128-GCM", 1, NULL);
    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_AEAD_SET_IV_FIXED, -1, iv), 1);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < SIDES; i++) {
            ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx[i], EVP_CTRL_GCM_IV_GEN, round % 13, out[i]),
                             1);
            ck_assert_int_eq(EVP_CipherUpdate(ctx[i], message[i], &n, plain, 64), 1);
            ck_assert_int_eq(EVP_CipherFinal_ex(ctx[i], message[i], &n), 1);
        }
        ck_assert_mem_eq(out[OURS], out[THEIRS], round % 13 == 0 ? 12 : (size_t)(round % 13));
        ck_assert_mem_eq(message[OURS], message[THEIRS], 64);
    }
    close_pair();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, test_cbc, 0, CASES);
    tcase_add_test(tc, test_cbc_misuse);
    tcase_add_test(tc, test_cbc_after_refusal);
    tcase_add_test(tc, test_gcm);
    tcase_add_test(tc, test_gcm_forged);
    tcase_add_test(tc, test_gcm_iv_generation);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
