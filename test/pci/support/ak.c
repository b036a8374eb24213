/* SPDX-License-Identifier: Apache-2.0 */
#include "ak.h"

#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define REVISION_1 FEATURE(FOREIGN_REVISION_1)

struct foreign f;
uint8_t key[4096], sig[1024], block[SIZE], digest[DIGEST], out[1024];
size_t key_len, sig_len;

void open_with(const struct emulator_config *cfg, bool revision_1)
{
    foreign_open(&f, cfg);
    foreign_start(&f, revision_1 ? REVISION_1 : 0, 0);
    for (unsigned i = 0; i < DIGEST; i++)
        digest[i] = (uint8_t)(3 * i);
}

void open_function(bool revision_1)
{
    static const struct emulator_config one_thread = {.threads = 1, .data_queues = 1};

    open_with(&one_thread, revision_1);
}

void take_rsa(void)
{
    static const char info[] = "3031300d060960864801650304020105000420";
    uint8_t *end = block + SIZE - DIGEST - sizeof(info) / 2;

    key_len = foreign_unhex(selftest_rsa[0].key, key);
    sig_len = foreign_unhex(selftest_rsa[0].signature, sig);
    ck_assert_uint_eq(sig_len, SIZE);
    memset(block, 0xff, SIZE);
    block[0] = 0;
    block[1] = 1;
    end[-1] = 0;
    foreign_unhex(info, end);
    memcpy(block + SIZE - DIGEST, digest, DIGEST);
}

void take_ecdsa(int i)
{
    key_len = foreign_unhex(selftest_ecdsa[i].key, key);
    sig_len = foreign_unhex(selftest_ecdsa[i].signature, sig);
}

uint32_t make(const struct wish *w, uint64_t *id)
{
    struct {
        struct virtio_crypto_ctrl_header header;
        __le32 algo, type, len, specific[11];
        uint8_t key[8192];
    } *req = calloc(1, sizeof(*req));
    struct virtio_crypto_session_input in;
    size_t used = f.used, head = offsetof(__typeof__(*req), key);

    ck_assert_uint_eq(head, 16 + 56);
    req->header.opcode = htole32(VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION);
    req->header.algo = req->algo = htole32(w->algo);
    req->type = htole32(w->type);
    req->len = htole32(w->stated != 0 ? w->stated : w->key_len);
    req->specific[0] = htole32(w->specific[0]);
    req->specific[1] = htole32(w->specific[1]);
    memcpy(req->key, w->key, w->key_len);
    must(foreign_control(&f, req, head + w->key_len, &in, sizeof(in)) == sizeof(in), "outcome");
    free(req);
    f.used = used;
    *id = le64toh(in.session_id);
    return le32toh(in.status);
}

uint64_t session(uint32_t algo, uint32_t type, uint32_t specific, uint32_t hash, const void *k,
                 size_t len)
{
    struct wish w = {algo, type, {specific, hash}, k, (uint32_t)len, 0};
    uint64_t id;

    ck_assert_uint_eq(make(&w, &id), VIRTIO_CRYPTO_OK);
    return id;
}

uint64_t rsa_session(uint32_t padding, uint32_t hash)
{
    return session(ALGO_RSA, PRIVATE, padding, hash, key, key_len);
}

uint8_t run(const struct operation *op, uint32_t *len)
{
    bool revision_1 = f.features & REVISION_1;
    uint32_t head = 24 + (revision_1 ? 8 : 48);
    size_t used = f.used, total = head + op->src_len + op->more_len;
    uint8_t *in = foreign_alloc(&f, total, 16), *dst = foreign_alloc(&f, op->dst_len + 1u, 16);
    struct virtio_crypto_op_header h = {
        .opcode = htole32(op->opcode),
        .session_id = htole64(op->session),
        .flag = htole32(revision_1 ? 1 : 0),
    };
    __le32 lens[2] = {htole32(op->src_len), htole32(op->more != NULL ? op->more_len : op->dst_len)};
    struct piece p[3] = {{foreign_iova(&f, in), (uint32_t)total}};
    unsigned n = 1, got;
    uint8_t status;

    memcpy(in, &h, sizeof(h));
    memcpy(in + 24, lens, sizeof(lens));
    memcpy(in + head, op->src, op->src_len);
    if (op->more_len != 0)
        memcpy(in + head + op->src_len, op->more, op->more_len);
    memset(dst, 0xee, op->dst_len + 1u);
    if (op->dst_len != 0)
        p[n++] = (struct piece){foreign_iova(&f, dst), op->dst_len};
    p[n++] = (struct piece){foreign_iova(&f, dst + op->dst_len), 1};
    foreign_publish(&f, &f.q[0], foreign_add(&f, &f.q[0], p, 1, n - 1, op->cut));
    foreign_wait(&f, &f.q[0], &got, len);
    memcpy(out, dst, op->dst_len);
    status = dst[op->dst_len];
    f.used = used;
    return status;
}

void ak_answers(const struct operation *op, uint8_t status, uint32_t result)
{
    uint32_t len;
    uint8_t got = run(op, &len);

    ck_assert_msg(got == status, "status %u", got);
    if (status != VIRTIO_CRYPTO_OK) {
        /* Nothing is left over in the destination. */
        ck_assert_uint_eq(len, op->dst_len + 1u);
        result = 0;
    } else {
        ck_assert_uint_eq(len, result + 1);
    }
    for (uint32_t i = result; i < op->dst_len; i++)
        must(out[i] == 0, "stale bytes");
}

struct operation verify(uint64_t id, const void *signature, size_t len)
{
    struct operation op = OP(VERIFY, id, signature, len, 0);

    op.more = digest;
    op.more_len = DIGEST;
    return op;
}
