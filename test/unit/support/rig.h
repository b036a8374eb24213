/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools, keys and requests for tests that use hw.h as the provider does. What
 * goes wrong here fails the test.
 */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include <check.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "hw.h"

/* One emulator with one thread, 64 descriptors per queue, 2 s until a timeout.
 * fault: NULL or the emulator's fault string. */
struct hw_config rig_config(const char *fault);
struct hw_pool *rig_open(const struct hw_config *cfg);
/* Frees the pool (which may be NULL); then nothing may be left alive. */
void rig_close(struct hw_pool *pool);
void rig_nothing_left(void);

struct hw_key *rig_key(enum hw_alg alg, unsigned len, unsigned char fill);
/* A request that counts its complete() calls and can be waited for. */
struct hw_request *rig_request(struct hw_key *key);
/* Encrypts len bytes of buf in place, whatever the algorithm. */
void rig_fill(struct hw_request *req, void *buf, size_t len);
/* Waits for complete(), for 30 s at most; the status. */
int rig_wait(struct hw_request *req);
/* Submits and waits; what hw_submit refused, or the status. */
int rig_do(struct hw_pool *pool, struct hw_request *req);
/* complete() calls so far. */
unsigned rig_calls(struct hw_request *req);

/* All devices added up. */
struct hw_stats rig_stats(const struct hw_pool *pool);

void rig_sleep(unsigned ms);
/* False once 30 s have passed since *since, which is 0 at first. */
bool rig_patience(time_t *since);

/* Waits until cond holds. */
#define RIG_UNTIL(cond)                                                                            \
    for (time_t rig_since = 0; !(cond);)                                                           \
    ck_assert_msg(rig_patience(&rig_since), "never came: %s", #cond)

#endif
