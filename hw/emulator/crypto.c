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

/* Missing in the kernel's header (section 5.9.7.5). */
#define FLAG_SESSION_MODE 1u

/* Session mode AEAD fields, section 5.9.7.9; the kernel's structure lacks
 * tag_len and reserved. */
struct aead_flf {
    uint32_t iv_len, aad_len, src_len, dst_len, tag_len, reserved;
};

union flf {
    struct virtio_crypto_sym_data_req sym;
    struct aead_flf aead;
    struct virtio_crypto_akcipher_para akcipher;
    uint8_t bytes[FLF_LEGACY];
};

/* Reads the fields into d. Answers VIRTIO_CRYPTO_*. */
static int parse_cipher(const union flf *flf, struct unit *d)
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
static int parse_aead(const union flf *flf, struct unit *d)
{
    uint32_t shorter, longer;

    d->iv_len = le32toh(flf->aead.iv_len);
    d->iv_field = CRYPTO_IV_FIELD;
    d->aad_len = le32toh(flf->aead.aad_len);
    d->src_len = le32toh(flf->aead.src_len);
    d->dst_len = le32toh(flf->aead.dst_len);
    d->tag_len = le32toh(flf->aead.tag_len);
    shorter = d->encrypt ? d->src_len : d->dst_len;
    longer = d->encrypt ? d->dst_len : d->src_len;
    d->len = shorter;
    if (d->tag_len > CRYPTO_TAG_MAX || longer < shorter || longer - shorter != d->tag_len)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* To verify, the signature comes first and what was signed behind it, whose
 * length is stated as the destination's; then there is no destination. */
static int parse_akcipher(const union flf *flf, struct unit *d)
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

/* Whether the request keeps to its session and to the algorithm's limits. */
typedef int check_fn(const struct unit *u, uint64_t stated);
/* Points u's task at the data. room: NULL, or memory for what is in pieces. */
typedef bool place_fn(struct worker *w, struct unit *u, uint8_t *room);
static check_fn check_symmetric;
static place_fn place_symmetric;

static const struct service_row {
    uint32_t opcode;
    bool encrypt;
    uint32_t flf_len; /* with REVISION_1 */
    int (*parse)(const union flf *flf, struct unit *d);
    check_fn *check;
    place_fn *place;
} services[] = {
#define ROW(op, encrypt, flf, what, how)                                                           \
    {                                                                                              \
        VIRTIO_CRYPTO_##op, encrypt, flf, parse_##what, check_##how, place_##how                   \
    }
    ROW(CIPHER_ENCRYPT, true, FLF_LEGACY, cipher, symmetric),
    ROW(CIPHER_DECRYPT, false, FLF_LEGACY, cipher, symmetric),
    ROW(AEAD_ENCRYPT, true, sizeof(struct aead_flf), aead, symmetric),
    ROW(AEAD_DECRYPT, false, sizeof(struct aead_flf), aead, symmetric),
#define check_akcipher akcipher_check
#define place_akcipher akcipher_place
    ROW(AKCIPHER_ENCRYPT, true, AKCIPHER_FLF, akcipher, akcipher),
    ROW(AKCIPHER_DECRYPT, false, AKCIPHER_FLF, akcipher, akcipher),
    ROW(AKCIPHER_SIGN, true, AKCIPHER_FLF, akcipher, akcipher),
    ROW(AKCIPHER_VERIFY, false, AKCIPHER_FLF, akcipher, akcipher),
};

static const struct service_row *service_of(uint32_t opcode)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (services[i].opcode == opcode)
            return &services[i];
    return NULL;
}

static int check_symmetric(const struct unit *u, uint64_t stated)
{
    const struct session *s = u->session;
    const struct alg *alg = s->key.alg;

    if (s->key.encrypt != u->encrypt || stated + u->dst_len > DEVICE_MAX_SIZE)
        return VIRTIO_CRYPTO_ERR;
    if (u->tag_len != s->key.tag_len || u->aad_len != s->aad_len)
        return VIRTIO_CRYPTO_ERR;
    if (u->len % alg->granule != 0 || (u->len != 0 && u->len < alg->min_len))
        return VIRTIO_CRYPTO_ERR;
    if (u->iv_len > CRYPTO_IV_FIELD || u->iv_len < alg->iv_min)
        return VIRTIO_CRYPTO_ERR;
    /* ECB needs none and ignores what it is given; GCM's J0 is not done. */
    if (u->iv_len > alg->iv_max && alg->iv_max != 0)
        return VIRTIO_CRYPTO_NOTSUPP;
    return VIRTIO_CRYPTO_OK;
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

static bool place_symmetric(struct worker *w, struct unit *u, uint8_t *room)
{
    struct engine_op *op = &u->work.task.op;
    const struct alg *alg = u->session->key.alg;
    struct cursor in = chain_in(&u->chain);
    uint32_t head = (uint32_t)(u->chain.in_len - u->iv_field - u->src_len - u->aad_len);

    (void)w;
    memset(op, 0, sizeof(*op));
    op->iv = u->iv + alg->iv_at;
    op->iv_len = alg->iv_max != 0 ? u->iv_len : 0;
    op->aad_len = u->aad_len;
    op->len = u->len;
    op->tag = u->tag;
    u->out = chain_out(&u->chain);
    if (!cursor_skip(&in, head) || !cursor_read(&in, u->iv, u->iv_field))
        return false;
    if (u->len != 0 && (op->src = gather(&in, u->len, &room)) == NULL)
        return false;
    if (!u->encrypt && !cursor_read(&in, u->tag, u->tag_len))
        return false;
    if (u->aad_len != 0 && (op->aad = gather(&in, u->aad_len, &room)) == NULL)
        return false;
    u->dst = u->len != 0 ? cursor_direct(&u->out, u->len) : NULL;
    op->dst = u->dst != NULL ? u->dst : room;
    return u->len == 0 || op->dst != NULL;
}

static bool finish_symmetric(struct unit *u)
{
    return (u->dst != NULL || cursor_write(&u->out, u->work.task.op.dst, u->len)) &&
           (!u->encrypt || cursor_write(&u->out, u->tag, u->tag_len));
}

/* What the engine made goes where it belongs. */
static void finish(struct unit *u)
{
    u->waits = false;
    u->status = u->work.task.status;
    if (u->ak != NULL)
        u->status = akcipher_finish(u);
    else if (u->status == VIRTIO_CRYPTO_OK && !finish_symmetric(u))
        u->status = VIRTIO_CRYPTO_ERR;
}

/* len bytes of scratch memory of this worker, or NULL. */
static uint8_t *scratch(struct worker *w, size_t len)
{
    if (w->scratch_len < len) {
        free(w->scratch);
        w->scratch = malloc(len);
        w->scratch_len = w->scratch != NULL ? len : 0;
    }
    return w->scratch;
}

static int run_in_scratch(struct worker *w, struct unit *u)
{
    size_t need = (size_t)u->len * 2 + u->aad_len + 1;
    struct engine_work *work = &u->work;
    uint8_t *room = scratch(w, need);

    if (room == NULL)
        return VIRTIO_CRYPTO_ERR;
    if (u->row->place(w, u, room)) {
        engines_run(&w->e->sessions.engines, w->index, &work, 1);
        finish(u);
    } else {
        u->status = VIRTIO_CRYPTO_ERR;
    }
    explicit_bzero(room, need);
    return u->status;
}

/* The session is there, and the request fits it: to the engines. */
static int enter(struct worker *w, struct unit *u)
{
    u->work.use = &u->session->use;
    u->work.key = &u->session->key;
    u->work.states = &u->session->states[w->index];
    u->waits = u->row->place(w, u, NULL);
    if (u->waits)
        return VIRTIO_CRYPTO_OK;
    return u->row->place == place_symmetric ? run_in_scratch(w, u) : VIRTIO_CRYPTO_ERR;
}

/* Whether its lengths fit the chain. */
static int measure(struct worker *w, struct unit *u, const union flf *flf, uint32_t flf_len)
{
    int status;

    if (device_has(w->e, DEVICE_F_REVISION_1) && !(le32toh(u->header.flag) & FLAG_SESSION_MODE))
        return VIRTIO_CRYPTO_NOTSUPP; /* stateless */
    u->encrypt = u->row->encrypt;
    status = u->row->parse(flf, u);
    if (status != VIRTIO_CRYPTO_OK)
        return status;
    u->stated = (uint64_t)u->iv_field + u->src_len + u->aad_len;
    if (u->chain.in_len != sizeof(u->header) + flf_len + u->stated ||
        u->chain.out_len != (uint64_t)u->dst_len + 1)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* Reads header and fields. -EINVAL: no header. */
static int request(struct worker *w, struct unit *u)
{
    struct cursor in = chain_in(&u->chain);
    union flf flf;
    uint32_t flf_len;

    if (u->chain.out_len == 0 || u->chain.in_len < sizeof(u->header))
        return -EINVAL;
    if (!cursor_read(&in, &u->header, sizeof(u->header)))
        return VIRTIO_CRYPTO_ERR;
    u->row = service_of(le32toh(u->header.opcode));
    if (u->row == NULL)
        return VIRTIO_CRYPTO_NOTSUPP;
    flf_len = device_has(w->e, DEVICE_F_REVISION_1) ? u->row->flf_len : FLF_LEGACY;
    if (u->chain.in_len < sizeof(u->header) + flf_len)
        return -EINVAL;
    if (!cursor_read(&in, &flf, flf_len))
        return VIRTIO_CRYPTO_ERR;
    if (u->strike.status >= 0)
        return u->strike.status;
    return measure(w, u, &flf, flf_len);
}

void crypto_read(struct worker *w, struct unit *u)
{
    u->row = NULL;
    u->session = NULL;
    u->ak = NULL;
    u->waits = false;
    u->iv_len = u->iv_field = u->src_len = u->dst_len = u->aad_len = u->tag_len = u->len = 0;
    u->result = (uint32_t)u->chain.out_len - 1;
    u->status = request(w, u);
}

void crypto_find(struct worker *w, struct unit *u)
{
    if (u->status != VIRTIO_CRYPTO_OK || u->strike.status == VIRTIO_CRYPTO_OK)
        return;
    u->session = session_get(&w->e->sessions, le64toh(u->header.session_id));
    if (u->session == NULL || u->session->key.alg->service != u->row->opcode >> 8)
        u->status = VIRTIO_CRYPTO_INVSESS;
}

void crypto_begin(struct worker *w, struct unit *u)
{
    if (u->status != VIRTIO_CRYPTO_OK || u->session == NULL)
        return;
    u->status = u->row->check(u, u->stated);
    if (u->status == VIRTIO_CRYPTO_OK)
        u->status = enter(w, u);
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

int crypto_end(struct worker *w, struct unit *u, uint32_t *len)
{
    struct chain *c = &u->chain;
    struct cursor out = chain_out(c);
    uint8_t code;

    if (u->waits)
        finish(u);
    if (u->session != NULL)
        session_put(u->session);
    u->session = NULL;
    /* Some implicit IVs are derived from what should be secret. */
    explicit_bzero(u->iv, sizeof(u->iv));
    if (u->status < 0) {
        emulator_fail(w->e);
        return -EINVAL;
    }
    *len = u->result + 1;
    /* No unverified or stale text beside an error: so all of it is written. */
    if (u->status != VIRTIO_CRYPTO_OK && !cursor_zero(&out, u->result))
        *len = 0;
    if (u->strike.flip)
        flip(c, 0);
    if (u->strike.flip_end && u->result != 0)
        flip(c, u->result - 1);
    code = (uint8_t)u->status;
    out = chain_out(c);
    if (!cursor_skip(&out, c->out_len - 1) || !cursor_write(&out, &code, 1))
        *len = 0;
    return 0;
}
