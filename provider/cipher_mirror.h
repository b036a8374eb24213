/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AEAD modes whose rules stay with the default provider: every call goes to
 * the software twin as it comes, so parameters, states and errors are its own,
 * and a whole message's data goes to the device where that is possible. What
 * the device needs to know (IV, AAD, tag, TLS record) is noted on the way.
 *
 * ChaCha20-Poly1305 and AES-CCM. Their differences are a struct mirror_rules.
 */
#ifndef VCRYPTO_CIPHER_MIRROR_H
#define VCRYPTO_CIPHER_MIRROR_H

#include "cipher.h"
#include "stats.h"

#define MIRROR_NONCE_MAX 13
#define MIRROR_TAG_MAX   16
/* AAD noted; a message with more is software's. */
#define MIRROR_AAD_MAX 256

struct cipher_mirror {
    struct cipher base; /* its twin's context is always there */

    /*
     * The message under way:
     *   OPEN    its data has not come, the twin has its AAD
     *   SERVED  the device did it; the twin has only its AAD
     *   TWIN    the twin has data of it, or the device cannot follow
     *   LOST    the twin lacks data that the device did, or failed at: all is
     *           refused, for the twin would begin again with the same keystream
     */
    enum { MIRROR_TWIN, MIRROR_OPEN, MIRROR_SERVED, MIRROR_LOST } stage;
    bool undecided;            /* OPEN: no AAD or data yet, perhaps the device is out of question */
    bool ended;                /* SERVED: final has been, only its tag is left */
    enum software_cause cause; /* TWIN: why, SW_CAUSES: it has been counted */
    bool streams;              /* its messages come in many updates: see struct cipher_aead */
    bool one_so_far;           /* this one, of data that might have been the device's */

    uint8_t nonce[MIRROR_NONCE_MAX];
    size_t nonce_len;
    uint8_t aad[MIRROR_AAD_MAX];
    size_t aad_len;
    uint8_t tag[MIRROR_TAG_MAX]; /* decryption: expected; SERVED encryption: made */
    size_t tag_len;              /* as last set */
    size_t made_len;             /* of the one made */
    bool tag_given;              /* its bytes, not only its length */
    size_t total;                /* CCM: data announced, SIZE_MAX: not yet */

    bool tls; /* the next update is a record; tls_aad has its payload's length */
    uint8_t tls_fixed[12];
    uint8_t tls_aad[13];
};

/* What differs between the modes. */
struct mirror_rules {
    size_t nonce_min, nonce_max, nonce_default;
    size_t tag_default;
    size_t tls_fixed_len;    /* of the IV, as TLS gives it once */
    size_t tls_explicit_len; /* at the front of each record */
    bool one_update;         /* a message has one update of data (CCM) */
    /* The record's nonce from fixed part, AAD and record; encrypting, the
     * explicit part is written. */
    void (*tls_nonce)(struct cipher_mirror *c, uint8_t *record);
    /* Where the nonce begins in the request's IV field. */
    size_t iv_offset;
};
extern const struct mirror_rules mirror_chacha, mirror_ccm;

static inline const struct mirror_rules *mirror_rules(const struct cipher_mirror *c)
{
    return c->base.alg->info->hw_alg == HW_AES_CCM ? &mirror_ccm : &mirror_chacha;
}

static inline const struct software_cipher *mirror_software(const struct cipher_mirror *c)
{
    return &c->base.alg->software;
}

static inline void *mirror_twin(const struct cipher_mirror *c)
{
    return c->base.twin.ctx;
}

/* What the device cannot follow. */
static inline void mirror_to_twin(struct cipher_mirror *c)
{
    c->stage = MIRROR_TWIN;
    c->cause = SW_UNSUPPORTED;
}

/* The message is over, or another begins. */
void mirror_forget_message(struct cipher_mirror *c);

/* Data of an open message, all of it as far as one can tell. */
enum offload_result mirror_device_data(struct cipher_mirror *c, uint8_t *out, const uint8_t *in,
                                       size_t len);
/* A record in place: 1, 0 failed, -1 the twin's. */
int mirror_device_record(struct cipher_mirror *c, uint8_t *record, size_t *outl, size_t len);

/* Brings the twin, which has the message's AAD, to where the device left off:
 * it does the same data again, whose result `from` has kept. Counted as a
 * stream. */
bool mirror_twin_catches_up(struct cipher_mirror *c, const struct offload *from);
/* More comes behind what the device has done: the twin goes on, -1, or there
 * must not be more, 0: then it is not the twin's, which would take it for the
 * beginning. */
int mirror_twin_goes_on(struct cipher_mirror *c);
/*
 * CCM's twin has length and AAD of a message that the device did, and would take
 * the next one's data for its, with its nonce. A message without data takes its
 * place, whose tag is the end of it. The tag's length may be an older one.
 */
void mirror_twin_ends(struct cipher_mirror *c);

#endif
