/* SPDX-License-Identifier: Apache-2.0 */
/* AKCIPHER sessions and requests of the foreign driver, and the keys of the
 * self tests to make them with. One function is open at a time. */
#ifndef TEST_PCI_AK_H
#define TEST_PCI_AK_H

#include "foreign.h"
#include "selftest_ak.h"

#define ALGO_RSA   1
#define ALGO_ECDSA 2 /* the specification's number, not the kernel header's */
#define PRIVATE    VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
#define PUBLIC     VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC

#define SIZE   256 /* of the RSA key */
#define DIGEST 32

extern struct foreign f;
extern uint8_t key[4096], sig[1024], block[SIZE], digest[DIGEST];
extern uint8_t out[1024]; /* the destination of the last request */
extern size_t key_len, sig_len;

void open_with(const struct emulator_config *cfg, bool revision_1);
void open_function(bool revision_1); /* with one thread */

/* The RSA key, its signature, and the block that was signed. */
void take_rsa(void);
/* One of selftest_ecdsa. */
void take_ecdsa(int i);

struct wish {
    uint32_t algo, type, specific[2];
    const void *key;
    uint32_t key_len;
    uint32_t stated; /* of the key's length; 0: the truth */
};

/* The answer to making this session. */
uint32_t make(const struct wish *w, uint64_t *id);
/* Sessions that can be made. */
uint64_t session(uint32_t algo, uint32_t type, uint32_t specific, uint32_t hash, const void *k,
                 size_t len);
uint64_t rsa_session(uint32_t padding, uint32_t hash);

struct operation {
    uint32_t opcode;
    uint64_t session;
    const void *src, *more; /* more: what is verified */
    uint32_t src_len, more_len, dst_len;
    unsigned cut;
};

#define OP(what, id, source, len, room)                                                            \
    (struct operation)                                                                             \
    {                                                                                              \
        .opcode = VIRTIO_CRYPTO_AKCIPHER_##what, .session = (id), .src = (source),                 \
        .src_len = (uint32_t)(len), .dst_len = (room)                                              \
    }
/* Of the digest. */
struct operation verify(uint64_t id, const void *signature, size_t len);

/* The status; out holds all of the destination, *len is what the device says
 * that it wrote, the status byte included. */
uint8_t run(const struct operation *op, uint32_t *len);
/* It ends so, with so many bytes of result and none left over. */
void ak_answers(const struct operation *op, uint8_t status, uint32_t result);

#endif
