/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include <errno.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw.h"

/* Offsets that libpci has no names for. */
#define HEADER_SIZE  64
#define MSIX_CONTROL 2

/* libpci's error function must not return, and its own one ends the process. */
static _Thread_local jmp_buf failed;
static _Thread_local struct hw_error *failed_error;

static void __attribute__((noreturn, format(printf, 1, 2))) on_error(char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(failed_error->text, sizeof(failed_error->text), format, ap);
    va_end(ap);
    longjmp(failed, 1);
}

static void __attribute__((format(printf, 1, 2))) on_message(char *format, ...)
{
    (void)format;
}

static int by_address(const void *a, const void *b)
{
    const struct discovered *x = a, *y = b;

    /* Domains of more than four digits come last. */
    size_t nx = strlen(x->host.address), ny = strlen(y->host.address);

    return nx != ny ? (nx < ny ? -1 : 1) : strcmp(x->host.address, y->host.address);
}

static void read_caps(struct pci_dev *p, struct discovered *d)
{
    uint8_t first;

    /* The header is everybody's, what follows is root's. */
    d->caps_known = pci_read_block(p, HEADER_SIZE, &first, 1) == 1;
    if (!d->caps_known)
        return;
    for (struct pci_cap *c = p->first_cap; c != NULL; c = c->next) {
        if (c->type != PCI_CAP_NORMAL)
            continue;
        if (c->id == PCI_CAP_ID_EXP) {
            d->express = true;
            d->flr =
                (pci_read_long(p, (int)c->addr + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLRESET) != 0;
        } else if (c->id == PCI_CAP_ID_MSIX) {
            d->vectors = (pci_read_word(p, (int)c->addr + MSIX_CONTROL) & PCI_MSIX_TABSIZE) + 1u;
        } else if (c->id == PCI_CAP_ID_VNDR) {
            d->vendor_caps++;
        }
    }
}

static bool describe(struct pci_dev *p, uint16_t vendor, uint16_t device, struct discovered *d)
{
    char address[PCI_ADDRESS_SIZE];

    pci_fill_info(p, PCI_FILL_IDENT);
    if (p->vendor_id != vendor || p->device_id != device)
        return false;
    snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", (unsigned)p->domain & 0xffffffu, p->bus,
             p->dev, p->func & 7u);
    memset(d, 0, sizeof(*d));
    if (pci_host_read(address, &d->host) != 0)
        return false;
    pci_fill_info(p, PCI_FILL_CAPS | PCI_FILL_NUMA_NODE);
    d->vendor = vendor;
    d->device = device;
    d->numa_node = p->numa_node;
    d->revision = pci_read_byte(p, PCI_REVISION_ID);
    read_caps(p, d);
    return true;
}

/* May end in on_error, so it keeps nothing that only its frame knows of. */
static int collect(struct pci_access *a, uint16_t vendor, uint16_t device, struct discovered **out)
{
    struct discovered *more;
    int n = 0;

    pci_init(a);
    pci_scan_bus(a);
    for (struct pci_dev *p = a->devices; p != NULL; p = p->next) {
        more = realloc(*out, ((size_t)n + 1) * sizeof(**out));
        if (more == NULL)
            return -ENOMEM;
        *out = more;
        if (describe(p, vendor, device, &more[n]))
            n++;
    }
    return n;
}

int discover(uint16_t vendor, uint16_t device, struct discovered **out, struct hw_error *err)
{
    /* Read after longjmp, but not changed between it and setjmp. */
    struct pci_access *const a = pci_alloc();
    int n;

    *out = NULL;
    a->method = PCI_ACCESS_SYS_BUS_PCI;
    a->error = on_error;
    a->warning = on_message;
    a->debug = on_message;
    failed_error = err;
    snprintf(err->text, sizeof(err->text), "not enough memory to list PCI functions");
    if (setjmp(failed) == 0)
        n = collect(a, vendor, device, out);
    else
        n = -ENODEV;
    pci_cleanup(a);
    if (n >= 0)
        err->text[0] = '\0';
    if (n <= 0) {
        free(*out);
        *out = NULL;
        return n;
    }
    qsort(*out, (size_t)n, sizeof(**out), by_address);
    return n;
}
