/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/engine_other.h"

#include <linux/virtio_crypto.h>

void engine_other_init(struct engine_other *o, unsigned workers)
{
    pthread_mutex_init(&o->lock, NULL);
    o->engine = NULL;
    o->workers = workers;
}

void engine_other_fini(struct engine_other *o)
{
    if (o->engine != NULL)
        engine_libcrypto.stop(o->engine);
    pthread_mutex_destroy(&o->lock);
}

static void *start(struct engine_other *o)
{
    void *engine;

    pthread_mutex_lock(&o->lock);
    if (o->engine == NULL)
        o->engine = engine_libcrypto.start(o->workers);
    engine = o->engine;
    pthread_mutex_unlock(&o->lock);
    return engine;
}

void engine_other_run(struct engine_other *o, const struct engine_key *key, void **state,
                      unsigned worker, struct engine_task *task)
{
    void *engine = start(o), *own = task->state;

    if (engine != NULL && *state == NULL)
        *state = engine_libcrypto.open(engine, key);
    task->status = VIRTIO_CRYPTO_ERR;
    if (*state == NULL)
        return;
    task->state = *state;
    engine_libcrypto.run(engine, worker, &task, 1);
    task->state = own;
}

void engine_other_close(void *state)
{
    if (state != NULL)
        engine_libcrypto.close(state);
}
