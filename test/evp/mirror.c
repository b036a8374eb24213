/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-CCM and ChaCha20-Poly1305, whose rules stay with the default provider:
 * what becomes of a message that the device has done when more is asked of the
 * context.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "support.h"

#define LEN 640

enum { CHACHA, CCM };

static const char *const names[] = {"ChaCha20-Poly1305", "AES-128-CCM"};

#define NAMES (int)(sizeof(names) / sizeof(names[0]))

static struct support s;
static EVP_CIPHER_CTX *ctx;
static uint8_t key[32], iv[12], aad[600], plain[LEN], crypted[LEN], tag[16], buf[LEN];

/* What was done since the last call: so many requests, so much in software
 * because of streaming, nothing else. */
static void expect(uint64_t want_requests, uint64_t want_streams)
{
    static uint64_t requests, streams, total;
    uint64_t r = support_stat(&s, "vcrypto-requests"),
             n = support_stat(&s, "vcrypto-software-stream"),
             t = support_stat(&s, "vcrypto-software-total");

    ck_assert_uint_eq(r - requests, want_requests);
    ck_assert_uint_eq(n - streams, want_streams);
    ck_assert_uint_eq(t - total, want_streams);
    requests = r;
    streams = n;
    total = t;
}

/* A context of its own, keyed, with 16-byte tags. */
static EVP_CIPHER_CTX *keyed(EVP_CIPHER *cipher, int enc)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    ck_assert_int_eq(EVP_CipherInit_ex(c, cipher, NULL, NULL, NULL, enc), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, sizeof(iv), NULL), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, NULL), 1);
    ck_assert_int_eq(EVP_CipherInit_ex(c, NULL, NULL, key, NULL, enc), 1);
    EVP_CIPHER_free(cipher);
    return c;
}

static void init(EVP_CIPHER_CTX *c, int enc)
{
    ck_assert_int_eq(EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, enc), 1);
}

static int update(EVP_CIPHER_CTX *c, uint8_t *out, const uint8_t *in, int len)
{
    int n = 0, ok = EVP_CipherUpdate(c, out, &n, in, len);

    if (ok == 1)
        ck_assert_int_eq(n, len);
    return ok;
}

static int final(EVP_CIPHER_CTX *c)
{
    uint8_t none[16];
    int n = 0;

    return EVP_CipherFinal_ex(c, none, &n);
}

static void set_tag(EVP_CIPHER_CTX *c, uint8_t *t, int len)
{
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, len, t), 1);
}

static void get_tag(EVP_CIPHER_CTX *c, uint8_t t[16])
{
    memset(t, 0, 16);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, t), 1);
}

/* Without AAD, by the default provider. */
static void reference(const char *name)
{
    EVP_CIPHER_CTX *c = keyed(support_default(&s, name), 1);

    init(c, 1);
    ck_assert_int_eq(update(c, crypted, plain, LEN), 1);
    ck_assert_int_eq(final(c), 1);
    get_tag(c, tag);
    EVP_CIPHER_CTX_free(c);
}

static void set_up(void)
{
    struct support_random random = {.state = 17};

    support_load(&s, SUPPORT_ALL_OFFLOAD);
    support_fill(&random, key, sizeof(key));
    support_fill(&random, iv, sizeof(iv));
    support_fill(&random, aad, sizeof(aad));
    support_fill(&random, plain, sizeof(plain));
}

static void tear_down(void)
{
    EVP_CIPHER_CTX_free(ctx);
    ctx = NULL;
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-dma-bytes", 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_unload(&s);
}

static void open_context(int row, int enc)
{
    reference(names[row]);
    ctx = keyed(support_cipher(&s, names[row]), enc);
}

/* CCM has all data in one update. A second one is refused, and so is a third:
 * no keystream is used twice. */
START_TEST(test_ccm_data_again)
{
    open_context(CCM, 1);
    init(ctx, 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_mem_eq(buf, crypted, LEN);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(update(ctx, buf, plain, LEN), 0);
        ERR_clear_error();
    }
    ck_assert_int_eq(final(ctx), 1);
    get_tag(ctx, buf);
    ck_assert_mem_eq(buf, tag, 16);
    expect(1, 0);
}
END_TEST

/* What is copied of a message that has ended is its tag. */
START_TEST(test_copy_behind_the_end)
{
    EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();

    open_context(_i, 1);
    init(ctx, 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_int_eq(final(ctx), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_copy(copy, ctx), 1);
    get_tag(copy, buf);
    ck_assert_mem_eq(buf, tag, 16);
    get_tag(ctx, buf);
    ck_assert_mem_eq(buf, tag, 16);
    expect(1, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(update(copy, buf, plain, LEN), 0);
        ERR_clear_error();
    }
    init(copy, 1);
    ck_assert_int_eq(update(copy, buf, plain, LEN), 1);
    ck_assert_mem_eq(buf, crypted, LEN);
    expect(1, 0);
    EVP_CIPHER_CTX_free(copy);
}
END_TEST

static uint8_t *wrong_tag(void)
{
    static uint8_t t[16];

    memcpy(t, tag, 16);
    t[5] ^= 1;
    return t;
}

/* One decryption: the tag before the data, another one behind it. NULL: none. */
static int decrypt(uint8_t *before, uint8_t *behind, int len)
{
    init(ctx, 0);
    if (before != NULL)
        set_tag(ctx, before, 16);
    ck_assert_int_eq(update(ctx, buf, crypted, LEN), 1);
    ck_assert_mem_eq(buf, plain, LEN);
    if (behind != NULL)
        set_tag(ctx, behind, len);
    return final(ctx);
}

/* The tag that counts is the one that was set last, whatever the device has
 * been asked about. */
START_TEST(test_tag_behind_the_data)
{
    open_context(CHACHA, 0);
    ck_assert_int_eq(decrypt(tag, NULL, 0), 1);
    expect(1, 0);
    ck_assert_int_eq(decrypt(NULL, wrong_tag(), 16), 0);
    ck_assert_int_eq(decrypt(NULL, tag, 16), 1);
    ck_assert_int_eq(decrypt(NULL, wrong_tag(), 16), 0);
    expect(0, 3);
    ck_assert_int_eq(decrypt(tag, wrong_tag(), 16), 0);
    expect(1, 1);
    ck_assert_int_eq(decrypt(tag, tag, 12), 1);
    expect(1, 1);
    ck_assert_int_eq(decrypt(tag, tag, 16), 1);
    expect(1, 0);
    ck_assert_int_eq(decrypt(wrong_tag(), tag, 16), 1);
    expect(1, 1);
}
END_TEST

/* One that is set between two messages is the next one's. */
START_TEST(test_tag_before_the_iv)
{
    open_context(_i, 0);
    for (int i = 0; i < 3; i++) {
        set_tag(ctx, tag, 16);
        init(ctx, 0);
        ck_assert_int_eq(update(ctx, buf, crypted, LEN), 1);
        ck_assert_int_eq(final(ctx), 1);
        expect(1, 0);
    }
}
END_TEST

START_TEST(test_end_again)
{
    open_context(CHACHA, 0);
    ck_assert_int_eq(decrypt(tag, NULL, 0), 1);
    set_tag(ctx, wrong_tag(), 16);
    ck_assert_int_eq(final(ctx), 0);
    ck_assert_int_eq(final(ctx), 0);
}
END_TEST

/* An encryption that the device has done becomes a decryption, and never one
 * that takes any tag. */
START_TEST(test_turned_round)
{
    open_context(_i, 1);
    init(ctx, 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_int_eq(EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, NULL), 1);
    set_tag(ctx, wrong_tag(), 16);
    ck_assert_int_eq(final(ctx), 0);
    ERR_clear_error();
    ck_assert_int_eq(decrypt(tag, NULL, 0), 1);
    ck_assert_int_eq(EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv), 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_int_eq(final(ctx), 1);
    ck_assert_int_eq(EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, NULL), 1);
    set_tag(ctx, wrong_tag(), 16);
    ck_assert_int_eq(final(ctx), 0);
}
END_TEST

/* What comes before a CCM message's data, again and again or in the wrong
 * order: the device's tag is over what counts, as the default provider's. */
START_TEST(test_ccm_heads)
{
    static const struct {
        bool is_aad;
        int len; /* 0: the end of the list; the message's length, or of AAD */
    } rows[][4] = {
        {{true, 20}},
        {{false, LEN}, {true, 20}},
        {{false, LEN}, {true, 20}, {true, 33}},
        {{false, LEN}, {true, 20}, {false, LEN}},
        {{true, 20}, {false, LEN}, {true, 7}},
    };
    EVP_CIPHER_CTX *ref = keyed(support_default(&s, names[CCM]), 1);

    open_context(CCM, 1);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        init(ctx, 1);
        init(ref, 1);
        for (size_t i = 0; i < 4 && rows[row][i].len != 0; i++) {
            const uint8_t *in = rows[row][i].is_aad ? aad : NULL;

            ck_assert_int_eq(update(ctx, NULL, in, rows[row][i].len),
                             update(ref, NULL, in, rows[row][i].len));
        }
        ERR_clear_error();
        ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
        ck_assert_int_eq(update(ref, crypted, plain, LEN), 1);
        ck_assert_mem_eq(buf, crypted, LEN);
        get_tag(ctx, buf);
        get_tag(ref, tag);
        ck_assert_mem_eq(buf, tag, 16);
        expect(1, 0);
    }
    EVP_CIPHER_CTX_free(ref);
}
END_TEST

static const uint8_t *message;

static int announced_message(void *decrypts)
{
    init(ctx, decrypts == NULL);
    if (decrypts != NULL)
        set_tag(ctx, tag, 16);
    return update(ctx, NULL, NULL, LEN) == 1 && update(ctx, NULL, aad, 20) == 1 &&
           update(ctx, buf, message, LEN) == 1;
}

/* The length and the nonce of a message that the device has done are not the
 * next one's, which the default provider does. */
START_TEST(test_ccm_after_the_device)
{
    EVP_CIPHER_CTX *ref;
    uint8_t own[LEN];

    tear_down();
    support_load(&s, "sync = software\nmin_bytes = 0\n");
    ref = keyed(support_default(&s, names[CCM]), 1);
    for (int enc = 1; enc >= 0; enc--) {
        init(ref, 1);
        ck_assert_int_eq(update(ref, NULL, NULL, LEN), 1);
        ck_assert_int_eq(update(ref, NULL, aad, 20), 1);
        ck_assert_int_eq(update(ref, own, plain, LEN), 1);
        get_tag(ref, tag);
        EVP_CIPHER_CTX_free(ctx);
        ctx = keyed(support_cipher(&s, names[CCM]), enc);
        message = enc ? plain : own;
        ck_assert_int_eq(support_in_job(announced_message, enc ? NULL : ctx, NULL), 1);
        iv[3]++;
        reference(names[CCM]);
        init(ctx, enc);
        if (!enc)
            set_tag(ctx, tag, 16);
        ck_assert_int_eq(update(ctx, NULL, aad, 20), 0);
        ERR_clear_error();
        ck_assert_int_eq(update(ctx, buf, enc ? plain : crypted, LEN), 1);
        ck_assert_mem_eq(buf, enc ? crypted : plain, LEN);
        if (enc)
            get_tag(ctx, buf);
        ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), enc ? 1 : 2);
    }
    EVP_CIPHER_CTX_free(ref);
}
END_TEST

/* A tag that the device has made, and what is asked for together with it. */
START_TEST(test_tag_and_more)
{
    size_t tag_len = 0, key_len = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, buf, 16),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, &tag_len),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, &key_len),
        OSSL_PARAM_END,
    };

    open_context(_i, 1);
    init(ctx, 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_int_eq(final(ctx), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_get_params(ctx, params), 1);
    ck_assert_mem_eq(buf, tag, 16);
    ck_assert_uint_eq(tag_len, 16);
    ck_assert_uint_eq(key_len, (size_t)EVP_CIPHER_CTX_get_key_length(ctx));
    for (int i = 0; i < 3; i++)
        ck_assert(OSSL_PARAM_modified(&params[i]));
    expect(1, 0);
    /* Another length for the next message makes no other tag of it. */
    if (_i == CHACHA) {
        set_tag(ctx, NULL, 12);
        get_tag(ctx, buf);
        ck_assert_mem_eq(buf, tag, 16);
    }
}
END_TEST

/* What the device cannot follow is counted, once. */
START_TEST(test_what_the_device_cannot)
{
    uint64_t before;

    open_context(_i, 1);
    before = support_stat(&s, "vcrypto-software-unsupported");
    init(ctx, 1);
    if (_i == CCM)
        ck_assert_int_eq(update(ctx, NULL, NULL, LEN), 1);
    ck_assert_int_eq(update(ctx, NULL, aad, sizeof(aad)), 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_mem_eq(buf, crypted, LEN);
    if (_i == CHACHA)
        ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_int_eq(final(ctx), 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), before + 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), before + 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 0);
    if (_i == CHACHA)
        return;
    /* Another length of the nonce, for which there is none then. */
    init(ctx, 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 13, NULL), 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-unsupported"), before + 2);
}
END_TEST

/* A context whose messages come in pieces stays with software until one comes
 * whole. */
START_TEST(test_streaming_user)
{
    open_context(CHACHA, 1);
    for (int i = 0; i < 3; i++) {
        init(ctx, 1);
        ck_assert_int_eq(update(ctx, buf, plain, 200), 1);
        ck_assert_int_eq(update(ctx, buf + 200, plain + 200, LEN - 200), 1);
        ck_assert_int_eq(final(ctx), 1);
        ck_assert_mem_eq(buf, crypted, LEN);
        expect(i == 0, 1);
    }
    for (int i = 0; i < 3; i++) {
        init(ctx, 1);
        ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
        ck_assert_int_eq(final(ctx), 1);
        ck_assert_mem_eq(buf, crypted, LEN);
        expect(i > 0, i == 0);
    }
}
END_TEST

/* An update of nothing is a CCM message without data, and its nonce is used up;
 * behind data it is nothing. */
START_TEST(test_ccm_update_of_nothing)
{
    EVP_CIPHER_CTX *ref = keyed(support_default(&s, names[CCM]), 1);

    open_context(CCM, 1);
    init(ctx, 1);
    init(ref, 1);
    ck_assert_int_eq(update(ctx, buf, plain, 0), 1);
    ck_assert_int_eq(update(ref, buf, plain, 0), 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(update(ctx, buf, plain, LEN), 0);
        ck_assert_int_eq(update(ref, buf, plain, LEN), 0);
        ERR_clear_error();
    }
    expect(0, 0);
    init(ctx, 1);
    ck_assert_int_eq(update(ctx, NULL, NULL, LEN), 1);
    ck_assert_int_eq(update(ctx, buf, plain, LEN), 1);
    ck_assert_mem_eq(buf, crypted, LEN);
    ck_assert_int_eq(update(ctx, buf, plain, 0), 1);
    ck_assert_int_eq(final(ctx), 1);
    get_tag(ctx, buf);
    ck_assert_mem_eq(buf, tag, 16);
    expect(1, 0);
    EVP_CIPHER_CTX_free(ref);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mirror");
    TCase *tc = tcase_create("mirror");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, test_ccm_data_again);
    tcase_add_loop_test(tc, test_copy_behind_the_end, 0, NAMES);
    tcase_add_test(tc, test_tag_behind_the_data);
    tcase_add_loop_test(tc, test_tag_before_the_iv, 0, NAMES);
    tcase_add_test(tc, test_end_again);
    tcase_add_loop_test(tc, test_turned_round, 0, NAMES);
    tcase_add_test(tc, test_ccm_heads);
    tcase_add_test(tc, test_ccm_after_the_device);
    tcase_add_loop_test(tc, test_tag_and_more, 0, NAMES);
    tcase_add_loop_test(tc, test_what_the_device_cannot, 0, NAMES);
    tcase_add_test(tc, test_streaming_user);
    tcase_add_test(tc, test_ccm_update_of_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
