/* SPDX-License-Identifier: Apache-2.0 */
/* Process-wide counts of what is alive (hw_live), for leak tests. */
#ifndef VCRYPTO_LIVE_H
#define VCRYPTO_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

struct live_counts {
    _Atomic int64_t requests, in_flight, dma_bytes, sessions, keys, devices;
};

extern struct live_counts live;

/* Relaxed: these are figures, nothing is ordered by them. */
static inline void live_add(_Atomic int64_t *count, int64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

#endif
