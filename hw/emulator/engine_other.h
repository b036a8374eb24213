/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto's engine behind another one, for what that does not do of a key that
 * it has taken. It is started, and the key opened in it, when that first
 * happens.
 */
#ifndef VCRYPTO_EMULATOR_ENGINE_OTHER_H
#define VCRYPTO_EMULATOR_ENGINE_OTHER_H

#include <pthread.h>

#include "emulator/engine.h"

struct engine_other {
    pthread_mutex_t lock; /* of the engine, while it is started */
    void *engine;         /* NULL until then */
    unsigned workers;
};

void engine_other_init(struct engine_other *o, unsigned workers);
void engine_other_fini(struct engine_other *o);

/* Runs a task of key's; its state is the other engine's and stays so. *state is
 * libcrypto's of the same key and worker, NULL until first used; it is the
 * caller's to end by engine_other_close, before the fini. */
void engine_other_run(struct engine_other *o, const struct engine_key *key, void **state,
                      unsigned worker, struct engine_task *task);
void engine_other_close(void *state); /* NULL is fine */

#endif
