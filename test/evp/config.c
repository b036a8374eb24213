/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the provider's section: what is taken, and how the rest is
 * refused. */
#include <check.h>
#include <openssl/err.h>
#include <string.h>

#include "support.h"

/* The text that goes with the errors in the queue. */
static void queue_text(char *out, size_t room)
{
    const char *data;
    int flags;

    out[0] = '\0';
    while (ERR_get_error_all(NULL, NULL, NULL, &data, &flags) != 0) {
        if ((flags & ERR_TXT_STRING) == 0 || data == NULL)
            continue;
        strncat(out, data, room - strlen(out) - 1);
        strncat(out, "\n", room - strlen(out) - 1);
    }
}

static const struct {
    const char *key, *value;
    const char *says; /* besides key and value */
} refused[] = {
    {"device", "quantum", "accepted"},
    {"device", "", "accepted"},
    {"device", "emulator,,emulator", "accepted"},
    {"device", "emulator,pci:", "accepted"},
    {"algorithms", "AES-128-CBC,ROT13", "accepted"},
    {"algorithms", "", "accepted"},
    {"sync", "maybe", "software, offload"},
    {"min_bytes", "-1", "NAME:enc:N"},
    {"min_bytes", "12k", "NAME:enc:N"},
    {"min_bytes", "AES-128-CBC:", "NAME:enc:N"},
    {"min_bytes", "AES-128-CBC:up:1", "NAME:enc:N"},
    {"min_bytes", "ROT13:1", "NAME:enc:N"},
    {"min_bytes", "1,", "NAME:enc:N"},
    {"completion", "magic", "adaptive, interrupt, poll"},
    {"queue_size", "4", "from 8 to 256"},
    {"queue_size", "512", "from 8 to 256"},
    {"queue_size", "100", "power of two"},
    {"queue_size", "0x100", "power of two"},
    {"timeout_ms", "0", "from 1"},
    {"timeout_ms", "99999999999999999999", "from 1"},
    {"fallback", "perhaps", "yes, no"},
    {"emulator_threads", "0", "from 1 to 64"},
    {"emulator_threads", "65", "from 1 to 64"},
    {"emulator_latency_us", "-5", "from 0"},
    {"emulator_fault", "gremlins", ""},
};

START_TEST(test_refused)
{
    struct support s;
    char line[128], text[1024], pair[128];

    snprintf(line, sizeof(line), "%s = %s\n", refused[_i].key, refused[_i].value);
    snprintf(pair, sizeof(pair), "%s = %s", refused[_i].key, refused[_i].value);
    ck_assert_msg(!support_try_load(&s, line), "accepted: %s", line);
    queue_text(text, sizeof(text));
    ck_assert_msg(strstr(text, pair) != NULL, "\"%s\" is not in: %s", pair, text);
    ck_assert_msg(strstr(text, refused[_i].says) != NULL, "\"%s\" is not in: %s", refused[_i].says,
                  text);
}
END_TEST

static const char *const taken[] = {
    "device = emulator",
    "device = emulator, emulator",
    "algorithms = ALL",
    "algorithms = aes128, id-aes256-GCM,2.16.840.1.101.3.4.1.1",
    "sync = software",
    "sync = offload",
    "min_bytes = 0",
    "min_bytes = 4096, AES-128-CBC:enc:1, aes-128-cbc:dec:2 ,AES256:7",
    "completion = interrupt",
    "completion = adaptive",
    "completion = poll",
    "queue_size = 8",
    "queue_size = 128",
    "timeout_ms = 1",
    "timeout_ms = 3600000",
    "fallback = yes",
    "fallback = no",
    "emulator_threads = 64",
    "emulator_latency_us = 10",
    "emulator_fault = none",
};

START_TEST(test_taken)
{
    struct support s;

    support_load(&s, taken[_i]);
    support_unload(&s);
}
END_TEST

static bool offered(const struct support *s, const char *name)
{
    EVP_CIPHER *c = EVP_CIPHER_fetch(s->libctx, name, "provider=vcrypto");

    EVP_CIPHER_free(c);
    ERR_clear_error();
    return c != NULL;
}

START_TEST(test_algorithms)
{
    struct support s;

    support_load(&s, "algorithms = AES128,aes-256-gcm");
    ck_assert(offered(&s, "AES-128-CBC"));
    ck_assert(offered(&s, "2.16.840.1.101.3.4.1.46"));
    ck_assert(!offered(&s, "AES-256-CBC"));
    ck_assert(!offered(&s, "AES-128-ECB"));
    support_unload(&s);
}
END_TEST

/* Encrypts or decrypts len bytes; returns how many requests that made. */
static uint64_t requests_for(const struct support *s, const char *name, int enc, int len)
{
    static uint8_t buf[8192];
    static const uint8_t key[64], iv[16];
    EVP_CIPHER *c = support_cipher(s, name);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint64_t before = support_stat(s, "vcrypto-requests");
    int n = 0;

    ck_assert_int_eq(EVP_CipherInit_ex(ctx, c, NULL, key, iv, enc), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, buf, &n, buf, len), 1);
    ck_assert_int_eq(n, len);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(c);
    return support_stat(s, "vcrypto-requests") - before;
}

START_TEST(test_min_bytes)
{
    struct support s;

    support_load(&s, "sync = offload\n"
                     "min_bytes = 4096, AES-128-CBC:enc:1024, aes-128-cbc:dec:2048, AES256:0");
    ck_assert_uint_eq(requests_for(&s, "AES-128-CBC", 1, 1008), 0);
    ck_assert_uint_eq(requests_for(&s, "AES-128-CBC", 1, 1024), 1);
    ck_assert_uint_eq(requests_for(&s, "AES-128-CBC", 0, 2032), 0);
    ck_assert_uint_eq(requests_for(&s, "AES-128-CBC", 0, 2048), 1);
    ck_assert_uint_eq(requests_for(&s, "AES-128-CTR", 1, 4095), 0);
    ck_assert_uint_eq(requests_for(&s, "AES-128-CTR", 1, 4096), 1);
    ck_assert_uint_eq(requests_for(&s, "AES-256-CBC", 0, 16), 1);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-small"), 3);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), 3);
    support_unload(&s);
}
END_TEST

START_TEST(test_sync_software)
{
    struct support s;

    support_load(&s, "min_bytes = 0");
    ck_assert_uint_eq(requests_for(&s, "AES-128-CBC", 1, 1024), 0);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-software-no-job"), 1);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("keys");

    tcase_add_loop_test(tc, test_refused, 0, (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_loop_test(tc, test_taken, 0, (int)(sizeof(taken) / sizeof(taken[0])));
    tcase_add_test(tc, test_algorithms);
    tcase_add_test(tc, test_min_bytes);
    tcase_add_test(tc, test_sync_software);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
