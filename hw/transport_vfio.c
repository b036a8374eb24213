/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions through VFIO: "pci:0000:00:05.0", bound to vfio-pci.
 *
 * Closing lets the kernel stop the function's bus mastering, reset it where it
 * can and undo the mappings; so a crash cleans up as well as a close.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "hw.h"
#include "pci_host.h"
#include "transport.h"
#include "vfio_bar.h"
#include "vfio_group.h"

#define BARS 6

struct vfio_function {
    struct transport base;
    struct vfio_function *next; /* open ones; guarded by the lock below */
    struct vfio_group *group;
    struct pci_host host;
    int fd;
    uint64_t config; /* where configuration space starts in fd */
    uint64_t config_size;
    struct vfio_bar bars[BARS];
    unsigned vectors;
    bool can_reset;
    int release_fd, error_fd; /* eventfds of the kernel's notices, -1: none */
    int event_fd;             /* an epoll set of these two */
    /*
     * Set in a forked child, before it has a second thread: the function is
     * the parent's, and not to be touched.
     */
    atomic_bool gone;
};

static struct vfio_function *open_functions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct vfio_function *of(struct transport *t)
{
    return (struct vfio_function *)t;
}

static bool is_gone(const struct vfio_function *f)
{
    return atomic_load_explicit(&f->gone, memory_order_relaxed);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_fds(struct vfio_function *f)
{
    close_fd(&f->fd);
    close_fd(&f->event_fd);
    close_fd(&f->release_fd);
    close_fd(&f->error_fd);
}

/*
 * A child that kept the descriptors would keep the group from everybody when
 * the parent has closed it, and an unplugged function from leaving.
 */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}
static void in_child(void)
{
    for (struct vfio_function *f = open_functions; f != NULL; f = f->next) {
        atomic_store_explicit(&f->gone, true, memory_order_relaxed);
        close_fds(f);
    }
    open_functions = NULL;
    vfio_group_forked();
    pthread_mutex_unlock(&lock);
}
static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, in_child);
}

/* n = 0 switches the whole index off. */
static int set_irqs(int fd, unsigned index, unsigned n, const int *fds)
{
    size_t size = sizeof(struct vfio_irq_set) + n * sizeof(*fds);
    struct vfio_irq_set *set = calloc(1, size);
    int rc = 0;

    if (set == NULL)
        return -ENOMEM;
    set->argsz = (__u32)size;
    set->flags =
        VFIO_IRQ_SET_ACTION_TRIGGER | (n != 0 ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
    set->index = index;
    set->count = n;
    if (n != 0)
        memcpy(set->data, fds, n * sizeof(*fds));
    if (ioctl(fd, VFIO_DEVICE_SET_IRQS, set) != 0)
        rc = -errno;
    free(set);
    return rc;
}

static unsigned irq_count(int fd, unsigned index)
{
    struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

    if (ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &info) != 0 || !(info.flags & VFIO_IRQ_INFO_EVENTFD))
        return 0;
    return info.count;
}

/* A function that cannot tell (errors: only PCI Express) has no descriptor. */
static int open_notice(struct vfio_function *f, unsigned index, int *fd)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (irq_count(f->fd, index) == 0)
        return 0;
    *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (*fd < 0)
        return -errno;
    e.data.fd = *fd;
    if (epoll_ctl(f->event_fd, EPOLL_CTL_ADD, *fd, &e) != 0)
        return -errno;
    return set_irqs(f->fd, index, 1, fd);
}

static int open_notices(struct vfio_function *f)
{
    int rc;

    f->event_fd = epoll_create1(EPOLL_CLOEXEC);
    if (f->event_fd < 0)
        return -errno;
    rc = open_notice(f, VFIO_PCI_REQ_IRQ_INDEX, &f->release_fd);
    return rc != 0 ? rc : open_notice(f, VFIO_PCI_ERR_IRQ_INDEX, &f->error_fd);
}

static int open_regions(struct vfio_function *f)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};
    struct vfio_region_info config = {.argsz = sizeof(config),
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};
    int rc = 0;

    if (ioctl(f->fd, VFIO_DEVICE_GET_INFO, &info) != 0)
        return -errno;
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
        return -ENODEV;
    f->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
    if (ioctl(f->fd, VFIO_DEVICE_GET_REGION_INFO, &config) != 0)
        return -errno;
    f->config = config.offset;
    f->config_size = config.size;
    f->vectors = irq_count(f->fd, VFIO_PCI_MSIX_IRQ_INDEX);
    for (unsigned i = 0; i < BARS && rc == 0; i++)
        rc = vfio_bar_open(&f->bars[i], f->fd, i);
    return rc;
}

/* With the lock held. */
static void release(struct vfio_function *f)
{
    for (unsigned i = 0; i < BARS; i++) {
        /* A forked child has inherited no mappings. */
        if (!is_gone(f))
            vfio_bar_close(&f->bars[i]);
    }
    close_fds(f);
    if (f->group != NULL)
        vfio_group_put(f->group);
    free(f);
}

/* With the lock held. */
static int claim(struct vfio_function *f, struct hw_error *err)
{
    int rc = vfio_group_get(&f->host, &f->group, err);

    if (rc != 0)
        return rc;
    for (struct vfio_function *o = open_functions; o != NULL; o = o->next) {
        if (strcmp(o->host.address, f->host.address) == 0)
            return pci_host_error(err, -EBUSY, "%s: already open", f->host.address);
    }
    rc = vfio_group_device(f->group, &f->host, err);
    if (rc < 0)
        return rc;
    f->fd = rc;
    rc = open_regions(f);
    if (rc == 0)
        rc = open_notices(f);
    if (rc != 0)
        return pci_host_error(err, rc, "%s: VFIO: %m", f->host.address);
    f->next = open_functions;
    open_functions = f;
    return 0;
}

static int vfio_open(const char *name, unsigned index, const struct hw_config *cfg,
                     struct transport **out, struct hw_error *err)
{
    const char *text = strchr(name, ':');
    char address[PCI_ADDRESS_SIZE];
    struct vfio_function *f;
    int rc;

    (void)cfg;
    if (text == NULL || !pci_host_address(text + 1, address))
        return pci_host_error(err, -EINVAL, "%s: not like pci:0000:00:05.0", name);
    if (index != 0)
        return pci_host_error(err, -EINVAL, "%s: named twice", name);
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -ENOMEM;
    f->base.ops = &transport_vfio;
    f->fd = f->event_fd = f->release_fd = f->error_fd = -1;
    rc = pci_host_check(address, &f->host, err);
    if (rc != 0) {
        free(f);
        return rc;
    }
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    rc = claim(f, err);
    if (rc == 0)
        *out = &f->base;
    else
        release(f);
    pthread_mutex_unlock(&lock);
    return rc;
}

static void vfio_close(struct transport *t)
{
    struct vfio_function *f = of(t);

    pthread_mutex_lock(&lock);
    for (struct vfio_function **p = &open_functions; *p != NULL; p = &(*p)->next) {
        if (*p == f) {
            *p = f->next;
            break;
        }
    }
    release(f);
    pthread_mutex_unlock(&lock);
}

static bool in_config(const struct vfio_function *f, unsigned off, unsigned width)
{
    return (width == 1 || width == 2 || width == 4) && off % width == 0 && off < f->config_size &&
           width <= f->config_size - off;
}

static int vfio_config_read(struct transport *t, unsigned off, unsigned width, uint32_t *val)
{
    struct vfio_function *f = of(t);
    uint32_t le = 0;

    if (!in_config(f, off, width))
        return -EINVAL;
    if (is_gone(f))
        return -ENODEV;
    if (pread(f->fd, &le, width, (off_t)(f->config + off)) != (ssize_t)width)
        return -EIO;
    *val = le32toh(le);
    return 0;
}

static int vfio_config_write(struct transport *t, unsigned off, unsigned width, uint32_t val)
{
    struct vfio_function *f = of(t);
    uint32_t le = htole32(val);

    if (!in_config(f, off, width))
        return -EINVAL;
    if (is_gone(f))
        return -ENODEV;
    return pwrite(f->fd, &le, width, (off_t)(f->config + off)) == (ssize_t)width ? 0 : -EIO;
}

static uint32_t vfio_read(struct transport *t, unsigned bar, uint64_t off, unsigned width)
{
    struct vfio_function *f = of(t);

    if (bar >= BARS || is_gone(f))
        return UINT32_MAX >> (32 - 8 * width);
    return vfio_bar_read(&f->bars[bar], off, width);
}

static void vfio_write(struct transport *t, unsigned bar, uint64_t off, unsigned width,
                       uint32_t val)
{
    struct vfio_function *f = of(t);

    if (bar < BARS && !is_gone(f))
        vfio_bar_write(&f->bars[bar], off, width, val);
}

static unsigned vfio_vectors(struct transport *t)
{
    return of(t)->vectors;
}

static int vfio_irq_connect(struct transport *t, unsigned n, const int *fds)
{
    struct vfio_function *f = of(t);

    if (is_gone(f))
        return -ENODEV;
    return n <= f->vectors ? set_irqs(f->fd, VFIO_PCI_MSIX_IRQ_INDEX, n, fds) : -EINVAL;
}

static int vfio_dma_map(struct transport *t, void *va, size_t len, uint64_t *iova)
{
    struct vfio_function *f = of(t);

    return is_gone(f) ? -ENODEV : vfio_group_map(f->group, va, len, iova);
}

static void vfio_dma_unmap(struct transport *t, uint64_t iova, size_t len)
{
    struct vfio_function *f = of(t);

    if (!is_gone(f))
        vfio_group_unmap(f->group, iova, len);
}

static int vfio_event_fd(struct transport *t)
{
    return of(t)->event_fd;
}

static unsigned vfio_events(struct transport *t)
{
    struct vfio_function *f = of(t);
    unsigned events = 0;
    uint64_t n;

    if (is_gone(f))
        return 0;
    if (f->release_fd >= 0 && read(f->release_fd, &n, sizeof(n)) == sizeof(n))
        events |= TRANSPORT_EVENT_RELEASE;
    if (f->error_fd >= 0 && read(f->error_fd, &n, sizeof(n)) == sizeof(n))
        events |= TRANSPORT_EVENT_ERROR;
    return events;
}

static int vfio_reset(struct transport *t)
{
    struct vfio_function *f = of(t);

    if (is_gone(f))
        return -ENODEV;
    if (!f->can_reset)
        return -ENOTSUP;
    return ioctl(f->fd, VFIO_DEVICE_RESET) == 0 ? 0 : -errno;
}

const struct transport_ops transport_vfio = {
    .scheme = "pci",
    .open = vfio_open,
    .close = vfio_close,
    .config_read = vfio_config_read,
    .config_write = vfio_config_write,
    .read = vfio_read,
    .write = vfio_write,
    .vectors = vfio_vectors,
    .irq_connect = vfio_irq_connect,
    .dma_map = vfio_dma_map,
    .dma_unmap = vfio_dma_unmap,
    .event_fd = vfio_event_fd,
    .events = vfio_events,
    .reset = vfio_reset,
};
