/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modes. Lengths are checked here and by who calls, so the library's own
 * checks are passed by.
 */
#include "emulator/engine_ipsec_mb.h"

#include <endian.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#define BLOCK 16u

static void expand_aes(IMB_MGR *mgr, struct ipsec_mb_state *st)
{
    keyexp_t expand = st->key.key_len == 16   ? mgr->keyexp_128
                      : st->key.key_len == 24 ? mgr->keyexp_192
                                              : mgr->keyexp_256;

    expand(st->key.key, st->keys.aes.enc, st->keys.aes.dec);
}

/* All that a cipher's job needs: what was in it before does not matter. */
static void fill(IMB_JOB *job, const struct ipsec_mb_state *st, const struct engine_op *op,
                 IMB_CIPHER_MODE mode)
{
    job->enc_keys = st->keys.aes.enc;
    job->dec_keys = st->keys.aes.dec;
    job->key_len_in_bytes = st->key.key_len;
    job->src = op->src;
    job->dst = op->dst;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = op->len;
    job->iv = op->iv;
    job->iv_len_in_bytes = op->iv_len;
    job->cipher_mode = mode;
    job->cipher_direction = st->key.encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->hash_alg = IMB_AUTH_NULL;
    job->chain_order = st->key.encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}

/* An AEAD's: the tag goes to memory of ours. */
static void fill_aead(IMB_JOB *job, const struct ipsec_mb_state *st, const struct engine_op *op,
                      IMB_CIPHER_MODE mode, IMB_HASH_ALG hash, uint8_t *tag)
{
    fill(job, st, op, mode);
    job->hash_alg = hash;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = op->len;
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = st->key.tag_len;
}

/* The manager's next job, done at once: nothing else is in the manager. */
static int submit(struct ipsec_mb_worker *w)
{
    const IMB_JOB *job = IMB_SUBMIT_JOB_NOCHECK(w->mgr);

    return job != NULL && job->status == IMB_STATUS_COMPLETED ? VIRTIO_CRYPTO_OK
                                                              : VIRTIO_CRYPTO_ERR;
}

/* The tag that was computed is given out, or compared in constant time. */
static int finish(const struct ipsec_mb_state *st, const struct engine_op *op, const uint8_t *tag)
{
    const volatile uint8_t *a = tag, *b = op->tag;
    uint8_t diff = 0;

    if (st->key.encrypt) {
        memcpy(op->tag, tag, st->key.tag_len);
        return VIRTIO_CRYPTO_OK;
    }
    for (uint32_t i = 0; i < st->key.tag_len; i++)
        diff |= a[i] ^ b[i];
    return diff == 0 ? VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_BADMSG;
}

static int run_ecb(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
                   const struct engine_op *op)
{
    if (op->len == 0)
        return VIRTIO_CRYPTO_OK;
    fill(IMB_GET_NEXT_JOB(w->mgr), st, op, IMB_CIPHER_ECB);
    return submit(w);
}

static int burst(struct ipsec_mb_worker *w, unsigned n, IMB_CIPHER_MODE mode)
{
    const IMB_JOB *first = &w->jobs[0];

    if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(w->mgr, w->jobs, n, mode, first->cipher_direction,
                                        (IMB_KEY_SIZE_BYTES)first->key_len_in_bytes) != n)
        return VIRTIO_CRYPTO_ERR;
    return VIRTIO_CRYPTO_OK;
}

static int run_cbc_decrypt(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
                           const struct engine_op *op)
{
    if (op->len == 0)
        return VIRTIO_CRYPTO_OK;
    fill(&w->jobs[0], st, op, IMB_CIPHER_CBC);
    return burst(w, 1, IMB_CIPHER_CBC);
}

/* A lane counts bytes in 16 bits. */
#define CBC_PIECE 32768u

/* Long ones in several rounds; the last block of one is the next one's IV. */
static void run_cbc_encrypt(struct ipsec_mb_worker *w, struct engine_task *const *tasks, unsigned n)
{
    int status = VIRTIO_CRYPTO_OK;
    unsigned k;

    memset(w->done, 0, n * sizeof(w->done[0]));
    do {
        k = 0;
        for (unsigned i = 0; i < n; i++) {
            const struct engine_op *op = &tasks[i]->op;
            uint32_t done = w->done[i], left = op->len - done;
            IMB_JOB *job = &w->jobs[k];

            if (left == 0)
                continue;
            fill(job, tasks[i]->state, op, IMB_CIPHER_CBC);
            job->src = op->src + done;
            job->dst = op->dst + done;
            job->iv = done == 0 ? op->iv : op->dst + done - BLOCK;
            job->msg_len_to_cipher_in_bytes = left < CBC_PIECE ? left : CBC_PIECE;
            w->done[i] += (uint32_t)job->msg_len_to_cipher_in_bytes;
            k++;
        }
        if (k != 0)
            status = burst(w, k, IMB_CIPHER_CBC);
    } while (k != 0 && status == VIRTIO_CRYPTO_OK);
    for (unsigned i = 0; i < n; i++)
        tasks[i]->status = status;
}

/* The library counts blocks in the IV's last 32 bits alone; all 128 are the
 * counter. So what would make them wrap is done in two pieces. */
static int run_ctr(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
                   const struct engine_op *op)
{
    int status = VIRTIO_CRYPTO_OK;
    IMB_JOB *job = &w->jobs[0];
    uint8_t iv[BLOCK];
    uint32_t low;
    uint64_t piece;

    memcpy(iv, op->iv, sizeof(iv));
    for (uint64_t done = 0; done < op->len && status == VIRTIO_CRYPTO_OK; done += piece) {
        memcpy(&low, iv + 12, sizeof(low));
        piece = ((1ull << 32) - be32toh(low)) * BLOCK;
        if (piece > op->len - done)
            piece = op->len - done;
        fill(job, st, op, IMB_CIPHER_CNTR);
        job->cipher_direction = IMB_DIR_ENCRYPT;
        job->src = op->src + done;
        job->dst = op->dst + done;
        job->iv = iv;
        job->msg_len_to_cipher_in_bytes = piece;
        status = burst(w, 1, IMB_CIPHER_CNTR);
        /* Only what wrapped comes by again. */
        memset(iv + 12, 0, 4);
        for (unsigned i = 12; i > 0 && ++iv[i - 1] == 0; i--)
            ;
    }
    return status;
}

static void expand_gcm(IMB_MGR *mgr, struct ipsec_mb_state *st)
{
    const struct {
        aes_gcm_pre_t pre;
        aes_gcm_enc_dec_t run[2];
    } fn[] = {
        {mgr->gcm128_pre, {mgr->gcm128_dec, mgr->gcm128_enc}},
        {mgr->gcm192_pre, {mgr->gcm192_dec, mgr->gcm192_enc}},
        {mgr->gcm256_pre, {mgr->gcm256_dec, mgr->gcm256_enc}},
    };
    unsigned i = st->key.key_len / 8 - 2;

    fn[i].pre(st->key.key, &st->keys.gcm);
    st->gcm_run = fn[i].run[st->key.encrypt];
}

/* Without a job: it would do the same, one at a time. */
static int run_gcm(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
                   const struct engine_op *op)
{
    st->gcm_run(&st->keys.gcm, &w->gcm, op->dst, op->src, op->len, op->iv, op->aad, op->aad_len,
                w->tags[0], IPSEC_MB_TAG);
    return finish(st, op, w->tags[0]);
}

static void expand_chacha(IMB_MGR *mgr, struct ipsec_mb_state *st)
{
    (void)mgr;
    memcpy(st->keys.chacha, st->key.key, sizeof(st->keys.chacha));
}

static int run_chacha(struct ipsec_mb_worker *w, const struct ipsec_mb_state *st,
                      const struct engine_op *op)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(w->mgr);

    fill_aead(job, st, op, IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305, w->tags[0]);
    job->enc_keys = job->dec_keys = st->keys.chacha;
    job->u.CHACHA20_POLY1305.aad = op->aad;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = op->aad_len;
    if (submit(w) != VIRTIO_CRYPTO_OK)
        return VIRTIO_CRYPTO_ERR;
    return finish(st, op, w->tags[0]);
}

/* AAD with its length fills three blocks; a lane counts bytes in 16 bits. */
static bool can_ccm(const struct engine_op *op)
{
    return op->aad_len <= 3 * BLOCK - 2 && op->len <= UINT16_MAX - 1;
}

static void complete_ccm(const IMB_JOB *job)
{
    struct engine_task *task = job->user_data;

    if (job->status == IMB_STATUS_COMPLETED)
        task->status = finish(task->state, &task->op, job->auth_tag_output);
}

/* CCM's MAC is what runs in lanes. It is of the plain text. */
static void run_ccm(struct ipsec_mb_worker *w, struct engine_task *const *tasks, unsigned n)
{
    IMB_JOB *job;

    for (unsigned i = 0; i < n; i++) {
        const struct ipsec_mb_state *st = tasks[i]->state;
        const struct engine_op *op = &tasks[i]->op;

        tasks[i]->status = VIRTIO_CRYPTO_ERR;
        job = IMB_GET_NEXT_JOB(w->mgr);
        fill_aead(job, st, op, IMB_CIPHER_CCM, IMB_AUTH_AES_CCM, w->tags[i]);
        job->u.CCM.aad = op->aad;
        job->u.CCM.aad_len_in_bytes = op->aad_len;
        job->chain_order = st->key.encrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
        job->user_data = tasks[i];
        job = IMB_SUBMIT_JOB_NOCHECK(w->mgr);
        for (; job != NULL; job = IMB_GET_COMPLETED_JOB(w->mgr))
            complete_ccm(job);
    }
    while ((job = IMB_FLUSH_JOB(w->mgr)) != NULL)
        complete_ccm(job);
}

const struct ipsec_mb_mode ipsec_mb_ecb = {.expand = expand_aes, .one = run_ecb};
const struct ipsec_mb_mode ipsec_mb_cbc_encrypt = {.expand = expand_aes, .many = run_cbc_encrypt};
const struct ipsec_mb_mode ipsec_mb_cbc_decrypt = {.expand = expand_aes, .one = run_cbc_decrypt};
const struct ipsec_mb_mode ipsec_mb_ctr = {.expand = expand_aes, .one = run_ctr};
const struct ipsec_mb_mode ipsec_mb_gcm = {.expand = expand_gcm, .one = run_gcm};
const struct ipsec_mb_mode ipsec_mb_ccm = {.expand = expand_aes, .many = run_ccm, .can = can_ccm};
const struct ipsec_mb_mode ipsec_mb_chacha20_poly1305 = {.expand = expand_chacha,
                                                         .one = run_chacha};
