/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rsa COUNT KEY: makes COUNT PKCS#1 signatures with the provider of the
 * configuration and verifies each with the default provider's functions.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sign(EVP_PKEY *key, const unsigned char *text, size_t len, unsigned char *sig, size_t *n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, "provider=vcrypto", key, NULL) == 1 &&
             EVP_DigestSign(ctx, sig, n, text, len) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static int verify(EVP_PKEY *key, const unsigned char *text, size_t len, const unsigned char *sig,
                  size_t n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok =
        EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, "provider=default", key, NULL) == 1 &&
        EVP_DigestVerify(ctx, sig, n, text, len) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[1]) : 0, good = 0;
    FILE *f = argc > 2 ? fopen(argv[2], "re") : NULL;
    EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    unsigned char sig[1024];

    if (key == NULL) {
        ERR_print_errors_fp(stderr);
        return 2;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned char text[8] = {(unsigned char)i, (unsigned char)(i >> 8)};
        size_t n = sizeof(sig);

        good += sign(key, text, sizeof(text), sig, &n) && verify(key, text, sizeof(text), sig, n);
    }
    ERR_print_errors_fp(stderr);
    printf("%u of %u\n", good, count);
    EVP_PKEY_free(key);
    fclose(f);
    return good != count;
}
