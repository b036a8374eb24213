/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of standard virtio-crypto PCI functions (VIRTIO 1.2, section
 * 5.9): negotiation, queues, data requests. Sessions are made in
 * virtio_crypto_ctrl.c, messages laid out in virtio_crypto_format.c.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "drivers.h"
#include "key.h"
#include "pci.h"
#include "transport.h"
#include "virtio_crypto.h"

#define BIT(n)          ((uint64_t)1 << (n))
#define FEATURES_NEEDED (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM))
#define FEATURES_WANTED                                                                            \
    (FEATURES_NEEDED | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |           \
     BIT(VIRTIO_CRYPTO_F_REVISION_1))

static struct vc_device *vc_of(struct device *dev)
{
    return dev->priv;
}

static void say(struct hw_error *err, const char *text)
{
    snprintf(err->text, sizeof(err->text), "%s", text);
}

static int read_config(struct vc_device *vc, struct hw_error *err)
{
    struct virtio_crypto_config *c = &vc->cfg;
    int rc = virtio_pci_config(&vc->pci, c, sizeof(*c));

    if (rc != 0) {
        say(err, "the device configuration cannot be read");
        return rc;
    }
    c->status = le32toh(c->status);
    c->max_dataqueues = le32toh(c->max_dataqueues);
    c->crypto_services = le32toh(c->crypto_services);
    c->cipher_algo_l = le32toh(c->cipher_algo_l);
    c->cipher_algo_h = le32toh(c->cipher_algo_h);
    c->aead_algo = le32toh(c->aead_algo);
    c->akcipher_algo = le32toh(c->akcipher_algo);
    c->max_cipher_key_len = le32toh(c->max_cipher_key_len);
    c->max_size = le64toh(c->max_size);
    return 0;
}

/* What the device says of itself; the self test has the last word. */
static void read_caps(struct vc_device *vc, struct device_caps *caps)
{
    /* Data, AAD, IV and tag count against max_size. */
    uint64_t room = DEVICE_AAD_MAX + HW_IV_MAX + HW_TAG_MAX;

    memset(caps, 0, sizeof(*caps));
    caps->queues = vc->dev->nqueues;
    caps->features = vc->features;
    caps->services = vc->cfg.crypto_services;
    caps->queue_size = vc->queue_size;
    caps->vectors = vc->dev->transport->ops->vectors(vc->dev->transport);
    caps->max_len = DEVICE_LEN_MAX;
    if (vc->cfg.max_size < DEVICE_LEN_MAX + room)
        caps->max_len = vc->cfg.max_size > room ? (size_t)(vc->cfg.max_size - room) : 0;
    for (unsigned alg = 0; alg < HW_ALG_COUNT; alg++) {
        bool offered = vc_advertises(&vc->cfg, (enum hw_alg)alg);

        for (unsigned cls = 0; cls < DEVICE_KEY_CLASSES; cls++)
            caps->ok[alg][cls] = offered;
        caps->offered |= (uint32_t)offered << alg;
        caps->granularity[alg] = 1;
    }
}

static int negotiable(struct vc_device *vc, struct hw_error *err)
{
    uint64_t offered = virtio_pci_features(&vc->pci);

    if (!(offered & BIT(VIRTIO_F_VERSION_1))) {
        say(err, "the device is older than virtio 1.0");
        return -ENODEV;
    }
    if (!(offered & BIT(VIRTIO_F_ACCESS_PLATFORM))) {
        /* It would take our addresses for physical ones. */
        say(err, "the device does not offer VIRTIO_F_ACCESS_PLATFORM and would bypass the IOMMU "
                 "(QEMU: start it with iommu_platform=on)");
        return -ENODEV;
    }
    vc->features = offered & FEATURES_WANTED;
    vc->revision_1 = vc->features & BIT(VIRTIO_CRYPTO_F_REVISION_1);
    return 0;
}

static int begin(struct vc_device *vc, struct hw_error *err)
{
    int rc = virtio_pci_reset(&vc->pci);

    if (rc != 0) {
        say(err, "the device does not finish its reset");
        return rc;
    }
    virtio_pci_add_status(&vc->pci, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    virtio_pci_add_status(&vc->pci, VIRTIO_CONFIG_S_DRIVER);
    return negotiable(vc, err);
}

/* Ring memory stays from one start to the next. */
static int alloc_ring(struct vc_device *vc, struct vc_ring *ring, unsigned index, unsigned slots)
{
    size_t bytes = (virtqueue_bytes(vc->queue_size, true) + 127) / 128 * 128;

    ring->index = (uint16_t)index;
    ring->slots_off = bytes;
    return dma_region_alloc(vc->dev->transport, bytes + slots * sizeof(struct vc_slot), &ring->mem);
}

static void free_ring(struct vc_device *vc, struct vc_ring *ring)
{
    virtqueue_fini(&ring->vq);
    dma_region_free(vc->dev->transport, &ring->mem);
}

static unsigned fit_queue_size(struct vc_device *vc, unsigned nqueues)
{
    unsigned size = vc->dev->cfg.queue_size < VC_QUEUE_MAX ? vc->dev->cfg.queue_size : VC_QUEUE_MAX;

    for (unsigned i = 0; i < nqueues; i++) {
        unsigned max = virtio_pci_queue_max(&vc->pci, i);

        while (size > max)
            size /= 2;
    }
    return size;
}

static int size_up(struct vc_device *vc, struct hw_error *err)
{
    struct device *dev = vc->dev;
    unsigned data = vc->cfg.max_dataqueues, vectors = dev->transport->ops->vectors(dev->transport);

    /* The control queue comes after all the data queues there are, used or
     * not. */
    if (data == 0 || data >= virtio_pci_num_queues(&vc->pci)) {
        say(err, "the device's number of data queues makes no sense");
        return -ENODEV;
    }
    vc->ctrl.index = (uint16_t)data;
    atomic_store(&dev->nqueues, data < DEVICE_QUEUES_MAX ? data : DEVICE_QUEUES_MAX);
    if (vectors == 0) {
        say(err, "the function has no MSI-X interrupts");
        return -ENODEV;
    }
    dev->nirqs = vectors < dev->nqueues + 2 ? vectors : dev->nqueues + 2;
    vc->queue_size = fit_queue_size(vc, data + 1);
    if (vc->queue_size < 8) {
        say(err, "the device's virtqueues have fewer than 8 entries");
        return -ENODEV;
    }
    return 0;
}

static int alloc_rings(struct vc_device *vc)
{
    int rc = alloc_ring(vc, &vc->ctrl, vc->ctrl.index, 0);

    for (unsigned i = 0; i < vc->dev->nqueues && rc == 0; i++)
        rc = alloc_ring(vc, &vc->data[i], i, vc->queue_size);
    return rc;
}

static void detach(struct device *dev)
{
    struct vc_device *vc = vc_of(dev);

    pci_disable(dev->transport);
    for (unsigned i = 0; i < dev->nqueues; i++)
        free_ring(vc, &vc->data[i]);
    free_ring(vc, &vc->ctrl);
    free(vc);
    dev->priv = NULL;
}

static int attach(struct device *dev, struct hw_error *err)
{
    struct vc_device *vc = calloc(1, sizeof(*vc));
    int rc;

    if (vc == NULL)
        return -ENOMEM;
    vc->dev = dev;
    TAILQ_INIT(&vc->commands);
    dev->priv = vc;
    rc = virtio_pci_open(&vc->pci, dev->transport, err);
    if (rc == 0)
        rc = begin(vc, err);
    if (rc == 0)
        rc = read_config(vc, err);
    if (rc == 0)
        rc = size_up(vc, err);
    if (rc == 0)
        rc = alloc_rings(vc);
    if (rc != 0) {
        detach(dev);
        return rc;
    }
    read_caps(vc, &dev->offered);
    return 0;
}

/* Vector 0 is for configuration changes; the queues share the others, or that
 * one too where there is no other. */
static uint16_t vector_of(const struct vc_device *vc, unsigned i)
{
    return (uint16_t)(vc->dev->nirqs < 2 ? 0 : 1 + i % (vc->dev->nirqs - 1));
}

static int start_ring(struct vc_device *vc, struct vc_ring *ring, uint16_t vector)
{
    struct virtqueue *vq = &ring->vq;
    struct virtio_queue_setup setup;
    int rc;

    memset(ring->mem.va, 0, ring->mem.len);
    virtqueue_fini(vq);
    rc = virtqueue_init(vq, vc->queue_size, vc->features & BIT(VIRTIO_RING_F_EVENT_IDX),
                        vc->features & BIT(VIRTIO_RING_F_INDIRECT_DESC), ring->mem.va,
                        ring->mem.iova);
    if (rc != 0)
        return rc;
    setup = (struct virtio_queue_setup){
        .index = ring->index,
        .size = vc->queue_size,
        .desc = ring->mem.iova,
        .driver = ring->mem.iova + vq->avail_off,
        .device = ring->mem.iova + vq->used_off,
        .vector = vector,
    };
    return virtio_pci_queue(&vc->pci, &setup, &ring->doorbell);
}

static int start_rings(struct vc_device *vc)
{
    struct device *dev = vc->dev;
    int rc = virtio_pci_config_vector(&vc->pci, 0);

    for (unsigned i = 0; i < dev->nqueues && rc == 0; i++) {
        pthread_mutex_lock(&dev->queues[i].lock);
        dev->queues[i].priv = &vc->data[i];
        rc = start_ring(vc, &vc->data[i], vector_of(vc, i));
        pthread_mutex_unlock(&dev->queues[i].lock);
    }
    if (rc == 0) {
        pthread_mutex_lock(&dev->sessions.lock);
        rc = start_ring(vc, &vc->ctrl, vector_of(vc, dev->nqueues));
        pthread_mutex_unlock(&dev->sessions.lock);
    }
    return rc;
}

static int start(struct device *dev, struct hw_error *err)
{
    struct vc_device *vc = vc_of(dev);
    int rc = begin(vc, err);

    /* stop took the bus from it where it did not reset. */
    if (rc == 0)
        rc = pci_enable(dev->transport);
    if (rc == 0) {
        rc = virtio_pci_accept(&vc->pci, vc->features);
        if (rc != 0)
            say(err, "the device refuses the features it offered");
    }
    if (rc == 0)
        rc = read_config(vc, err);
    if (rc == 0 && !(vc->cfg.status & VIRTIO_CRYPTO_S_HW_READY)) {
        say(err, "the device's hardware is not ready");
        rc = -ENODEV;
    }
    if (rc == 0) {
        rc = start_rings(vc);
        if (rc != 0)
            say(err, "the device refuses its virtqueues");
    }
    vc_control_start(vc);
    if (rc != 0) {
        virtio_pci_add_status(&vc->pci, VIRTIO_CONFIG_S_FAILED);
        (void)virtio_pci_reset(&vc->pci);
        return rc;
    }
    virtio_pci_add_status(&vc->pci, VIRTIO_CONFIG_S_DRIVER_OK);
    return 0;
}

static void farewell(struct device *dev)
{
    vc_control_farewell(vc_of(dev));
}

static void stop(struct device *dev, struct request_list *orphans)
{
    struct vc_device *vc = vc_of(dev);

    /* A device that does not even reset may write to our memory still: it
     * loses the bus. */
    if (virtio_pci_reset(&vc->pci) != 0)
        pci_disable(dev->transport);
    vc_control_drop(vc, orphans);
}

static struct vc_slot *slot(const struct vc_ring *ring, unsigned head)
{
    return (struct vc_slot *)((char *)ring->mem.va + ring->slots_off) + head;
}

static uint64_t slot_iova(const struct vc_ring *ring, unsigned head)
{
    return ring->mem.iova + ring->slots_off + head * sizeof(struct vc_slot);
}

static unsigned seg(struct virtqueue_seg *segs, unsigned n, uint64_t iova, size_t len)
{
    if (len == 0)
        return n;
    segs[n] = (struct virtqueue_seg){iova, (uint32_t)len};
    return n + 1;
}

static int place(struct queue *q, struct request *r)
{
    struct vc_device *vc = vc_of(q->dev);
    struct vc_ring *ring = q->priv;
    bool aead = hw_alg_kind(r->key->spec.alg) == HW_KIND_AEAD;
    size_t tag = aead ? r->pub.tag_len : 0;
    bool decrypts = r->pub.op == HW_DECRYPT;
    int head = virtqueue_next(&ring->vq, VIRTQUEUE_SEGS_MAX);
    struct virtqueue_seg segs[VIRTQUEUE_SEGS_MAX];
    struct vc_slot *s;
    unsigned nread, n;
    size_t out_len;

    /* Dead: the device was reset since the request got its session, and the
     * session's id means another key by now, or none. */
    if (atomic_load_explicit(&r->session->pins, memory_order_acquire) <= 0)
        return -EIO;
    if (head < 0)
        return head;
    s = slot(ring, (unsigned)head);
    out_len = vc_format_data(vc, r, s->out);
    /* An AEAD's IV field has its full size whatever iv_len says. */
    memcpy(s->out + out_len, r->pub.iv, HW_IV_MAX);
    out_len += aead ? HW_IV_MAX : r->pub.iv_len;
    s->status = VC_STATUS_UNSET;
    n = seg(segs, 0, slot_iova(ring, (unsigned)head), out_len);
    n = seg(segs, n, r->buf.iova, r->src_len + (decrypts ? tag : 0));
    n = seg(segs, n, r->buf.iova + r->aad_off, r->pub.aad_len);
    nread = n;
    n = seg(segs, n, r->buf.iova + r->dst_off, r->dst_len + (decrypts ? 0 : tag));
    n = seg(segs, n, slot_iova(ring, (unsigned)head) + offsetof(struct vc_slot, status), 1);
    return virtqueue_add(&ring->vq, segs, nread, n - nread, r);
}

/* How many bytes of result there are, -EIO where the device says it wrote less
 * than it had to. written counts the status byte. */
static int result_len(const struct request *r, uint32_t written, size_t *len)
{
    bool aead = hw_alg_kind(r->key->spec.alg) == HW_KIND_AEAD;
    size_t expected = r->dst_len + (aead && r->pub.op == HW_ENCRYPT ? r->pub.tag_len : 0u);

    *len = r->dst_len;
    if (hw_alg_kind(r->key->spec.alg) != HW_KIND_AKCIPHER)
        return written < expected + 1 ? -EIO : 0;
    if (written < 1 || written - 1 > r->dst_len)
        return -EIO;
    *len = written - 1;
    /* ECDSA signatures and what PKCS#1 decryption leaves may be shorter than
     * their room. From some devices other results are, too, where they begin
     * with a zero byte: which bytes are missing nobody says. */
    if (r->key->spec.alg == HW_ECDSA ||
        (r->pub.rsa_padding == HW_RSA_PKCS1 && r->pub.op == HW_DECRYPT))
        return 0;
    return *len == r->dst_len ? 0 : -EIO;
}

static int take(struct queue *q, struct request **out, int *status, size_t *len)
{
    struct vc_ring *ring = q->priv;
    unsigned head;
    uint32_t written;
    struct request *r;
    uint8_t answer;
    void *token;
    int rc = virtqueue_get(&ring->vq, &token, &head, &written);

    if (rc != 1)
        return rc;
    r = token;
    /* Read once: it is the device's memory. */
    answer = __atomic_load_n(&slot(ring, head)->status, __ATOMIC_RELAXED);
    /* Given back without an answer: the device may be at work on it still. The
     * request keeps its memory, and its place, until the device is reset. */
    if (answer == VC_STATUS_UNSET)
        return -EIO;
    explicit_bzero(slot(ring, head)->out, sizeof(slot(ring, head)->out));
    *out = r;
    *len = 0;
    *status = vc_status(r, answer);
    if (*status == 0)
        *status = result_len(r, written, len);
    /* What fails has none. */
    if (*status != 0)
        *len = 0;
    if (answer == VIRTIO_CRYPTO_INVSESS) {
        /* The next request of this key asks for a new one. */
        atomic_store_explicit(&r->session->error, -ESTALE, memory_order_relaxed);
        atomic_store_explicit(&r->session->state, SESSION_FAILED, memory_order_release);
    }
    return 1;
}

static bool should_kick(struct queue *q)
{
    struct vc_ring *ring = q->priv;

    return virtqueue_should_kick(&ring->vq);
}

static void kick(struct queue *q)
{
    struct vc_ring *ring = q->priv;

    virtio_pci_notify(&vc_of(q->dev)->pci, ring->doorbell, ring->index);
}

static void irq_off(struct queue *q)
{
    struct vc_ring *ring = q->priv;

    virtqueue_irq_off(&ring->vq);
}

static bool irq_on(struct queue *q)
{
    struct vc_ring *ring = q->priv;

    return virtqueue_irq_on(&ring->vq);
}

/* It asks for a reset, or has had one behind our back, or is gone (all ones). */
static bool works(struct vc_device *vc)
{
    const unsigned good = VIRTIO_CONFIG_S_DRIVER_OK;

    return (virtio_pci_status(&vc->pci) & (good | VIRTIO_CONFIG_S_NEEDS_RESET)) == good;
}

static int service(struct device *dev, bool changed)
{
    struct vc_device *vc = vc_of(dev);

    if (changed && !works(vc))
        return -EIO;
    return vc_control_service(vc);
}

const struct driver_ops driver_virtio_crypto = {
    .vendor = 0x1af4,
    .device = 0x1054,
    .attach = attach,
    .detach = detach,
    .start = start,
    .farewell = farewell,
    .stop = stop,
    .prepare = vc_prepare,
    .place = place,
    .take = take,
    .should_kick = should_kick,
    .kick = kick,
    .irq_off = irq_off,
    .irq_on = irq_on,
    .service = service,
    .deadline = vc_control_deadline,
    .forget_key = vc_forget_key,
};
