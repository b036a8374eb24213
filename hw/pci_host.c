/* SPDX-License-Identifier: Apache-2.0 */
#include "pci_host.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>

#include "hw.h"

#define DEVICES "/sys/bus/pci/devices"
#define GROUPS  "/sys/kernel/iommu_groups"

/* Rings, and a first region of buffers of each size. Not what a busy device
 * may use: one that gets no more leaves work to software. */
#define MEMLOCK_NEED ((uint64_t)16 << 20)

int pci_host_error(struct hw_error *err, int rc, const char *format, ...)
{
    va_list ap;

    errno = -rc;
    va_start(ap, format);
    vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    return rc;
}

/* A hexadecimal number up to max that ends with end; moves *text behind it. */
static bool take_hex(const char **text, unsigned long max, char end, unsigned *out)
{
    unsigned long v;
    char *stop;

    if (!isxdigit((unsigned char)**text))
        return false;
    v = strtoul(*text, &stop, 16);
    if (v > max || *stop != end)
        return false;
    *out = (unsigned)v;
    *text = stop + (end != '\0');
    return true;
}

bool pci_host_address(const char *text, char address[PCI_ADDRESS_SIZE])
{
    unsigned domain = 0, bus, slot, function;
    const char *second = strchr(text, ':');
    const char *p = text;

    if (second != NULL && strchr(second + 1, ':') != NULL && !take_hex(&p, 0xffffff, ':', &domain))
        return false;
    if (!take_hex(&p, 0xff, ':', &bus) || !take_hex(&p, 0x1f, '.', &slot) ||
        !take_hex(&p, 7, '\0', &function))
        return false;
    snprintf(address, PCI_ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain, bus & 0xff, slot & 0x1f,
             function & 7);
    return true;
}

/* The last part of where a link of the function leads; false: no link. */
static bool link_name(const char *address, const char *link, char *name, size_t size)
{
    char path[PATH_MAX], to[PATH_MAX];
    const char *last;
    ssize_t n;

    snprintf(path, sizeof(path), DEVICES "/%s/%s", address, link);
    n = readlink(path, to, sizeof(to) - 1);
    if (n < 0)
        return false;
    to[n] = '\0';
    last = strrchr(to, '/');
    snprintf(name, size, "%.*s", (int)size - 1, last != NULL ? last + 1 : to);
    return true;
}

int pci_host_read(const char *address, struct pci_host *out)
{
    char path[64], group[16];

    memset(out, 0, sizeof(*out));
    snprintf(out->address, sizeof(out->address), "%s", address);
    snprintf(path, sizeof(path), DEVICES "/%s", out->address);
    if (access(path, F_OK) != 0)
        return -ENODEV;
    (void)link_name(address, "driver", out->driver, sizeof(out->driver));
    out->group = -1;
    if (link_name(address, "iommu_group", group, sizeof(group)))
        out->group = (int)strtol(group, NULL, 10);
    return 0;
}

/* vfio-pci, and the variants that vendors make of it. */
static bool is_vfio(const char *driver)
{
    return strstr(driver, "vfio") != NULL;
}

/* Drivers that do no DMA of their own may stay in the group. */
static bool is_harmless(const char *driver)
{
    return driver[0] == '\0' || is_vfio(driver) || strcmp(driver, "pci-stub") == 0 ||
           strcmp(driver, "pcieport") == 0;
}

bool pci_host_intruder(int group, struct pci_host *out)
{
    struct dirent **list;
    bool found = false;
    char path[64];
    int n;

    snprintf(path, sizeof(path), GROUPS "/%d/devices", group);
    n = scandir(path, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;

        if (!found && name[0] != '.' && strlen(name) < PCI_ADDRESS_SIZE)
            found = pci_host_read(name, out) == 0 && !is_harmless(out->driver);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return found;
}

/* How much more may be locked; the kernel counts what VFIO pins for us in
 * VmLck, and leaves alone who has CAP_IPC_LOCK. */
static uint64_t memlock_left(void)
{
    uint64_t locked = 0, caps = 0;
    struct rlimit limit;
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");

    if (f == NULL || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        limit.rlim_cur = RLIM_INFINITY;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmLck:", 6) == 0)
            locked = strtoull(line + 6, NULL, 10) * 1024;
        else if (strncmp(line, "CapEff:", 7) == 0)
            caps = strtoull(line + 7, NULL, 16);
    }
    if (f != NULL)
        fclose(f);
    if (limit.rlim_cur == RLIM_INFINITY || (caps >> CAP_IPC_LOCK & 1) != 0)
        return UINT64_MAX;
    return limit.rlim_cur > locked ? limit.rlim_cur - locked : 0;
}

static int check_file(const struct pci_host *h, struct hw_error *err)
{
    char path[32];

    snprintf(path, sizeof(path), "/dev/vfio/%d", h->group);
    if (access(path, F_OK) != 0)
        return pci_host_error(
            err, -ENODEV, "%s: %s is missing: modprobe vfio-pci; in a container, pass the file in",
            h->address, path);
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        return pci_host_error(err, -EACCES,
                              "%s: %s may not be opened by user %u: as root, chown %u %s",
                              h->address, path, (unsigned)geteuid(), (unsigned)geteuid(), path);
    return 0;
}

int pci_host_check(const char *address, struct pci_host *out, struct hw_error *err)
{
    const char *a = out->address;
    uint64_t left;
    int rc;

    if (pci_host_read(address, out) != 0)
        return pci_host_error(err, -ENODEV, "%s: there is no such PCI function (see lspci -D)", a);
    if (!is_vfio(out->driver))
        return pci_host_error(
            err, -ENODEV, "%s: bound to %s, not to vfio-pci: driverctl set-override %s vfio-pci", a,
            out->driver[0] != '\0' ? out->driver : "no driver", a);
    if (out->group < 0)
        return pci_host_error(
            err, -ENODEV,
            "%s: no IOMMU group: switch the IOMMU on in the firmware and boot with "
            "intel_iommu=on or amd_iommu=on",
            a);
    rc = check_file(out, err);
    if (rc != 0)
        return rc;
    left = memlock_left();
    if (left < MEMLOCK_NEED)
        return pci_host_error(
            err, -ENOMEM,
            "%s: only %llu KiB more may be locked, %llu are needed: raise the memlock "
            "limit (ulimit -l, LimitMEMLOCK= of systemd)",
            a, (unsigned long long)(left >> 10), (unsigned long long)(MEMLOCK_NEED >> 10));
    return 0;
}
