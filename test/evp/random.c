/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks: the same random calls on a context of ours and one of the default
 * provider's, step by step. Return values, lengths, output, tags, IVs and
 * parameters must be the same after each.
 *
 * Left out is what the default provider itself answers with garbage: another
 * direction under the old key, another key in mid-message without an IV, input
 * that is overwritten by buffered output, anything after a failure but init.
 */
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

#define ROOM 40000

static const struct mode {
    const char *name;
    int key_len, iv_len, block; /* block: multiples wanted by raw calls */
    bool aead, xts, pads;
} modes[] = {
    {"AES-128-ECB", 16, 0, 16, false, false, true},
    {"AES-192-ECB", 24, 0, 16, false, false, true},
    {"AES-256-ECB", 32, 0, 16, false, false, true},
    {"AES-128-CBC", 16, 16, 16, false, false, true},
    {"AES-192-CBC", 24, 16, 16, false, false, true},
    {"AES-256-CBC", 32, 16, 16, false, false, true},
    {"AES-128-CTR", 16, 16, 1, false, false, false},
    {"AES-192-CTR", 24, 16, 1, false, false, false},
    {"AES-256-CTR", 32, 16, 1, false, false, false},
    {"AES-128-XTS", 32, 16, 1, false, true, false},
    {"AES-256-XTS", 64, 16, 1, false, true, false},
    {"AES-128-GCM", 16, 12, 1, true, false, false},
    {"AES-192-GCM", 24, 12, 1, true, false, false},
    {"AES-256-GCM", 32, 12, 1, true, false, false},
    {"ChaCha20-Poly1305", 32, 12, 1, true, false, false},
};

#define MODES (int)(sizeof(modes) / sizeof(modes[0]))

/* How the work is divided between device and software. */
static const char *const divisions[] = {
    SUPPORT_ALL_OFFLOAD, "sync = software\n", "sync = offload\nmin_bytes = 200\n",
    "sync = software\nmin_bytes = 200\n", /* some steps in a job */
};

enum { ALL_OFFLOAD, NO_JOBS, LARGE, SOME_JOBS };

#define DIVISIONS (int)(sizeof(divisions) / sizeof(divisions[0]))

enum { OURS, THEIRS, SIDES };

static struct walk {
    const struct mode *mode;
    struct support_random random;
    EVP_CIPHER *cipher[SIDES];
    EVP_CIPHER_CTX *ctx[SIDES];
    int step;
    bool encrypting, begun, tag_set, buffered, jobs;
    uint8_t key[64], iv[16];
    uint8_t in[ROOM], out[SIDES][ROOM];
} w;

#define SAME(ours, theirs, what)                                                                   \
    ck_assert_msg((ours) == (theirs), "%s, step %d: %s is %lld, not %lld", w.mode->name, w.step,   \
                  what, (long long)(ours), (long long)(theirs))

static uint32_t below(uint32_t n)
{
    return support_below(&w.random, n);
}

static void same_bytes(const uint8_t *ours, const uint8_t *theirs, size_t len, const char *what)
{
    ck_assert_msg(memcmp(ours, theirs, len) == 0, "%s, step %d: %s differs", w.mode->name, w.step,
                  what);
}

/* The parameters that show the state. */
static void same_state(void)
{
    uint8_t iv[SIDES][16], updated[SIDES][16];
    int ok[SIDES];

    for (int i = 0; i < SIDES; i++) {
        memset(iv[i], 0, 16);
        memset(updated[i], 0, 16);
        ok[i] = EVP_CIPHER_CTX_get_original_iv(w.ctx[i], iv[i], 16) * 2 +
                EVP_CIPHER_CTX_get_updated_iv(w.ctx[i], updated[i], 16);
    }
    SAME(ok[OURS], ok[THEIRS], "getting the IVs");
    same_bytes(iv[OURS], iv[THEIRS], 16, "original IV");
    same_bytes(updated[OURS], updated[THEIRS], 16, "updated IV");
    SAME(EVP_CIPHER_CTX_get_num(w.ctx[OURS]), EVP_CIPHER_CTX_get_num(w.ctx[THEIRS]), "num");
    SAME(EVP_CIPHER_CTX_get_iv_length(w.ctx[OURS]), EVP_CIPHER_CTX_get_iv_length(w.ctx[THEIRS]),
         "IV length");
    SAME(EVP_CIPHER_CTX_get_tag_length(w.ctx[OURS]), EVP_CIPHER_CTX_get_tag_length(w.ctx[THEIRS]),
         "tag length");
    ERR_clear_error();
}

static void do_init(bool key, bool iv)
{
    int ok[SIDES];

    if (key && below(3) == 0)
        support_fill(&w.random, w.key, sizeof(w.key));
    if (iv)
        support_fill(&w.random, w.iv, sizeof(w.iv));
    for (int i = 0; i < SIDES; i++)
        ok[i] = EVP_CipherInit_ex(w.ctx[i], NULL, NULL, key ? w.key : NULL, iv ? w.iv : NULL,
                                  w.encrypting);
    SAME(ok[OURS], ok[THEIRS], "init");
    w.buffered = false;
}

/* From a state that both agree on: key, direction and IV, in any order. */
static void do_restart(void)
{
    w.encrypting = below(2) != 0;
    switch (below(w.mode->aead ? 3 : 2)) {
    case 0: do_init(true, true); break;
    case 1:
        do_init(true, false);
        do_init(false, true);
        break;
    default:
        do_init(false, true);
        do_init(true, false);
        break;
    }
    w.begun = w.tag_set = false;
}

static size_t some_length(void)
{
    static const uint32_t most[] = {17, 64, 400, 5000, 20000};

    return below(most[below(5)]);
}

/* Both sides have failed in the same way, or not. */
static bool outcome(const int ok[SIDES], const int len[SIDES], const char *what)
{
    SAME(ok[OURS] > 0, ok[THEIRS] > 0, what);
    if (ok[THEIRS] <= 0) {
        ck_assert_msg(w.mode->aead || ERR_peek_error() != 0, "%s, step %d: no error for %s",
                      w.mode->name, w.step, what);
        ERR_clear_error();
        do_restart();
        return false;
    }
    SAME(len[OURS], len[THEIRS], what);
    same_bytes(w.out[OURS], w.out[THEIRS], (size_t)len[THEIRS], what);
    return true;
}

static void do_update(bool raw)
{
    size_t n = some_length();
    size_t shift = below(2) != 0 ? below(16) : 0;
    bool in_place = !w.buffered && below(2) != 0 && (!w.mode->pads || n % 16 == 0);
    int ok[SIDES], len[SIDES] = {0, 0};

    if (raw && w.mode->pads && below(8) != 0)
        n -= n % 16;
    support_fill(&w.random, w.in, n + 16);
    for (int i = 0; i < SIDES; i++) {
        uint8_t *out = w.out[i] + shift;
        const uint8_t *in = in_place ? out : w.in;

        memset(w.out[i], 0, n + 64);
        if (in_place)
            memcpy(out, w.in, n);
        if (raw)
            len[i] = ok[i] = EVP_Cipher(w.ctx[i], out, in, (unsigned)n);
        else
            ok[i] = EVP_CipherUpdate(w.ctx[i], out, &len[i], in, (int)n);
        if (raw && n == 0)
            ok[i]++;
        memmove(w.out[i], out, n + 32);
    }
    w.begun = true;
    if (outcome(ok, len,
                raw        ? "EVP_Cipher"
                : in_place ? "update in place"
                           : "update") &&
        !raw && w.mode->pads)
        w.buffered = w.buffered || n % 16 != 0 || !w.encrypting;
}

static void do_aad(void)
{
    size_t n = below(3) == 0 ? below(6000) : below(40);
    int ok[SIDES], len[SIDES] = {0, 0};

    support_fill(&w.random, w.in, n);
    for (int i = 0; i < SIDES; i++) {
        ok[i] = EVP_CipherUpdate(w.ctx[i], NULL, &len[i], w.in, (int)n);
        SAME(len[i], ok[i] > 0 ? (int)n : 0, "AAD length");
        len[i] = 0;
    }
    w.begun = true;
    outcome(ok, len, "AAD");
}

/* Before a message's end only whether there is one: what it is then, the
 * default provider leaves to chance. */
static void do_get_tag(bool ended)
{
    size_t n = 1 + below(16);
    int ok[SIDES];

    for (int i = 0; i < SIDES; i++) {
        memset(w.out[i], 0, 16);
        ok[i] = EVP_CIPHER_CTX_ctrl(w.ctx[i], EVP_CTRL_AEAD_GET_TAG, (int)n, w.out[i]);
    }
    SAME(ok[OURS], ok[THEIRS], "getting the tag");
    if (ended)
        same_bytes(w.out[OURS], w.out[THEIRS], 16, "tag");
    ERR_clear_error();
}

static void do_set_tag(void)
{
    uint8_t tag[16];
    size_t n = 1 + below(16);

    support_fill(&w.random, tag, sizeof(tag));
    SAME(EVP_CIPHER_CTX_ctrl(w.ctx[OURS], EVP_CTRL_AEAD_SET_TAG, (int)n, tag),
         EVP_CIPHER_CTX_ctrl(w.ctx[THEIRS], EVP_CTRL_AEAD_SET_TAG, (int)n, tag), "setting a tag");
    ERR_clear_error();
}

static void do_iv_len(void)
{
    static const int lens[] = {1, 8, 12, 12, 16, 16};
    int n = lens[below(6)];

    SAME(EVP_CIPHER_CTX_ctrl(w.ctx[OURS], EVP_CTRL_AEAD_SET_IVLEN, n, NULL),
         EVP_CIPHER_CTX_ctrl(w.ctx[THEIRS], EVP_CTRL_AEAD_SET_IVLEN, n, NULL), "IV length");
    if (below(4) != 0)
        do_restart();
}

static void do_final(void)
{
    int ok[SIDES], len[SIDES] = {0, 0};

    for (int i = 0; i < SIDES; i++)
        ok[i] = EVP_CipherFinal_ex(w.ctx[i], w.out[i], &len[i]);
    if (!outcome(ok, len, "final"))
        return;
    w.buffered = false;
    if (w.mode->aead && w.encrypting)
        do_get_tag(true);
    /* Data behind the end would be encrypted with a nonce that has been used:
     * the default provider does that in one mode, and ours refuses it. */
    if (below(8) != 0 || strcmp(w.mode->name, "ChaCha20-Poly1305") == 0)
        do_restart();
}

static void do_dup(void)
{
    for (int i = 0; i < SIDES; i++) {
        EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();

        ck_assert_int_eq(EVP_CIPHER_CTX_copy(copy, w.ctx[i]), 1);
        if (below(2) == 0) {
            EVP_CIPHER_CTX_free(w.ctx[i]);
            w.ctx[i] = copy;
        } else {
            EVP_CIPHER_CTX_free(copy);
        }
    }
}

static void do_padding(void)
{
    int on = (int)below(2);

    SAME(EVP_CIPHER_CTX_set_padding(w.ctx[OURS], on), EVP_CIPHER_CTX_set_padding(w.ctx[THEIRS], on),
         "padding");
}

struct message {
    size_t len, aad, cut;
    bool tag_first, two;
    int tag_len;
    uint8_t tag[16];
};

static void one_way(EVP_CIPHER_CTX *c, struct message *m, uint8_t *buf, bool enc)
{
    int len = 0, more = 0;

    ck_assert_int_eq(EVP_CipherInit_ex(c, NULL, NULL, w.key, w.iv, enc), 1);
    if (!enc && m->tag_first)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, m->tag_len, m->tag), 1);
    ck_assert_int_eq(EVP_CipherUpdate(c, NULL, &len, w.in, (int)m->aad), 1);
    ck_assert_int_eq(EVP_CipherUpdate(c, buf, &len, buf, (int)(m->two ? m->cut : m->len)), 1);
    if (m->two)
        ck_assert_int_eq(EVP_CipherUpdate(c, buf + len, &more, buf + len, (int)m->len - len), 1);
    SAME(len + more, (int)m->len, "length");
    if (!enc && !m->tag_first)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, m->tag_len, m->tag), 1);
    ck_assert_msg(EVP_CipherFinal_ex(c, buf, &more) == 1, "%s, step %d: final of %zu bytes",
                  w.mode->name, w.step, m->len);
    if (enc)
        ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, m->tag_len, m->tag), 1);
}

/* There and back with a good tag: random ones never are. Each side decrypts
 * what the other encrypted. */
static void do_exchange(void)
{
    struct message m[SIDES] = {{.len = some_length(),
                                .aad = below(50),
                                .tag_first = below(2) != 0,
                                .two = below(3) == 0,
                                .tag_len = 4 + (int)below(13)}};

    m[OURS].cut = m[OURS].len == 0 ? 0 : below((uint32_t)m[OURS].len);
    m[THEIRS] = m[OURS];
    support_fill(&w.random, w.in, m[OURS].len + m[OURS].aad);
    support_fill(&w.random, w.key, sizeof(w.key));
    support_fill(&w.random, w.iv, sizeof(w.iv));
    for (int i = 0; i < SIDES; i++) {
        memcpy(w.out[i], w.in, m[i].len);
        one_way(w.ctx[i], &m[i], w.out[i], true);
    }
    for (int i = 0; i < SIDES; i++) {
        one_way(w.ctx[i], &m[1 - i], w.out[1 - i], false);
        same_bytes(w.out[1 - i], w.in, m[i].len, "what came back");
    }
    do_restart();
}

static void one_step(void)
{
    const struct mode *m = w.mode;

    switch (below(20)) {
    case 0: do_restart(); break;
    case 1:
        /* A known IV again; in GCM only between messages. */
        do_init(false, true);
        w.begun = false;
        break;
    case 2:
        if (!m->aead)
            do_init(false, false);
        break;
    case 3:
    case 4: do_final(); break;
    case 5: do_dup(); break;
    case 6: do_padding(); break;
    case 7: do_update(true); break;
    case 8:
    case 9:
    case 10:
        if (m->aead)
            do_aad();
        break;
    case 11:
        if (m->aead)
            do_set_tag();
        break;
    case 12:
        if (m->aead)
            do_get_tag(false);
        break;
    case 13:
        if (m->aead && below(3) == 0)
            do_iv_len();
        break;
    case 14:
        if (m->aead && EVP_CIPHER_CTX_get_iv_length(w.ctx[OURS]) <= 16)
            do_exchange();
        break;
    default: do_update(false); break;
    }
    /* Not always: to be asked for it changes how things go on. */
    if (below(3) == 0)
        same_state();
}

static int job_step(void *arg)
{
    (void)arg;
    one_step();
    return 1;
}

static void walk(const struct support *s, const struct mode *mode, bool jobs, uint64_t seed,
                 int steps)
{
    unsigned pauses;

    memset(&w, 0, sizeof(w));
    w.mode = mode;
    w.jobs = jobs;
    w.random.state = seed;
    support_fill(&w.random, w.key, sizeof(w.key));
    w.cipher[OURS] = support_cipher(s, mode->name);
    w.cipher[THEIRS] = support_default(s, mode->name);
    for (int i = 0; i < SIDES; i++) {
        w.ctx[i] = EVP_CIPHER_CTX_new();
        ck_assert_int_eq(EVP_CipherInit_ex(w.ctx[i], w.cipher[i], NULL, NULL, NULL, 1), 1);
    }
    do_restart();
    for (w.step = 0; w.step < steps; w.step++) {
        if (w.jobs && below(2) == 0)
            ck_assert_int_eq(support_in_job(job_step, NULL, &pauses), 1);
        else
            one_step();
    }
    for (int i = 0; i < SIDES; i++) {
        EVP_CIPHER_CTX_free(w.ctx[i]);
        EVP_CIPHER_free(w.cipher[i]);
    }
}

/* _i: mode and division. */
START_TEST(test_walk)
{
    const struct mode *mode = &modes[_i / DIVISIONS];
    int division = _i % DIVISIONS;
    uint64_t expected;
    struct support s;

    support_load(&s, divisions[division]);
    for (uint64_t seed = 1; seed <= 12; seed++)
        walk(&s, mode, division == SOME_JOBS, seed, 200);
    expected = support_stat(&s, "vcrypto-software-stream") +
               support_stat(&s, "vcrypto-software-unsupported");
    switch (division) {
    case ALL_OFFLOAD:
        ck_assert_uint_eq(support_stat(&s, "vcrypto-software-total"), expected);
        break;
    case NO_JOBS: ck_assert_uint_eq(support_stat(&s, "vcrypto-requests"), 0); break;
    case SOME_JOBS:
        ck_assert_uint_gt(support_stat(&s, "vcrypto-software-no-job"), 0);
        /* Fall through. */
    default: ck_assert_uint_gt(support_stat(&s, "vcrypto-software-small"), 0); break;
    }
    if (division != NO_JOBS)
        ck_assert_uint_gt(support_stat(&s, "vcrypto-requests"), mode->aead ? 4 : 20);
    ck_assert_uint_eq(support_stat(&s, "vcrypto-live-contexts"), 0);
    support_settle(&s, "vcrypto-live-keys", 0);
    support_settle(&s, "vcrypto-live-sessions", 0);
    support_settle(&s, "vcrypto-live-requests", 0);
    support_settle(&s, "vcrypto-live-dma-bytes", 0);
    support_unload(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tc = tcase_create("walks");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_walk, 0, MODES * DIVISIONS);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
