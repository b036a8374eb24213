/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GCM's generated IVs (NIST SP 800-38D, 8.2) and TLS 1.2 records (RFC 5288):
 * an 8-byte explicit IV, the payload, the tag, in place.
 */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <openssl/rand.h>

#include "cipher_gcm.h"
#include "provider.h"

#define EXPLICIT EVP_GCM_TLS_EXPLICIT_IV_LEN
#define FIXED    EVP_GCM_TLS_FIXED_IV_LEN
#define TAG      EVP_GCM_TLS_TAG_LEN

static int random_bytes(struct cipher_gcm *c, uint8_t *out, size_t len)
{
    /* The generator of our own library context never comes back to us. */
    c->iv_random = RAND_bytes_ex(c->aead.base.prov->software.libctx, out, len, 0) > 0;
    return c->iv_random;
}

int gcm_iv_random(struct cipher_gcm *c)
{
    if (c->iv_len < c->aead.base.alg->info->iv_len || !random_bytes(c, c->iv, c->iv_len))
        return 0;
    c->iv_state = IV_SET;
    return 1;
}

static void begin(struct cipher_gcm *c)
{
    aead_begin(&c->aead, c->iv, c->iv_len);
    c->iv_state = IV_IN_USE;
}

int gcm_iv_generate(struct cipher_gcm *c, uint8_t *out, size_t len)
{
    uint8_t *count;

    if (!c->iv_gen || c->aead.base.key == NULL || c->iv_len < EXPLICIT)
        return 0;
    begin(c);
    if (len == 0 || len > c->iv_len)
        len = c->iv_len;
    memcpy(out, c->iv + c->iv_len - len, len);
    count = c->iv + c->iv_len - EXPLICIT;
    for (int i = EXPLICIT - 1; i >= 0 && ++count[i] == 0; i--)
        ;
    return 1;
}

int gcm_iv_invocation(struct cipher_gcm *c, const uint8_t *in, size_t len)
{
    if (!c->iv_gen || c->aead.base.key == NULL || c->aead.base.encrypting || len > c->iv_len)
        return 0;
    memcpy(c->iv + c->iv_len - len, in, len);
    begin(c);
    return 1;
}

int gcm_iv_fixed(struct cipher_gcm *c, const uint8_t *in, size_t len)
{
    if (len == SIZE_MAX) {
        memcpy(c->iv, in, c->iv_len);
    } else {
        if (len < FIXED || len > c->iv_len || c->iv_len - len < EXPLICIT)
            return 0;
        memcpy(c->iv, in, len);
        if (c->aead.base.encrypting && !random_bytes(c, c->iv + len, c->iv_len - len))
            return 0;
    }
    c->iv_gen = true;
    c->iv_state = IV_SET;
    return 1;
}

int gcm_tls_set_aad(struct cipher_gcm *c, const uint8_t *aad, size_t len)
{
    size_t overhead = EXPLICIT + (c->aead.base.encrypting ? 0 : TAG);
    size_t record;

    if (len != EVP_AEAD_TLS1_AAD_LEN)
        return 0;
    /* The record's length, as it will be on the wire or was: the AAD proper has
     * the payload's. */
    record = (size_t)aad[len - 2] << 8 | aad[len - 1];
    if (record < overhead)
        return 0;
    record -= overhead;
    memcpy(c->tls_aad, aad, len);
    c->tls_aad[len - 2] = (uint8_t)(record >> 8);
    c->tls_aad[len - 1] = (uint8_t)record;
    c->tls_aad_set = true;
    c->tls_pad = TAG;
    return 1;
}

static int record_iv(struct cipher_gcm *c, uint8_t *record)
{
    if (!c->aead.base.encrypting)
        return gcm_iv_invocation(c, record, EXPLICIT);
    /* No more records than the invocation part has values (SP 800-38D, 8.3). */
    if (++c->tls_records == 0) {
        ERR_raise(ERR_LIB_PROV, PROV_R_TOO_MANY_RECORDS);
        return 0;
    }
    return gcm_iv_generate(c, record, EXPLICIT);
}

int gcm_tls_record(struct cipher_gcm *c, uint8_t *out, size_t *outl, const uint8_t *in, size_t len)
{
    int ok = 0;

    if (c->aead.base.key != NULL && out == in && len >= EXPLICIT + TAG && record_iv(c, out)) {
        uint8_t *payload = out + EXPLICIT;
        size_t n = len - EXPLICIT - TAG;

        ok = aead_oneshot(&c->aead, c->tls_aad, sizeof(c->tls_aad), payload, payload, n,
                          payload + n);
        *outl = !ok ? 0 : c->aead.base.encrypting ? len : n;
    }
    c->iv_state = IV_SPENT;
    c->tls_aad_set = false;
    return ok;
}
