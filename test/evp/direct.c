/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no device is in question for goes straight to the default provider: when
 * that begins and ends, and what is known behind it.
 */
#include <check.h>
#include <openssl/err.h>
#include <string.h>

#include "support/functions.h"

static struct support s;
static EVP_CIPHER_CTX *ctx;
static const uint8_t key[32] = {1, 2, 3}, iv[16] = {4, 5, 6};
static uint8_t buf[1024];

static void set_up(void)
{
    support_load(&s, "sync = software\nmin_bytes = 0\n");
    ctx = EVP_CIPHER_CTX_new();
}

static void tear_down(void)
{
    EVP_CIPHER_CTX_free(ctx);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_unload(&s);
}

/* Who complains tells where it went. */
static bool goes_straight(const struct functions *f, void *c)
{
    const char *file = NULL;
    size_t n;

    ERR_clear_error();
    ck_assert_int_eq(f->update(c, buf, &n, 15, buf, 16), 0);
    ck_assert_int_ne((int)ERR_peek_last_error_all(&file, NULL, NULL, NULL, NULL), 0);
    ck_assert_ptr_nonnull(file);
    return strstr(file, "cipher_block.c") == NULL;
}

/* An IV means nothing to ECB, and some give one to all modes. */
START_TEST(test_ecb_with_iv)
{
    struct functions f;
    size_t n;
    void *c;

    functions_take(&s, "AES-128-ECB", &f);
    c = f.newctx(OSSL_PROVIDER_get0_provider_ctx(s.vcrypto));
    ck_assert_int_eq(f.einit(c, key, 16, NULL, 0, NULL), 1);
    ck_assert(!goes_straight(&f, c));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(f.update(c, buf, &n, 16, buf, 16), 1);
        ck_assert(goes_straight(&f, c));
        ck_assert_int_eq(f.einit(c, NULL, 0, iv, sizeof(iv), NULL), 1);
    }
    f.freectx(c);
}
END_TEST

/* One call on a context of ours and on one of the default provider's. */
enum { OURS, THEIRS, SIDES };

static EVP_CIPHER_CTX *pair[SIDES];
static uint8_t out[SIDES][sizeof(buf)];

struct call {
    int (*fn)(int side);
    int enc; /* init */
};

static struct call call;

static int in_job(void *unused)
{
    (void)unused;
    return call.fn(OURS);
}

static void same(int (*fn)(int side), bool job)
{
    int ok[SIDES];

    call.fn = fn;
    memset(out, 0, sizeof(out));
    ok[OURS] = job ? support_in_job(in_job, NULL, NULL) : fn(OURS);
    ok[THEIRS] = fn(THEIRS);
    ck_assert_int_eq(ok[OURS], ok[THEIRS]);
    ck_assert_mem_eq(out[OURS], out[THEIRS], sizeof(buf));
    ERR_clear_error();
}

static int do_init(int side)
{
    return EVP_CipherInit_ex(pair[side], NULL, NULL, NULL, iv, call.enc);
}

static int do_update(int side)
{
    int n;

    return EVP_CipherUpdate(pair[side], out[side], &n, buf, sizeof(buf));
}

static int do_final(int side)
{
    int n;

    return EVP_CipherFinal_ex(pair[side], out[side], &n);
}

/* As long as they are unless something else is said. */
static int tag_len(int side)
{
    return EVP_CIPHER_CTX_get_mode(pair[side]) == EVP_CIPH_CCM_MODE ? 12 : 16;
}

static int do_get_tag(int side)
{
    return EVP_CIPHER_CTX_ctrl(pair[side], EVP_CTRL_AEAD_GET_TAG, tag_len(side), out[side]);
}

static int do_set_tag(int side)
{
    return EVP_CIPHER_CTX_ctrl(pair[side], EVP_CTRL_AEAD_SET_TAG, tag_len(side), buf);
}

static void open_pair(const char *name, int enc)
{
    EVP_CIPHER *c[SIDES] = {support_cipher(&s, name), support_default(&s, name)};

    for (int i = 0; i < SIDES; i++) {
        pair[i] = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_CipherInit_ex(pair[i], c[i], NULL, key, NULL, enc), 1);
        EVP_CIPHER_free(c[i]);
    }
}

static void close_pair(void)
{
    for (int i = 0; i < SIDES; i++)
        EVP_CIPHER_CTX_free(pair[i]);
}

/* A message outside jobs, then one in a job: what is known of the first one's
 * tag. */
START_TEST(test_gcm_last_tag)
{
    open_pair("AES-128-GCM", 1);
    for (int round = 0; round < 2; round++) {
        buf[0] = (uint8_t)round;
        call.enc = 1;
        same(do_init, false);
        same(do_update, false);
        same(do_final, false);
        same(do_init, true);
        same(do_get_tag, true);
        same(do_update, true);
        same(do_get_tag, true);
        same(do_final, true);
        same(do_get_tag, true);
    }
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 2);
    close_pair();
}
END_TEST

/* A decryption in a job for which no tag is set. */
START_TEST(test_gcm_last_tag_expected)
{
    uint8_t plain[sizeof(buf)];
    bool turned = _i != 0; /* by an init outside the job */

    memcpy(plain, buf, sizeof(buf));
    open_pair("AES-128-GCM", 1);
    call.enc = 1;
    same(do_init, false);
    same(do_update, false);
    memcpy(buf, out[OURS], sizeof(buf));
    same(do_final, false);
    call.enc = 0;
    if (turned)
        same(do_init, false);
    same(do_init, true);
    same(do_update, true);
    ck_assert_mem_eq(out[OURS], plain, sizeof(plain));
    call.fn = do_final;
    ck_assert_int_eq(support_in_job(in_job, NULL, NULL), 1);
    close_pair();
}
END_TEST

static const char *const names[] = {
    "AES-128-CBC", "AES-128-CTR", "AES-128-XTS", "AES-128-GCM", "AES-128-CCM", "ChaCha20-Poly1305",
};

#define NAMES (int)(sizeof(names) / sizeof(names[0]))

static int do_aad(int side)
{
    int n;

    return EVP_CipherUpdate(pair[side], NULL, &n, buf, 20);
}

/* So many requests, and so much in software, all of it for want of a job. */
static void expect(uint64_t requests, uint64_t no_job)
{
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), requests);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-no-job"), no_job);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), no_job);
}

/* Who does a message its data tell, not the init before it. */
START_TEST(test_job_or_not)
{
    static const struct {
        bool init, data; /* in a job */
    } steps[] = {{false, true}, {true, false}, {false, false}, {false, true}, {true, true},
                 {true, true},  {false, true}, {true, false},  {true, true}};
    uint64_t requests = 0;
    int enc = _i < NAMES;
    bool aead;

    open_pair(names[_i % NAMES], enc);
    aead = EVP_CIPHER_CTX_get_mode(pair[OURS]) == EVP_CIPH_GCM_MODE || _i % NAMES >= 4;
    call.enc = enc;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        same(do_init, steps[i].init);
        if (!enc && aead)
            same(do_set_tag, steps[i].init);
        same(do_update, steps[i].data);
        if (enc && aead) {
            same(do_final, steps[i].data);
            same(do_get_tag, steps[i].data);
        }
        requests += steps[i].data;
        if (enc || !aead)
            expect(requests, i + 1 - requests);
        else /* no tag is right, and software says so again */
            ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), requests);
    }
    close_pair();
}
END_TEST

/* AAD is the first of a message. */
START_TEST(test_aad_before_the_job)
{
    open_pair(names[_i], 1);
    call.enc = 1;
    for (unsigned i = 0; i < 3; i++) {
        same(do_init, false);
        same(do_aad, i == 1);
        same(do_update, true);
        same(do_final, true);
        same(do_get_tag, true);
        expect(i > 0, i + 1 - (i > 0));
    }
    close_pair();
}
END_TEST

/* A message without AAD or data uses the IV up, whoever does what comes behind
 * it: nothing is encrypted with it again. */
START_TEST(test_gcm_nothing_at_all)
{
    int n;

    open_pair("AES-128-GCM", 1);
    call.enc = 1;
    for (int i = 0; i < 2; i++) {
        same(do_init, false);
        same(do_update, false);
        same(do_final, false);
        same(do_init, false);
        same(do_final, false);
        call.fn = do_update;
        ck_assert_int_eq(support_in_job(in_job, NULL, NULL), 0);
        ERR_clear_error();
        ck_assert_int_eq(EVP_CipherUpdate(pair[OURS], out[OURS], &n, buf, sizeof(buf)), 0);
        ERR_clear_error();
    }
    ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 0);
    close_pair();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("direct");
    TCase *tc = tcase_create("direct");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, test_ecb_with_iv);
    tcase_add_test(tc, test_gcm_last_tag);
    tcase_add_loop_test(tc, test_gcm_last_tag_expected, 0, 2);
    tcase_add_loop_test(tc, test_job_or_not, 0, 2 * NAMES);
    tcase_add_loop_test(tc, test_aad_before_the_job, 3, 4);
    tcase_add_loop_test(tc, test_aad_before_the_job, 5, 6);
    tcase_add_test(tc, test_gcm_nothing_at_all);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
