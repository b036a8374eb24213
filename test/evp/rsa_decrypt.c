/* SPDX-License-Identifier: Apache-2.0 */
/* RSA decryption on the device, against the default provider's encryption. */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/prov_ssl.h>
#include <openssl/rsa.h>
#include <string.h>

#include "published_rsa.h"
#include "support/asym.h"

static struct support s;
static uint8_t text[ASYM_MAX], crypted[ASYM_MAX], out[ASYM_MAX], out2[ASYM_MAX];

static void set_up(void)
{
    struct support_random r = {3};

    asym_start(&s, SUPPORT_ALL_OFFLOAD);
    support_fill(&r, text, sizeof(text));
}

static void tear_down(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    support_unload(&s);
}

struct scheme {
    int padding;
    const char *md, *mgf1, *label;
    unsigned version, other; /* of TLS */
};

static EVP_PKEY_CTX *context(const char *query, EVP_PKEY *key, bool encrypts,
                             const struct scheme *sc)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, query);
    unsigned version = sc->version, other = sc->other;
    OSSL_PARAM params[3], *p = params;

    ck_assert_int_eq(encrypts ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, sc->padding), 1);
    if (sc->md != NULL)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, sc->md, NULL), 1);
    if (sc->mgf1 != NULL)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, sc->mgf1, NULL), 1);
    if (sc->label != NULL)
        ck_assert_int_eq(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_strdup(sc->label),
                                                          (int)strlen(sc->label)),
                         1);
    if (version != 0)
        *p++ = OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &version);
    if (other != 0)
        *p++ = OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &other);
    *p = OSSL_PARAM_construct_end();
    if (p != params)
        ck_assert_int_eq(EVP_PKEY_CTX_set_params(ctx, params), 1);
    return ctx;
}

static size_t encrypt(const char *query, EVP_PKEY *key, const struct scheme *sc, size_t len)
{
    EVP_PKEY_CTX *ctx = context(query, key, true, sc);
    size_t n = sizeof(crypted);

    ck_assert_int_eq(EVP_PKEY_encrypt(ctx, crypted, &n, text, len), 1);
    EVP_PKEY_CTX_free(ctx);
    return n;
}

/* 1, and *n is the length, or what else the provider says. */
static int decrypt(const char *query, EVP_PKEY *key, const struct scheme *sc, size_t len,
                   uint8_t *to, size_t *n)
{
    EVP_PKEY_CTX *ctx = context(query, key, false, sc);
    int rc;

    *n = ASYM_MAX;
    rc = EVP_PKEY_decrypt(ctx, to, n, crypted, len);
    EVP_PKEY_CTX_free(ctx);
    return rc;
}

static void comes_back(EVP_PKEY *key, const struct scheme *sc, size_t len, const char *what)
{
    const char *const queries[] = {THEIRS, OURS};
    bool device = sc->padding != RSA_PKCS1_PADDING || !asym_rejects_implicitly(&s);
    size_t n, m;

    for (unsigned i = 0; i < 2; i++) {
        m = encrypt(queries[i], key, sc, len);
        asym_did_at(&s, 0, 0, what);
        ck_assert_msg(decrypt(OURS, key, sc, m, out, &n) == 1, "%s", what);
        ck_assert_msg(n == len && memcmp(out, text, n) == 0, "%s", what);
        asym_did_at(&s, device, !device, what);
    }
}

static const unsigned sizes[] = {1024, 1031, 2048, 3072, 4096, 8192};
#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

START_TEST(key_sizes)
{
    EVP_PKEY *key = asym_rsa(&s, sizes[_i]);
    size_t size = (sizes[_i] + 7) / 8;
    struct scheme pkcs1 = {.padding = RSA_PKCS1_PADDING};
    struct scheme oaep = {.padding = RSA_PKCS1_OAEP_PADDING};
    struct scheme none = {.padding = RSA_NO_PADDING};

    comes_back(key, &pkcs1, 0, "PKCS#1, empty");
    comes_back(key, &pkcs1, 1, "PKCS#1");
    comes_back(key, &pkcs1, size - 11, "PKCS#1, full");
    comes_back(key, &oaep, 0, "OAEP, empty");
    comes_back(key, &oaep, size - 42, "OAEP, full");
    text[0] = 0;
    comes_back(key, &none, size, "no padding");
    memset(text, 0, 9);
    comes_back(key, &none, size, "no padding, small number");
    EVP_PKEY_free(key);
}
END_TEST

static const char *const digests[] = {"SHA1", "SHA2-256", "SHA2-512", "SHA3-256", "MD5"};
#define DIGESTS ((int)(sizeof(digests) / sizeof(digests[0])))

START_TEST(oaep_digests_and_masks)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct scheme sc = {
        .padding = RSA_PKCS1_OAEP_PADDING,
        .md = digests[_i / DIGESTS],
        .mgf1 = digests[_i % DIGESTS],
    };

    comes_back(key, &sc, 60, "no label");
    sc.label = "a label of some length";
    comes_back(key, &sc, 60, "label");
    sc.mgf1 = NULL;
    comes_back(key, &sc, 60, "label, mask as digest");
    EVP_PKEY_free(key);
}
END_TEST

/* Both answer the same, which is not what was encrypted. */
static void both_reject(EVP_PKEY *key, const struct scheme *sc, size_t len, const char *what)
{
    size_t n, m;

    ck_assert_msg(decrypt(THEIRS, key, sc, len, out2, &m) == 1, "%s: they fail", what);
    ck_assert_msg(decrypt(OURS, key, sc, len, out, &n) == 1, "%s", what);
    ck_assert_msg(n == m && memcmp(out, out2, n) == 0, "%s: another answer", what);
    ck_assert_msg(n == 0 || memcmp(out, text + 256 - n, n) != 0, "%s: the text", what);
}

/* Both fail alike: the same answer, and the length left as it was. */
static void both_fail(EVP_PKEY *key, const struct scheme *sc, size_t len, const char *what)
{
    size_t n, m;
    int theirs = decrypt(THEIRS, key, sc, len, out2, &m);
    unsigned long first = ERR_peek_error();

    ERR_clear_error();
    ck_assert_msg(theirs != 1, "%s: they take it", what);
    ck_assert_msg(decrypt(OURS, key, sc, len, out, &n) == theirs, "%s", what);
    ck_assert_msg(ERR_GET_REASON(ERR_peek_error()) == ERR_GET_REASON(first), "%s: %s, not %s", what,
                  ERR_reason_error_string(ERR_peek_error()), ERR_reason_error_string(first));
    ck_assert_msg(n == m, "%s: length", what);
    ERR_clear_error();
}

START_TEST(wrong_oaep)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct scheme sc = {.padding = RSA_PKCS1_OAEP_PADDING, .label = "right"}, wrong = sc;
    size_t len = encrypt(THEIRS, key, &sc, 50);

    wrong.label = "wrong";
    both_fail(key, &wrong, len, "label");
    wrong = sc;
    wrong.md = "SHA2-256";
    both_fail(key, &wrong, len, "digest");
    for (unsigned i = 1; i < 256; i += 51) {
        crypted[i] ^= 0x20;
        both_fail(key, &sc, len, "changed");
        crypted[i] ^= 0x20;
    }
    both_fail(key, &sc, len - 1, "short");
    ck_assert_uint_gt(support_stat(&s, "vcrypto-requests"), 7);
    EVP_PKEY_free(key);
}
END_TEST

/* A block as the application likes, encrypted without padding. */
static size_t encrypt_block(EVP_PKEY *key, const uint8_t *block, size_t size)
{
    struct scheme none = {.padding = RSA_NO_PADDING};

    memcpy(text, block, size);
    return encrypt(THEIRS, key, &none, size);
}

static void fill_block(uint8_t *block, size_t size, size_t message)
{
    memset(block, 0x77, size);
    block[0] = 0;
    block[1] = 2;
    block[size - message - 1] = 0;
}

START_TEST(wrong_pkcs1)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct scheme sc = {.padding = RSA_PKCS1_PADDING};
    void (*both)(EVP_PKEY *, const struct scheme *, size_t, const char *) = both_fail;
    bool implicitly = asym_rejects_implicitly(&s);
    uint8_t block[256];
    size_t len;

    if (implicitly)
        both = both_reject;
    fill_block(block, 256, 0);
    block[255] = 1;
    len = encrypt_block(key, block, 256);
    both(key, &sc, len, "no separator");
    fill_block(block, 256, 20);
    block[1] = 1;
    len = encrypt_block(key, block, 256);
    both(key, &sc, len, "type 1");
    fill_block(block, 256, 20);
    block[9] = 0;
    len = encrypt_block(key, block, 256);
    both(key, &sc, len, "padding of 7 bytes");
    fill_block(block, 256, 20);
    block[0] = 1;
    len = encrypt_block(key, block, 256);
    both(key, &sc, len, "first byte");
    asym_did(&s, implicitly ? 0 : 4, implicitly ? 4 : 0);
    EVP_PKEY_free(key);
}
END_TEST

/* Ciphertexts that are no number below the modulus, or shorter than it. */
START_TEST(odd_ciphertexts)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct scheme sc = {.padding = RSA_NO_PADDING};
    size_t n;

    memset(crypted, 0xff, sizeof(crypted));
    both_fail(key, &sc, 256, "more than the modulus");
    both_fail(key, &sc, 257, "longer than the modulus");
    asym_did(&s, 0, 2);
    for (size_t len = 1; len < 256; len += 127) {
        ck_assert_int_eq(decrypt(OURS, key, &sc, len, out, &n), 1);
        ck_assert_int_eq(decrypt(THEIRS, key, &sc, len, out2, &n), 1);
        ck_assert_mem_eq(out, out2, 256);
        asym_did(&s, 1, 0);
    }
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(small_buffers)
{
    EVP_PKEY *key = asym_rsa(&s, 2048);
    struct scheme sc = {.padding = RSA_PKCS1_PADDING};
    size_t len = encrypt(THEIRS, key, &sc, 48), n = 0;
    EVP_PKEY_CTX *ctx = context(OURS, key, false, &sc);

    ck_assert_int_eq(EVP_PKEY_decrypt(ctx, NULL, &n, crypted, len), 1);
    ck_assert_uint_eq(n, 256);
    n = 255;
    ck_assert_int_ne(EVP_PKEY_decrypt(ctx, out, &n, crypted, len), 1);
    ERR_clear_error();
    n = 256;
    ck_assert_int_eq(EVP_PKEY_decrypt(ctx, out, &n, crypted, len), 1);
    ck_assert_uint_eq(n, 48);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}
END_TEST

/* ---- the premaster secret of TLS ---- */

#define SECRET SSL_MAX_MASTER_KEY_LENGTH

struct premaster {
    const char *name;
    size_t message;   /* bytes behind the separator */
    int at, byte;     /* what else is changed; at < 0: nothing */
    unsigned version; /* in the message */
    bool good;
};

static const struct premaster premasters[] = {
    {"good", SECRET, -1, 0, 0x0303, true},
    {"negotiated version", SECRET, -1, 0, 0x0301, true},
    {"other version", SECRET, -1, 0, 0x0302, false},
    {"no version", SECRET, -1, 0, 0, false},
    {"a byte long", SECRET + 1, -1, 0, 0x0303, false},
    {"a byte short", SECRET - 1, -1, 0, 0x0303, false},
    {"empty", 0, -1, 0, 0, false},
    {"far too long", 200, -1, 0, 0x0303, false},
    {"first byte", SECRET, 0, 1, 0x0303, false},
    {"type 1", SECRET, 1, 1, 0x0303, false},
    {"type 0", SECRET, 1, 0, 0x0303, false},
    {"separator at once", SECRET, 2, 0, 0x0303, false},
    {"separator in the padding", SECRET, 100, 0, 0x0303, false},
    {"no separator", SECRET, 255 - SECRET, 9, 0x0303, false},
};
#define PREMASTERS ((int)(sizeof(premasters) / sizeof(premasters[0])))

static void seen(EVP_PKEY *key, const struct premaster *p, const struct scheme *sc, size_t len,
                 const uint8_t *secret)
{
    size_t n;

    ck_assert_int_eq(decrypt(OURS, key, sc, len, out, &n), 1);
    ck_assert_uint_eq(n, SECRET);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_msg((memcmp(out, secret, SECRET) == 0) == p->good, "%s", p->name);
    /* Random, and other random the next time. */
    ck_assert_int_eq(decrypt(OURS, key, sc, len, out2, &n), 1);
    ck_assert_msg((memcmp(out, out2, SECRET) == 0) == p->good, "%s", p->name);
    asym_did_at(&s, 2, 0, p->name);
}

START_TEST(premaster_secret)
{
    const struct premaster *p = &premasters[_i];
    struct scheme sc = {RSA_PKCS1_WITH_TLS_PADDING, NULL, NULL, NULL, 0x0303, 0x0301};
    EVP_PKEY *key = asym_rsa(&s, 2048);
    uint8_t block[256 + SECRET];
    size_t len, n;

    memset(block + 256 - SECRET, 0x11, 2 * SECRET);
    fill_block(block, 256, p->message);
    if (p->message >= 2) {
        block[256 - p->message] = (uint8_t)(p->version >> 8);
        block[257 - p->message] = (uint8_t)p->version;
    }
    if (p->at >= 0)
        block[p->at] = (uint8_t)p->byte;
    len = encrypt_block(key, block, 256);
    seen(key, p, &sc, len, block + 256 - SECRET);
    ck_assert_int_eq(decrypt(THEIRS, key, &sc, len, out2, &n), 1);
    ck_assert_msg((memcmp(block + 256 - SECRET, out2, SECRET) == 0) == p->good, "%s: they",
                  p->name);
    EVP_PKEY_free(key);
}
END_TEST

/* Without a negotiated version there is only one; without any, no answer. */
START_TEST(premaster_versions)
{
    struct scheme sc = {RSA_PKCS1_WITH_TLS_PADDING, NULL, NULL, NULL, 0x0303, 0};
    EVP_PKEY *key = asym_rsa(&s, 2048);
    uint8_t block[256];
    size_t len, n;

    fill_block(block, 256, SECRET);
    block[256 - SECRET] = block[257 - SECRET] = 0;
    len = encrypt_block(key, block, 256);
    ck_assert_int_eq(decrypt(OURS, key, &sc, len, out, &n), 1);
    ck_assert(memcmp(out, block + 256 - SECRET, SECRET) != 0);
    sc.version = 0;
    both_fail(key, &sc, len, "no version");
    EVP_PKEY_free(key);
}
END_TEST

static const char *const number_names[PUBLISHED_RSA_NUMBERS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};
#define NUMBERS PUBLISHED_RSA_NUMBERS

START_TEST(published_oaep)
{
    static uint8_t numbers[NUMBERS][128];
    struct scheme sc = {.padding = RSA_PKCS1_OAEP_PADDING};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(s.libctx, "RSA", THEIRS);
    OSSL_PARAM params[NUMBERS + 1];
    EVP_PKEY *key = NULL;
    size_t len;

    for (size_t i = 0; i < NUMBERS; i++) {
        uint8_t *n = numbers[i];

        len = support_hex(published_rsa.numbers[i], n, sizeof(numbers[i]));
        for (size_t k = 0; k < len / 2; k++) {
            uint8_t b = n[k];

            n[k] = n[len - 1 - k];
            n[len - 1 - k] = b;
        }
        params[i] = OSSL_PARAM_construct_BN(number_names[i], n, len);
    }
    params[NUMBERS] = OSSL_PARAM_construct_end();
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
    support_hex(published_rsa.cipher, crypted, sizeof(crypted));
    support_hex(published_rsa.text, text, sizeof(text));
    ck_assert_int_eq(decrypt(OURS, key, &sc, 128, out, &len), 1);
    ck_assert_uint_eq(len, strlen(published_rsa.text) / 2);
    ck_assert_mem_eq(out, text, len);
    asym_did(&s, 1, 0);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsa decryption");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, key_sizes, 0, SIZES);
    tcase_add_loop_test(tc, oaep_digests_and_masks, 0, DIGESTS * DIGESTS);
    tcase_add_test(tc, wrong_oaep);
    tcase_add_test(tc, wrong_pkcs1);
    tcase_add_test(tc, odd_ciphertexts);
    tcase_add_test(tc, small_buffers);
    tcase_add_loop_test(tc, premaster_secret, 0, PREMASTERS);
    tcase_add_test(tc, premaster_versions);
    tcase_add_test(tc, published_oaep);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
