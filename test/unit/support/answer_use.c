/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "answers.h"
#include "rig.h"
#include "support.h"

static size_t bytes(const char *hex, uint8_t *out, size_t room)
{
    return hex == NULL ? 0 : support_hex(hex, out, room);
}

void answer_start(struct answer_use *u, const struct answer *a)
{
    uint8_t key[64];
    struct hw_key_spec spec = {.alg = a->alg, .bytes = key};

    memset(u, 0, sizeof(*u));
    u->answer = a;
    spec.len = bytes(a->key, key, sizeof(key));
    u->key = hw_key_new(&spec);
    ck_assert_ptr_nonnull(u->key);
    u->req = rig_request(u->key);
    u->len = bytes(a->plain, u->plain, sizeof(u->plain));
    ck_assert_uint_eq(bytes(a->cipher, u->cipher, sizeof(u->cipher)), u->len);
}

void answer_fill(struct answer_use *u, enum hw_op op, bool in_place)
{
    const struct answer *a = u->answer;
    struct hw_request *req = u->req;
    uint8_t *from = op == HW_ENCRYPT ? u->plain : u->cipher;

    memset(u->result, 0, sizeof(u->result));
    memset(req->tag, 0, sizeof(req->tag));
    memset(req->iv, 0, sizeof(req->iv));
    req->op = op;
    /* The nonce of CCM starts at the second byte. */
    if (a->alg == HW_AES_CCM)
        req->iv_len = (uint8_t)bytes(a->iv, req->iv + 1, sizeof(req->iv) - 1);
    else
        req->iv_len = (uint8_t)bytes(a->iv, req->iv, sizeof(req->iv));
    req->aad = u->aad;
    req->aad_len = bytes(a->aad, u->aad, sizeof(u->aad));
    req->tag_len = (uint8_t)bytes(a->tag, u->tag, sizeof(u->tag));
    if (op == HW_DECRYPT)
        memcpy(req->tag, u->tag, req->tag_len);
    if (in_place)
        from = memcpy(u->result, from, u->len);
    /* In pieces, so that gathering and scattering are seen. */
    req->src[0] = (struct iovec){from, u->len / 3};
    req->src[1] = (struct iovec){from + u->len / 3, u->len - u->len / 3};
    req->dst[0] = (struct iovec){u->result, u->len / 2};
    req->dst[1] = (struct iovec){u->result + u->len / 2, u->len - u->len / 2};
    req->nsrc = req->ndst = 2;
}

void answer_check(struct answer_use *u, enum hw_op op)
{
    const uint8_t *want = op == HW_ENCRYPT ? u->cipher : u->plain;

    ck_assert_uint_eq(u->req->result_len, u->len);
    hw_collect(u->req);
    ck_assert_mem_eq(hw_result(u->req), want, u->len);
    ck_assert_msg(memcmp(u->result, want, u->len) == 0, "%s: wrong result", u->answer->source);
    ck_assert_msg(memcmp(u->req->tag, u->tag, u->req->tag_len) == 0, "%s: wrong tag",
                  u->answer->source);
}

void answer_ask(struct answer_use *u, struct hw_pool *pool)
{
    for (unsigned i = 0; i < 4; i++) {
        enum hw_op op = i % 2 == 0 ? HW_ENCRYPT : HW_DECRYPT;
        int rc;

        answer_fill(u, op, i >= 2);
        rc = rig_do(pool, u->req);
        ck_assert_msg(rc == 0, "%s: %d", u->answer->source, rc);
        answer_check(u, op);
    }
}

void answer_end(struct answer_use *u)
{
    hw_request_unref(u->req);
    hw_key_unref(u->key);
    u->req = NULL;
    u->key = NULL;
}

void answer_all(struct hw_pool *pool)
{
    for (unsigned i = 0; i < known_answers_count; i++) {
        struct answer_use u;

        answer_start(&u, &known_answers[i]);
        answer_ask(&u, pool);
        answer_end(&u);
    }
}
