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
    struct fault_every stale_id;    /* ... another descriptor, in flight or not */
    struct fault_every repeat;      /* two used entries */
    struct fault_every jump;        /* arg: the used index goes so much too far */
    struct fault_every length;      /* arg: the length told */
    struct fault_every flip;        /* first bit of the result is wrong */
    struct fault_every flip_end;    /* a bit of the result's last byte: of a tag */
    struct fault_every needs_reset; /* answered, then DEVICE_NEEDS_RESET */
    struct fault_every gone;        /* answered; then no answer on the bus, arg: for so many ms */
    struct fault_every change;      /* answered, and a configuration change is told */
    struct fault_every spurious;    /* answered, and an interrupt more */
    /* ... to single control requests ... */
    struct fault_every lose_control;   /* never gets a used entry */
    struct fault_every control_status; /* arg: the status answered */
    /* ... and to single interrupts. */
    struct fault_every lose_irq;

    bool strikes; /* some row for single data requests is set */
};

/* What befalls one data request. */
struct fault_strike {
    bool lose, flip, flip_end, needs_reset, change, spurious;
    bool bad_id, stale_id, repeat;
    uint16_t jump;
    bool wrong_len;
    uint32_t len; /* where wrong_len */
    uint32_t late_ms, gone_ms;
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
