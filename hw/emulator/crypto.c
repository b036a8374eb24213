/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data queue requests.
 *
 *   device-readable   header | fixed-length fields | iv | source | aad
 *   device-writable   destination | status
 *
 * The fixed-length fields take 48 bytes without REVISION_1, else their own
 * size. The status is the last writable byte, so that a request whose other
 * lengths are wrong can still be answered.
 */
#include "emulator/crypto.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/akcipher.h"
#include "emulator/device.h"

#define FLF_LEGACY 48u
#define IV_FIELD   16u
#define TAG_MAX    16u

/* Missing in the kernel's header (section 5.9.7.5). */
#define FLAG_SESSION_MODE 1u

/* Session mode AEAD fields, section 5.9.7.9; the kernel's structure lacks
 * tag_len and reserved. */
struct aead_flf {
    uint32_t iv_len, aad_len, src_len, dst_len, tag_len, reserved;
};

/* One request, once its fixed-length fields have been read. */
struct data {
    bool encrypt;
    uint32_t iv_len;           /* as stated */
    uint32_t iv_field;         /* bytes that it takes in the request */
    uint32_t src_len, dst_len; /* as stated */
    uint32_t aad_len, tag_len; /* 0: not an AEAD; aad_len: what is verified, too */
    uint32_t len;              /* of the text itself; AKCIPHER: of the result */
    struct virtio_crypto_op_header header;
};

union flf {
    struct virtio_crypto_sym_data_req sym;
    struct aead_flf aead;
    struct virtio_crypto_akcipher_para akcipher;
    uint8_t bytes[FLF_LEGACY];
};

/* Reads the fields into d. Answers VIRTIO_CRYPTO_*. */
static int parse_cipher(const union flf *flf, struct data *d)
{
    const struct virtio_crypto_cipher_para *para = &flf->sym.u.cipher.para;

    if (le32toh(flf->sym.op_type) != VIRTIO_CRYPTO_SYM_OP_CIPHER)
        return VIRTIO_CRYPTO_NOTSUPP;
    d->iv_len = d->iv_field = le32toh(para->iv_len);
    d->src_len = le32toh(para->src_data_len);
    d->dst_len = le32toh(para->dst_data_len);
    d->len = d->src_len;
    return d->dst_len == d->len ? VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_ERR;
}

/* The tag follows the ciphertext: in the destination when encrypting, in the
 * source when decrypting. The IV field is 16 bytes whatever iv_len says. */
static int parse_aead(const union flf *flf, struct data *d)
{
    uint32_t shorter, longer;

    d->iv_len = le32toh(flf->aead.iv_len);
    d->iv_field = IV_FIELD;
    d->aad_len = le32toh(flf->aead.aad_len);
    d->src_len = le32toh(flf->aead.src_len);
    d->dst_len = le32toh(flf->aead.dst_len);
    d->tag_len = le32toh(flf->aead.tag_len);
    shorter = d->encrypt ? d->src_len : d->dst_len;
    longer = d->encrypt ? d->dst_len : d->src_len;
    d->len = shorter;
    if (d->tag_len > TAG_MAX || longer < shorter || longer - shorter != d->tag_len)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* To verify, the signature comes first and what was signed behind it, whose
 * length is stated as the destination's; then there is no destination. */
static int parse_akcipher(const union flf *flf, struct data *d)
{
    d->src_len = le32toh(flf->akcipher.src_data_len);
    d->dst_len = le32toh(flf->akcipher.dst_data_len);
    if (le32toh(d->header.opcode) == VIRTIO_CRYPTO_AKCIPHER_VERIFY) {
        d->aad_len = d->dst_len;
        d->dst_len = 0;
    }
    return VIRTIO_CRYPTO_OK;
}

#define AKCIPHER_FLF sizeof(struct virtio_crypto_akcipher_para)

/* How a request of a session is done once its lengths are known to be right:
 * run answers VIRTIO_CRYPTO_*. */
typedef int run_fn(struct worker *w, struct session *s, struct data *d, uint64_t stated);
static run_fn run_symmetric, run_akcipher;

static const struct service_row {
    uint32_t opcode;
    bool encrypt;
    uint32_t flf_len; /* with REVISION_1 */
    int (*parse)(const union flf *flf, struct data *d);
    run_fn *run;
} services[] = {
    {VIRTIO_CRYPTO_CIPHER_ENCRYPT, true, FLF_LEGACY, parse_cipher, run_symmetric},
    {VIRTIO_CRYPTO_CIPHER_DECRYPT, false, FLF_LEGACY, parse_cipher, run_symmetric},
    {VIRTIO_CRYPTO_AEAD_ENCRYPT, true, sizeof(struct aead_flf), parse_aead, run_symmetric},
    {VIRTIO_CRYPTO_AEAD_DECRYPT, false, sizeof(struct aead_flf), parse_aead, run_symmetric},
    {VIRTIO_CRYPTO_AKCIPHER_ENCRYPT, true, AKCIPHER_FLF, parse_akcipher, run_akcipher},
    {VIRTIO_CRYPTO_AKCIPHER_DECRYPT, false, AKCIPHER_FLF, parse_akcipher, run_akcipher},
    {VIRTIO_CRYPTO_AKCIPHER_SIGN, true, AKCIPHER_FLF, parse_akcipher, run_akcipher},
    {VIRTIO_CRYPTO_AKCIPHER_VERIFY, false, AKCIPHER_FLF, parse_akcipher, run_akcipher},
};

static const struct service_row *service_of(uint32_t opcode)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (services[i].opcode == opcode)
            return &services[i];
    return NULL;
}

/* Whether the request keeps to its session and to the algorithm's limits. */
static int check(const struct session *s, const struct data *d, uint64_t stated)
{
    const struct alg *alg = s->alg;

    if (s->encrypt != d->encrypt || stated > DEVICE_MAX_SIZE)
        return VIRTIO_CRYPTO_ERR;
    if (d->tag_len != s->tag_len || d->aad_len != s->aad_len)
        return VIRTIO_CRYPTO_ERR;
    if (d->len % alg->granule != 0 || (d->len != 0 && d->len < alg->min_len))
        return VIRTIO_CRYPTO_ERR;
    if (d->iv_len > IV_FIELD || d->iv_len < alg->iv_min)
        return VIRTIO_CRYPTO_ERR;
    /* ECB needs none and ignores what it is given; GCM's J0 is not done. */
    if (d->iv_len > alg->iv_max && alg->iv_max != 0)
        return VIRTIO_CRYPTO_NOTSUPP;
    return VIRTIO_CRYPTO_OK;
}

/* len bytes of scratch memory of this thread, or NULL. */
static uint8_t *scratch(struct worker *w, size_t len)
{
    if (w->scratch_len < len) {
        free(w->scratch);
        w->scratch = malloc(len);
        w->scratch_len = w->scratch != NULL ? len : 0;
    }
    return w->scratch;
}

/* Source and AAD where they lie if each is in one piece, else gathered in
 * *room, which moves on. */
static const uint8_t *gather(struct cursor *in, uint32_t len, uint8_t **room)
{
    uint8_t *at = cursor_direct(in, len);

    if (at != NULL || *room == NULL)
        return at;
    at = *room;
    if (!cursor_read(in, at, len))
        return NULL;
    *room += len;
    return at;
}

struct work {
    struct cursor in, out;
    struct engine_op op;
    uint8_t iv[IV_FIELD], tag[TAG_MAX];
    uint8_t *dst; /* in the chain; NULL: op.dst is scratch */
};

/* Points op at the data. room: NULL, or memory for what is in pieces. */
static bool place(struct work *k, const struct data *d, struct chain *c, uint8_t *room)
{
    uint32_t head = (uint32_t)(c->in_len - d->iv_field - d->src_len - d->aad_len);

    k->in = chain_in(c);
    k->out = chain_out(c);
    if (!cursor_skip(&k->in, head) || !cursor_read(&k->in, k->iv, d->iv_field))
        return false;
    if (d->len != 0 && (k->op.src = gather(&k->in, d->len, &room)) == NULL)
        return false;
    if (!d->encrypt && !cursor_read(&k->in, k->tag, d->tag_len))
        return false;
    if (d->aad_len != 0 && (k->op.aad = gather(&k->in, d->aad_len, &room)) == NULL)
        return false;
    k->dst = d->len != 0 ? cursor_direct(&k->out, d->len) : NULL;
    k->op.dst = k->dst != NULL ? k->dst : room;
    return d->len == 0 || k->op.dst != NULL;
}

static int run(struct worker *w, struct session *s, const struct data *d)
{
    struct work k = {.op = {.iv_len = d->iv_len, .aad_len = d->aad_len, .len = d->len}};
    void *state = session_state(&w->e->sessions, s, w->index);
    size_t need = 0;
    int status;

    if (state == NULL)
        return VIRTIO_CRYPTO_ERR;
    if (!place(&k, d, &w->chain, NULL)) {
        need = (size_t)d->len * 2 + d->aad_len + 1;
        if (scratch(w, need) == NULL)
            return VIRTIO_CRYPTO_ERR;
    }
    k.op.iv = k.iv + s->alg->iv_at;
    if (s->alg->iv_max == 0)
        k.op.iv_len = 0;
    k.op.tag = k.tag;
    status = VIRTIO_CRYPTO_ERR;
    if (need == 0 || place(&k, d, &w->chain, w->scratch))
        status = s->engine->run(state, &k.op);
    if (status == VIRTIO_CRYPTO_OK && ((k.dst == NULL && !cursor_write(&k.out, k.op.dst, d->len)) ||
                                       (d->encrypt && !cursor_write(&k.out, k.tag, d->tag_len))))
        status = VIRTIO_CRYPTO_ERR;
    if (need != 0)
        explicit_bzero(w->scratch, need);
    return status;
}

static int run_symmetric(struct worker *w, struct session *s, struct data *d, uint64_t stated)
{
    int status = check(s, d, stated + d->dst_len);

    return status == VIRTIO_CRYPTO_OK ? run(w, s, d) : status;
}

static int run_akcipher(struct worker *w, struct session *s, struct data *d, uint64_t stated)
{
    struct akcipher_request req = {
        .opcode = le32toh(d->header.opcode),
        .src_len = d->src_len,
        .digest_len = d->aad_len,
        .dst_len = d->dst_len,
        .head = (uint32_t)(w->chain.in_len - stated),
    };

    return akcipher_run(w, s, &req, &d->len);
}

static int serve(struct worker *w, const struct service_row *row, struct data *d,
                 const union flf *flf, uint32_t flf_len)
{
    struct emulator *e = w->e;
    struct session *s;
    uint64_t stated;
    int status;

    if (device_has(e, DEVICE_F_REVISION_1) && !(le32toh(d->header.flag) & FLAG_SESSION_MODE))
        return VIRTIO_CRYPTO_NOTSUPP; /* stateless */
    d->encrypt = row->encrypt;
    status = row->parse(flf, d);
    if (status != VIRTIO_CRYPTO_OK)
        return status;
    stated = (uint64_t)d->iv_field + d->src_len + d->aad_len;
    if (w->chain.in_len != sizeof(d->header) + flf_len + stated ||
        w->chain.out_len != (uint64_t)d->dst_len + 1)
        return VIRTIO_CRYPTO_ERR;
    s = session_get(&e->sessions, le64toh(d->header.session_id));
    if (s == NULL)
        return VIRTIO_CRYPTO_INVSESS;
    status = VIRTIO_CRYPTO_INVSESS;
    if (s->alg->service == row->opcode >> 8)
        status = row->run(w, s, d, stated);
    session_put(s);
    return status;
}

/* Reads header and fields, and has the request done; *result: bytes of the
 * destination that are good. -EINVAL: no header. */
static int request(struct worker *w, const struct fault_strike *strike, uint32_t *result)
{
    struct cursor in = chain_in(&w->chain);
    const struct service_row *row;
    struct data d;
    union flf flf;
    uint32_t flf_len;
    int status;

    memset(&d, 0, sizeof(d));
    if (w->chain.in_len < sizeof(d.header))
        return -EINVAL;
    if (!cursor_read(&in, &d.header, sizeof(d.header)))
        return VIRTIO_CRYPTO_ERR;
    row = service_of(le32toh(d.header.opcode));
    flf_len = row != NULL && device_has(w->e, DEVICE_F_REVISION_1) ? row->flf_len : FLF_LEGACY;
    if (row == NULL)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (w->chain.in_len < sizeof(d.header) + flf_len)
        return -EINVAL;
    if (!cursor_read(&in, &flf, flf_len))
        return VIRTIO_CRYPTO_ERR;
    if (strike->status >= 0)
        return strike->status;
    status = serve(w, row, &d, &flf, flf_len);
    if (status == VIRTIO_CRYPTO_OK && row->run == run_akcipher)
        *result = d.len;
    return status;
}

/* A bit of the result's byte at off. */
static void flip(const struct chain *c, uint32_t off)
{
    struct cursor out = chain_out(c);
    uint8_t *byte = NULL;

    if (c->out_len > 1 && (off == 0 || cursor_skip(&out, off)))
        byte = cursor_direct(&out, 1);
    if (byte != NULL)
        *byte ^= 1;
}

int crypto_data(struct worker *w, const struct fault_strike *strike, uint32_t *len)
{
    struct chain *c = &w->chain;
    struct cursor out = chain_out(c);
    uint32_t result = (uint32_t)c->out_len - 1;
    uint8_t code;
    int status = c->out_len == 0 ? -EINVAL : request(w, strike, &result);

    if (status < 0) {
        emulator_fail(w->e);
        return -EINVAL;
    }
    *len = result + 1;
    /* No unverified or stale text beside an error: so all of it is written. */
    if (status != VIRTIO_CRYPTO_OK && !cursor_zero(&out, result))
        *len = 0;
    if (strike->flip)
        flip(c, 0);
    if (strike->flip_end && result != 0)
        flip(c, result - 1);
    code = (uint8_t)status;
    out = chain_out(c);
    if (!cursor_skip(&out, c->out_len - 1) || !cursor_write(&out, &code, 1))
        *len = 0;
    return 0;
}
