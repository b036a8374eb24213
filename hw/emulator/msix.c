/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/msix.h"

#include <string.h>

#include <linux/pci_regs.h>

void msix_init(struct msix *m, unsigned vectors,
               void (*send)(void *host, uint64_t address, uint32_t data), void *host)
{
    memset(m, 0, sizeof(*m));
    pthread_mutex_init(&m->lock, NULL);
    m->vectors = vectors;
    m->send = send;
    m->host = host;
    for (unsigned i = 0; i < vectors; i++)
        m->table[i].ctrl = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void msix_fini(struct msix *m)
{
    pthread_mutex_destroy(&m->lock);
}

/* Under m->lock: sends, or leaves the vector pending. */
static void fire(struct msix *m, unsigned v)
{
    const struct msix_entry *e = &m->table[v];
    uint64_t bit = 1ull << (v % 64);

    if (!m->enabled || !m->master || m->masked || (e->ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT)) {
        m->pending[v / 64] |= bit;
        return;
    }
    m->pending[v / 64] &= ~bit;
    atomic_fetch_add_explicit(&m->sent, 1, memory_order_relaxed);
    m->send(m->host, (uint64_t)e->addr_hi << 32 | e->addr_lo, e->data);
}

static void fire_pending(struct msix *m, unsigned first, unsigned end)
{
    for (unsigned v = first; v < end; v++)
        if (m->pending[v / 64] & 1ull << (v % 64))
            fire(m, v);
}

void msix_control(struct msix *m, bool enabled, bool masked, bool master)
{
    pthread_mutex_lock(&m->lock);
    m->enabled = enabled;
    m->masked = masked;
    m->master = master;
    if (enabled && !masked && master)
        fire_pending(m, 0, m->vectors);
    pthread_mutex_unlock(&m->lock);
}

void msix_clear(struct msix *m)
{
    pthread_mutex_lock(&m->lock);
    memset(m->pending, 0, sizeof(m->pending));
    pthread_mutex_unlock(&m->lock);
}

bool msix_notify(struct msix *m, unsigned vector)
{
    bool enabled;

    pthread_mutex_lock(&m->lock);
    enabled = m->enabled;
    if (enabled && vector < m->vectors)
        fire(m, vector);
    pthread_mutex_unlock(&m->lock);
    return enabled;
}

static uint32_t *field(struct msix *m, uint32_t off)
{
    struct msix_entry *e = &m->table[off / 16];
    uint32_t *fields[] = {&e->addr_lo, &e->addr_hi, &e->data, &e->ctrl};

    return fields[off / 4 % 4];
}

/* Only dword accesses are defined (PCI 3.0, section 6.8.2). */
uint32_t msix_read(struct msix *m, uint32_t off, unsigned width)
{
    uint32_t val = 0;

    if (width != 4)
        return UINT32_MAX;
    pthread_mutex_lock(&m->lock);
    if (off < m->vectors * 16)
        val = *field(m, off);
    else if (off >= MSIX_PBA && off < MSIX_PBA + sizeof(m->pending))
        val = (uint32_t)(m->pending[(off - MSIX_PBA) / 8] >> (off % 8 * 8));
    pthread_mutex_unlock(&m->lock);
    return val;
}

void msix_write(struct msix *m, uint32_t off, unsigned width, uint32_t val)
{
    if (width != 4 || off >= m->vectors * 16)
        return;
    pthread_mutex_lock(&m->lock);
    if (off % 16 == PCI_MSIX_ENTRY_VECTOR_CTRL)
        val &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
    if (off % 16 == PCI_MSIX_ENTRY_LOWER_ADDR)
        val &= ~3u;
    *field(m, off) = val;
    if (m->enabled)
        fire_pending(m, off / 16, off / 16 + 1);
    pthread_mutex_unlock(&m->lock);
}
