/* SPDX-License-Identifier: Apache-2.0 */
/* Commands on the control queue, from the message to the answer. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "virtio_crypto.h"

bool vc_commands_pump(struct vc_device *vc, bool hold_creations)
{
    struct vc_command *c;

    TAILQ_FOREACH(c, &vc->commands, link)
    {
        struct virtqueue_seg segs[2];

        if (c->on_ring || (c->creates && hold_creations))
            continue;
        segs[0] = (struct virtqueue_seg){c->buf.iova, (uint32_t)c->out_len};
        segs[1] =
            (struct virtqueue_seg){c->buf.iova + c->out_len, (uint32_t)(c->buf_len - c->out_len)};
        if (virtqueue_add(&vc->ctrl.vq, segs, 1, 1, c) != 0)
            break;
        c->on_ring = true;
        vc->creating += c->creates;
    }
    if (!virtqueue_should_kick(&vc->ctrl.vq))
        return false;
    atomic_fetch_add_explicit(&vc->dev->sessions.kickers, 1, memory_order_relaxed);
    return true;
}

void vc_commands_kick(struct vc_device *vc)
{
    struct device *dev = vc->dev;

    virtio_pci_notify(&vc->pci, vc->ctrl.doorbell, vc->ctrl.index);
    /* Release: pairs with vc_control_drop, after which vc may go. */
    atomic_fetch_sub_explicit(&dev->sessions.kickers, 1, memory_order_release);
}

void vc_command_free(struct vc_command *c)
{
    dma_buf_put(&c->buf, c->buf_len);
    if (c->session != NULL)
        session_unref(c->session);
    free(c);
}

/* A command with room for bytes of message and answer. */
static int new_command(struct vc_device *vc, size_t bytes, struct vc_command **out)
{
    struct vc_command *c = calloc(1, sizeof(*c));
    int rc;

    if (c == NULL)
        return -ENOMEM;
    rc = dma_buf_get(vc->dev->dma, bytes, &c->buf);
    if (rc != 0) {
        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* The message is written; answer bytes of the device's follow it. */
static void give(struct vc_device *vc, struct vc_command *c, size_t answer)
{
    c->buf_len = c->out_len + answer;
    memset(c->buf.va + c->out_len, VC_STATUS_UNSET, answer);
    c->deadline = device_now() + (uint64_t)vc->dev->cfg.timeout_ms * 1000000u;
    TAILQ_INSERT_TAIL(&vc->commands, c, link);
}

int vc_send_create(struct vc_device *vc, struct session *s)
{
    const size_t answer = sizeof(struct virtio_crypto_session_input);
    size_t key_len = s->key->spec.len;
    struct vc_command *c;
    int rc = new_command(vc, VC_COMMAND_MAX + key_len + answer, &c);

    if (rc != 0)
        return rc;
    c->out_len = vc_format_create(vc, s, c->buf.va);
    memcpy(c->buf.va + c->out_len, s->key->spec.bytes, key_len);
    c->out_len += key_len;
    c->session = s;
    c->creates = true;
    give(vc, c, answer);
    return 0;
}

int vc_send_end(struct vc_device *vc, enum hw_alg alg, uint64_t id, struct session *s)
{
    struct vc_command *c;
    int rc = new_command(vc, VC_COMMAND_MAX + 1, &c);

    if (rc != 0)
        return rc;
    c->out_len = vc_format_destroy(vc, alg, id, c->buf.va);
    c->session = s;
    give(vc, c, 1);
    return 0;
}

/* Whether the device wrote the status: with it, an answer ends or begins. */
static bool answered(const struct vc_command *c)
{
    size_t at = c->out_len;

    if (c->creates)
        at += offsetof(struct virtio_crypto_session_input, status);
    return __atomic_load_n(c->buf.va + at, __ATOMIC_RELAXED) != VC_STATUS_UNSET;
}

int vc_command_answer(struct vc_device *vc, struct vc_command **out)
{
    void *token;
    unsigned head;
    uint32_t len;
    int rc;

    virtqueue_irq_off(&vc->ctrl.vq);
    rc = virtqueue_get(&vc->ctrl.vq, &token, &head, &len);
    if (rc == 0 && virtqueue_irq_on(&vc->ctrl.vq))
        return 1;
    if (rc != 1)
        return rc;
    /* What is given back without an answer may be in work still: it stays until
     * the device is reset. */
    if (!answered(token))
        return -EIO;
    *out = token;
    TAILQ_REMOVE(&vc->commands, *out, link);
    return 1;
}
