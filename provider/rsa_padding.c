/* SPDX-License-Identifier: Apache-2.0 */
/* See the header for why. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "rsa_padding.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* DigestInfo: the digest's name, and the digest. Length, or 0. */
static size_t digest_info(const EVP_MD *md, const uint8_t *digest, size_t len, uint8_t *out,
                          size_t room)
{
    X509_SIG *info = X509_SIG_new();
    ASN1_OCTET_STRING *octets;
    X509_ALGOR *name;
    int n = 0;

    if (info == NULL)
        return 0;
    X509_SIG_getm(info, &name, &octets);
    if (X509_ALGOR_set0(name, OBJ_nid2obj(EVP_MD_get_type(md)), V_ASN1_NULL, NULL) &&
        ASN1_OCTET_STRING_set(octets, digest, (int)len)) {
        n = i2d_X509_SIG(info, NULL);
        if (n < 0 || (size_t)n > room)
            n = 0;
        if (n != 0)
            n = i2d_X509_SIG(info, &out);
    }
    X509_SIG_free(info);
    return n > 0 ? (size_t)n : 0;
}

bool rsa_pad_pkcs1(uint8_t *block, size_t size, const EVP_MD *md, const uint8_t *tbs, size_t len)
{
    uint8_t info[EVP_MAX_MD_SIZE + 32];

    if (len > INT_MAX || size > INT_MAX)
        return false;
    if (md != NULL && !EVP_MD_is_a(md, "MD5-SHA1")) {
        /* MDC2 has a form of its own. */
        if (EVP_MD_is_a(md, "MDC2") || EVP_MD_get_type(md) == NID_undef || len > EVP_MAX_MD_SIZE)
            return false;
        len = digest_info(md, tbs, len, info, sizeof(info));
        if (len == 0)
            return false;
        tbs = info;
    }
    return RSA_padding_add_PKCS1_type_1(block, (int)size, tbs, (int)len) == 1;
}

/* The hash over eight zeros, the digest and the salt. */
static bool pss_hash(const EVP_MD *md, const uint8_t *digest, const uint8_t *salt, size_t saltlen,
                     uint8_t *out)
{
    static const uint8_t zeros[8];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) &&
              EVP_DigestUpdate(ctx, zeros, sizeof(zeros)) &&
              EVP_DigestUpdate(ctx, digest, (size_t)EVP_MD_get_size(md)) &&
              EVP_DigestUpdate(ctx, salt, saltlen) && EVP_DigestFinal_ex(ctx, out, NULL);

    EVP_MD_CTX_free(ctx);
    return ok;
}

/* As long as it says, as the digest, or as there is room for. */
static bool salt_length(const struct rsa_pss *pss, size_t hash, size_t size, size_t *len)
{
    size_t room = size < hash + 2 ? 0 : size - hash - 2;

    switch (pss->saltlen) {
    case RSA_PSS_SALTLEN_DIGEST: *len = hash; break;
    case RSA_PSS_SALTLEN_AUTO:
    case RSA_PSS_SALTLEN_MAX: *len = room; break;
    default:
        if (pss->saltlen < 0)
            return false;
        *len = (size_t)pss->saltlen;
    }
    return size >= hash + 2 && *len <= room;
}

bool rsa_pad_pss(uint8_t *block, size_t bits, const struct rsa_pss *pss, const uint8_t *digest,
                 uint8_t *salt)
{
    size_t hash = (size_t)EVP_MD_get_size(pss->md), size = (bits + 7) / 8, saltlen, db;
    unsigned spare = (unsigned)(8 - (bits - 1) % 8) % 8;
    uint8_t *h;

    /* The block is a bit shorter than the modulus, so that it is less. */
    if (bits % 8 == 1) {
        *block++ = 0;
        size--;
    }
    if (!salt_length(pss, hash, size, &saltlen))
        return false;
    /* Masked: zeros, a 1, and the salt. Then the hash, and 0xbc. */
    db = size - hash - 1;
    h = block + db;
    if ((saltlen != 0 && RAND_bytes_ex(pss->libctx, salt, saltlen, 0) != 1) ||
        !pss_hash(pss->md, digest, salt, saltlen, h) ||
        PKCS1_MGF1(block, (long)db, h, (long)hash, pss->mgf1) != 0)
        return false;
    block[db - saltlen - 1] ^= 1;
    for (size_t i = 0; i < saltlen; i++)
        block[db - saltlen + i] ^= salt[i];
    block[0] &= (uint8_t)(0xff >> spare);
    block[size - 1] = 0xbc;
    return true;
}

/* 1 and the length, or 0 and *len as it was: as the default provider has it. */
static int unpadded(int result, size_t *len)
{
    size_t bad = (size_t)0 - ((unsigned)result >> (sizeof(result) * CHAR_BIT - 1));

    *len = (*len & bad) | ((size_t)(unsigned)result & ~bad);
    return (int)(~bad & 1);
}

int rsa_unpad_pkcs1(const uint8_t *block, size_t size, uint8_t *out, size_t *len)
{
    return unpadded(RSA_padding_check_PKCS1_type_2(out, (int)size, block, (int)size, (int)size),
                    len);
}

int rsa_unpad_oaep(const uint8_t *block, size_t size, const struct rsa_oaep *oaep, uint8_t *out,
                   size_t *len)
{
    return unpadded(RSA_padding_check_PKCS1_OAEP_mgf1(out, (int)*len, block, (int)size, (int)size,
                                                      oaep->label, (int)oaep->label_len, oaep->md,
                                                      oaep->mgf1),
                    len);
}

/* All ones where they are equal, else 0. */
static unsigned equal(unsigned a, unsigned b)
{
    unsigned diff = a ^ b;

    return (unsigned)0 - ((~diff & (diff - 1)) >> (sizeof(diff) * CHAR_BIT - 1));
}

int rsa_unpad_premaster(const uint8_t *block, size_t size, OSSL_LIB_CTX *libctx, unsigned version,
                        unsigned other, uint8_t *out)
{
    uint8_t secret[RSA_PREMASTER] = {0};
    unsigned found, good;
    int len;

    if (RAND_priv_bytes_ex(libctx, out, RSA_PREMASTER, 0) != 1)
        return 0;
    /* Only the message's length tells whether the padding was right; the error
     * that libcrypto leaves where it was not is taken back in any case. */
    ERR_set_mark();
    len = RSA_padding_check_PKCS1_type_2(secret, RSA_PREMASTER, block, (int)size, (int)size);
    ERR_pop_to_mark();
    found = (unsigned)secret[0] << 8 | secret[1];
    good = equal((unsigned)len, RSA_PREMASTER) &
           (equal(found, version) | (equal(found, other) & ~equal(other, 0)));
    /* Nor is the compiler to know that there are but two values. */
    __asm__("" : "+r"(good));
    for (size_t i = 0; i < RSA_PREMASTER; i++)
        out[i] = (uint8_t)((secret[i] & good) | (out[i] & ~good));
    OPENSSL_cleanse(secret, sizeof(secret));
    return 1;
}
