/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Common configuration (VIRTIO 1.2, section 4.1.4.3), one row per register.
 * A register is accessed with its own width only, as section 4.1.3.1 demands
 * of the driver; anything else reads all ones and writes nothing.
 */
#include <endian.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "emulator/device.h"
#include "emulator/forks.h"

#define FEATURES_ALWAYS                                                                            \
    (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM |                               \
     1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |                       \
     1ull << VIRTIO_F_RING_RESET | 1ull << DEVICE_F_REVISION_1)

struct reg {
    uint8_t off, width;
    /* NULL: the stored bytes. */
    uint32_t (*get)(struct emulator *e);
    /* NULL: read-only. True: *val, perhaps changed, is to be stored. */
    bool (*set)(struct emulator *e, struct emulator_queue *q, uint32_t *val);
};

/* The register bytes are little-endian, as on the bus. */
static uint32_t load(const uint8_t *p, unsigned width)
{
    uint32_t val = 0;

    memcpy(&val, p, width);
    return le32toh(val);
}

static void store(uint8_t *p, unsigned width, uint32_t val)
{
    val = htole32(val);
    memcpy(p, &val, width);
}

static uint32_t common(const struct emulator *e, unsigned off, unsigned width)
{
    return load(e->common + off, width);
}

static struct emulator_queue *selected(struct emulator *e)
{
    uint32_t i = common(e, VIRTIO_PCI_COMMON_Q_SELECT, 2);

    return i < e->nqueues ? &e->queues[i] : NULL;
}

static bool keep(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    (void)e;
    (void)q;
    (void)val;
    return true;
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint32_t get_device_feature(struct emulator *e)
{
    return feature_word(e->offered, common(e, VIRTIO_PCI_COMMON_DFSELECT, 4));
}

static uint32_t get_driver_feature(struct emulator *e)
{
    return feature_word(e->accepted, common(e, VIRTIO_PCI_COMMON_GFSELECT, 4));
}

/* Mirrors what is written; FEATURES_OK judges it, and closes this. */
static bool set_driver_feature(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    uint32_t select = common(e, VIRTIO_PCI_COMMON_GFSELECT, 4);

    (void)q;
    if (select < 2 && !(atomic_load(&e->status) & VIRTIO_CONFIG_S_FEATURES_OK)) {
        e->accepted &= ~(0xffffffffull << (32 * select));
        e->accepted |= (uint64_t)*val << (32 * select);
    }
    return false;
}

static bool set_config_vector(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    (void)q;
    if (*val >= e->msix.vectors)
        *val = VIRTIO_MSI_NO_VECTOR;
    atomic_store(&e->config_vector, *val);
    return true;
}

static uint32_t get_status(struct emulator *e)
{
    return atomic_load(&e->status);
}

static uint32_t get_generation(struct emulator *e)
{
    return atomic_load(&e->generation) & 0xff;
}

/* A driver must take VERSION_1 from a function that is not transitional, and
 * must use the IOMMU where there is one. */
static bool features_good(const struct emulator *e)
{
    uint64_t must = (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM) & e->offered;

    return (e->accepted & ~e->offered) == 0 && (e->accepted & must) == must;
}

static struct ring_addresses addresses(const struct emulator_queue *q)
{
    const uint8_t *r = q->regs;
    struct ring_addresses at = {
        .desc = (uint64_t)load(r + VIRTIO_PCI_COMMON_Q_DESCHI, 4) << 32 |
                load(r + VIRTIO_PCI_COMMON_Q_DESCLO, 4),
        .avail = (uint64_t)load(r + VIRTIO_PCI_COMMON_Q_AVAILHI, 4) << 32 |
                 load(r + VIRTIO_PCI_COMMON_Q_AVAILLO, 4),
        .used = (uint64_t)load(r + VIRTIO_PCI_COMMON_Q_USEDHI, 4) << 32 |
                load(r + VIRTIO_PCI_COMMON_Q_USEDLO, 4),
    };
    return at;
}

static void start_queue(struct emulator *e, struct emulator_queue *q)
{
    struct ring_addresses at = addresses(q);
    uint16_t size = (uint16_t)load(q->regs + VIRTIO_PCI_COMMON_Q_SIZE, 2);

    if (queue_start(e, q, &at, size, e->accepted) != 0)
        emulator_fail(e);
}

static void driver_ok(struct emulator *e)
{
    for (unsigned i = 0; i < e->nqueues; i++)
        if (load(e->queues[i].regs + VIRTIO_PCI_COMMON_Q_ENABLE, 2))
            start_queue(e, &e->queues[i]);
    if (service_start(e) != 0)
        emulator_fail(e);
}

/* The driver sets one bit after the other; only a reset clears any. */
static bool set_status(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    uint32_t old = atomic_load(&e->status);
    uint32_t new = *val & 0xff & ~old;

    (void)q;
    if (*val == 0) {
        virtio_reset(e);
        return false;
    }
    new &= ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET;
    if ((new &VIRTIO_CONFIG_S_FEATURES_OK) && !features_good(e))
        new &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
    if (!((old | new) & VIRTIO_CONFIG_S_FEATURES_OK))
        new &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
    /* Before driver_ok: what fails there announces itself by DRIVER_OK. */
    atomic_fetch_or(&e->status, new);
    if (new &VIRTIO_CONFIG_S_DRIVER_OK)
        driver_ok(e);
    return false;
}

static bool enabled(const struct emulator_queue *q)
{
    return load(q->regs + VIRTIO_PCI_COMMON_Q_ENABLE, 2) != 0;
}

static bool set_queue_size(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    return !enabled(q) && *val != 0 && *val <= e->queue_max && (*val & (*val - 1)) == 0;
}

static bool set_queue_vector(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    if (*val >= e->msix.vectors)
        *val = VIRTIO_MSI_NO_VECTOR;
    atomic_store(&q->vector, *val);
    return true;
}

static bool set_queue_enable(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    if (*val != 1 || enabled(q))
        return false;
    if (atomic_load(&e->status) & VIRTIO_CONFIG_S_DRIVER_OK) { /* after a queue reset */
        start_queue(e, q);
        service_kick(e, q);
    }
    return true;
}

static bool set_queue_address(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    (void)e;
    (void)val;
    return !enabled(q);
}

static void reset_queue_regs(struct emulator *e, struct emulator_queue *q)
{
    memset(q->regs, 0, sizeof(q->regs));
    store(q->regs + VIRTIO_PCI_COMMON_Q_SIZE, 2, e->queue_max);
    store(q->regs + VIRTIO_PCI_COMMON_Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
    store(q->regs + VIRTIO_PCI_COMMON_Q_NOFF, 2, q->index);
    atomic_store(&q->vector, VIRTIO_MSI_NO_VECTOR);
}

/* Done when the write returns: the register never reads 1. */
static bool set_queue_reset(struct emulator *e, struct emulator_queue *q, uint32_t *val)
{
    if (*val == 1 && device_has(e, VIRTIO_F_RING_RESET) && enabled(q)) {
        queue_stop(q);
        service_quiesce(e);
        reset_queue_regs(e, q);
    }
    return false;
}

static const struct reg regs[] = {
    {VIRTIO_PCI_COMMON_DFSELECT, 4, NULL, keep},
    {VIRTIO_PCI_COMMON_DF, 4, get_device_feature, NULL},
    {VIRTIO_PCI_COMMON_GFSELECT, 4, NULL, keep},
    {VIRTIO_PCI_COMMON_GF, 4, get_driver_feature, set_driver_feature},
    {VIRTIO_PCI_COMMON_MSIX, 2, NULL, set_config_vector},
    {VIRTIO_PCI_COMMON_NUMQ, 2, NULL, NULL},
    {VIRTIO_PCI_COMMON_STATUS, 1, get_status, set_status},
    {VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation, NULL},
    {VIRTIO_PCI_COMMON_Q_SELECT, 2, NULL, keep},
    /* From here on: of the selected queue. */
    {VIRTIO_PCI_COMMON_Q_SIZE, 2, NULL, set_queue_size},
    {VIRTIO_PCI_COMMON_Q_MSIX, 2, NULL, set_queue_vector},
    {VIRTIO_PCI_COMMON_Q_ENABLE, 2, NULL, set_queue_enable},
    {VIRTIO_PCI_COMMON_Q_NOFF, 2, NULL, NULL},
    {VIRTIO_PCI_COMMON_Q_DESCLO, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_DESCHI, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_AVAILLO, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_AVAILHI, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_USEDLO, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_USEDHI, 4, NULL, set_queue_address},
    {VIRTIO_PCI_COMMON_Q_NDATA, 2, NULL, NULL},
    {VIRTIO_PCI_COMMON_Q_RESET, 2, NULL, set_queue_reset},
};

static const struct reg *reg_at(uint32_t off, unsigned width)
{
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
        if (regs[i].off == off && regs[i].width == width)
            return &regs[i];
    return NULL;
}

uint32_t virtio_read(struct emulator *e, uint32_t off, unsigned width)
{
    const struct reg *reg = reg_at(off, width);
    const struct emulator_queue *q = selected(e);

    if (reg == NULL)
        return UINT32_MAX;
    if (reg->get != NULL)
        return reg->get(e);
    if (off < VIRTIO_PCI_COMMON_Q_SIZE)
        return common(e, off, width);
    return q != NULL ? load(q->regs + off, width) : 0;
}

void virtio_write(struct emulator *e, uint32_t off, unsigned width, uint32_t val)
{
    const struct reg *reg = reg_at(off, width);
    bool of_queue = off >= VIRTIO_PCI_COMMON_Q_SIZE;
    struct emulator_queue *q = selected(e);

    if (reg == NULL || reg->set == NULL || (of_queue && q == NULL))
        return;
    if (width < 4)
        val &= (1u << (8 * width)) - 1;
    if (reg->set(e, q, &val))
        store(of_queue ? q->regs + off : e->common + off, width, val);
}

uint32_t virtio_isr_read(struct emulator *e, uint32_t off, unsigned width)
{
    if (off != 0 || width != 1)
        return UINT32_MAX;
    return atomic_exchange(&e->isr, 0);
}

uint32_t virtio_config_read(struct emulator *e, uint32_t off, unsigned width)
{
    if (off + width > sizeof(e->config))
        return UINT32_MAX;
    return load((const uint8_t *)&e->config + off, width);
}

static void reset_regs(struct emulator *e)
{
    memset(e->common, 0, sizeof(e->common));
    store(e->common + VIRTIO_PCI_COMMON_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
    store(e->common + VIRTIO_PCI_COMMON_NUMQ, 2, e->nqueues);
    atomic_store(&e->config_vector, VIRTIO_MSI_NO_VECTOR);
    atomic_store(&e->isr, 0);
    e->accepted = 0;
    for (unsigned i = 0; i < e->nqueues; i++)
        reset_queue_regs(e, &e->queues[i]);
}

/* Threads first: afterwards nothing reaches the host's memory. */
void virtio_reset(struct emulator *e)
{
    service_stop(e);
    for (unsigned i = 0; i < e->nqueues; i++)
        queue_stop(&e->queues[i]);
    forks_lock();
    sessions_clear(&e->sessions);
    forks_unlock();
    msix_clear(&e->msix);
    reset_regs(e);
    atomic_store(&e->status, 0);
}

/* The host's translations have changed. */
void virtio_remap(struct emulator *e)
{
    for (unsigned i = 0; i < e->nqueues; i++) {
        struct ring_addresses at = addresses(&e->queues[i]);
        if (queue_remap(e, &e->queues[i], &at) != 0)
            emulator_fail(e);
    }
    service_quiesce(e);
}

static void fill_config(struct emulator *e)
{
    struct virtio_crypto_config *c = &e->config;
    uint64_t cipher = 0;
    uint32_t services = 0, aead = 0, akcipher = 0;

    for (size_t i = 0; i < algs_count; i++) {
        if (e->faults.no_algo >> i & 1)
            continue;
        services |= 1u << algs[i].service;
        if (algs[i].service == VIRTIO_CRYPTO_SERVICE_CIPHER)
            cipher |= 1ull << algs[i].number;
        else if (algs[i].service == VIRTIO_CRYPTO_SERVICE_AEAD)
            aead |= 1u << algs[i].number;
        else if (algs[i].service == VIRTIO_CRYPTO_SERVICE_AKCIPHER)
            akcipher |= 1u << algs[i].number;
    }
    c->status = htole32(VIRTIO_CRYPTO_S_HW_READY);
    c->max_dataqueues = htole32(e->nqueues - 1);
    c->crypto_services = htole32(services);
    c->cipher_algo_l = htole32((uint32_t)cipher);
    c->cipher_algo_h = htole32((uint32_t)(cipher >> 32));
    c->aead_algo = htole32(aead);
    c->akcipher_algo = htole32(akcipher);
    c->max_cipher_key_len = htole32(SESSION_KEY_MAX);
    c->max_size = htole64(DEVICE_MAX_SIZE);
}

void virtio_init(struct emulator *e, uint64_t withhold)
{
    e->offered = FEATURES_ALWAYS & ~withhold;
    fill_config(e);
    reset_regs(e);
}
