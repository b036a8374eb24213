/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was done where: why operations went to software, and the devices'
 * figures, as gettable provider parameters and as lines at teardown.
 */
#ifndef VCRYPTO_STATS_H
#define VCRYPTO_STATS_H

#include <openssl/core.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct provctx;

/* Why software did an operation. One count per operation that could have been
 * a request. */
enum software_cause {
    SW_SMALL,        /* below min_bytes */
    SW_NO_JOB,       /* outside a job, with sync = software */
    SW_UNSUPPORTED,  /* the device does not do this */
    SW_NO_DEVICE,    /* none in service */
    SW_TIMEOUT,      /* the device did not answer in time */
    SW_BACKLOG,      /* ring and backlog full */
    SW_DEVICE_ERROR, /* the device failed or answered nonsense */
    SW_STREAM,       /* an AEAD message that a one-shot device cannot follow */
    SW_RECORD,       /* a TLS record whose padding and MAC are removed in constant time */
    SW_NO_MEMORY,    /* none left for a request */
    SW_ERRORS,       /* errors were in the queue: pausing would look like failing */
    SW_FORK,         /* submitted before a fork, redone in the child */
    SW_CAUSES
};

/*
 * Counters, a block for each thread that counts: adding to its own costs a
 * thread next to nothing, while one counter for all would cost a small
 * operation in software as much as the operation itself. A thread that starts
 * where another has ended (its thread-local storage lies at the same address)
 * goes on with that one's block. Blocks are freed with the provider context.
 */
struct stats_block {
    alignas(64) _Atomic uint64_t software[SW_CAUSES];
    _Atomic uint64_t opened, closed; /* operation contexts */
    struct stats_block *next;
    const void *owner;
};

struct stats {
    uint64_t serial; /* unlike any other's in this process, and not 0 */
    _Atomic(struct stats_block *) blocks;
    struct stats_block shared; /* the last; of threads for whose own there is no memory */
};

/* The block that the thread used last, and whose it was. */
struct stats_cache {
    uint64_t serial;
    struct stats_block *block;
};
extern _Thread_local struct stats_cache stats_cache __attribute__((tls_model("initial-exec")));

void stats_open(struct stats *s);
void stats_close(struct stats *s);
/* The calling thread's block, which goes into its cache; the shared one where
 * there was no memory, whose counts may then miss some. */
struct stats_block *stats_find_block(struct stats *s);

/* Relaxed: each figure stands alone, but for the contexts closed, and nothing is
 * published through one. A thread's own counter has one writer. */
static inline void stats_add(_Atomic uint64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline struct stats_block *stats_block(struct stats *s)
{
    return stats_cache.serial == s->serial ? stats_cache.block : stats_find_block(s);
}

static inline void stats_count(struct stats *s, enum software_cause cause)
{
    stats_add(&stats_block(s)->software[cause]);
}

void stats_software(struct provctx *prov, enum software_cause cause);
void stats_context_opened(struct provctx *prov);
void stats_context_closed(struct provctx *prov);

/* Appends the descriptors of the figures to out, which has room for
 * STATS_PARAMS_MAX; the terminator is not written. Returns how many. */
#define STATS_PARAMS_MAX 48
size_t stats_gettable(OSSL_PARAM *out);
/* Fills in those of params that are figures. 0: one did not fit. */
int stats_get_params(struct provctx *prov, OSSL_PARAM params[]);

/* The lines of VCRYPTO_STATS=1, to standard error. */
void stats_print(struct provctx *prov);

#endif
