/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a job's stack is used. OpenSSL's are 32 KiB, with nothing below
 * that would catch an overflow; here there is a page that does, and what was
 * never written is counted when the stack is freed. On such a stack the provider
 * works for the job, and where many jobs are under way the emulated device too,
 * which the job that fills a batch rings up.
 */
#include <check.h>
#include <openssl/async.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/asym.h"

#define STACK 32768u /* STACKSIZE of OpenSSL's async_posix.c */
#define GUARD 4096u
#define PAINT 0xa5
/* What is left must do for the application: libssl's handshake is some 3 KiB. */
#define USED_MAX (STACK * 5 / 8)

#define JOBS 24
#define LEN  512

static uint8_t *stacks[256];
static unsigned most; /* bytes of a stack that were used */

static void *get(size_t n, const char *file, int line)
{
    uint8_t *p;

    (void)file;
    (void)line;
    if (n != STACK)
        return malloc(n);
    p = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) != 0)
        return NULL;
    memset(p + GUARD, PAINT, STACK);
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        uint8_t *none = NULL;

        if (__atomic_compare_exchange_n(&stacks[i], &none, p, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return p + GUARD;
    }
    munmap(p, GUARD + STACK);
    return NULL;
}

static void *again(void *old, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    for (size_t i = 0; old != NULL && i < sizeof(stacks) / sizeof(stacks[0]); i++)
        ck_assert(stacks[i] == NULL || stacks[i] + GUARD != old);
    return realloc(old, n);
}

static void look(const uint8_t *p)
{
    unsigned clean = 0;

    while (clean < STACK && p[GUARD + clean] == PAINT)
        clean++;
    if (STACK - clean > most)
        most = STACK - clean;
}

static void put(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    for (size_t i = 0; old != NULL && i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        uint8_t *p = __atomic_load_n(&stacks[i], __ATOMIC_ACQUIRE);

        if (p == NULL || p + GUARD != old)
            continue;
        look(p);
        munmap(p, GUARD + STACK);
        __atomic_store_n(&stacks[i], NULL, __ATOMIC_RELEASE);
        return;
    }
    free(old);
}

static struct support s;

struct slot {
    void (*op)(struct slot *slot);
    ASYNC_WAIT_CTX *wait;
    ASYNC_JOB *job;
    unsigned rounds;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    EVP_PKEY_CTX *pkey;
    EVP_MD_CTX *md;
    bool encrypts;
    uint8_t in[ASYM_MAX], out[ASYM_MAX + 64], tag[16];
    size_t len;
};

static int slot_main(void *arg)
{
    struct slot *slot = *(struct slot **)arg;

    for (unsigned i = 0; i < slot->rounds; i++)
        slot->op(slot);
    return 1;
}

static int fd_of(const struct slot *slot)
{
    OSSL_ASYNC_FD fd = -1;
    size_t n = 1;

    return ASYNC_WAIT_CTX_get_all_fds(slot->wait, &fd, &n) && n == 1 ? fd : -1;
}

/* All jobs, until all have finished. */
static void run(struct slot *slots, unsigned n)
{
    struct pollfd fds[JOBS];
    unsigned left = n;

    for (unsigned i = 0; i < n; i++)
        slots[i].wait = ASYNC_WAIT_CTX_new();
    for (bool first = true; left != 0; first = false) {
        if (!first)
            ck_assert_int_gt(poll(fds, n, 10000), 0);
        for (unsigned i = 0; i < n; i++) {
            struct slot *slot = &slots[i];
            int ret;

            if (!first && (fds[i].fd < 0 || fds[i].revents == 0))
                continue;
            fds[i] = (struct pollfd){.fd = -1};
            switch (ASYNC_start_job(&slot->job, slot->wait, &ret, slot_main, &slot, sizeof(slot))) {
            case ASYNC_PAUSE: fds[i] = (struct pollfd){.fd = fd_of(slot), .events = POLLIN}; break;
            case ASYNC_FINISH: left--; break;
            default: ck_abort_msg("no job");
            }
        }
    }
    for (unsigned i = 0; i < n; i++)
        ASYNC_WAIT_CTX_free(slots[i].wait);
}

/* Ends the jobs' stacks, too, and says what they were. */
static void report(const char *what)
{
    ASYNC_cleanup_thread();
    printf("# %s: %u bytes of stack\n", what, most);
    /* Some stacks were looked at. */
    ck_assert_uint_gt(most, 512);
    ck_assert_uint_le(most, USED_MAX);
    most = 0;
}

static void tear_down(void)
{
    support_unload(&s);
}

/* One message: in to out, with the tag given or taken. */
static void pass(EVP_CIPHER_CTX *ctx, EVP_CIPHER *c, int encrypts, const uint8_t *in, uint8_t *out,
                 uint8_t *tag)
{
    static const uint8_t key[64] = {1, [16] = 2, [32] = 3}, iv[16] = {9}, aad[20];
    bool aead = (EVP_CIPHER_get_flags(c) & EVP_CIPH_FLAG_AEAD_CIPHER) != 0;
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16),
                           OSSL_PARAM_END};
    int n;

    /* Decryption goes to the device only where the tag is known. */
    ck_assert_int_eq(EVP_CipherInit_ex2(ctx, EVP_CIPHER_CTX_get0_cipher(ctx) == NULL ? c : NULL,
                                        key, iv, encrypts, aead && !encrypts ? params : NULL),
                     1);
    ck_assert_int_eq(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
    if (aead)
        ck_assert_int_eq(EVP_CipherUpdate(ctx, NULL, &n, aad, sizeof(aad)), 1);
    ck_assert_int_eq(EVP_CipherUpdate(ctx, out, &n, in, LEN), 1);
    ck_assert_int_eq(EVP_CipherFinal_ex(ctx, out, &n), 1);
    if (aead && encrypts)
        ck_assert_int_eq(EVP_CIPHER_CTX_get_params(ctx, params), 1);
}

static void cipher(struct slot *slot)
{
    pass(slot->ctx, slot->cipher, slot->encrypts, slot->in, slot->out, slot->tag);
}

/* What is to be deciphered is somebody's ciphertext. */
static void cipher_new(struct slot *slot, EVP_CIPHER *c, bool encrypts)
{
    EVP_CIPHER *theirs = support_default(&s, EVP_CIPHER_get0_name(c));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    *slot = (struct slot){.op = cipher, .rounds = 100, .cipher = c, .encrypts = encrypts};
    slot->ctx = EVP_CIPHER_CTX_new();
    if (!encrypts)
        pass(ctx, theirs, true, slot->out, slot->in, slot->tag);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(theirs);
}

/* The first request of all opens the device. */
static void set_up(void)
{
    struct slot first;
    EVP_CIPHER *c;

    asym_start(&s, SUPPORT_ALL_OFFLOAD);
    most = 0;
    c = support_cipher(&s, "AES-128-CBC");
    cipher_new(&first, c, true);
    first.rounds = 1;
    run(&first, 1);
    asym_did(&s, 1, 0);
    report("the first request");
    EVP_CIPHER_CTX_free(first.ctx);
    EVP_CIPHER_free(c);
}

static const char *const ciphers[] = {"AES-128-CBC", "AES-256-CTR", "AES-128-ECB",
                                      "AES-256-XTS", "AES-128-GCM", "ChaCha20-Poly1305"};
#define CIPHERS ((int)(sizeof(ciphers) / sizeof(ciphers[0])))

/* All of one kind under way: the batches are full. */
START_TEST(symmetric)
{
    struct slot *slots = calloc(JOBS, sizeof(*slots));
    const char *name = ciphers[_i / 2];
    EVP_CIPHER *c = support_cipher(&s, name);

    for (unsigned i = 0; i < JOBS; i++)
        cipher_new(&slots[i], c, _i % 2 == 0);
    run(slots, JOBS);
    asym_did(&s, JOBS * 100, 0);
    report(name);
    for (unsigned i = 0; i < JOBS; i++)
        EVP_CIPHER_CTX_free(slots[i].ctx);
    EVP_CIPHER_free(c);
    free(slots);
}
END_TEST

static void sign(struct slot *slot)
{
    size_t len = sizeof(slot->out);

    ck_assert_int_eq(EVP_PKEY_sign(slot->pkey, slot->out, &len, slot->in, slot->len), 1);
}

static void sign_message(struct slot *slot)
{
    size_t len = sizeof(slot->out);

    ck_assert_int_eq(EVP_DigestSignInit_ex(slot->md, NULL, NULL, NULL, NULL, NULL, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(slot->md, slot->out, &len, slot->in, 100), 1);
}

static void decrypt(struct slot *slot)
{
    size_t len = sizeof(slot->out);

    ck_assert_int_eq(EVP_PKEY_decrypt(slot->pkey, slot->out, &len, slot->in, slot->len), 1);
}

static void signs(struct slot *slot, EVP_PKEY *key, const struct asym_scheme *scheme)
{
    *slot = (struct slot){.op = sign, .rounds = 60, .len = asym_md_size(&s, scheme->md)};
    slot->pkey = asym_context(&s, OURS, key, true, scheme);
    ck_assert_ptr_nonnull(slot->pkey);
}

static void signs_messages(struct slot *slot, EVP_PKEY *key)
{
    *slot = (struct slot){.op = sign_message, .rounds = 60, .md = EVP_MD_CTX_new()};
    ck_assert_int_eq(EVP_DigestSignInit_ex(slot->md, NULL, "SHA2-256", s.libctx, OURS, key, NULL),
                     1);
}

static void decrypts(struct slot *slot, EVP_PKEY *key)
{
    EVP_PKEY_CTX *theirs = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, THEIRS);

    *slot = (struct slot){.op = decrypt, .rounds = 60, .len = sizeof(slot->in)};
    ck_assert_int_eq(EVP_PKEY_encrypt_init(theirs), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(theirs, RSA_PKCS1_OAEP_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_encrypt(theirs, slot->in, &slot->len, (const uint8_t *)"text", 4), 1);
    EVP_PKEY_CTX_free(theirs);
    slot->pkey = EVP_PKEY_CTX_new_from_pkey(s.libctx, key, OURS);
    ck_assert_int_eq(EVP_PKEY_decrypt_init(slot->pkey), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(slot->pkey, RSA_PKCS1_OAEP_PADDING), 1);
}

static void end(struct slot *slots)
{
    for (unsigned i = 0; i < JOBS; i++) {
        EVP_PKEY_CTX_free(slots[i].pkey);
        EVP_MD_CTX_free(slots[i].md);
    }
    free(slots);
}

/* First signatures of which a batch is quick, with crypto_mb, then others with
 * them: whoever rings the doorbell does what is there, by libcrypto what does not
 * fill the lanes. */
START_TEST(signatures)
{
    struct slot *slots = calloc(JOBS, sizeof(*slots));
    EVP_PKEY *p256 = asym_ec(&s, "P-256"), *p384 = asym_ec(&s, "P-384");
    EVP_PKEY *p521 = asym_ec(&s, "P-521"), *rsa = asym_rsa(&s, 2048), *large = asym_rsa(&s, 4096);

    for (unsigned i = 0; i < JOBS; i++) {
        signs(&slots[i], p256, &(struct asym_scheme){.md = "SHA2-256"});
        slots[i].rounds = 200;
    }
    run(slots, JOBS);
    asym_did(&s, JOBS * 200, 0);
    end(slots);
    report("ECDSA P-256");

    slots = calloc(JOBS, sizeof(*slots));
    for (unsigned i = 0; i < JOBS; i += 8) {
        for (unsigned k = 0; k < 4; k++)
            signs_messages(&slots[i + k], k < 3 ? p256 : rsa);
        signs(&slots[i + 4], p384, &(struct asym_scheme){.md = "SHA2-384"});
        signs(&slots[i + 5], p521, &(struct asym_scheme){.md = "SHA2-512"});
        signs(&slots[i + 6], large, &PSS("SHA2-256", "SHA2-256", 32));
        decrypts(&slots[i + 7], rsa);
    }
    for (unsigned i = 0; i < JOBS; i++)
        slots[i].rounds = i % 8 < 3 ? 100 : 20;
    run(slots, JOBS);
    asym_did(&s, JOBS / 8 * (3 * 100 + 5 * 20), 0);
    end(slots);
    report("private keys");
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(p521);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack");
    TCase *tc = tcase_create("stack");

    /* Before libcrypto allocates anything. */
    if (!CRYPTO_set_mem_functions(get, again, put))
        return support_skip("stack", "libcrypto's allocator cannot be replaced");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, symmetric, 0, 2 * CIPHERS);
    tcase_add_test(tc, signatures);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
