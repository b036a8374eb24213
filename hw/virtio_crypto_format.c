/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message formats (VIRTIO 1.2, sections 5.9.7.1 and 5.9.7.2). Under REVISION_1
 * the fixed part of a message is as long as its opcode needs; without, it is
 * padded to the kernel header's unions. The fields lie at the same places.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "key.h"
#include "virtio_crypto.h"

enum { LEGACY_DATA = 48, LEGACY_CTRL = 56 };

/* An algorithm's numbers on the wire. */
struct wire_alg {
    uint32_t service, algo;
};

static const struct wire_alg wire[HW_ALG_COUNT] = {
    [HW_AES_ECB] = {VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_AES_ECB},
    [HW_AES_CBC] = {VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_AES_CBC},
    [HW_AES_CTR] = {VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_AES_CTR},
    [HW_AES_XTS] = {VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_CIPHER_AES_XTS},
    [HW_AES_GCM] = {VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_GCM},
    [HW_AES_CCM] = {VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_CCM},
    [HW_CHACHA20_POLY1305] = {VIRTIO_CRYPTO_SERVICE_AEAD, VIRTIO_CRYPTO_AEAD_CHACHA20_POLY1305},
    [HW_RSA] = {VIRTIO_CRYPTO_SERVICE_AKCIPHER, VC_AKCIPHER_RSA},
    [HW_ECDSA] = {VIRTIO_CRYPTO_SERVICE_AKCIPHER, VC_AKCIPHER_ECDSA},
};

/* Fixed parts that the kernel's header lacks, or has under REVISION_1 only. */
struct aead_data_flf {
    __le32 iv_len, aad_len, src_data_len, dst_data_len, tag_len, reserved;
};

struct akcipher_session_flf {
    __le32 algo, key_type, key_len;
    __le32 specific[11]; /* RSA: padding, hash; ECDSA: curve */
};

static const uint32_t wire_hash[] = {
    [HW_DIGEST_NONE] = VIRTIO_CRYPTO_RSA_NO_HASH,  [HW_DIGEST_MD5] = VIRTIO_CRYPTO_RSA_MD5,
    [HW_DIGEST_SHA1] = VIRTIO_CRYPTO_RSA_SHA1,     [HW_DIGEST_SHA224] = VIRTIO_CRYPTO_RSA_SHA224,
    [HW_DIGEST_SHA256] = VIRTIO_CRYPTO_RSA_SHA256, [HW_DIGEST_SHA384] = VIRTIO_CRYPTO_RSA_SHA384,
    [HW_DIGEST_SHA512] = VIRTIO_CRYPTO_RSA_SHA512,
};

static size_t pad(const struct vc_device *vc, uint8_t *out, size_t head, size_t flf, size_t legacy)
{
    if (vc->revision_1 || flf >= legacy)
        return head + flf;
    memset(out + head + flf, 0, legacy - flf);
    return head + legacy;
}

static size_t cipher_flf(const struct request *r, uint8_t *out)
{
    struct virtio_crypto_sym_data_req f;

    memset(&f, 0, sizeof(f));
    f.u.cipher.para.iv_len = htole32(r->pub.iv_len);
    f.u.cipher.para.src_data_len = htole32((uint32_t)r->src_len);
    f.u.cipher.para.dst_data_len = htole32((uint32_t)r->dst_len);
    f.op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

static size_t aead_flf(const struct request *r, uint8_t *out)
{
    bool decrypts = r->pub.op == HW_DECRYPT;
    struct aead_data_flf f = {
        .iv_len = htole32(r->pub.iv_len),
        .aad_len = htole32((uint32_t)r->pub.aad_len),
        .src_data_len = htole32((uint32_t)(r->src_len + (decrypts ? r->pub.tag_len : 0u))),
        .dst_data_len = htole32((uint32_t)(r->dst_len + (decrypts ? 0u : r->pub.tag_len))),
        .tag_len = htole32(r->pub.tag_len),
    };

    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

/* For verification the second source segment is what was signed. */
static size_t akcipher_flf(const struct request *r, uint8_t *out)
{
    bool verify = r->pub.op == HW_VERIFY;
    size_t src = verify ? r->pub.src[0].iov_len : r->src_len;
    struct virtio_crypto_akcipher_para f = {
        .src_data_len = htole32((uint32_t)src),
        .dst_data_len = htole32((uint32_t)(verify ? r->src_len - src : r->dst_len)),
    };

    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

size_t vc_format_data(const struct vc_device *vc, const struct request *r, uint8_t *out)
{
    const struct wire_alg *w = &wire[r->key->spec.alg];
    /* The operations are numbered as enum hw_op, in each service. */
    struct virtio_crypto_op_header h = {
        .opcode = htole32(VIRTIO_CRYPTO_OPCODE(w->service, r->pub.op)),
        .algo = htole32(w->algo),
        .session_id = htole64(r->session->id),
        .flag = htole32(vc->revision_1 ? VIRTIO_CRYPTO_FLAG_SESSION_MODE : 0),
    };
    size_t flf;

    memcpy(out, &h, sizeof(h));
    switch (w->service) {
    case VIRTIO_CRYPTO_SERVICE_CIPHER: flf = cipher_flf(r, out + sizeof(h)); break;
    case VIRTIO_CRYPTO_SERVICE_AEAD: flf = aead_flf(r, out + sizeof(h)); break;
    default: flf = akcipher_flf(r, out + sizeof(h)); break;
    }
    return pad(vc, out, sizeof(h), flf, LEGACY_DATA);
}

static uint32_t session_op(const struct session *s)
{
    return s->use.op == HW_ENCRYPT ? VIRTIO_CRYPTO_OP_ENCRYPT : VIRTIO_CRYPTO_OP_DECRYPT;
}

static size_t create_cipher(const struct session *s, uint8_t *out)
{
    struct virtio_crypto_sym_create_session_req f;

    memset(&f, 0, sizeof(f));
    f.u.cipher.para.algo = htole32(wire[s->alg].algo);
    f.u.cipher.para.keylen = htole32((uint32_t)s->key->spec.len);
    f.u.cipher.para.op = htole32(session_op(s));
    f.op_type = htole32(VIRTIO_CRYPTO_SYM_OP_CIPHER);
    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

static size_t create_aead(const struct session *s, uint8_t *out)
{
    struct virtio_crypto_aead_session_para f = {
        .algo = htole32(wire[s->alg].algo),
        .key_len = htole32((uint32_t)s->key->spec.len),
        .hash_result_len = htole32(s->use.tag_len),
        .aad_len = htole32(s->use.aad_len),
        .op = htole32(session_op(s)),
    };

    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

static size_t create_akcipher(const struct session *s, uint8_t *out)
{
    struct akcipher_session_flf f = {
        .algo = htole32(wire[s->alg].algo),
        .key_type = htole32(s->key->spec.is_private ? VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
                                                    : VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC),
        .key_len = htole32((uint32_t)s->key->spec.len),
    };

    if (s->alg == HW_RSA) {
        f.specific[0] = htole32(s->use.padding == HW_RSA_PKCS1 ? VIRTIO_CRYPTO_RSA_PKCS1_PADDING
                                                               : VIRTIO_CRYPTO_RSA_RAW_PADDING);
        f.specific[1] = htole32(wire_hash[s->use.digest]);
    } else {
        /* enum hw_curve counts as the specification does. */
        f.specific[0] = htole32((uint32_t)s->key->spec.curve);
    }
    memcpy(out, &f, sizeof(f));
    return sizeof(f);
}

/* Low bytes of the control opcodes: akcipher's differ. */
static uint32_t control_opcode(uint32_t service, bool creates)
{
    uint32_t op = service == VIRTIO_CRYPTO_SERVICE_AKCIPHER ? 4 : 2;

    return VIRTIO_CRYPTO_OPCODE(service, creates ? op : op + 1);
}

static size_t control_header(enum hw_alg alg, bool creates, uint8_t *out)
{
    struct virtio_crypto_ctrl_header h = {
        .opcode = htole32(control_opcode(wire[alg].service, creates)),
        .algo = htole32(wire[alg].algo),
    };

    memcpy(out, &h, sizeof(h));
    return sizeof(h);
}

size_t vc_format_create(const struct vc_device *vc, const struct session *s, uint8_t *out)
{
    size_t head = control_header(s->alg, true, out), flf;

    switch (wire[s->alg].service) {
    case VIRTIO_CRYPTO_SERVICE_CIPHER: flf = create_cipher(s, out + head); break;
    case VIRTIO_CRYPTO_SERVICE_AEAD: flf = create_aead(s, out + head); break;
    default: flf = create_akcipher(s, out + head); break;
    }
    return pad(vc, out, head, flf, LEGACY_CTRL);
}

size_t vc_format_destroy(const struct vc_device *vc, enum hw_alg alg, uint64_t id, uint8_t *out)
{
    size_t head = control_header(alg, false, out);
    __le64 le = htole64(id);

    memcpy(out + head, &le, sizeof(le));
    return pad(vc, out, head, sizeof(le), LEGACY_CTRL);
}

int vc_status(const struct request *r, uint8_t status)
{
    switch (status) {
    case VIRTIO_CRYPTO_OK: return 0;
    case VIRTIO_CRYPTO_NOTSUPP: return -ENOTSUP;
    case VIRTIO_CRYPTO_BADMSG:
        /* Only where there was something to authenticate. */
        return hw_alg_kind(r->key->spec.alg) == HW_KIND_AEAD && r->pub.op == HW_DECRYPT ? -EBADMSG
                                                                                        : -EIO;
    case VIRTIO_CRYPTO_KEY_REJECTED: return r->pub.op == HW_VERIFY ? -EKEYREJECTED : -EIO;
    default: return -EIO;
    }
}

bool vc_advertises(const struct virtio_crypto_config *cfg, enum hw_alg alg)
{
    const struct wire_alg *w = &wire[alg];
    uint64_t mask;

    if (!(cfg->crypto_services & (1u << w->service)))
        return false;
    switch (w->service) {
    case VIRTIO_CRYPTO_SERVICE_CIPHER:
        mask = cfg->cipher_algo_l | (uint64_t)cfg->cipher_algo_h << 32;
        break;
    case VIRTIO_CRYPTO_SERVICE_AEAD: mask = cfg->aead_algo; break;
    default: mask = cfg->akcipher_algo; break;
    }
    return mask >> w->algo & 1;
}
