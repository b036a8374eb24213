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

struct stats {
    /* Counters that every thread adds to keep away from the read-only fields
     * of provctx that every operation reads. */
    alignas(64) _Atomic uint64_t software[SW_CAUSES];
    _Atomic uint64_t contexts;      /* operation contexts ever opened */
    _Atomic uint64_t live_contexts; /* open now */
};

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
