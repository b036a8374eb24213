/* SPDX-License-Identifier: Apache-2.0 */
#include "creds.h"

#include <check.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

struct recipe {
    const char *name;
    const char *type;
    unsigned bits;      /* RSA and DSA */
    const char *group;  /* EC */
    const char *digest; /* the only one that the key may be used with */
};

static const struct recipe recipes[CRED_COUNT] = {
    [CRED_RSA] = {"RSA", "RSA", 2048, NULL, NULL},
    [CRED_PSS] = {"RSA-PSS", "RSA-PSS", 2048, NULL, NULL},
    [CRED_PSS_SHA256] = {"RSA-PSS-SHA256", "RSA-PSS", 2048, NULL, "SHA256"},
    [CRED_P256] = {"P-256", "EC", 0, "P-256", NULL},
    [CRED_P384] = {"P-384", "EC", 0, "P-384", NULL},
    [CRED_P521] = {"P-521", "EC", 0, "P-521", NULL},
    [CRED_DSA] = {"DSA", "DSA", 1024, NULL, NULL},
};

static const struct recipe issuer_recipe = {"issuer", "EC", 0, "P-256", NULL};

struct pem {
    char key[8192];
    char cert[8192];
};
static struct pem made[CRED_COUNT], issuer;

const char *cred_name(enum cred cred)
{
    return recipes[cred].name;
}

static EVP_PKEY *parameters_for(const struct recipe *r)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(NULL, r->type, NULL);
    EVP_PKEY *out = NULL;
    unsigned bits = r->bits;
    OSSL_PARAM params[] = {OSSL_PARAM_uint(OSSL_PKEY_PARAM_FFC_PBITS, &bits), OSSL_PARAM_END};

    ck_assert_ptr_nonnull(pctx);
    ck_assert_int_eq(EVP_PKEY_paramgen_init(pctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_params(pctx, params), 1);
    ck_assert_int_eq(EVP_PKEY_paramgen(pctx, &out), 1);
    EVP_PKEY_CTX_free(pctx);
    return out;
}

static void set_recipe(EVP_PKEY_CTX *kctx, const struct recipe *r)
{
    OSSL_PARAM params[5], *p = params;
    unsigned bits = r->bits;
    int salt = 32;

    if (r->group != NULL) {
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)r->group, 0);
    } else {
        *p++ = OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_BITS, &bits);
    }
    if (r->digest != NULL) {
        char *digest = (char *)r->digest;
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_RSA_DIGEST, digest, 0);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, digest, 0);
        *p++ = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, &salt);
    }
    *p = OSSL_PARAM_construct_end();
    ck_assert_int_eq(EVP_PKEY_CTX_set_params(kctx, params), 1);
}

static EVP_PKEY *make_key(const struct recipe *r)
{
    bool dsa = strcmp(r->type, "DSA") == 0;
    EVP_PKEY *parameters = dsa ? parameters_for(r) : NULL, *key = NULL;
    EVP_PKEY_CTX *kctx = dsa ? EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL)
                             : EVP_PKEY_CTX_new_from_name(NULL, r->type, NULL);

    ck_assert_ptr_nonnull(kctx);
    ck_assert_int_eq(EVP_PKEY_keygen_init(kctx), 1);
    if (!dsa) {
        set_recipe(kctx, r);
    }
    ck_assert_int_eq(EVP_PKEY_generate(kctx, &key), 1);
    EVP_PKEY_CTX_free(kctx);
    EVP_PKEY_free(parameters);
    return key;
}

static X509 *make_certificate(const char *name, EVP_PKEY *key, const char *by, EVP_PKEY *by_key)
{
    static long serial;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_NAME_new(), *issued_by = X509_NAME_new();

    ck_assert(cert != NULL && subject != NULL && issued_by != NULL);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
    X509_NAME_add_entry_by_txt(issued_by, "CN", MBSTRING_ASC, (const uint8_t *)by, -1, -1, 0);
    X509_set_subject_name(cert, subject);
    X509_set_issuer_name(cert, issued_by);
    X509_set_pubkey(cert, key);
    if (key == by_key) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }
    ck_assert_int_gt(X509_sign(cert, by_key, EVP_sha256()), 0);
    X509_NAME_free(subject);
    X509_NAME_free(issued_by);
    return cert;
}

static void write_pem(struct pem *pem, EVP_PKEY *key, X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n;

    ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_read(bio, pem->key, sizeof(pem->key) - 1);
    ck_assert(n > 0 && BIO_pending(bio) == 0);
    pem->key[n] = '\0';
    ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
    n = BIO_read(bio, pem->cert, sizeof(pem->cert) - 1);
    ck_assert(n > 0 && BIO_pending(bio) == 0);
    pem->cert[n] = '\0';
    BIO_free(bio);
}

static void make_one(struct pem *pem, const struct recipe *r, EVP_PKEY *issuer_key)
{
    EVP_PKEY *key = r == &issuer_recipe ? issuer_key : make_key(r);
    X509 *cert = make_certificate(r->name, key, issuer_recipe.name, issuer_key);

    write_pem(pem, key, cert);
    X509_free(cert);
    if (key != issuer_key) {
        EVP_PKEY_free(key);
    }
}

void creds_make(void)
{
    EVP_PKEY *issuer_key = make_key(&issuer_recipe);

    make_one(&issuer, &issuer_recipe, issuer_key);
    for (int i = 0; i < CRED_COUNT; i++) {
        make_one(&made[i], &recipes[i], issuer_key);
    }
    EVP_PKEY_free(issuer_key);
}

static X509 *read_certificate(OSSL_LIB_CTX *libctx, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = X509_new_ex(libctx, NULL);

    ck_assert_ptr_nonnull(PEM_read_bio_X509(bio, &cert, NULL, NULL));
    BIO_free(bio);
    return cert;
}

void cred_use(SSL_CTX *ctx, OSSL_LIB_CTX *libctx, enum cred cred)
{
    BIO *bio = BIO_new_mem_buf(made[cred].key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, libctx, NULL);
    X509 *cert = read_certificate(libctx, made[cred].cert);

    BIO_free(bio);
    ck_assert_ptr_nonnull(key);
    ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void creds_trust(SSL_CTX *ctx, OSSL_LIB_CTX *libctx)
{
    X509 *cert = read_certificate(libctx, issuer.cert);

    ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert), 1);
    X509_free(cert);
}

EVP_PKEY *cred_public(enum cred cred)
{
    X509 *cert = read_certificate(NULL, made[cred].cert);
    EVP_PKEY *key = X509_get_pubkey(cert);

    ck_assert_ptr_nonnull(key);
    X509_free(cert);
    return key;
}
