/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM where a device that takes messages in one piece meets an interface
 * that takes them in many: who does what, and that it comes out the same.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "support.h"

#define LEN  3000
#define HALF 1234

static struct support s;
static EVP_CIPHER *ours, *theirs;
static EVP_CIPHER_CTX *ctx;
static uint8_t key[32], iv[12], aad[64], plain[LEN], crypted[LEN], buf[LEN + 64];
static uint8_t tag[16], right_tag[16];

static uint64_t requests(void)
{
    return support_stat(&s, "vcrypto-requests");
}

static uint64_t streams(void)
{
    return support_stat(&s, "vcrypto-software-stream");
}

/* What was done since the last call: so many requests, so much software
 * because of streaming, nothing else. */
static void expect(uint64_t want_requests, uint64_t want_streams)
{
    static uint64_t r, t, total;

    if (requests() < r) /* another provider */
        r = t = total = 0;
    ck_assert_uint_eq(requests() - r, want_requests);
    ck_assert_uint_eq(streams() - t, want_streams);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total") - total, want_streams);
    r = requests();
    t = streams();
    total = support_stat(&s, "vcrypto-software-total");
}

static void set_up(void)
{
    struct support_random random = {.state = 5};
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    int len;

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    ours = support_cipher(&s, "AES-256-GCM");
    theirs = support_default(&s, "AES-256-GCM");
    ctx = EVP_CIPHER_CTX_new();
    support_fill(&random, key, sizeof(key));
    support_fill(&random, iv, sizeof(iv));
    support_fill(&random, aad, sizeof(aad));
    support_fill(&random, plain, sizeof(plain));
    ck_assert_int_eq(EVP_EncryptInit_ex(ref, theirs, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ref, NULL, &len, aad, sizeof(aad)), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ref, crypted, &len, plain, LEN), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(ref, buf, &len), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ref, EVP_CTRL_AEAD_GET_TAG, 16, right_tag), 1);
    EVP_CIPHER_CTX_free(ref);
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, ours, NULL, key, NULL), 1);
}

static void tear_down(void)
{
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(ours);
    EVP_CIPHER_free(theirs);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-dma-bytes", 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_unload(&s);
}

static void begin(int enc, size_t aad_cut)
{
    int len;

    ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, enc), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, NULL, &len, aad, (int)aad_cut), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, NULL, &len, aad + aad_cut, (int)(sizeof(aad) - aad_cut)),
                     1);
    memcpy(buf, enc ? plain : crypted, LEN);
}

/* In place. */
static void update(size_t from, size_t to)
{
    int len = 0;

    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf + from, &len, buf + from, (int)(to - from)), 1);
    ck_assert_int_eq(len, (int)(to - from));
}

static void set_tag(uint8_t *t, int len)
{
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, len, t), 1);
}

static int final(void)
{
    int len = 0;

    return EVP_CipherFinal_ex(ctx, buf, &len);
}

static void encrypted(void)
{
    ck_assert_int_eq(final(), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    ck_assert_mem_eq(buf, crypted, LEN);
    ck_assert_mem_eq(tag, right_tag, 16);
}

static void decrypted(void)
{
    ck_assert_int_eq(final(), 1);
    ck_assert_mem_eq(buf, plain, LEN);
}

START_TEST(test_one_update)
{
    begin(1, 20);
    update(0, LEN);
    encrypted();
    expect(1, 0);
    begin(0, 0);
    set_tag(right_tag, 16);
    update(0, LEN);
    decrypted();
    expect(1, 0);
}
END_TEST

START_TEST(test_encryption_goes_on)
{
    begin(1, 13);
    update(0, HALF);
    expect(1, 0);
    update(HALF, LEN);
    encrypted();
    expect(0, 1);
}
END_TEST

/* The tag is over more than the first update, so the device finds it wrong. */
START_TEST(test_decryption_goes_on)
{
    begin(0, 13);
    set_tag(right_tag, 16);
    update(0, HALF);
    expect(1, 1);
    update(HALF, LEN);
    decrypted();
    expect(0, 0);
}
END_TEST

START_TEST(test_tag_after_data)
{
    begin(0, 13);
    update(0, LEN);
    set_tag(right_tag, 16);
    decrypted();
    expect(0, 1);
}
END_TEST

/* Once bitten: a context whose messages come in pieces stays with software
 * until one comes whole. */
START_TEST(test_streaming_user)
{
    for (int i = 0; i < 4; i++) {
        begin(1, 0);
        update(0, HALF);
        update(HALF, LEN);
        encrypted();
        expect(i == 0 ? 1 : 0, 1);
    }
    begin(1, 0);
    update(0, LEN);
    encrypted();
    expect(0, 1);
    begin(1, 0);
    update(0, LEN);
    encrypted();
    expect(1, 0);
}
END_TEST

START_TEST(test_wrong_tag)
{
    right_tag[3] ^= 1;
    begin(0, 13);
    set_tag(right_tag, 16);
    update(0, LEN);
    ck_assert_int_eq(final(), 0);
    ck_assert_uint_eq(ERR_peek_error(), 0); /* an answer, not a fault */
    expect(1, 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-errors"), 0);
}
END_TEST

/* The device found one tag right; another is set before the end. */
START_TEST(test_tag_changed)
{
    uint8_t wrong[16];

    memcpy(wrong, right_tag, sizeof(wrong));
    wrong[0] ^= 1;
    begin(0, 13);
    set_tag(right_tag, 16);
    update(0, LEN);
    set_tag(wrong, 16);
    ck_assert_int_eq(final(), 0);
    expect(1, 1);
    begin(0, 13);
    set_tag(right_tag, 16);
    update(0, LEN);
    set_tag(right_tag, 12);
    decrypted();
    expect(1, 1);
}
END_TEST

/* Tags cut short; those that no standard knows are for software. */
START_TEST(test_short_tags)
{
    for (int n = 1; n <= 16; n++) {
        uint64_t before = requests();
        bool standard = n == 4 || n == 8 || n >= 12;

        begin(0, 13);
        set_tag(right_tag, n);
        update(0, LEN);
        decrypted();
        ck_assert_uint_eq(requests() - before, standard);
    }
    ck_assert_uint_eq(streams(), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), 9);
}
END_TEST

static void reference_tag(const uint8_t *a, size_t len, uint8_t out[16])
{
    EVP_CIPHER_CTX *ref = EVP_CIPHER_CTX_new();
    int n;

    ck_assert_int_eq(EVP_EncryptInit_ex(ref, theirs, NULL, key, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ref, NULL, &n, a, (int)len), 1);
    ck_assert_int_eq(EVP_EncryptFinal_ex(ref, buf, &n), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ref, EVP_CTRL_AEAD_GET_TAG, 16, out), 1);
    EVP_CIPHER_CTX_free(ref);
}

/* AAD only, or nothing at all, both ways. */
START_TEST(test_no_data)
{
    static uint8_t big[200000];
    static const size_t lens[] = {0, 1, 64, 900, 200000};
    size_t len = lens[_i];
    int n;

    reference_tag(big, len, right_tag);
    for (int enc = 1; enc >= 0; enc--) {
        ck_assert_int_eq(EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, enc), 1);
        if (!enc)
            set_tag(right_tag, 16);
        for (size_t at = 0; at < len; at += (size_t)n)
            ck_assert_int_eq(
                EVP_CipherUpdate(ctx, NULL, &n, big + at, (int)(len - at < 1000 ? len - at : 1000)),
                1);
        ck_assert_int_eq(final(), 1);
        if (enc) {
            ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
            ck_assert_mem_eq(tag, right_tag, 16);
        }
    }
    if (len <= 900)
        expect(2, 0);
    else
        ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), 2);
    right_tag[0] ^= 1;
    ck_assert_int_eq(EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, iv), 1);
    set_tag(right_tag, 16);
    ck_assert_int_eq(final(), 0);
}
END_TEST

/* Copies in mid-message, one made before the data, one after. */
START_TEST(test_dup)
{
    EVP_CIPHER_CTX *original = ctx, *before = EVP_CIPHER_CTX_new(), *after = EVP_CIPHER_CTX_new();
    uint8_t half[LEN];

    begin(1, 13);
    ck_assert_int_eq(EVP_CIPHER_CTX_copy(before, ctx), 1);
    update(0, HALF);
    memcpy(half, buf, LEN);
    ck_assert_int_eq(EVP_CIPHER_CTX_copy(after, ctx), 1);
    expect(1, 1);
    update(HALF, LEN);
    encrypted();
    expect(0, 1);
    ctx = after;
    memcpy(buf, half, LEN);
    update(HALF, LEN);
    encrypted();
    expect(0, 0);
    ctx = before;
    memcpy(buf, plain, LEN);
    update(0, LEN);
    encrypted();
    expect(1, 0);
    ctx = original;
    EVP_CIPHER_CTX_free(before);
    EVP_CIPHER_CTX_free(after);
    /* One key, whatever the number of contexts; 64 bytes of AAD, one direction. */
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-keys"), 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-sessions-created"), 1);
}
END_TEST

/* The key given again with each message makes no new session. */
START_TEST(test_same_key)
{
    for (int i = 0; i < 50; i++) {
        begin(1, 13);
        update(0, LEN);
        encrypted();
    }
    expect(50, 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-sessions-created"), 1);
}
END_TEST

START_TEST(test_data_then_aad)
{
    int len;

    begin(1, 13);
    update(0, HALF);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, NULL, &len, aad, 1), 0);
    ERR_clear_error();
    update(HALF, LEN);
    encrypted();
}
END_TEST

/* An encryption without an IV is given one. */
START_TEST(test_random_iv)
{
    uint8_t got[2][12];
    int len;

    for (int i = 0; i < 2; i++) {
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

        ck_assert_int_eq(EVP_EncryptInit_ex(c, ours, NULL, key, NULL), 1);
        ck_assert_int_eq(EVP_CIPHER_CTX_get_original_iv(c, got[i], 12), 0);
        ERR_clear_error();
        ck_assert_int_eq(EVP_EncryptUpdate(c, buf, &len, plain, LEN), 1);
        ck_assert_int_eq(EVP_EncryptFinal_ex(c, buf, &len), 1);
        ck_assert_int_eq(EVP_CIPHER_CTX_get_original_iv(c, got[i], 12), 1);
        EVP_CIPHER_CTX_free(c);
    }
    ck_assert_mem_ne(got[0], got[1], 12);
}
END_TEST

/* An IV serves one message. */
START_TEST(test_iv_is_spent)
{
    int len;

    begin(1, 13);
    update(0, LEN);
    encrypted();
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &len, plain, LEN), 0);
    ck_assert_int_eq(final(), 0);
    ERR_clear_error();
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, NULL, NULL, key, NULL), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &len, plain, LEN), 0);
    ERR_clear_error();
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv), 1);
    ck_assert_int_eq(EVP_EncryptUpdate(ctx, buf, &len, plain, LEN), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gcm");
    TCase *tc = tcase_create("gcm");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, test_one_update);
    tcase_add_test(tc, test_encryption_goes_on);
    tcase_add_test(tc, test_decryption_goes_on);
    tcase_add_test(tc, test_tag_after_data);
    tcase_add_test(tc, test_streaming_user);
    tcase_add_test(tc, test_wrong_tag);
    tcase_add_test(tc, test_tag_changed);
    tcase_add_test(tc, test_short_tags);
    tcase_add_loop_test(tc, test_no_data, 0, 5);
    tcase_add_test(tc, test_dup);
    tcase_add_test(tc, test_same_key);
    tcase_add_test(tc, test_data_then_aad);
    tcase_add_test(tc, test_random_iv);
    tcase_add_test(tc, test_iv_is_spent);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
