/* SPDX-License-Identifier: Apache-2.0 */
#include "pci.h"

#include <errno.h>
#include <stddef.h>

#include <linux/pci_regs.h>

#include "transport.h"

static int read_n(struct transport *t, unsigned off, unsigned width, uint32_t *val)
{
    return t->ops->config_read(t, off, width, val);
}

int pci_ids(struct transport *t, uint16_t *vendor, uint16_t *device)
{
    uint32_t id;
    int rc = read_n(t, PCI_VENDOR_ID, 4, &id);

    if (rc != 0)
        return rc;
    *vendor = (uint16_t)id;
    *device = (uint16_t)(id >> 16);
    return *vendor == 0xffff ? -ENODEV : 0;
}

static int command(struct transport *t, uint32_t set, uint32_t clear)
{
    uint32_t cmd;
    int rc = read_n(t, PCI_COMMAND, 2, &cmd);

    return rc != 0 ? rc : t->ops->config_write(t, PCI_COMMAND, 2, (cmd & ~clear) | set);
}

int pci_enable(struct transport *t)
{
    return command(t, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
}

void pci_disable(struct transport *t)
{
    (void)command(t, 0, PCI_COMMAND_MASTER);
}

int pci_capabilities(struct transport *t, uint8_t id,
                     int (*each)(struct transport *t, unsigned off, void *arg), void *arg)
{
    /* As many as fit between the header and the end of 256 bytes. */
    unsigned left = (256 - 64) / 4;
    uint32_t off, head;
    int rc = read_n(t, PCI_STATUS, 2, &head);

    if (rc != 0)
        return rc;
    if (!(head & PCI_STATUS_CAP_LIST))
        return 0;
    rc = read_n(t, PCI_CAPABILITY_LIST, 1, &off);
    while (rc == 0 && (off &= ~3u) != 0) {
        if (off < 64 || left-- == 0)
            return -EIO;
        rc = read_n(t, off, 2, &head);
        if (rc == 0 && (head & 0xff) == id)
            rc = each(t, off, arg);
        off = head >> 8;
    }
    return rc;
}

int pci_read(struct transport *t, unsigned off, void *buf, unsigned n)
{
    uint8_t *p = buf;
    uint32_t v;
    int rc;

    for (unsigned i = 0; i < n; i++) {
        rc = read_n(t, off + i, 1, &v);
        if (rc != 0)
            return rc;
        p[i] = (uint8_t)v;
    }
    return 0;
}
