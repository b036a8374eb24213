/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AEAD message. EVP lets it come in pieces; the device takes it in one.
 *
 * AAD is collected. The first update with data is taken for the whole message
 * and goes to the device, with the tag if it is a decryption; the result is
 * released, and kept in DMA memory until the message ends. Should a second one
 * follow, a software stream is brought to the same point from what was kept
 * and goes on from there.
 *
 *     MESSAGE_AAD --data, device--> MESSAGE_DEVICE
 *          \                             |
 *           `--data, software--> MESSAGE_STREAM <--- more data, another tag, dup
 *
 * Where a step fails, in whichever way, the message is LOST: nothing more is
 * taken, and it has no tag, for that would be one of a part of it.
 */
#ifndef VCRYPTO_CIPHER_AEAD_H
#define VCRYPTO_CIPHER_AEAD_H

#include "cipher.h"

#define AEAD_IV_MAX  128
#define AEAD_TAG_MAX 16
#define AEAD_NO_TAG  SIZE_MAX
/* More AAD than this is not collected: the message is streamed in software. */
#define AEAD_AAD_MAX ((size_t)64 << 10)

struct cipher_aead {
    struct cipher base;

    enum { MESSAGE_AAD, MESSAGE_DEVICE, MESSAGE_STREAM, MESSAGE_LOST } stage;
    unsigned updates; /* with data, in this message */
    /*
     * Whether messages of this context come in many updates. Set when a device
     * served the first and a second came, since that work was for nothing; then
     * messages go straight to software until one has a single update.
     */
    bool streams;

    uint8_t msg_iv[AEAD_IV_MAX];
    size_t msg_iv_len;
    uint8_t *aad;
    size_t aad_len, aad_room;

    /* Encryption: of the last message. Decryption: what is expected. */
    uint8_t tag[AEAD_TAG_MAX];
    size_t tag_len; /* AEAD_NO_TAG: none yet */
    bool tag_fresh; /* given for this message, not left over from the last */

    /* MESSAGE_DEVICE: the tag that the device made, or found right. */
    uint8_t device_tag[AEAD_TAG_MAX];
    size_t device_tag_len;
};

void aead_init(struct cipher_aead *c);
/* Another context in mid-message; 0 with an error. */
int aead_dup(struct cipher_aead *c, const struct cipher_aead *from);
/* What cipher_free does not. */
void aead_free(struct cipher_aead *c);

/* Whatever was under way is over. */
void aead_reset(struct cipher_aead *c);
/* Starts a message, whatever became of the one before it. */
void aead_begin(struct cipher_aead *c, const uint8_t *iv, size_t iv_len);
/* 0 with or without an error: the caller raises one. */
int aead_aad(struct cipher_aead *c, const uint8_t *aad, size_t len);
int aead_data(struct cipher_aead *c, uint8_t *out, const uint8_t *in, size_t len);
/* Makes the tag, or judges it: 0 and no error where it is wrong. */
int aead_final(struct cipher_aead *c);

/*
 * A whole message with a 16-byte tag, from aead_begin on. tag is written or
 * judged. The plaintext of a message that fails is cleansed.
 */
int aead_oneshot(struct cipher_aead *c, const uint8_t *aad, size_t aad_len, uint8_t *out,
                 const uint8_t *in, size_t len, uint8_t tag[AEAD_TAG_MAX]);

#endif
