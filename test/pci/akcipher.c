/* SPDX-License-Identifier: Apache-2.0 */
/* The AKCIPHER service as the specification has it: RSA and ECDSA, with and
 * without REVISION_1. */
#include <check.h>
#include <endian.h>
#include <openssl/core_names.h>
#include <string.h>

#include "support.h"
#include "support/ak.h"

START_TEST(rsa_raw)
{
    struct operation op;
    uint64_t id;

    open_function(_i % 2);
    take_rsa();
    id = rsa_session(VIRTIO_CRYPTO_RSA_RAW_PADDING, 0);
    for (unsigned cut = 0; cut <= 100; cut += 50) {
        op = OP(DECRYPT, id, block, SIZE, SIZE);
        op.cut = cut;
        ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
        ck_assert_mem_eq(out, sig, SIZE);
        op = OP(ENCRYPT, id, sig, SIZE, SIZE);
        op.cut = cut;
        ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
        ck_assert_mem_eq(out, block, SIZE); /* with its leading zero */
    }
    /* Room to spare stays empty; too little is too little. */
    op = OP(DECRYPT, id, block, SIZE, SIZE + 9);
    ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
    op = OP(DECRYPT, id, block, SIZE, SIZE - 1);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(DECRYPT, id, block, SIZE - 1, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(ENCRYPT, id, block, SIZE - 1, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(DECRYPT, id, block, 0, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    /* More than the modulus. */
    memset(block, 0xff, SIZE);
    op = OP(DECRYPT, id, block, SIZE, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    /* Not for signatures. */
    op = OP(SIGN, id, digest, DIGEST, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_NOTSUPP, 0);
    op = verify(id, sig, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_NOTSUPP, 0);
    foreign_close(&f);
}
END_TEST

START_TEST(rsa_pkcs1)
{
    struct operation op;
    uint64_t id, bare;

    open_function(_i % 2);
    take_rsa();
    id = rsa_session(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_SHA256);
    op = OP(SIGN, id, digest, DIGEST, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
    ck_assert_mem_eq(out, sig, SIZE);
    op = OP(SIGN, id, digest, DIGEST - 1, SIZE); /* no digest of SHA-256 */
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = verify(id, sig, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    sig[99] ^= 1;
    ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
    sig[99] ^= 1;
    op.src_len--;
    ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
    /* Without a digest the DigestInfo is the driver's. */
    bare = rsa_session(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_NO_HASH);
    op = OP(SIGN, bare, block + SIZE - DIGEST - 19, DIGEST + 19, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
    ck_assert_mem_eq(out, sig, SIZE);
    foreign_close(&f);
}
END_TEST

/* An error; or, where libcrypto rejects implicitly, random data that only the
 * key's owner can tell from any other text. */
static void wrong_padding(const struct operation *op)
{
#ifdef OSSL_ASYM_CIPHER_PARAM_IMPLICIT_REJECTION
    uint32_t len;

    ck_assert_uint_eq(run(op, &len), VIRTIO_CRYPTO_OK);
    ck_assert_uint_le(len, SIZE - 11 + 1);
    ck_assert_mem_ne(out, sig, SIZE - 11);
#else
    ak_answers(op, VIRTIO_CRYPTO_ERR, 0);
#endif
}

START_TEST(rsa_encryption)
{
    uint8_t crypted[SIZE];
    struct operation op;
    uint64_t id;

    open_function(_i % 2);
    take_rsa();
    id = rsa_session(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_NO_HASH);
    for (uint32_t len = 0; len <= SIZE - 11; len += 49) {
        op = OP(ENCRYPT, id, sig, len, SIZE);
        ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
        memcpy(crypted, out, SIZE);
        op = OP(DECRYPT, id, crypted, SIZE, SIZE);
        ak_answers(&op, VIRTIO_CRYPTO_OK, len);
        ck_assert_mem_eq(out, sig, len);
    }
    op = OP(ENCRYPT, id, sig, SIZE - 10, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    crypted[5] ^= 1;
    op = OP(DECRYPT, id, crypted, SIZE, SIZE);
    wrong_padding(&op);
    foreign_close(&f);
}
END_TEST

static const struct {
    uint32_t hash, digest;
} hashes[] = {
    {VIRTIO_CRYPTO_RSA_MD5, 16},    {VIRTIO_CRYPTO_RSA_SHA1, 20},   {VIRTIO_CRYPTO_RSA_SHA224, 28},
    {VIRTIO_CRYPTO_RSA_SHA256, 32}, {VIRTIO_CRYPTO_RSA_SHA384, 48}, {VIRTIO_CRYPTO_RSA_SHA512, 64},
};

START_TEST(rsa_hashes)
{
    uint8_t text[64] = {5, 4, 3};

    open_function(true);
    take_rsa();
    for (unsigned i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        uint64_t id = rsa_session(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, hashes[i].hash);
        struct operation op = OP(SIGN, id, text, hashes[i].digest, SIZE);

        ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
        memcpy(sig, out, SIZE);
        op = OP(VERIFY, id, sig, SIZE, 0);
        op.more = text;
        op.more_len = hashes[i].digest;
        ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    }
    foreign_close(&f);
}
END_TEST

/* A public key is for anybody's operations only. It is the private one's first
 * two numbers. */
START_TEST(rsa_public)
{
    uint8_t public[300];
    size_t n = 4 + 1 + SIZE + 5;
    struct operation op;
    uint64_t id;

    open_function(_i % 2);
    take_rsa();
    public[0] = 0x30;
    public[1] = 0x82;
    public[2] = (uint8_t)(n >> 8);
    public[3] = (uint8_t)n;
    memcpy(public + 4, key + 7, n);
    id = session(ALGO_RSA, PUBLIC, VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_SHA256,
                 public, n + 4);
    op = verify(id, sig, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    op = OP(ENCRYPT, id, digest, DIGEST, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_OK, SIZE);
    op = OP(SIGN, id, digest, DIGEST, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(DECRYPT, id, sig, SIZE, SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    foreign_close(&f);
}
END_TEST

START_TEST(ecdsa)
{
    const struct selftest_ecdsa *v = &selftest_ecdsa[_i % 5];
    size_t point = 1 + 2 * ((v->bits + 7) / 8);
    struct operation op;
    uint64_t private, public;
    uint32_t len;

    open_function(_i / 5);
    take_ecdsa(_i % 5);
    private = session(ALGO_ECDSA, PRIVATE, (uint32_t)v->curve, 0, key, key_len);
    public = session(ALGO_ECDSA, PUBLIC, (uint32_t)v->curve, 0, key + key_len - point, point);
    op = verify(public, sig, sig_len);
    ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    op = verify(private, sig, sig_len);
    ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    digest[0] ^= 1;
    ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
    op = OP(SIGN, private, digest, DIGEST, 200);
    ck_assert_uint_eq(run(&op, &len), VIRTIO_CRYPTO_OK);
    /* The length in the signature is the device's. */
    ck_assert_uint_eq(len - 1, out[1] < 0x80 ? out[1] + 2u : out[2] + 3u);
    memcpy(sig, out, len - 1);
    op = verify(public, sig, len - 1);
    ak_answers(&op, VIRTIO_CRYPTO_OK, 0);
    op = OP(SIGN, public, digest, DIGEST, 200);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(SIGN, private, digest, DIGEST, 40);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = OP(DECRYPT, private, digest, DIGEST, 200);
    ak_answers(&op, VIRTIO_CRYPTO_NOTSUPP, 0);
    op = OP(ENCRYPT, public, digest, DIGEST, 200);
    ak_answers(&op, VIRTIO_CRYPTO_NOTSUPP, 0);
    foreign_close(&f);
}
END_TEST

/* Signatures that are no DER, or no numbers, are wrong ones. */
START_TEST(ecdsa_nonsense)
{
    struct operation op;
    uint64_t id;

    open_function(true);
    take_ecdsa(2);
    id = session(ALGO_ECDSA, PRIVATE, 3, 0, key, key_len);
    for (uint32_t n = 0; n < sig_len; n++) {
        op = verify(id, sig, n);
        ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
        sig[n] ^= 0x81;
        op = verify(id, sig, sig_len);
        ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
        sig[n] ^= 0x81;
    }
    op = verify(id, sig, 1024);
    ak_answers(&op, VIRTIO_CRYPTO_KEY_REJECTED, 0);
    foreign_close(&f);
}
END_TEST

/* Lengths beyond any key's. */
START_TEST(too_long)
{
    static uint8_t huge[5000];
    struct operation op;
    uint64_t id;

    open_function(_i % 2);
    take_rsa();
    id = rsa_session(VIRTIO_CRYPTO_RSA_PKCS1_PADDING, VIRTIO_CRYPTO_RSA_NO_HASH);
    op = OP(SIGN, id, huge, sizeof(huge), SIZE);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = verify(id, huge, sizeof(huge));
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    op = verify(id, sig, SIZE);
    op.more = huge;
    op.more_len = sizeof(huge);
    ak_answers(&op, VIRTIO_CRYPTO_ERR, 0);
    foreign_close(&f);
}
END_TEST

/* Several threads with the same session, each with a state of its own. */
START_TEST(many_at_once)
{
    enum { MANY = 24, ROUNDS = 4, HEAD = 24 + 8 };
    static const struct emulator_config cfg = {.threads = 4, .data_queues = 1};
    struct virtio_crypto_op_header h = {.opcode = htole32(VIRTIO_CRYPTO_AKCIPHER_DECRYPT),
                                        .flag = htole32(1)};
    const __le32 lens[2] = {htole32(SIZE), htole32(SIZE)};
    uint8_t *dst[MANY];
    unsigned head;
    uint32_t len;

    open_with(&cfg, true);
    take_rsa();
    h.session_id = htole64(rsa_session(VIRTIO_CRYPTO_RSA_RAW_PADDING, 0));
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t used = f.used;

        for (unsigned i = 0; i < MANY; i++) {
            uint8_t *in = foreign_alloc(&f, HEAD + SIZE, 16);
            struct piece p[2];

            dst[i] = foreign_alloc(&f, SIZE + 1, 16);
            memcpy(in, &h, sizeof(h));
            memcpy(in + 24, lens, sizeof(lens));
            memcpy(in + HEAD, block, SIZE);
            p[0] = (struct piece){foreign_iova(&f, in), HEAD + SIZE};
            p[1] = (struct piece){foreign_iova(&f, dst[i]), SIZE + 1};
            foreign_publish(&f, &f.q[0], foreign_add(&f, &f.q[0], p, 1, 1, 0));
        }
        for (unsigned i = 0; i < MANY; i++)
            foreign_wait(&f, &f.q[0], &head, &len);
        for (unsigned i = 0; i < MANY; i++) {
            must(dst[i][SIZE] == VIRTIO_CRYPTO_OK, "status");
            must(memcmp(dst[i], sig, SIZE) == 0, "result");
        }
        f.used = used;
    }
    foreign_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("akcipher");
    TCase *tc = tcase_create("akcipher");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rsa_raw, 0, 2);
    tcase_add_loop_test(tc, rsa_pkcs1, 0, 2);
    tcase_add_loop_test(tc, rsa_encryption, 0, 2);
    tcase_add_test(tc, rsa_hashes);
    tcase_add_loop_test(tc, rsa_public, 0, 2);
    tcase_add_loop_test(tc, ecdsa, 0, 10);
    tcase_add_test(tc, ecdsa_nonsense);
    tcase_add_loop_test(tc, too_long, 0, 2);
    tcase_add_test(tc, many_at_once);
    suite_add_tcase(s, tc);
    return support_run(s);
}
