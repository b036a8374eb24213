/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "drivers.h"
#include "transport.h"

#define BAR       4
#define BAR_SIZE  0x4000u
#define COMMON    0x0000u
#define CONFIG    0x2000u
#define NOTIFY    0x3000u
#define QUEUES    20u /* with registers; data queues: as the configuration says */
#define WINDOW    ((uint64_t)1 << 30)
#define MAPS      64u
#define LIES      8u
#define QUEUE_REG VIRTIO_PCI_COMMON_Q_SIZE /* the first that there is one of per queue */

struct map {
    uint8_t *va;
    size_t len;
};

static struct transport transport;

static struct {
    struct input *in;
    uint8_t config[256];
    uint8_t bar[BAR_SIZE];
    uint8_t queue[QUEUES][64]; /* registers from QUEUE_REG on */
    uint16_t seen[QUEUES];     /* of the available ring */
    uint64_t features;
    struct map map[MAPS];
    unsigned maps_allowed;
    bool serves;   /* at the doorbell, without being told */
    bool stubborn; /* does not finish a reset */
    uint64_t session;
    unsigned nlies;
    struct {
        uint16_t off, skip;
        uint32_t val;
    } lies[LIES];
} h;

static uint32_t load(const uint8_t *p, unsigned width)
{
    uint32_t v = 0;

    memcpy(&v, p, width);
    return le32toh(v);
}

static void store(uint8_t *p, unsigned width, uint32_t val)
{
    val = htole32(val);
    memcpy(p, &val, width);
}

static void capability(unsigned at, unsigned next, uint8_t type, uint32_t off, uint32_t len)
{
    uint8_t *c = h.config + at;

    c[PCI_CAP_LIST_ID] = PCI_CAP_ID_VNDR;
    c[PCI_CAP_LIST_NEXT] = (uint8_t)next;
    c[VIRTIO_PCI_CAP_LEN] = 20;
    c[VIRTIO_PCI_CAP_CFG_TYPE] = type;
    c[VIRTIO_PCI_CAP_BAR] = BAR;
    store(c + VIRTIO_PCI_CAP_OFFSET, 4, off);
    store(c + VIRTIO_PCI_CAP_LENGTH, 4, len);
    store(c + VIRTIO_PCI_NOTIFY_CAP_MULT, 4, 4);
}

static void good_config(void)
{
    store(h.config + PCI_VENDOR_ID, 4, 0x10541af4);
    store(h.config + PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    h.config[PCI_CAPABILITY_LIST] = 64;
    capability(64, 88, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, 0x1000);
    capability(88, 112, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG, 0x1000);
    capability(112, 0, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, 0x1000);
}

static void good_registers(void)
{
    struct virtio_crypto_config c = {
        .status = htole32(VIRTIO_CRYPTO_S_HW_READY),
        .max_dataqueues = htole32(1),
        .crypto_services = htole32(0xffffffff),
        .cipher_algo_l = htole32(0xffffffff),
        .aead_algo = htole32(0xffffffff),
        .akcipher_algo = htole32(0xffffffff),
        .max_cipher_key_len = htole32(64),
        .max_size = htole64(1u << 20),
    };

    memcpy(h.bar + CONFIG, &c, sizeof(c));
    store(h.bar + VIRTIO_PCI_COMMON_NUMQ, 2, 2);
    h.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM |
                 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1;
    for (unsigned i = 0; i < QUEUES; i++) {
        store(h.queue[i], 2, 16);
        store(h.queue[i] + VIRTIO_PCI_COMMON_Q_NOFF - QUEUE_REG, 2, i);
    }
}

/* Flags, bytes of configuration space and of registers, and what reads will
 * be answered with later. */
void hostile_prepare(struct input *in)
{
    uint8_t flags = input_u8(in);
    unsigned n = input_u8(in) % 16;

    memset(&h, 0, sizeof(h));
    h.in = in;
    good_config();
    good_registers();
    h.serves = flags & 1;
    h.stubborn = flags & 2;
    h.maps_allowed = flags & 4 ? input_u8(in) : UINT32_MAX;
    h.features ^= flags & 8 ? 1u : 0;                               /* REVISION_1 */
    h.features ^= flags & 16 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0; /* both ways */
    h.features ^= flags & 32 ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0;
    if (flags & 64)
        h.features ^= (uint64_t)input_u32(in) << 32;
    for (; n > 0; n--) {
        uint16_t at = input_u16(in);

        if (at & 0x8000)
            h.config[at % sizeof(h.config)] = input_u8(in);
        else if (at & 0x4000)
            h.bar[CONFIG + at % 64] = input_u8(in);
        else if (at & 0x2000)
            h.queue[at % QUEUES][at / QUEUES % 64] = input_u8(in);
        else
            h.bar[at % 64] = input_u8(in);
    }
}

static uint8_t *translate(uint64_t iova, size_t len)
{
    uint64_t i = iova / WINDOW, off = iova % WINDOW;

    if (i == 0 || i > MAPS || h.map[i - 1].va == NULL)
        return NULL;
    if (off > h.map[i - 1].len || len > h.map[i - 1].len - off)
        return NULL;
    return h.map[i - 1].va + off;
}

static uint64_t address(unsigned queue, unsigned reg)
{
    const uint8_t *q = h.queue[queue] + reg - QUEUE_REG;

    return load(q, 4) | (uint64_t)load(q + 4, 4) << 32;
}

/* What the driver lets the device write in a chain. */
struct chain {
    uint8_t *at[16];
    uint32_t len[16], total;
    unsigned n;
};

static void follow(uint64_t table, unsigned size, unsigned head, struct chain *c)
{
    for (unsigned i = 0; i < 16; i++) {
        struct vring_desc *d = (struct vring_desc *)(void *)translate(
            table + head * sizeof(*d), head < size ? sizeof(*d) : SIZE_MAX);

        if (d == NULL)
            return;
        if ((d->flags & VRING_DESC_F_INDIRECT) && size != 64) {
            follow(d->addr, 64, 0, c);
            return;
        }
        if ((d->flags & VRING_DESC_F_WRITE) && c->n < 16) {
            c->at[c->n] = translate(d->addr, d->len);
            c->len[c->n] = d->len;
            c->total += c->at[c->n] != NULL ? d->len : 0;
            c->n += c->at[c->n] != NULL && d->len != 0;
        }
        if (!(d->flags & VRING_DESC_F_NEXT))
            return;
        head = d->next;
    }
}

/* An answer for each kind of request, as they differ in what is written. */
static void answer(struct chain *c, uint8_t status, uint64_t session)
{
    struct virtio_crypto_session_input made = {.session_id = htole64(session),
                                               .status = htole32(status)};

    if (c->n == 0)
        return;
    if (c->n == 1 && c->len[0] == sizeof(made))
        memcpy(c->at[0], &made, sizeof(made));
    else
        c->at[c->n - 1][c->len[c->n - 1] - 1] = status;
}

static void push(struct vring_used *used, unsigned size, uint32_t id, uint32_t len)
{
    unsigned at = used->idx & (size - 1);

    used->ring[at].id = htole32(id);
    used->ring[at].len = htole32(len);
    used->idx++;
}

static void serve_chain(unsigned queue, unsigned size, unsigned head, struct vring_used *used)
{
    struct chain c = {.n = 0};
    uint8_t how = input_u8(h.in);

    follow(address(queue, VIRTIO_PCI_COMMON_Q_DESCLO), size, head, &c);
    switch (how % 8) {
    case 1: answer(&c, input_u8(h.in), h.session++); break;
    case 2: answer(&c, input_u8(h.in) % 8, input_u8(h.in)); break;
    case 3:
        c.total = input_u32(h.in);
        answer(&c, 0, h.session++);
        break;
    case 4: return; /* lost */
    case 5: head = input_u16(h.in); break;
    case 6: used->idx = (uint16_t)(used->idx + input_u16(h.in)); break;
    default: answer(&c, 0, h.session++); break;
    }
    push(used, size, head, c.total);
    if (how % 8 == 7)
        push(used, size, head, c.total);
}

void hostile_serve(unsigned queue, unsigned n)
{
    unsigned size, head;
    struct vring_avail *avail;
    struct vring_used *used;

    queue %= QUEUES;
    size = load(h.queue[queue], 2);
    if (size == 0 || size > 256 || (size & (size - 1)) != 0)
        return;
    avail = (void *)translate(address(queue, VIRTIO_PCI_COMMON_Q_AVAILLO), 6 + 2u * size);
    used = (void *)translate(address(queue, VIRTIO_PCI_COMMON_Q_USEDLO), 6 + 8u * size);
    if (avail == NULL || used == NULL)
        return;
    while (n-- > 0 && avail->idx != h.seen[queue]) {
        head = avail->ring[h.seen[queue]++ & (size - 1)];
        serve_chain(queue, size, head, used);
    }
}

void hostile_poke(void)
{
    unsigned first = input_u8(h.in) % MAPS;
    uint32_t off = input_u32(h.in), val = input_u32(h.in);

    for (unsigned i = 0; i < MAPS; i++) {
        const struct map *m = &h.map[(first + i) % MAPS];

        if (m->va != NULL) {
            store(m->va + off % (m->len - 4), 4, val);
            return;
        }
    }
}

void hostile_register(void)
{
    uint16_t off = input_u16(h.in);
    uint32_t val = input_u32(h.in);

    if (off & 0x8000 && h.nlies < LIES) {
        h.lies[h.nlies].off = off & 0x3fff;
        h.lies[h.nlies].skip = off >> 14 & 1;
        h.lies[h.nlies++].val = val;
    } else if (off & 0x4000) {
        h.stubborn = val & 1;
    } else {
        h.bar[off % (CONFIG + 64)] = (uint8_t)val;
    }
}

bool hostile_masters(void)
{
    return h.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

unsigned hostile_mapped(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MAPS; i++)
        n += h.map[i].va != NULL;
    return n;
}

/* The transport. */

static const struct transport_ops hostile;

static int h_open(const char *name, unsigned index, const struct hw_config *cfg,
                  struct transport **out, struct hw_error *err)
{
    (void)name, (void)index, (void)cfg, (void)err;
    transport.ops = &hostile;
    *out = &transport;
    return 0;
}

static void h_close(struct transport *t)
{
    (void)t;
}

static int h_config_read(struct transport *t, unsigned off, unsigned width, uint32_t *val)
{
    (void)t;
    if (off + width > sizeof(h.config) || off % width != 0)
        return -EINVAL;
    *val = load(h.config + off, width);
    return 0;
}

static int h_config_write(struct transport *t, unsigned off, unsigned width, uint32_t val)
{
    (void)t;
    if (off + width > sizeof(h.config) || off % width != 0)
        return -EINVAL;
    store(h.config + off, width, val);
    return 0;
}

static uint8_t *queue_register(uint64_t off)
{
    unsigned q = load(h.bar + VIRTIO_PCI_COMMON_Q_SELECT, 2);

    if (off < QUEUE_REG || off >= QUEUE_REG + 40 || q >= QUEUES)
        return NULL;
    return h.queue[q] + off - QUEUE_REG;
}

static uint32_t h_read(struct transport *t, unsigned bar, uint64_t off, unsigned width)
{
    const uint8_t *q;

    (void)t;
    for (unsigned i = 0; i < h.nlies; i++)
        if (h.lies[i].off == off && h.lies[i].skip-- == 0)
            return h.lies[i].val;
    if (bar != BAR || off > BAR_SIZE - 4)
        return UINT32_MAX;
    q = queue_register(off);
    if (off == VIRTIO_PCI_COMMON_DF)
        return (uint32_t)(h.features >> (h.bar[VIRTIO_PCI_COMMON_DFSELECT] & 1) * 32);
    return load(q != NULL ? q : h.bar + off, width);
}

static void h_write(struct transport *t, unsigned bar, uint64_t off, unsigned width, uint32_t val)
{
    uint8_t *q;

    (void)t;
    if (bar != BAR || off > BAR_SIZE - 4)
        return;
    if (off >= NOTIFY) {
        if (h.serves)
            hostile_serve(val & 0xff, 300);
        return;
    }
    q = queue_register(off);
    if (off == VIRTIO_PCI_COMMON_STATUS && val == 0) {
        memset(h.seen, 0, sizeof(h.seen));
        if (h.stubborn)
            return;
    }
    store(q != NULL ? q : h.bar + off, width, val);
}

static unsigned h_vectors(struct transport *t)
{
    (void)t;
    return 2;
}

static int h_irq_connect(struct transport *t, unsigned n, const int *fds)
{
    (void)t, (void)n, (void)fds;
    return 0;
}

static int h_dma_map(struct transport *t, void *va, size_t len, uint64_t *iova)
{
    (void)t;
    if (h.maps_allowed == 0)
        return -ENOMEM;
    h.maps_allowed--;
    for (unsigned i = 0; i < MAPS; i++) {
        if (h.map[i].va == NULL) {
            h.map[i] = (struct map){va, len};
            *iova = (i + 1) * WINDOW;
            return 0;
        }
    }
    return -ENOSPC;
}

static void h_dma_unmap(struct transport *t, uint64_t iova, size_t len)
{
    (void)t, (void)len;
    h.map[iova / WINDOW - 1].va = NULL;
}

static const struct transport_ops hostile = {
    .scheme = "hostile",
    .open = h_open,
    .close = h_close,
    .config_read = h_config_read,
    .config_write = h_config_write,
    .read = h_read,
    .write = h_write,
    .vectors = h_vectors,
    .irq_connect = h_irq_connect,
    .dma_map = h_dma_map,
    .dma_unmap = h_dma_unmap,
};

/* In place of hw/drivers.c. */
const struct driver_ops *const drivers[] = {&driver_virtio_crypto, NULL};
const struct transport_ops *const transports[] = {&hostile, NULL};
