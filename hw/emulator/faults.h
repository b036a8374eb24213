/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Misbehaviour on request. A fault string is a comma-separated list of
 * NAME[:ARG[:ARG]]; faults.c holds the one table of names.
 *
 * "Every Nth" counts over the life of the function, resets included, so that
 * a test knows exactly which request is struck.
 */
#ifndef VCRYPTO_EMULATOR_FAULTS_H
#define VCRYPTO_EMULATOR_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct hw_error;

struct fault_every {
    uint32_t n;   /* 0: never */
    uint32_t arg; /* the row's second number */
};

struct faults {
    /* What the function offers. Numbers: 0 means "as configured". */
    uint64_t withhold; /* feature bits */
    uint64_t no_algo;  /* bits of algs[] that are not advertised */
    uint64_t liar;     /* bits of algs[] that are advertised and not done */
    uint32_t queues, queue_max, sessions, vectors;

    /* What happens to single data requests ... */
    struct fault_every lose;        /* never gets a used entry */
    struct fault_every late;        /* arg: ms later */
    struct fault_every error;       /* answers VIRTIO_CRYPTO_ERR */
    struct fault_every status;      /* arg: the status answered */
    struct fault_every badmsg;      /* answers VIRTIO_CRYPTO_BADMSG */
    struct fault_every bad_id;      /* used entry names no descriptor */
    struct fault_every flip;        /* first bit of the result is wrong */
    struct fault_every needs_reset; /* answered, then DEVICE_NEEDS_RESET */
    /* ... and to single interrupts. */
    struct fault_every lose_irq;

    bool strikes; /* some row for single data requests is set */
};

/* What befalls one data request. */
struct fault_strike {
    bool lose, bad_id, flip, needs_reset;
    uint32_t late_ms;
    int status; /* answered instead of doing the work; -1: none */
};

/* 0 or -EINVAL; err then names the bad piece and what is accepted. */
int faults_parse(const char *text, struct faults *out, struct hw_error *err);

/* What befalls the data request numbered seq, from 1 on. */
void faults_strike(const struct faults *f, uint64_t seq, struct fault_strike *out);

static inline bool fault_hits(const struct fault_every *f, uint64_t seq)
{
    return f->n != 0 && seq % f->n == 0;
}

#endif
