/* SPDX-License-Identifier: Apache-2.0 */
/* The control queue: sessions, their limits, and requests that are nonsense. */
#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "support/foreign.h"

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)

static const struct emulator_config one_thread = {.threads = 1, .data_queues = 1};

static uint64_t alive(struct foreign *f)
{
    struct emulator_counts counts;

    emulator_counts(f->e, &counts);
    return counts.sessions;
}

START_TEST(sessions_end)
{
    const struct foreign_vector *v = foreign_vector_named("cbc-128");
    struct foreign f;
    struct foreign_request r;
    uint64_t id, again;

    foreign_open(&f, &one_thread);
    foreign_start(&f, _i ? REVISION_1 : 0, 0);
    ck_assert_uint_eq(foreign_session(&f, v, true, &id), VIRTIO_CRYPTO_OK);
    ck_assert_uint_eq(alive(&f), 1);
    foreign_make(&f, &r, v, true, false, id);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    /* Of another service, and twice. */
    ck_assert_uint_eq(foreign_destroy(&f, VIRTIO_CRYPTO_SERVICE_AEAD, id), VIRTIO_CRYPTO_ERR);
    ck_assert_uint_eq(foreign_destroy(&f, VIRTIO_CRYPTO_SERVICE_CIPHER, id), VIRTIO_CRYPTO_OK);
    ck_assert_uint_eq(foreign_destroy(&f, VIRTIO_CRYPTO_SERVICE_CIPHER, id), VIRTIO_CRYPTO_ERR);
    ck_assert_uint_eq(alive(&f), 0);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_INVSESS);
    /* The next one has another name. */
    ck_assert_uint_eq(foreign_session(&f, v, true, &again), VIRTIO_CRYPTO_OK);
    ck_assert_uint_ne(id, again);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_INVSESS);
    /* A reset ends all. */
    foreign_reset(&f);
    ck_assert_uint_eq(alive(&f), 0);
    foreign_close(&f);
}
END_TEST

START_TEST(sessions_run_out)
{
    struct emulator_config cfg = {.threads = 1, .data_queues = 1, .fault = "sessions:3"};
    const struct foreign_vector *v = foreign_vector_named("gcm-128");
    struct foreign f;
    uint64_t id[3], none;

    foreign_open(&f, &cfg);
    foreign_start(&f, _i ? REVISION_1 : 0, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(foreign_session(&f, v, true, &id[i]), VIRTIO_CRYPTO_OK);
    ck_assert_uint_eq(foreign_session(&f, v, true, &none),
                      _i ? VIRTIO_CRYPTO_NOSPC : VIRTIO_CRYPTO_ERR);
    ck_assert_uint_eq(foreign_destroy(&f, v->service, id[1]), VIRTIO_CRYPTO_OK);
    ck_assert_uint_eq(foreign_session(&f, v, true, &none), VIRTIO_CRYPTO_OK);
    ck_assert_uint_eq(alive(&f), 3);
    foreign_close(&f);
}
END_TEST

/* A good request to make an AES-GCM session with one field bent. */
static const struct {
    unsigned off;
    uint32_t val, status;
} bends[] = {
    {0, 0x77, VIRTIO_CRYPTO_NOTSUPP},                              /* opcode */
    {0, VIRTIO_CRYPTO_HASH_CREATE_SESSION, VIRTIO_CRYPTO_NOTSUPP}, /* service not offered */
    {16, 0, VIRTIO_CRYPTO_NOTSUPP},                                /* algorithm */
    {16, 0xffffffff, VIRTIO_CRYPTO_NOTSUPP},
    {20, 0, VIRTIO_CRYPTO_ERR}, /* key length */
    {20, 17, VIRTIO_CRYPTO_ERR},
    {20, 64, VIRTIO_CRYPTO_ERR},
    {20, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {20, 32, VIRTIO_CRYPTO_ERR}, /* good, but only 16 bytes follow */
    {24, 3, VIRTIO_CRYPTO_ERR},  /* tag length */
    {24, 17, VIRTIO_CRYPTO_ERR},
    {24, 0xffffffff, VIRTIO_CRYPTO_ERR},
    {28, 0xffffffff, VIRTIO_CRYPTO_ERR}, /* AAD length */
    {32, 0, VIRTIO_CRYPTO_ERR},          /* direction */
    {32, 3, VIRTIO_CRYPTO_ERR},
};

START_TEST(bent_sessions)
{
    struct {
        struct virtio_crypto_ctrl_header header;
        struct virtio_crypto_aead_session_para para;
        uint8_t key[16];
    } req;
    struct virtio_crypto_session_input out;
    uint32_t val = htole32(bends[_i].val);
    struct foreign f;

    foreign_open(&f, &one_thread);
    foreign_start(&f, REVISION_1, 0);
    memset(&req, 0, sizeof(req));
    req.header.opcode = htole32(VIRTIO_CRYPTO_AEAD_CREATE_SESSION);
    req.para.algo = htole32(VIRTIO_CRYPTO_AEAD_GCM);
    req.para.key_len = htole32(16);
    req.para.hash_result_len = htole32(16);
    req.para.op = htole32(VIRTIO_CRYPTO_OP_ENCRYPT);
    ck_assert_uint_eq(foreign_control(&f, &req, sizeof(req), &out, sizeof(out)), sizeof(out));
    ck_assert_uint_eq(le32toh(out.status), VIRTIO_CRYPTO_OK);
    memcpy((uint8_t *)&req + bends[_i].off, &val, sizeof(val));
    ck_assert_uint_eq(foreign_control(&f, &req, sizeof(req), &out, sizeof(out)), sizeof(out));
    ck_assert_uint_eq(le32toh(out.status), bends[_i].status);
    ck_assert_uint_eq(alive(&f), 1);
    foreign_close(&f);
}
END_TEST

/* A key that the engine refuses: XTS with two equal halves. */
START_TEST(refused_key)
{
    struct foreign_vector v = *foreign_vector_named("xts-128");
    struct foreign f;
    uint64_t id;

    v.key = "0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10";
    foreign_open(&f, &one_thread);
    foreign_start(&f, 0, 0);
    ck_assert_uint_eq(foreign_session(&f, &v, true, &id), VIRTIO_CRYPTO_ERR);
    ck_assert_uint_eq(alive(&f), 0);
    foreign_close(&f);
}
END_TEST

/* AEAD sessions hold the lengths of tag and AAD: a request must keep to them. */
START_TEST(aead_lengths_of_the_session)
{
    struct foreign_vector v = *foreign_vector_named("gcm-128");
    struct foreign f;
    struct foreign_request r;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, REVISION_1, 0);
    ck_assert_uint_eq(foreign_session(&f, &v, true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, &v, true, false, id);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_OK);
    v.aad = "feedface";
    foreign_make(&f, &r, &v, true, false, id);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_ERR);
    v.aad = foreign_vector_named("gcm-128")->aad;
    v.tag = "5bc94fbc3221a5db";
    foreign_make(&f, &r, &v, true, false, id);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_ERR);
    foreign_close(&f);
}
END_TEST

START_TEST(session_of_another_service)
{
    const struct foreign_vector *v[] = {foreign_vector_named("gcm-128"),
                                        foreign_vector_named("cbc-128")};
    struct foreign f;
    struct foreign_request r;
    uint64_t id;

    foreign_open(&f, &one_thread);
    foreign_start(&f, REVISION_1, 0);
    ck_assert_uint_eq(foreign_session(&f, v[_i], true, &id), VIRTIO_CRYPTO_OK);
    foreign_make(&f, &r, v[1 - _i], true, false, id);
    ck_assert_uint_eq(foreign_run(&f, &r, 0, NULL), VIRTIO_CRYPTO_INVSESS);
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("control queue");
    TCase *tc = tcase_create("control queue");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, sessions_end, 0, 2);
    tcase_add_loop_test(tc, sessions_run_out, 0, 2);
    tcase_add_loop_test(tc, bent_sessions, 0, sizeof(bends) / sizeof(bends[0]));
    tcase_add_test(tc, refused_key);
    tcase_add_test(tc, aead_lengths_of_the_session);
    tcase_add_loop_test(tc, session_of_another_service, 0, 2);
    suite_add_tcase(s, tc);
    return support_run(s);
}
