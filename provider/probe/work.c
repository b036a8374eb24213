/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define AAD    13
#define TAG    16
#define DIGEST 32

/* The entry point of the module, in a program that has all of it linked in. */
#pragma weak OSSL_provider_init

struct work {
    bool (*run)(struct work *w);
    EVP_CIPHER_CTX *cipher;
    EVP_PKEY_CTX *signer;
    size_t len, room;
    uint8_t *in, *out; /* the same, where that is possible */
    uint8_t iv[EVP_MAX_IV_LENGTH], aad[AAD], tag[TAG];
    bool encrypts, announces; /* CCM: the length comes first */
};

/* From random on: the generator is not to use what is measured. */
static const char config[] = "openssl_conf = init\n"
                             "config_diagnostics = 1\n"
                             "[init]\n"
                             "random = random_sect\n"
                             "providers = provider_sect\n"
                             "alg_section = algorithm_sect\n"
                             "[random_sect]\n"
                             "properties = provider=default\n"
                             "[algorithm_sect]\n"
                             "default_properties = ?provider=vcrypto\n"
                             "[provider_sect]\n"
                             "default = default_sect\n"
                             "vcrypto = vcrypto_sect\n"
                             "[default_sect]\n"
                             "activate = 1\n"
                             "[vcrypto_sect]\n"
                             "activate = 1\n";

static bool load_config(OSSL_LIB_CTX *libctx, BIO *text)
{
    CONF *conf = NCONF_new_ex(libctx, NULL);
    bool ok = conf != NULL && NCONF_load_bio(conf, text, NULL) > 0 &&
              CONF_modules_load(conf, NULL, 0) > 0;

    NCONF_free(conf);
    return ok;
}

static bool load_vcrypto(struct work_context *c, const char *module, const char *settings)
{
    BIO *text = BIO_new(BIO_s_mem());
    bool ok = text != NULL && BIO_puts(text, config) > 0;

    if (ok && module != NULL)
        ok = BIO_printf(text, "module = %s\n", module) > 0;
    else if (ok)
        ok = OSSL_provider_init != NULL &&
             OSSL_PROVIDER_add_builtin(c->libctx, "vcrypto", OSSL_provider_init);
    if (ok && settings != NULL)
        ok = BIO_printf(text, "%s\n", settings) > 0;
    ok = ok && load_config(c->libctx, text);
    BIO_free(text);
    return ok;
}

bool work_open_vcrypto(struct work_context *c, const char *module, const char *settings)
{
    c->vcrypto = NULL;
    c->libctx = OSSL_LIB_CTX_new();
    if (c->libctx == NULL)
        return false;
    /* One more reference to what the configuration has activated. */
    if (load_vcrypto(c, module, settings))
        c->vcrypto = OSSL_PROVIDER_load(c->libctx, "vcrypto");
    if (c->vcrypto != NULL)
        return true;
    work_close(c);
    return false;
}

bool work_open_default(struct work_context *c)
{
    c->vcrypto = NULL;
    c->libctx = OSSL_LIB_CTX_new();
    return c->libctx != NULL;
}

void work_close(struct work_context *c)
{
    OSSL_PROVIDER_unload(c->vcrypto);
    OSSL_LIB_CTX_free(c->libctx);
    c->vcrypto = NULL;
    c->libctx = NULL;
}

uint64_t work_figure(const struct work_context *c, const char *name)
{
    uint64_t val = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint64(name, &val), OSSL_PARAM_construct_end()};

    if (c->vcrypto != NULL)
        (void)OSSL_PROVIDER_get_params(c->vcrypto, params);
    return val;
}

static bool run_cipher(struct work *w)
{
    int len;

    return EVP_CipherUpdate(w->cipher, w->out, &len, w->in, (int)w->len) == 1;
}

/* From the AAD to the end. */
static bool message(const struct work *w, EVP_CIPHER_CTX *c, uint8_t *out, const uint8_t *in)
{
    uint8_t none[EVP_MAX_BLOCK_LENGTH];
    int len;

    return (!w->announces || EVP_CipherUpdate(c, NULL, &len, NULL, (int)w->len) == 1) &&
           EVP_CipherUpdate(c, NULL, &len, w->aad, AAD) == 1 &&
           EVP_CipherUpdate(c, out, &len, in, (int)w->len) == 1 &&
           EVP_CipherFinal_ex(c, none, &len) == 1;
}

static bool run_aead(struct work *w)
{
    EVP_CIPHER_CTX *c = w->cipher;

    w->iv[0]++;
    return EVP_CipherInit_ex(c, NULL, NULL, NULL, w->iv, -1) == 1 && message(w, c, w->out, w->in) &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, w->tag) == 1;
}

/* The same message each time. */
static bool run_aead_decrypt(struct work *w)
{
    EVP_CIPHER_CTX *c = w->cipher;

    return EVP_CipherInit_ex(c, NULL, NULL, NULL, w->iv, -1) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, w->tag) == 1 &&
           message(w, c, w->out, w->in);
}

static bool run_sign(struct work *w)
{
    size_t len = w->room;

    return EVP_PKEY_sign(w->signer, w->out, &len, w->in, DIGEST) == 1;
}

static bool init_cipher(const struct work *w, EVP_CIPHER_CTX *c, const EVP_CIPHER *cipher,
                        const uint8_t *key, bool encrypts)
{
    if (EVP_CipherInit_ex2(c, cipher, NULL, NULL, encrypts, NULL) != 1)
        return false;
    /* CCM has other defaults than TLS. */
    if (w->announces && (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL) != 1 ||
                         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, NULL) != 1))
        return false;
    return EVP_CipherInit_ex2(c, NULL, key, w->iv, -1, NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(c, 0) == 1;
}

/* A message to decrypt, with its tag, from w->out to w->in. */
static bool seal(struct work *w, const EVP_CIPHER *cipher, const uint8_t *key)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c != NULL && init_cipher(w, c, cipher, key, true) && message(w, c, w->in, w->out) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, w->tag) == 1;

    EVP_CIPHER_CTX_free(c);
    return ok;
}

static bool make_cipher(struct work *w, OSSL_LIB_CTX *libctx, const char *name)
{
    uint8_t key[EVP_MAX_KEY_LENGTH];
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(libctx, name, NULL);
    bool aead, apart, ok = false;

    if (cipher == NULL)
        return false;
    aead = (EVP_CIPHER_get_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) != 0;
    apart = aead && !w->encrypts;
    w->announces = EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE;
    memset(key, 7, sizeof(key));
    key[0] = 1; /* XTS: the halves differ */
    w->room = w->len + EVP_MAX_BLOCK_LENGTH;
    w->in = calloc(1, w->room);
    w->out = apart ? calloc(1, w->room) : w->in;
    w->cipher = EVP_CIPHER_CTX_new();
    if (w->in != NULL && w->out != NULL && w->cipher != NULL)
        ok =
            (!apart || seal(w, cipher, key)) && init_cipher(w, w->cipher, cipher, key, w->encrypts);
    w->run = !aead ? run_cipher : w->encrypts ? run_aead : run_aead_decrypt;
    EVP_CIPHER_free(cipher);
    return ok;
}

static bool make_signer(struct work *w, OSSL_LIB_CTX *libctx, EVP_PKEY *key)
{
    w->run = run_sign;
    w->room = (size_t)EVP_PKEY_get_size(key);
    w->in = calloc(1, w->room);
    w->out = calloc(1, w->room);
    w->signer = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    return w->in != NULL && w->out != NULL && w->signer != NULL &&
           EVP_PKEY_sign_init(w->signer) == 1 &&
           (!EVP_PKEY_is_a(key, "RSA") ||
            EVP_PKEY_CTX_set_rsa_padding(w->signer, RSA_PKCS1_PADDING) == 1) &&
           EVP_PKEY_CTX_set_signature_md(w->signer, EVP_sha256()) == 1;
}

struct work *work_new(const struct work_context *c, const char *name, bool encrypts, size_t len,
                      EVP_PKEY *key)
{
    struct work *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->encrypts = encrypts;
    w->len = len;
    if (key != NULL ? make_signer(w, c->libctx, key) : make_cipher(w, c->libctx, name))
        return w;
    work_free(w);
    return NULL;
}

void work_free(struct work *w)
{
    if (w == NULL)
        return;
    EVP_CIPHER_CTX_free(w->cipher);
    EVP_PKEY_CTX_free(w->signer);
    if (w->out != w->in)
        free(w->out);
    free(w->in);
    free(w);
}

bool work_do(void *arg)
{
    struct work *w = arg;

    return w->run(w);
}

static bool is_rsa(const char *name)
{
    return strncmp(name, "RSA-", 4) == 0;
}

bool work_is_signature(const char *name)
{
    return is_rsa(name) || strncmp(name, "P-", 2) == 0;
}

EVP_PKEY *work_key(const struct work_context *c, const char *name)
{
    if (is_rsa(name))
        return EVP_PKEY_Q_keygen(c->libctx, NULL, "RSA", (size_t)strtoul(name + 4, NULL, 10));
    return EVP_PKEY_Q_keygen(c->libctx, NULL, "EC", name);
}
