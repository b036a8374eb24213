/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "../../evp/support/asym.h"

#define TAG    16
#define DIGEST 32

/* WORK_TAGS draws the first one. */
static const struct mode {
    const char *name;
    int iv_len, min;
    bool aead, ccm;
} modes[WORK_MODES] = {
    {"AES-128-GCM", 12, 1, true, false},       {"AES-256-GCM", 12, 1, true, false},
    {"ChaCha20-Poly1305", 12, 1, true, false}, {"AES-256-CCM", 12, 1, true, true},
    {"AES-128-CBC", 16, 1, false, false},      {"AES-256-CTR", 16, 1, false, false},
    {"AES-256-CBC", 16, 1, false, false},      {"AES-128-ECB", 0, 1, false, false},
    {"AES-128-XTS", 16, 16, false, false},
};

void shop_open(struct shop *shop, struct support *s)
{
    memset(shop, 0, sizeof(*shop));
    shop->s = s;
    for (unsigned i = 0; i < WORK_MODES; i++) {
        shop->ours[i] = support_cipher(s, modes[i].name);
        shop->theirs[i] = support_default(s, modes[i].name);
    }
    shop->rsa = asym_rsa(s, 1024);
    shop->ec = asym_ec(s, "P-256");
}

void shop_close(struct shop *shop)
{
    for (unsigned i = 0; i < WORK_MODES; i++) {
        EVP_CIPHER_free(shop->ours[i]);
        EVP_CIPHER_free(shop->theirs[i]);
    }
    EVP_PKEY_free(shop->rsa);
    EVP_PKEY_free(shop->ec);
}

void work_init(struct work *w, const struct shop *shop, unsigned kinds, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->shop = shop;
    w->kinds = kinds;
    w->random.state = seed;
    w->ctx = EVP_CIPHER_CTX_new();
    ck_assert_ptr_nonnull(w->ctx);
    support_fill(&w->random, w->key, sizeof(w->key));
    support_fill(&w->random, w->text, sizeof(w->text));
}

void work_fini(struct work *w)
{
    EVP_CIPHER_CTX_free(w->ctx);
    w->ctx = NULL;
}

/* One message with tag and AAD where there are such. */
static bool message(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *c, const struct mode *m, struct work *w,
                    int enc, const uint8_t *in, int n, uint8_t *out, int *out_len, uint8_t *tag)
{
    int len = 0, more = 0;

    if (EVP_CipherInit_ex(ctx, c, NULL, NULL, NULL, enc) != 1)
        return false;
    if (m->ccm && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, m->iv_len, NULL) != 1)
        return false;
    if (m->aead && (!enc || m->ccm) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, enc ? NULL : tag) != 1)
        return false;
    if (EVP_CipherInit_ex(ctx, NULL, NULL, w->key, w->iv, enc) != 1)
        return false;
    if (m->ccm && EVP_CipherUpdate(ctx, NULL, &len, NULL, n) != 1)
        return false;
    if (m->aead && EVP_CipherUpdate(ctx, NULL, &len, w->aad, sizeof(w->aad)) != 1)
        return false;
    if (EVP_CipherUpdate(ctx, out, &len, in, n) != 1)
        return false;
    if (!m->ccm && EVP_CipherFinal_ex(ctx, out + len, &more) != 1)
        return false;
    *out_len = len + more;
    return !m->aead || !enc || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
}

static enum work_result encrypt(struct work *w, unsigned mode, int n, int want)
{
    int len = 0;

    memset(w->got, 0, sizeof(w->got));
    if (!message(w->ctx, w->shop->ours[mode], &modes[mode], w, 1, w->text, n, w->got, &len,
                 w->got_tag))
        return WORK_FAILED;
    if (len != want || memcmp(w->got, w->want, (size_t)len) != 0)
        return WORK_WRONG;
    return modes[mode].aead && memcmp(w->got_tag, w->tag, TAG) != 0 ? WORK_REFUSED : WORK_RIGHT;
}

static enum work_result decrypt(struct work *w, unsigned mode, int n, int want)
{
    int len = 0;

    memset(w->got, 0, sizeof(w->got));
    memcpy(w->got_tag, w->tag, TAG);
    if (!message(w->ctx, w->shop->ours[mode], &modes[mode], w, 0, w->want, want, w->got, &len,
                 w->got_tag))
        return WORK_FAILED;
    return len != n || memcmp(w->got, w->text, (size_t)n) != 0 ? WORK_WRONG : WORK_RIGHT;
}

static enum work_result cipher(struct work *w)
{
    bool tags = (w->kinds & WORK_TAGS) != 0;
    unsigned mode = tags ? 0 : support_below(&w->random, WORK_MODES);
    int least = modes[mode].min, want = 0;
    int n = least + (int)support_below(&w->random, (uint32_t)(WORK_TEXT_MAX - least));
    EVP_CIPHER_CTX *reference = EVP_CIPHER_CTX_new();
    bool made;

    if (w->new_keys)
        support_fill(&w->random, w->key, sizeof(w->key));
    support_fill(&w->random, w->iv, sizeof(w->iv));
    made = reference != NULL && message(reference, w->shop->theirs[mode], &modes[mode], w, 1,
                                        w->text, n, w->want, &want, w->tag);
    EVP_CIPHER_CTX_free(reference);
    if (!made)
        return WORK_FAILED;
    return tags || support_below(&w->random, 2) != 0 ? encrypt(w, mode, n, want)
                                                     : decrypt(w, mode, n, want);
}

/* wrong: what an unsound signature is. RSA's is never given out. */
static enum work_result sign(struct work *w, EVP_PKEY *key, const struct asym_scheme *scheme,
                             enum work_result wrong)
{
    size_t n;

    support_fill(&w->random, w->text, DIGEST);
    n = asym_sign(w->shop->s, OURS, key, scheme, w->text, DIGEST, w->got);
    if (n == 0)
        return WORK_FAILED;
    return asym_verify(w->shop->s, THEIRS, key, scheme, w->text, DIGEST, w->got, n) ? WORK_RIGHT
                                                                                    : wrong;
}

static size_t rsa_crypt(const struct work *w, bool encrypts, const uint8_t *in, size_t len,
                        uint8_t *out, size_t room)
{
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_pkey(w->shop->s->libctx, w->shop->rsa, encrypts ? THEIRS : OURS);
    bool ok = ctx != NULL &&
              (encrypts ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              (encrypts ? EVP_PKEY_encrypt(ctx, out, &room, in, len)
                        : EVP_PKEY_decrypt(ctx, out, &room, in, len)) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok ? room : 0;
}

static enum work_result rsa_decrypt(struct work *w)
{
    size_t n;

    support_fill(&w->random, w->text, DIGEST);
    n = rsa_crypt(w, true, w->text, DIGEST, w->want, sizeof(w->want));
    if (n != 0)
        n = rsa_crypt(w, false, w->want, n, w->got, sizeof(w->got));
    if (n == 0)
        return WORK_FAILED;
    return n != DIGEST || memcmp(w->got, w->text, n) != 0 ? WORK_WRONG : WORK_RIGHT;
}

static enum work_result rsa(struct work *w)
{
    struct asym_scheme pkcs1 = PKCS1("SHA2-256"), pss = PSS("SHA2-256", NULL, 32);

    switch (support_below(&w->random, 3)) {
    case 0: return sign(w, w->shop->rsa, &pkcs1, WORK_WRONG);
    case 1: return sign(w, w->shop->rsa, &pss, WORK_WRONG);
    default: return rsa_decrypt(w);
    }
}

static enum work_result ecdsa(struct work *w)
{
    struct asym_scheme scheme = {.md = "SHA2-256"};

    return sign(w, w->shop->ec, &scheme, WORK_REFUSED);
}

/* Where ciphers are drawn as well, one in eight is a key's. */
enum work_result work_do(struct work *w)
{
    unsigned n = support_below(&w->random, 16);
    bool ciphers = (w->kinds & (WORK_CIPHERS | WORK_TAGS)) != 0;
    enum work_result result;

    if ((w->kinds & WORK_RSA) && (n == 0 || (!ciphers && !((w->kinds & WORK_ECDSA) && n < 8))))
        result = rsa(w);
    else if ((w->kinds & WORK_ECDSA) && (n == 1 || !ciphers))
        result = ecdsa(w);
    else
        result = cipher(w);
    ERR_clear_error();
    return result;
}
