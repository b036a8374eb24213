/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way to software. Where an operation is so small, or the application
 * so synchronous, that no device is in question, it must cost what it would with
 * the default provider: a few nanoseconds for a block. So one look decides, and
 * the call goes on to the default provider's function with the arguments it
 * came with.
 */
#ifndef VCRYPTO_DIRECT_H
#define VCRYPTO_DIRECT_H

#include <openssl/async.h>

#include "cipher.h"
#include "provider.h"

/*
 * Whether an operation of len bytes is software's whatever the device can do:
 * too small, or outside a job with sync = software. It has then been counted.
 */
static inline bool direct_software(struct provctx *prov, size_t len, size_t min_bytes)
{
    enum software_cause cause = SW_SMALL;

    if (len >= min_bytes) {
        if (prov->config.sync_offload || ASYNC_get_current_job() != NULL)
            return false;
        cause = SW_NO_JOB;
    }
    stats_count(&prov->stats, cause);
    return true;
}

/* Whether no message is long enough for the device. */
static inline bool direct_never(const struct algorithm *alg, bool encrypting)
{
    return alg->on_device &&
           alg->min_bytes[encrypting ? HW_ENCRYPT : HW_DECRYPT] > alg->limits.max_len;
}

/*
 * Of a message whose length is not known yet: why it is software's whatever the
 * device can do, or SW_CAUSES if it may not be. Not counted.
 */
static inline enum software_cause direct_message(const struct provctx *prov,
                                                 const struct algorithm *alg, bool encrypting)
{
    if (direct_never(alg, encrypting))
        return SW_SMALL;
    return prov->config.sync_offload || ASYNC_get_current_job() != NULL ? SW_CAUSES : SW_NO_JOB;
}

/*
 * Whether whole blocks may go to c->direct. What comes after a no belongs into a
 * function of its own that is not inlined: its registers would be saved for
 * nothing.
 */
static inline bool direct_blocks(const struct cipher_plain *c, const uint8_t *out,
                                 const uint8_t *in, size_t len)
{
    return c->direct != NULL && len % CIPHER_BLOCK == 0 && len != 0 && in != NULL && out != NULL &&
           direct_software(c->base.prov, len, c->min_bytes);
}

#define DIRECT_NOT __attribute__((noinline)) static

#endif
