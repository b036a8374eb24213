/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_pair.h"

#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_crypto.h>

#include "must.h"

#define PAGE 4096u

static struct {
    const struct engine_ops *ops;
    void *engine;
} engines[2];

void engine_pair_engines_start(const struct engine_ops *first, const struct engine_ops *second,
                               unsigned workers)
{
    engines[0].ops = first;
    engines[1].ops = second;
    for (unsigned i = 0; i < 2; i++)
        MUST((engines[i].engine = engines[i].ops->start(workers)) != NULL);
}

void engine_pair_engines_stop(void)
{
    for (unsigned i = 0; i < 2; i++)
        engines[i].ops->stop(engines[i].engine);
}

void *engine_pair_engine(unsigned i)
{
    return engines[i].engine;
}

static void fence(struct fenced *f, size_t room)
{
    uint8_t *at;

    room = (room + PAGE - 1) & ~(size_t)(PAGE - 1);
    at = mmap(NULL, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(at != MAP_FAILED && mprotect(at + room, PAGE, PROT_NONE) == 0);
    f->end = at + room;
    f->room = room;
}

static void unfence(struct fenced *f)
{
    munmap(f->end - f->room, f->room + PAGE);
}

void engine_pair_init(struct engine_pair *p, size_t len)
{
    memset(p, 0, sizeof(*p));
    fence(&p->src, len);
    fence(&p->aad, ENGINE_PAIR_AAD);
    fence(&p->iv, 16);
    fence(&p->dst[0], len);
    fence(&p->dst[1], len);
}

void engine_pair_fini(struct engine_pair *p)
{
    unfence(&p->src);
    unfence(&p->aad);
    unfence(&p->iv);
    unfence(&p->dst[0]);
    unfence(&p->dst[1]);
}

void engine_pair_open(struct engine_pair *p)
{
    p->key.key = p->key_bytes;
    for (unsigned i = 0; i < 2; i++)
        MUST((p->states[i] = engines[i].ops->open(engines[i].engine, &p->key)) != NULL);
}

void engine_pair_close(struct engine_pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        engines[i].ops->close(p->states[i]);
}

void engine_pair_task(struct engine_pair *p, unsigned i, uint32_t len, uint32_t iv_len,
                      uint32_t aad_len)
{
    struct engine_op *op = &p->tasks[i].op;

    p->tasks[i].state = p->states[i];
    p->tasks[i].status = -1;
    *op = (struct engine_op){.len = len,
                             .iv_len = iv_len,
                             .aad_len = aad_len,
                             .iv = p->iv.end - iv_len,
                             .tag = p->tags[i]};
    if (aad_len != 0)
        op->aad = p->aad.end - aad_len;
    if (len == 0)
        return;
    op->dst = p->dst[i].end - len;
    op->src = p->in_place ? op->dst : p->src.end - len;
    if (p->in_place)
        memcpy(op->dst, p->src.end - len, len);
}

void engine_pair_run(struct engine_pair *p, unsigned i)
{
    struct engine_task *task = &p->tasks[i];

    engines[i].ops->run(engines[i].engine, p->worker, &task, 1);
}

/* Short ones as often as long ones. */
static uint32_t random_len(struct support_random *r, const struct alg *alg, uint32_t max)
{
    const uint32_t most[] = {17, 300, 2000, max + 1};
    uint32_t len = support_below(r, most[support_below(r, 4)]);

    return len - len % alg->granule;
}

bool engine_pair_is_aead(const struct engine_pair *p)
{
    return p->key.alg->service == VIRTIO_CRYPTO_SERVICE_AEAD;
}

void engine_pair_random_key(struct engine_pair *p, struct support_random *r)
{
    const struct alg *alg;

    do {
        alg = &algs[support_below(r, (uint32_t)algs_count)];
        p->key = (struct engine_key){.alg = alg,
                                     .encrypt = support_below(r, 2),
                                     .key_len = alg->key_lens[support_below(r, ALG_KEY_LENS)]};
    } while (p->key.key_len == 0 || engines[0].ops->least(engines[0].engine, &p->key) == 0 ||
             engines[1].ops->least(engines[1].engine, &p->key) == 0);
    if (engine_pair_is_aead(p)) {
        uint32_t steps = (uint32_t)(alg->tag_max - alg->tag_min) / alg->tag_step + 1;

        p->key.tag_len = alg->tag_min + alg->tag_step * support_below(r, steps);
    }
    support_fill(r, p->key_bytes, sizeof(p->key_bytes));
    engine_pair_open(p);
}

void engine_pair_cipher_text(struct engine_pair *p, struct support_random *r)
{
    struct engine_op *op = &p->tasks[0].op;
    struct engine_key key = p->key;
    struct engine_task task = {.op = *op}, *one = &task;
    uint32_t bit = support_below(r, 8);

    key.encrypt = true;
    MUST((task.state = engines[0].ops->open(engines[0].engine, &key)) != NULL);
    if (op->len != 0) {
        task.op.src = p->src.end - op->len;
        task.op.dst = p->src.end - op->len;
    }
    engines[0].ops->run(engines[0].engine, p->worker, &one, 1);
    MUST(task.status == VIRTIO_CRYPTO_OK);
    engines[0].ops->close(task.state);
    p->forged = support_below(r, 4) == 0;
    if (p->forged && op->len != 0 && support_below(r, 2))
        task.op.dst[support_below(r, op->len)] ^= (uint8_t)(1u << bit);
    else if (p->forged)
        op->tag[support_below(r, key.tag_len)] ^= (uint8_t)(1u << bit);
}

void engine_pair_random_task(struct engine_pair *p, struct support_random *r, uint32_t len)
{
    const struct alg *alg = p->key.alg;
    uint32_t aad_len = 0;
    uint32_t iv_len = alg->iv_min + support_below(r, (uint32_t)(alg->iv_max - alg->iv_min) + 1);

    len = random_len(r, alg, len);
    if (engine_pair_is_aead(p) && support_below(r, 4) != 0)
        aad_len = support_below(r, ENGINE_PAIR_AAD + 1);
    p->in_place = support_below(r, 2);
    p->forged = false;
    support_fill(r, p->src.end - len, len);
    support_fill(r, p->aad.end - aad_len, aad_len);
    support_fill(r, p->iv.end - iv_len, iv_len);
    /* A counter about to wrap, in 32 bits and in more. */
    if (iv_len == 16 && support_below(r, 2)) {
        uint32_t n = support_below(r, 16);

        memset(p->iv.end - 1 - n, 0xff, n);
    }
    memset(p->tags, 0, sizeof(p->tags));
    engine_pair_task(p, 0, len, iv_len, aad_len);
    if (engine_pair_is_aead(p) && !p->key.encrypt)
        engine_pair_cipher_text(p, r);
    memcpy(p->tags[1], p->tags[0], sizeof(p->tags[0]));
    for (unsigned i = 0; i < 2; i++)
        engine_pair_task(p, i, len, iv_len, aad_len);
}

void engine_pair_compare(const struct engine_pair *p)
{
    const struct engine_op *a = &p->tasks[0].op, *b = &p->tasks[1].op;

    if (p->tasks[0].status != p->tasks[1].status ||
        p->tasks[1].status != (p->forged ? VIRTIO_CRYPTO_BADMSG : VIRTIO_CRYPTO_OK))
        ck_abort_msg("%s %s, %u bytes, %u of AAD: status %d and %d", p->key.alg->name,
                     p->key.encrypt ? "enc" : "dec", a->len, a->aad_len, p->tasks[0].status,
                     p->tasks[1].status);
    if (p->forged)
        return;
    if ((a->len != 0 && memcmp(a->dst, b->dst, a->len) != 0) ||
        memcmp(p->tags[0], p->tags[1], p->key.tag_len) != 0)
        ck_abort_msg("%s %s, %u bytes, %u of AAD, in place %d: results differ", p->key.alg->name,
                     p->key.encrypt ? "enc" : "dec", a->len, a->aad_len, p->in_place);
}
