/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations done by two engines, the first of which is believed. Data lies at
 * the end of a page with nothing behind it: what reads or writes further
 * crashes.
 */
#ifndef TEST_ENGINE_PAIR_H
#define TEST_ENGINE_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emulator/engine.h"
#include "support.h"

#define ENGINE_PAIR_AAD 96

/* The engines, for so many workers each. */
void engine_pair_engines_start(const struct engine_ops *first, const struct engine_ops *second,
                               unsigned workers);
void engine_pair_engines_stop(void);
void *engine_pair_engine(unsigned i);

/* Memory that ends where a page does that cannot be touched. */
struct fenced {
    uint8_t *end;
    size_t room;
};

/* One operation for both engines. */
struct engine_pair {
    struct engine_key key;
    void *states[2];
    struct engine_task tasks[2];
    uint8_t key_bytes[32], tags[2][16];
    struct fenced src, aad, iv, dst[2];
    bool in_place, forged;
    unsigned worker; /* that runs it, of both */
};

/* len: the most that it will be used with. */
void engine_pair_init(struct engine_pair *p, size_t len);
void engine_pair_fini(struct engine_pair *p);
/* Of key and key_bytes. */
void engine_pair_open(struct engine_pair *p);
void engine_pair_close(struct engine_pair *p);
bool engine_pair_is_aead(const struct engine_pair *p);

/* Sets the operation of engine i; where it is in place its source is copied. */
void engine_pair_task(struct engine_pair *p, unsigned i, uint32_t len, uint32_t iv_len,
                      uint32_t aad_len);
/* Decryption gets what the first engine's encryption made of the same, now and
 * then with a bit of it turned over. Needs the first engine's task. */
void engine_pair_cipher_text(struct engine_pair *p, struct support_random *r);
void engine_pair_run(struct engine_pair *p, unsigned i);
void engine_pair_compare(const struct engine_pair *p);

/* Any key that both engines take, opened. */
void engine_pair_random_key(struct engine_pair *p, struct support_random *r);
/* The tasks of both, of up to len bytes. */
void engine_pair_random_task(struct engine_pair *p, struct support_random *r, uint32_t len);

#endif
