/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control queue requests: sessions are made and destroyed.
 *
 *   device-readable   header | fixed-length fields | key
 *   device-writable   outcome
 *
 * The fixed-length fields take 56 bytes without REVISION_1, else their own
 * size.
 */
#include "emulator/crypto.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "emulator/akcipher.h"
#include "emulator/device.h"

#define FLF_LEGACY 56u

/* Section 5.9.7.2.1.5: what follows key_len takes 44 bytes whatever it is. */
struct akcipher_flf {
    __le32 algo, key_type, key_len;
    union {
        struct virtio_crypto_rsa_session_para rsa;
        struct virtio_crypto_ecdsa_session_para ecdsa;
        uint8_t bytes[44];
    } u;
};

union flf {
    struct virtio_crypto_sym_create_session_req sym;
    struct virtio_crypto_aead_session_para aead;
    struct akcipher_flf akcipher;
    __le64 session_id;
    uint8_t bytes[FLF_LEGACY];
};

struct wanted {
    uint32_t number, key_len, tag_len, aad_len, op;
};

struct op_row;

struct control {
    struct worker *w;
    struct chain *chain;
    const struct op_row *row;
    union flf flf;
    struct cursor in; /* after the fixed-length fields */
    uint64_t left;    /* bytes there */
    uint64_t id;      /* of the session made */
    bool id_made;     /* there is one */
};

struct op_row {
    uint32_t opcode;
    uint32_t flf_len; /* with REVISION_1 */
    size_t outcome;   /* bytes */
    int (*serve)(struct control *c);
};

/* The limits of the algorithm's row; the engine says whether it can. */
static int check(const struct alg *alg, const struct wanted *want)
{
    bool fits = false;

    for (unsigned i = 0; i < ALG_KEY_LENS; i++)
        fits = fits || (alg->key_lens[i] != 0 && alg->key_lens[i] == want->key_len);
    if (!fits || (want->op != VIRTIO_CRYPTO_OP_ENCRYPT && want->op != VIRTIO_CRYPTO_OP_DECRYPT))
        return VIRTIO_CRYPTO_ERR;
    if (want->tag_len < alg->tag_min || want->tag_len > alg->tag_max ||
        (alg->tag_step != 0 && want->tag_len % alg->tag_step != 0) ||
        want->aad_len > DEVICE_MAX_SIZE)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

/* NULL: none such, or a fault says so. */
static const struct alg *find(const struct emulator *e, uint32_t service, uint32_t number)
{
    const struct alg *alg = alg_find(service, number);
    uint64_t bit = alg != NULL ? 1ull << (alg - algs) : 0;

    return (e->faults.no_algo | e->faults.liar) & bit ? NULL : alg;
}

static int make_session(struct control *c, const struct engine_key *key, uint32_t aad_len)
{
    int status = session_create(&c->w->e->sessions, key, aad_len, c->w->index, &c->id);

    if (status == VIRTIO_CRYPTO_NOSPC && !device_has(c->w->e, DEVICE_F_REVISION_1))
        status = VIRTIO_CRYPTO_ERR;
    c->id_made = status == VIRTIO_CRYPTO_OK;
    return status;
}

static int create(struct control *c, uint32_t service, const struct wanted *want)
{
    const struct alg *alg = find(c->w->e, service, want->number);
    uint8_t bytes[SESSION_KEY_MAX];
    struct engine_key key = {.alg = alg, .key = bytes, .key_len = want->key_len};
    int status;

    if (alg == NULL)
        return VIRTIO_CRYPTO_NOTSUPP;
    status = check(alg, want);
    if (status != VIRTIO_CRYPTO_OK)
        return status;
    if (c->left != want->key_len)
        return VIRTIO_CRYPTO_ERR;
    key.encrypt = want->op == VIRTIO_CRYPTO_OP_ENCRYPT;
    key.tag_len = want->tag_len;
    if (cursor_read(&c->in, bytes, want->key_len))
        status = make_session(c, &key, want->aad_len);
    else
        status = VIRTIO_CRYPTO_ERR;
    explicit_bzero(bytes, sizeof(bytes));
    return status;
}

static int create_cipher(struct control *c)
{
    const struct virtio_crypto_cipher_session_para *para = &c->flf.sym.u.cipher.para;
    struct wanted want = {
        .number = le32toh(para->algo),
        .key_len = le32toh(para->keylen),
        .op = le32toh(para->op),
    };

    if (le32toh(c->flf.sym.op_type) != VIRTIO_CRYPTO_SYM_OP_CIPHER)
        return VIRTIO_CRYPTO_NOTSUPP;
    return create(c, VIRTIO_CRYPTO_SERVICE_CIPHER, &want);
}

static int create_aead(struct control *c)
{
    const struct virtio_crypto_aead_session_para *para = &c->flf.aead;
    struct wanted want = {
        .number = le32toh(para->algo),
        .key_len = le32toh(para->key_len),
        .tag_len = le32toh(para->hash_result_len),
        .aad_len = le32toh(para->aad_len),
        .op = le32toh(para->op),
    };

    return create(c, VIRTIO_CRYPTO_SERVICE_AEAD, &want);
}

static int create_akcipher(struct control *c)
{
    const struct akcipher_flf *flf = &c->flf.akcipher;
    uint32_t type = le32toh(flf->key_type);
    uint8_t bytes[AKCIPHER_KEY_MAX];
    struct engine_key key = {
        .alg = find(c->w->e, VIRTIO_CRYPTO_SERVICE_AKCIPHER, le32toh(flf->algo)),
        .key = bytes,
        .key_len = le32toh(flf->key_len),
        .ak.is_private = type == VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE,
    };
    struct akcipher_key parsed;
    int status = VIRTIO_CRYPTO_ERR;

    if (key.alg == NULL)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (key.alg->number == AKCIPHER_RSA) {
        key.ak.padding = le32toh(flf->u.rsa.padding_algo);
        key.ak.hash = le32toh(flf->u.rsa.hash_algo);
    } else {
        key.ak.curve = le32toh(flf->u.ecdsa.curve_id);
    }
    if (!key.ak.is_private && type != VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC)
        return VIRTIO_CRYPTO_ERR;
    if (c->left != key.key_len || key.key_len > sizeof(bytes) || key.key_len == 0)
        return VIRTIO_CRYPTO_ERR;
    if (cursor_read(&c->in, bytes, key.key_len))
        status = akcipher_parse(&key, &parsed);
    if (status == VIRTIO_CRYPTO_OK)
        status = make_session(c, &key, 0);
    explicit_bzero(bytes, key.key_len);
    return status;
}

static int destroy(struct control *c)
{
    return session_destroy(&c->w->e->sessions, le64toh(c->flf.session_id), c->row->opcode >> 8);
}

#define CREATED   sizeof(struct virtio_crypto_session_input)
#define DESTROYED sizeof(struct virtio_crypto_inhdr)

static const struct op_row ops[] = {
    {VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, sizeof(struct virtio_crypto_sym_create_session_req),
     CREATED, create_cipher},
    {VIRTIO_CRYPTO_AEAD_CREATE_SESSION, sizeof(struct virtio_crypto_aead_session_para), CREATED,
     create_aead},
    {VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION, sizeof(struct akcipher_flf), CREATED, create_akcipher},
    {VIRTIO_CRYPTO_CIPHER_DESTROY_SESSION, sizeof(__le64), DESTROYED, destroy},
    {VIRTIO_CRYPTO_AEAD_DESTROY_SESSION, sizeof(__le64), DESTROYED, destroy},
    {VIRTIO_CRYPTO_AKCIPHER_DESTROY_SESSION, sizeof(__le64), DESTROYED, destroy},
};

static const struct op_row *op_of(uint32_t opcode)
{
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (ops[i].opcode == opcode)
            return &ops[i];
    return NULL;
}

/* Answers VIRTIO_CRYPTO_*, or -EINVAL: no header. */
static int request(struct control *c)
{
    struct chain *chain = c->chain;
    struct virtio_crypto_ctrl_header header;
    uint32_t flf_len = FLF_LEGACY;

    if (chain->in_len < sizeof(header))
        return -EINVAL;
    c->in = chain_in(chain);
    if (!cursor_read(&c->in, &header, sizeof(header)))
        return VIRTIO_CRYPTO_ERR;
    c->row = op_of(le32toh(header.opcode));
    if (c->row == NULL)
        return VIRTIO_CRYPTO_NOTSUPP;
    if (device_has(c->w->e, DEVICE_F_REVISION_1))
        flf_len = c->row->flf_len;
    if (chain->in_len < sizeof(header) + flf_len || chain->out_len < c->row->outcome)
        return -EINVAL;
    if (!cursor_read(&c->in, &c->flf, flf_len))
        return VIRTIO_CRYPTO_ERR;
    c->left = chain->in_len - sizeof(header) - flf_len;
    return c->row->serve(c);
}

/* A fault: what has been done is undone, and answered with another status. */
static int refuse(struct control *c, uint32_t status)
{
    if (c->id_made)
        (void)session_destroy(&c->w->e->sessions, c->id, c->row->opcode >> 8);
    c->id = 0;
    return (int)status;
}

int control_request(struct worker *w, struct chain *chain, uint64_t seq, uint32_t *len)
{
    struct control c = {.w = w, .chain = chain};
    struct cursor out = chain_out(chain);
    struct virtio_crypto_session_input made;
    struct virtio_crypto_inhdr gone;
    int status = request(&c);
    size_t outcome;
    bool written;

    if (status == VIRTIO_CRYPTO_OK && w->e->threads != 0 &&
        fault_hits(&w->e->faults.control_status, seq))
        status = refuse(&c, w->e->faults.control_status.arg);

    /* An unknown opcode is answered in whichever form there is room for. */
    outcome = c.row != NULL ? c.row->outcome : chain->out_len >= CREATED ? CREATED : DESTROYED;
    if (status < 0 || chain->out_len < outcome) {
        emulator_fail(w->e);
        return -EINVAL;
    }
    memset(&made, 0, sizeof(made));
    made.session_id = htole64(c.id);
    made.status = htole32((uint32_t)status);
    gone.status = (uint8_t)status;
    written = outcome == CREATED ? cursor_write(&out, &made, sizeof(made))
                                 : cursor_write(&out, &gone, sizeof(gone));
    *len = written ? (uint32_t)outcome : 0;
    return 0;
}
