/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of AES-GCM share. */
#ifndef VCRYPTO_CIPHER_GCM_H
#define VCRYPTO_CIPHER_GCM_H

#include <openssl/evp.h>

#include "cipher_aead.h"
#include "stats.h"

struct cipher_gcm {
    struct cipher_aead aead;

    /*
     * The message is the default provider's whatever happens: every call goes to
     * the twin as it comes, which alone knows all but key and IV. Whether it is
     * so the first AAD or data tell, since they, not the init, may come in a job;
     * until then a message is taken for one like the last. Where no message is
     * ever the device's, direct begins with the key, and does not end.
     */
    bool direct;
    bool direct_tls;           /* the twin was told things of TLS: no way back */
    bool undecided;            /* since the init with an IV no AAD or data came */
    bool counted;              /* this message, as cause */
    enum software_cause cause; /* direct: why */

    /* IV_SET: for the next message; IV_IN_USE: of the message under way;
     * IV_SPENT: that message has ended, and its IV must not serve another. */
    enum { IV_NONE, IV_SET, IV_IN_USE, IV_SPENT } iv_state;
    bool iv_gen;    /* the fixed part is set: IVs may be generated */
    bool iv_random; /* (part of) an IV came from the random generator */
    uint8_t iv[AEAD_IV_MAX];
    size_t iv_len;

    /* TLS 1.2: the next update is a record, with this AAD. */
    bool tls_aad_set;
    uint8_t tls_aad[EVP_AEAD_TLS1_AAD_LEN];
    size_t tls_pad; /* what a record grows by */
    uint64_t tls_records;
};

/* A message with the IV set; the invocation part then counts up. out, where
 * len is not 0, gets the IV's last len bytes. */
int gcm_iv_generate(struct cipher_gcm *c, uint8_t *out, size_t len);
/* Decryption: the IV's last len bytes, as received. */
int gcm_iv_invocation(struct cipher_gcm *c, const uint8_t *in, size_t len);
/* The IV's fixed part; the rest is random for encryption. SIZE_MAX: all of it. */
int gcm_iv_fixed(struct cipher_gcm *c, const uint8_t *in, size_t len);
/* A random IV for a message that was given none. */
int gcm_iv_random(struct cipher_gcm *c);

/* An init while direct, or with which that begins; made as from
 * cipher_make_key, taken in any case. */
int gcm_direct_init(struct cipher_gcm *c, bool encrypting, struct hw_key *made, const uint8_t *iv,
                    size_t iv_len, const OSSL_PARAM params[]);
/* It begins, with a message or, iv is NULL then, between messages. */
int gcm_direct_begin(struct cipher_gcm *c, const uint8_t *iv, size_t iv_len);
/* It ends, with a message undecided, for which the context has IV and tag. */
void gcm_direct_leave(struct cipher_gcm *c);
int gcm_direct_final(struct cipher_gcm *c, uint8_t *out, size_t *outl, size_t outsize);
int gcm_direct_set_params(struct cipher_gcm *c, const OSSL_PARAM params[]);
int gcm_direct_get_params(struct cipher_gcm *c, OSSL_PARAM params[]);
int gcm_direct_dup(struct cipher_gcm *c, const struct cipher_gcm *from);

int gcm_tls_set_aad(struct cipher_gcm *c, const uint8_t *aad, size_t len);
int gcm_tls_record(struct cipher_gcm *c, uint8_t *out, size_t *outl, const uint8_t *in, size_t len);

#endif
