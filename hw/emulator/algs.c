/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/algs.h"

#include <linux/virtio_crypto.h>

#include "emulator/akcipher.h"

/*
 * GCM with a 16-byte IV (where it is J0) is not done. The CCM nonce starts at
 * the second byte of the IV field (VIRTIO 1.2, section 5.9.7.9).
 */
#define CIPHER(n) .service = VIRTIO_CRYPTO_SERVICE_CIPHER, .number = VIRTIO_CRYPTO_CIPHER_##n
#define AEAD(n)   .service = VIRTIO_CRYPTO_SERVICE_AEAD, .number = VIRTIO_CRYPTO_AEAD_##n
#define AES_KEYS  .key_lens = {16, 24, 32}
#define IV(a, b)  .iv_min = (a), .iv_max = (b)
#define TAG(a, s) .tag_min = (a), .tag_max = 16, .tag_step = (s)

const struct alg algs[] = {
    {"aes-ecb", CIPHER(AES_ECB), AES_KEYS, .granule = 16, IV(0, 0)},
    {"aes-cbc", CIPHER(AES_CBC), AES_KEYS, .granule = 16, IV(16, 16)},
    {"aes-ctr", CIPHER(AES_CTR), AES_KEYS, .granule = 1, IV(16, 16)},
    {"aes-xts", CIPHER(AES_XTS), .key_lens = {32, 64}, .granule = 1, .min_len = 16, IV(16, 16)},
    {"aes-gcm", AEAD(GCM), AES_KEYS, .granule = 1, IV(12, 12), TAG(4, 1)},
    {"aes-ccm", AEAD(CCM), AES_KEYS, .granule = 1, IV(7, 13), .iv_at = 1, TAG(4, 2)},
    {"chacha20-poly1305", AEAD(CHACHA20_POLY1305), .key_lens = {32}, .granule = 1, IV(12, 12),
     TAG(16, 1)},
    {"rsa", .service = VIRTIO_CRYPTO_SERVICE_AKCIPHER, .number = AKCIPHER_RSA},
    {"ecdsa", .service = VIRTIO_CRYPTO_SERVICE_AKCIPHER, .number = AKCIPHER_ECDSA},
};

const size_t algs_count = sizeof(algs) / sizeof(algs[0]);

const struct alg *alg_find(uint32_t service, uint32_t number)
{
    for (size_t i = 0; i < algs_count; i++)
        if (algs[i].service == service && algs[i].number == number)
            return &algs[i];
    return NULL;
}
