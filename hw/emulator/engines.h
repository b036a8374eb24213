/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines of one function, and which of them does what: libcrypto does
 * everything one by one; others do some things better, given enough of them at
 * once.
 */
#ifndef VCRYPTO_EMULATOR_ENGINES_H
#define VCRYPTO_EMULATOR_ENGINES_H

#include <stdbool.h>

#include "emulator/engine.h"

#define ENGINES_MAX 3

/* Kinds of work that are counted together. */
#define ENGINE_KINDS 128

struct engines {
    unsigned workers;
    void *engine[ENGINES_MAX]; /* NULL: not available */
};

/* What a key's operations are, to the engines. */
struct engine_use {
    unsigned kind;  /* below ENGINE_KINDS */
    unsigned fast;  /* the engine for many at once; 0: there is none beside libcrypto */
    unsigned least; /* how many it takes */
};

/* A key ready in each engine, for one worker; made where it is needed. */
struct engine_states {
    void *of[ENGINES_MAX];
};

/* 0, or -ENODEV: not even libcrypto starts. */
int engines_start(struct engines *e, unsigned workers);
void engines_stop(struct engines *e);
/* On a service thread before it ends. */
void engines_thread_end(const struct engines *e);
/* In the child of a fork. */
void engines_forked(void);

void engines_use(const struct engines *e, const struct engine_key *key, struct engine_use *out);
/* Makes the key ready in libcrypto, whose word on it is the last. */
bool engines_open(const struct engines *e, const struct engine_key *key, struct engine_states *st);
void engines_close(const struct engines *e, struct engine_states *st);

/* One operation of a batch; see engines_run. */
struct engine_work {
    const struct engine_use *use;
    const struct engine_key *key;
    struct engine_states *states; /* of the worker */
    struct engine_task task;      /* status is set; state is engines_run's to fill in */
};

/* Runs a batch of at most ENGINE_BATCH, each by the engine that is best for
 * what there is of its kind. */
void engines_run(const struct engines *e, unsigned worker, struct engine_work *const *work,
                 unsigned n);

#endif
