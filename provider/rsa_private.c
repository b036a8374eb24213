/* SPDX-License-Identifier: Apache-2.0 */
#include "rsa_private.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

size_t rsa_work_size(const struct key_device *device)
{
    return 2 * device->size + 1;
}

struct rsa_work rsa_work_at(const struct key_device *device, uint8_t *memory)
{
    return (struct rsa_work){memory, memory + device->size + 1};
}

bool rsa_in_range(const struct key_device *device, const uint8_t *block)
{
    BIGNUM *n;
    bool ok;

    /* Software says what it thinks of it. */
    ERR_set_mark();
    n = BN_bin2bn(block, (int)device->size, NULL);
    ERR_pop_to_mark();
    ok = n != NULL && BN_ucmp(n, device->n) < 0;
    BN_clear_free(n);
    return ok;
}

/*
 * result to the public exponent, over it. The result may be a secret, and how
 * many zeros it begins with must not show: a byte that is not zero is put
 * before it, whose bit is then taken away, which leaves the number as many
 * words long as any.
 */
static bool to_public(const struct key_device *device, BN_CTX *ctx, BIGNUM *n, uint8_t *result)
{
    result[-1] = 1;
    if (BN_bin2bn(result - 1, (int)device->size + 1, n) == NULL ||
        !BN_clear_bit(n, (int)device->size * 8))
        return false;
    return BN_ucmp(n, device->n) < 0 &&
           BN_mod_exp_mont(n, n, device->e, device->n, ctx, device->mont);
}

static bool right(const struct key_device *device, const struct rsa_work *w)
{
    BN_CTX *ctx;
    BIGNUM *n;
    uint8_t *again;
    bool ok = false;

    ERR_set_mark();
    ctx = BN_CTX_new();
    n = BN_new();
    again = OPENSSL_malloc(device->size);
    if (ctx != NULL && n != NULL && again != NULL && to_public(device, ctx, n, w->result) &&
        BN_bn2binpad(n, again, (int)device->size) == (int)device->size)
        ok = CRYPTO_memcmp(again, w->block, device->size) == 0;
    ERR_pop_to_mark();
    OPENSSL_clear_free(again, device->size);
    BN_clear_free(n);
    BN_CTX_free(ctx);
    return ok;
}

enum offload_result rsa_private(struct offload *off, struct hw_request *req,
                                const struct key_device *device, const struct rsa_work *w)
{
    enum offload_result result;

    req->key = device->hw;
    req->dst[0] = (struct iovec){w->result, device->size};
    req->ndst = 1;
    result = offload_run(off, false);
    if (result == OFFLOAD_REJECTED || (result == OFFLOAD_DONE && !right(device, w)))
        return offload_wrong(off);
    return result;
}
