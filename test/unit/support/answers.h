/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers, each from the standard that its row names: every algorithm
 * and key size that the emulated device does.
 */
#ifndef TEST_ANSWERS_H
#define TEST_ANSWERS_H

#include "hw.h"

struct hw_pool;

struct answer {
    const char *source;
    enum hw_alg alg;
    const char *key, *iv, *aad, *plain, *cipher, *tag; /* hexadecimal; NULL: none */
};

extern const struct answer known_answers[];
extern const unsigned known_answers_count;

#define ANSWER_MAX 512

/* An answer as bytes, with a key handle and a request of its own. */
struct answer_use {
    const struct answer *answer;
    struct hw_key *key;
    struct hw_request *req;
    size_t len;
    uint8_t aad[64], tag[HW_TAG_MAX];
    uint8_t plain[ANSWER_MAX], cipher[ANSWER_MAX], result[ANSWER_MAX];
};

void answer_start(struct answer_use *u, const struct answer *a);
/* Fills the request in, with the result cleared. in_place: the result is
 * written over the input. */
void answer_fill(struct answer_use *u, enum hw_op op, bool in_place);
/* Collects, and holds the result against the known one. */
void answer_check(struct answer_use *u, enum hw_op op);
/* Fills in, submits, waits and checks, in both directions. */
void answer_ask(struct answer_use *u, struct hw_pool *pool);
void answer_end(struct answer_use *u);

/* All of it for each row. */
void answer_all(struct hw_pool *pool);

#endif
