/* SPDX-License-Identifier: Apache-2.0 */
#include "hw_info.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "discover.h"
#include "drivers.h"
#include "pci_host.h"

/* A group opens once in the whole machine. */
static bool group_is_free(const struct pci_host *h, struct hw_error *err)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/dev/vfio/%d", h->group);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == EBUSY)
        (void)pci_host_error(err, -EBUSY, "in use: another process has %s open", path);
    else
        (void)pci_host_error(err, -errno, "%s: %m", path);
    return false;
}

static void describe(const struct discovered *d, struct hw_function *f)
{
    struct pci_host h;
    const char *reason;

    memset(f, 0, sizeof(*f));
    memcpy(f->address, d->host.address, sizeof(f->address));
    memcpy(f->driver, d->host.driver, sizeof(f->driver));
    f->vendor = d->vendor;
    f->device = d->device;
    f->revision = d->revision;
    f->group = d->host.group;
    f->numa_node = d->numa_node;
    f->caps_known = d->caps_known;
    f->flr = d->flr;
    f->vectors = d->vectors;
    f->ready = pci_host_check(f->address, &h, &f->state) == 0 && group_is_free(&h, &f->state);
    /* Who reads it has the address before him. */
    reason = device_reason(f->address, f->state.text);
    memmove(f->state.text, reason, strlen(reason) + 1);
}

static int add(struct hw_function **out, int have, const struct discovered *found, int n)
{
    struct hw_function *more = realloc(*out, (size_t)(have + n) * sizeof(*more));

    if (more == NULL)
        return -ENOMEM;
    for (int i = 0; i < n; i++)
        describe(&found[i], &more[have + i]);
    *out = more;
    return have + n;
}

int hw_functions(struct hw_function **out, struct hw_error *err)
{
    int total = 0;

    *out = NULL;
    for (unsigned i = 0; drivers[i] != NULL && total >= 0; i++) {
        struct discovered *found = NULL;
        int n = discover(drivers[i]->vendor, drivers[i]->device, &found, err);

        if (n < 0)
            total = n;
        else if (n > 0)
            total = add(out, total, found, n);
        free(found);
    }
    if (total < 0) {
        free(*out);
        *out = NULL;
    }
    return total;
}
