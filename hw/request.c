/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "key.h"
#include "live.h"
#include "registry.h"
#include "session.h"

struct live_counts live;

void hw_live(struct hw_live *out)
{
#define READ(field) out->field = (uint64_t)atomic_load_explicit(&live.field, memory_order_relaxed)
    READ(requests);
    READ(in_flight);
    READ(dma_bytes);
    READ(sessions);
    READ(keys);
    READ(devices);
#undef READ
}

struct hw_request *hw_request_new(size_t owner_size, void (*fini)(struct hw_request *req))
{
    /* The owner's part starts on a cache line of its own. */
    const size_t head = (sizeof(struct request) + 63) / 64 * 64;
    struct request *r;
    void *mem;

    if (posix_memalign(&mem, 64, head + owner_size) != 0)
        return NULL;
    memset(mem, 0, head + owner_size);
    r = mem;
    atomic_init(&r->refs, 1);
    r->fini = fini;
    r->generation = hw_generation();
    r->pub.owner = (char *)mem + head;
    live_add(&live.requests, 1);
    return &r->pub;
}

void hw_request_ref(struct hw_request *req)
{
    atomic_fetch_add_explicit(&request_of(req)->refs, 1, memory_order_relaxed);
}

/* In a forked child the device, its DMA memory and the counts are the
 * parent's: only plain memory is ours to release. */
static bool inherited(const struct request *r)
{
    return r->generation != hw_generation();
}

unsigned hw_request_generation(const struct hw_request *req)
{
    return ((const struct request *)req)->generation;
}

static void unref(struct request *r, unsigned by)
{
    /* Before our reference goes, and r perhaps with somebody else's. */
    bool in_child = inherited(r);
    unsigned left = atomic_fetch_sub_explicit(&r->refs, by, memory_order_acq_rel) - by;

    if (in_child)
        left %= REQUEST_HELD;
    if (left != 0)
        return;
    if (r->fini != NULL)
        r->fini(&r->pub);
    request_unstage(r);
    if (r->session != NULL)
        session_unref(r->session);
    hw_key_unref(r->key);
    if (!in_child)
        live_add(&live.requests, -1);
    explicit_bzero(&r->pub, sizeof(r->pub));
    free(r);
}

void hw_request_unref(struct hw_request *req)
{
    if (req != NULL)
        unref(request_of(req), 1);
}

void request_hold(struct request *r)
{
    atomic_fetch_add_explicit(&r->refs, REQUEST_HELD, memory_order_relaxed);
}

void request_drop(struct request *r)
{
    unref(r, REQUEST_HELD);
}

bool hw_request_reusable(const struct hw_request *req)
{
    const struct request *r = (const struct request *)req;

    return !inherited(r) && !atomic_load_explicit(&r->busy, memory_order_acquire);
}

static size_t iov_total(const struct iovec *iov, unsigned n)
{
    size_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

static void gather(uint8_t *to, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (iov[i].iov_len != 0)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
}

static size_t align16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

void request_unstage(struct request *r)
{
    if (r->buf.va == NULL || inherited(r))
        return;
    live_add(&live.dma_bytes, -(int64_t)dma_buf_size(&r->buf));
    dma_buf_put(&r->buf, r->buf_dirty);
    r->buf_dirty = 0;
    r->staged = false;
}

/* The one that was kept, or another. */
static int get_buffer(struct request *r, struct dma_pool *pool, size_t len)
{
    int rc;

    if (r->buf.va != NULL && !r->staged && dma_buf_fits(&r->buf, pool, len))
        return 0;
    request_unstage(r);
    rc = dma_buf_get(pool, len, &r->buf);
    if (rc == 0)
        live_add(&live.dma_bytes, (int64_t)dma_buf_size(&r->buf));
    return rc;
}

int request_stage(struct request *r, struct device *dev)
{
    const struct hw_request *req = &r->pub;
    enum hw_kind kind = hw_alg_kind(req->key->spec.alg);
    bool decrypts = kind == HW_KIND_AEAD && req->op == HW_DECRYPT;
    size_t data, need;
    int rc;

    if (req->nsrc > HW_IOV_MAX || req->ndst > HW_IOV_MAX || req->iv_len > HW_IV_MAX ||
        req->tag_len > HW_TAG_MAX)
        return -EINVAL;
    r->src_len = iov_total(req->src, req->nsrc);
    r->dst_len = iov_total(req->dst, req->ndst);
    data = r->src_len > r->dst_len ? r->src_len : r->dst_len;
    if (data > DEVICE_LEN_MAX || req->aad_len > DEVICE_AAD_MAX)
        return -EMSGSIZE;
    r->dst_off = kind == HW_KIND_AKCIPHER ? align16(r->src_len) : 0;
    r->aad_off = r->dst_off + align16(data + (kind == HW_KIND_AEAD ? HW_TAG_MAX : 0));
    need = r->aad_off + req->aad_len;
    rc = get_buffer(r, dev->dma, need);
    if (rc != 0)
        return rc;
    r->dev = dev;
    r->staged = true;
    r->buf_dirty = need;
    gather(r->buf.va, req->src, req->nsrc);
    if (decrypts)
        memcpy(r->buf.va + r->src_len, req->tag, req->tag_len);
    if (req->aad_len != 0)
        memcpy(r->buf.va + r->aad_off, req->aad, req->aad_len);
    return 0;
}

/* It is soon wanted again, mostly: cleansed, it stays. */
void hw_release(struct hw_request *req)
{
    struct request *r = request_of(req);

    if (r->buf.va == NULL || !hw_request_reusable(req))
        return;
    if (!dma_buf_spare(&r->buf)) {
        request_unstage(r);
        return;
    }
    explicit_bzero(r->buf.va, r->buf_dirty);
    r->buf_dirty = 0;
    r->staged = false;
}

const void *hw_result(const struct hw_request *req)
{
    const struct request *r = (const struct request *)req;

    return r->staged && !inherited(r) ? r->buf.va + r->dst_off : NULL;
}

void hw_collect(struct hw_request *req)
{
    struct request *r = request_of(req);
    const uint8_t *from = hw_result(req);
    size_t left = req->result_len;

    if (from == NULL)
        return;
    for (unsigned i = 0; i < req->ndst && left != 0; i++) {
        size_t n = req->dst[i].iov_len < left ? req->dst[i].iov_len : left;

        memcpy(req->dst[i].iov_base, from, n);
        from += n;
        left -= n;
    }
    if (req->op != HW_ENCRYPT || hw_alg_kind(req->key->spec.alg) == HW_KIND_AKCIPHER)
        return;
    if (hw_alg_kind(req->key->spec.alg) == HW_KIND_AEAD)
        memcpy(req->tag, r->buf.va + r->src_len, req->tag_len);
    /* The ciphertext stands where the text stood: there is nothing to cleanse. */
    r->buf_dirty = 0;
}

static void device_is_through(struct request *r)
{
    if (r->pinned)
        session_unpin(r->session);
    r->pinned = false;
    r->place = REQUEST_IDLE;
    atomic_fetch_sub_explicit(&r->dev->in_flight, 1, memory_order_relaxed);
    live_add(&live.in_flight, -1);
    /* Release: pairs with the load in hw_request_reusable. */
    atomic_store_explicit(&r->busy, false, memory_order_release);
}

void request_finish(struct request *r, int status)
{
    r->pub.status = status;
    device_is_through(r);
    r->pub.complete(&r->pub);
    request_drop(r);
}

void request_finish_all(struct request_list *list, int status)
{
    struct request *r;

    while ((r = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, r, link);
        request_finish(r, status);
    }
}

void request_overdue(struct request *r)
{
    r->pub.status = -ETIMEDOUT;
    r->pub.complete(&r->pub);
}

void request_reclaim(struct request *r)
{
    device_is_through(r);
    request_drop(r);
}
