/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision between device and software, and the whole way of one request
 * as an algorithm sees it.
 *
 * An algorithm's context holds one struct offload pointer, NULL at first. The
 * request and everything that must outlive an abandoned job hang from it; the
 * frame that may be paused owns nothing.
 *
 *     struct hw_request *req = offload_begin(&ctx->offload, ctx->prov, &want);
 *     if (req == NULL)
 *         ... software, the cause has been counted ...
 *     ... fill in key, op, iv, src, dst ...
 *     switch (offload_run(ctx->offload)) ...
 */
#ifndef VCRYPTO_OFFLOAD_H
#define VCRYPTO_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "hw.h"

struct provctx;
struct offload;

struct offload_want {
    enum hw_alg alg;
    size_t key_len;   /* bytes; RSA and ECDSA: bits */
    size_t len;       /* bytes of data, compared with min_bytes */
    size_t min_bytes; /* of the algorithm and direction, after configuration */
};

/*
 * A request to fill in, or NULL when this operation belongs in software: no
 * job (with sync = software), too small, not offered by the device. The cause
 * has then been counted. *slot is made at the first call.
 */
struct hw_request *offload_begin(struct offload **slot, struct provctx *prov,
                                 const struct offload_want *want);

enum offload_result {
    OFFLOAD_DONE,     /* dst (and tag) are written */
    OFFLOAD_REJECTED, /* -EBADMSG or -EKEYREJECTED: an answer; dst is untouched */
    OFFLOAD_SOFTWARE, /* the device could not: do the same work in software; counted */
    OFFLOAD_FAILED,   /* the device failed and fallback = no; an error is raised */
};

/*
 * Submits and waits: inside a job by pausing it, outside by a short poll and
 * then sleeping. Counts, sets the wait context's status, leaves the error
 * queue as it was unless it returns OFFLOAD_FAILED.
 *
 * With keep, the DMA memory stays until the next offload_begin, offload_drop
 * or offload_free, so that offload_kept can read the result again; without, it
 * is given back at once.
 */
enum offload_result offload_run(struct offload *off, bool keep);

/*
 * Instead of what offload_run said: the caller has found the result wrong, or
 * the answer one that the device cannot have. It counts like a device that
 * failed: OFFLOAD_SOFTWARE, or OFFLOAD_FAILED with an error.
 */
enum offload_result offload_wrong(struct offload *off);

/* What the last offload_run kept, *len bytes, or NULL. */
const void *offload_kept(const struct offload *off, size_t *len);
void offload_drop(struct offload *off);

/*
 * Detaches the work in flight: from here on nothing is written to the
 * caller's buffers and no wait context is notified for it. NULL is fine.
 */
void offload_free(struct offload *off);

#endif
