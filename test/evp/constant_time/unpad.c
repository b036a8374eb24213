/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes RSA padding from a block that memcheck is told not to know. It then
 * reports each branch and each address that depends on the block: there must
 * be none, whatever is in it.
 *
 *     unpad CASE BLOCK
 */
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "rsa_padding.h"

#define SIZE 256

static OSSL_LIB_CTX *libctx;
static EVP_MD *md;
static uint8_t block[SIZE], out[SIZE];

static int premaster(void)
{
    return rsa_unpad_premaster(block, SIZE, libctx, 0x0303, 0x0301, out);
}

static int pkcs1(void)
{
    size_t len = SIZE;

    return rsa_unpad_pkcs1(block, SIZE, out, &len);
}

static int oaep(void)
{
    const struct rsa_oaep how = {md, md, NULL, 0};
    size_t len = SIZE;

    return rsa_unpad_oaep(block, SIZE, &how, out, &len);
}

/* Shows that memcheck would tell. */
static int control(void)
{
    return block[100] == 0 ? puts("") : 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {{"premaster", premaster}, {"pkcs1", pkcs1}, {"oaep", oaep}, {"control", control}};

static void fill(const char *how)
{
    memset(block, 0x77, SIZE);
    block[0] = 0;
    block[1] = 2;
    block[SIZE - 49] = 0;
    block[SIZE - 48] = block[SIZE - 47] = 3;
    if (strcmp(how, "type") == 0)
        block[1] = 1;
    else if (strcmp(how, "short") == 0)
        block[SIZE - 10] = 0;
    else if (strcmp(how, "random") == 0)
        memset(block, 0x5c, SIZE);
}

int main(int argc, char **argv)
{
    size_t i = 0;

    libctx = OSSL_LIB_CTX_new();
    if (argc != 3 || OSSL_PROVIDER_load(libctx, "default") == NULL)
        return 1;
    md = EVP_MD_fetch(libctx, "SHA1", NULL);
    while (i < sizeof(cases) / sizeof(cases[0]) && strcmp(cases[i].name, argv[1]) != 0)
        i++;
    if (i == sizeof(cases) / sizeof(cases[0]) || md == NULL)
        return 1;
    /* What is made at first use is made before. */
    fill(argv[2]);
    (void)cases[i].run();
    (void)VALGRIND_MAKE_MEM_UNDEFINED(block, SIZE);
    (void)cases[i].run();
    return 0;
}
