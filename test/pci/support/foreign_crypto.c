/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and requests, and known answers to check them with. */
#include "foreign.h"

#include <check.h>
#include <endian.h>
#include <string.h>

#define CIPHER(n) VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_##n
#define AEAD(n)   VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_##n

#define SP800_38A                                                                                  \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                             \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

const struct foreign_vector foreign_vectors[] = {
    /* NIST SP 800-38A, F.2.1, F.2.5, F.1.1, F.5.1 */
    {"cbc-128", CIPHER(AES_CBC), "2b7e151628aed2a6abf7158809cf4f3c",
     "000102030405060708090a0b0c0d0e0f", NULL, SP800_38A,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
     "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
     NULL},
    {"cbc-256", CIPHER(AES_CBC), "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
     "000102030405060708090a0b0c0d0e0f", NULL, SP800_38A,
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
     NULL},
    {"ecb-128", CIPHER(AES_ECB), "2b7e151628aed2a6abf7158809cf4f3c", NULL, NULL, SP800_38A,
     "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
     "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
     NULL},
    {"ctr-128", CIPHER(AES_CTR), "2b7e151628aed2a6abf7158809cf4f3c",
     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", NULL, SP800_38A,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
     NULL},
    /* IEEE 1619, vectors 2 and 15: the latter steals ciphertext */
    {"xts-128", CIPHER(AES_XTS), "1111111111111111111111111111111122222222222222222222222222222222",
     "33333333330000000000000000000000", NULL,
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", NULL},
    {"xts-128-cts", CIPHER(AES_XTS),
     "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
     "9a785634120000000000000000000000", NULL, "000102030405060708090a0b0c0d0e0f10",
     "6c1625db4671522d3d7599601de7ca09ed", NULL},
    /* The GCM specification, test cases 4 and 1 */
    {"gcm-128", AEAD(GCM), "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {"gcm-128-empty", AEAD(GCM), "00000000000000000000000000000000", "000000000000000000000000",
     NULL, NULL, NULL, "58e2fccefa7e3061367f1d57a4e7455a"},
    {"gcm-128-short-tag", AEAD(GCM), "00000000000000000000000000000000", "000000000000000000000000",
     NULL, NULL, NULL, "58e2fcce"},
    /* NIST SP 800-38C, example 1 */
    {"ccm-128", AEAD(CCM), "404142434445464748494a4b4c4d4e4f", "10111213141516", "0001020304050607",
     "20212223", "7162015b", "4dac255d"},
    /* RFC 8439, section 2.8.2 */
    {"chacha20-poly1305", AEAD(CHACHA20_POLY1305),
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
     "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
     "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

const unsigned foreign_vectors_count = sizeof(foreign_vectors) / sizeof(foreign_vectors[0]);

const struct foreign_vector *foreign_vector_named(const char *name)
{
    for (unsigned i = 0; i < foreign_vectors_count; i++)
        if (strcmp(foreign_vectors[i].name, name) == 0)
            return &foreign_vectors[i];
    ck_abort_msg("no vector %s", name);
    return NULL;
}

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

size_t foreign_unhex(const char *hex, uint8_t *out)
{
    size_t n = hex != NULL ? strlen(hex) / 2 : 0;

    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return n;
}

static bool revision_1(const struct foreign *f)
{
    return f->features & FEATURE(FOREIGN_REVISION_1);
}

uint32_t foreign_control(struct foreign *f, const void *in, size_t inlen, void *out, size_t outlen)
{
    struct fqueue *q = &f->q[f->queues];
    uint8_t *mem = foreign_alloc(f, inlen + outlen, 16);
    struct piece p[2] = {{foreign_iova(f, mem), (uint32_t)inlen},
                         {foreign_iova(f, mem + inlen), (uint32_t)outlen}};
    unsigned head;
    uint32_t len;

    memcpy(mem, in, inlen);
    memset(mem + inlen, 0xee, outlen);
    foreign_publish(f, q, foreign_add(f, q, p, 1, 1, 0));
    foreign_wait(f, q, &head, &len);
    memcpy(out, mem + inlen, outlen);
    return len;
}

uint32_t foreign_session(struct foreign *f, const struct foreign_vector *v, bool encrypt,
                         uint64_t *id)
{
    struct {
        struct virtio_crypto_op_ctrl_req req;
        uint8_t key[64];
    } msg;
    struct virtio_crypto_session_input out;
    uint8_t key[64], other[256], *at;
    uint32_t key_len = (uint32_t)foreign_unhex(v->key, key);
    uint32_t op = encrypt ? VIRTIO_CRYPTO_OP_ENCRYPT : VIRTIO_CRYPTO_OP_DECRYPT;

    memset(&msg, 0, sizeof(msg));
    at = msg.key;
    if (v->service == VIRTIO_CRYPTO_SERVICE_CIPHER) {
        struct virtio_crypto_sym_create_session_req *sym = &msg.req.u.sym_create_session;
        msg.req.header.opcode = htole32(VIRTIO_CRYPTO_CIPHER_CREATE_SESSION);
        sym->op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
        sym->u.cipher.para.algo = htole32(v->algo);
        sym->u.cipher.para.keylen = htole32(key_len);
        sym->u.cipher.para.op = htole32(op);
    } else {
        struct virtio_crypto_aead_session_para *para = &msg.req.u.aead_create_session.para;
        msg.req.header.opcode = htole32(VIRTIO_CRYPTO_AEAD_CREATE_SESSION);
        para->algo = htole32(v->algo);
        para->key_len = htole32(key_len);
        para->hash_result_len = htole32((uint32_t)foreign_unhex(v->tag, other));
        para->aad_len = htole32((uint32_t)foreign_unhex(v->aad, other));
        para->op = htole32(op);
        if (revision_1(f)) /* 24 bytes instead of 56 */
            at = (uint8_t *)(para + 1);
    }
    memcpy(at, key, key_len);
    ck_assert_uint_eq(
        foreign_control(f, &msg, (size_t)(at - (uint8_t *)&msg) + key_len, &out, sizeof(out)),
        sizeof(out));
    *id = le64toh(out.session_id);
    return le32toh(out.status);
}

uint32_t foreign_destroy(struct foreign *f, uint32_t service, uint64_t id)
{
    struct virtio_crypto_op_ctrl_req req;
    uint32_t op = service == VIRTIO_CRYPTO_SERVICE_AKCIPHER ? 0x05 : 0x03;
    uint8_t status;

    memset(&req, 0, sizeof(req));
    req.header.opcode = htole32(VIRTIO_CRYPTO_OPCODE(service, op));
    req.u.destroy_session.session_id = htole64(id);
    ck_assert_uint_eq(
        foreign_control(f, &req, sizeof(req.header) + (revision_1(f) ? 8 : 56), &status, 1), 1);
    return status;
}

void foreign_fill(struct foreign_request *r, const struct foreign_vector *v, bool encrypt)
{
    size_t n;

    *r->status = 0xee;
    memset(r->dst, 0xdd, r->dst_len);
    n = foreign_unhex(encrypt ? v->plain : v->cipher, r->src);
    if (!encrypt)
        foreign_unhex(v->tag, r->src + n);
    foreign_unhex(v->aad, r->aad);
    n = foreign_unhex(encrypt ? v->cipher : v->plain, r->want);
    if (encrypt)
        foreign_unhex(v->tag, r->want + n);
}

void foreign_make(struct foreign *f, struct foreign_request *r, const struct foreign_vector *v,
                  bool encrypt, bool in_place, uint64_t session)
{
    struct virtio_crypto_op_data_req *req = foreign_alloc(f, sizeof(*req) + 64, 16);
    bool aead = v->service == VIRTIO_CRYPTO_SERVICE_AEAD;
    uint8_t skip[256];
    uint32_t text = (uint32_t)foreign_unhex(v->plain, skip),
             tag = (uint32_t)foreign_unhex(v->tag, skip);
    uint32_t iv_len = (uint32_t)foreign_unhex(v->iv, skip);
    unsigned iv_at = aead && v->algo == VIRTIO_CRYPTO_AEAD_CCM ? 1 : 0;

    memset(r, 0, sizeof(*r));
    r->header = (uint8_t *)req;
    r->header_len = sizeof(*req);
    r->iv_len = aead ? 16 : iv_len;
    r->src_len = text + (encrypt ? 0 : tag);
    r->dst_len = text + (encrypt ? tag : 0);
    r->aad_len = (uint32_t)foreign_unhex(v->aad, skip);
    r->iv = foreign_alloc(f, 16, 1);
    r->src = foreign_alloc(f, text + tag + 1, 1);
    r->aad = foreign_alloc(f, r->aad_len + 1, 1);
    r->dst = in_place ? r->src : foreign_alloc(f, text + tag + 1, 1);
    r->status = foreign_alloc(f, 1, 1);
    foreign_unhex(v->iv, r->iv + iv_at);
    req->header.opcode = htole32(VIRTIO_CRYPTO_OPCODE(v->service, encrypt ? 0 : 1));
    req->header.session_id = htole64(session);
    req->header.flag = htole32(revision_1(f) ? 1 : 0);
    if (aead) {
        struct virtio_crypto_aead_para *para = &req->u.aead_req.para;
        uint32_t tag_le = htole32(tag);
        para->iv_len = htole32(iv_len);
        para->aad_len = htole32(r->aad_len);
        para->src_data_len = htole32(r->src_len);
        para->dst_data_len = htole32(r->dst_len);
        /* Section 5.9.7.9: tag_len and a reserved word follow. */
        memcpy(para + 1, &tag_le, sizeof(tag_le));
        if (revision_1(f))
            r->header_len = (uint32_t)(sizeof(req->header) + sizeof(*para) + 8);
    } else {
        struct virtio_crypto_cipher_para *para = &req->u.sym_req.u.cipher.para;
        para->iv_len = htole32(iv_len);
        para->src_data_len = htole32(r->src_len);
        para->dst_data_len = htole32(r->dst_len);
        req->u.sym_req.op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    }
    foreign_fill(r, v, encrypt);
}

unsigned foreign_pieces(const struct foreign *f, const struct foreign_request *r, struct piece *p,
                        unsigned *nread)
{
    const struct {
        const uint8_t *at;
        uint32_t len;
    } part[] = {{r->header, r->header_len}, {r->iv, r->iv_len},   {r->src, r->src_len},
                {r->aad, r->aad_len},       {r->dst, r->dst_len}, {r->status, 1}};
    unsigned n = 0;

    for (unsigned i = 0; i < 6; i++) {
        if (i == 4)
            *nread = n;
        if (part[i].len != 0)
            p[n++] = (struct piece){foreign_iova(f, part[i].at), part[i].len};
    }
    return n;
}

int foreign_send(struct foreign *f, struct fqueue *q, const struct foreign_request *r, unsigned cut)
{
    struct piece p[6];
    unsigned nread, n = foreign_pieces(f, r, p, &nread);
    int head = foreign_add(f, q, p, nread, n - nread, cut);

    if (head >= 0)
        foreign_publish(f, q, head);
    return head;
}

void foreign_check(const struct foreign_request *r)
{
    must(*r->status == VIRTIO_CRYPTO_OK, "status %u", *r->status);
    must(memcmp(r->dst, r->want, r->dst_len) == 0, "wrong result");
}

uint8_t foreign_run(struct foreign *f, const struct foreign_request *r, unsigned cut, uint32_t *len)
{
    int sent = foreign_send(f, &f->q[0], r, cut);
    uint32_t written;
    unsigned head;

    must(sent >= 0, "ring full");
    foreign_wait(f, &f->q[0], &head, len != NULL ? len : &written);
    must((int)head == sent, "head %u for %d", head, sent);
    return *r->status;
}
