/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFIO transport by itself, with nothing of the driver but the registers.
 *
 *   transport test ADDRESS flr|noflr   everything below, one line per test
 *   transport pair ADDRESS ADDRESS     two functions of one IOMMU group
 *   transport open ADDRESS             opens, closes; status 1 and why if not
 *   transport hold ADDRESS             opens, says "open", closes on request
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_ring.h>

#include "hw.h"
#include "pci.h"
#include "transport.h"
#include "virtio_pci.h"

#define PAGE       ((size_t)4096)
#define RING_SIZE  64u
#define SECONDS    5
#define CONTROL_VQ 1u /* the builtin backend has one data queue before it */

static int failures;

static void report(bool good, const char *address, const char *what)
{
    printf("%s - %s: %s\n", good ? "ok" : "not ok", address, what);
    failures += !good;
}

static int open_function(const char *address, struct transport **t, struct hw_error *err)
{
    char name[64];

    memset(err, 0, sizeof(*err));
    snprintf(name, sizeof(name), "pci:%s", address);
    return transport_vfio.open(name, 0, NULL, t, err);
}

static struct transport *open_or_exit(const char *address)
{
    struct hw_error err;
    struct transport *t;
    int rc = open_function(address, &t, &err);

    if (rc != 0) {
        printf("%s (%s)\n", err.text, strerror(-rc));
        exit(1);
    }
    return t;
}

static int open_status(const char *address)
{
    struct hw_error err;
    struct transport *t;
    int rc = open_function(address, &t, &err);

    if (rc == 0)
        t->ops->close(t);
    return rc;
}

static void *pages(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

static void test_config(struct transport *t, const char *a)
{
    uint16_t vendor = 0, device = 0;
    uint32_t v;

    report(pci_ids(t, &vendor, &device) == 0 && vendor == 0x1af4 && device == 0x1054, a,
           "the ids are virtio-crypto's");
    report(t->ops->config_read(t, 0x10000, 4, &v) == -EINVAL, a,
           "nothing outside configuration space");
    report(t->ops->config_read(t, 2, 4, &v) == -EINVAL, a, "no unaligned access");
    report(t->ops->vectors(t) >= 2, a, "two MSI-X vectors at least");
}

static void test_registers(struct transport *t, struct virtio_pci *v, const char *a)
{
    struct virtio_crypto_config cfg;
    uint64_t f;

    report(virtio_pci_reset(v) == 0, a, "the device resets");
    f = virtio_pci_features(v);
    printf("features %#llx, %u queues of %u and %u\n", (unsigned long long)f,
           virtio_pci_num_queues(v), virtio_pci_queue_max(v, 0),
           virtio_pci_queue_max(v, CONTROL_VQ));
    report((f >> VIRTIO_F_VERSION_1 & 1) && (f >> VIRTIO_F_ACCESS_PLATFORM & 1), a,
           "VERSION_1 and ACCESS_PLATFORM are offered");
    report(virtio_pci_config(v, &cfg, sizeof(cfg)) == 0 && cfg.status & VIRTIO_CRYPTO_S_HW_READY &&
               cfg.max_dataqueues == 1,
           a, "the device is ready, with one data queue");
    report(t->ops->read(t, v->common.bar, 1 << 20, 4) == UINT32_MAX &&
               t->ops->read(t, v->common.bar, 1 << 20, 2) == UINT16_MAX &&
               t->ops->read(t, 5, 0, 1) == UINT8_MAX && t->ops->read(t, 9, 0, 4) == UINT32_MAX,
           a, "all ones outside the BARs");
}

static void test_mappings(struct transport *t, const char *a)
{
    size_t len = (size_t)3 << 20;
    uint8_t *p = pages(2 * len);
    uint64_t x = 0, y = 0, z = 0;
    bool good = t->ops->dma_map(t, p, len, &x) == 0 && t->ops->dma_map(t, p + len, len, &y) == 0;

    report(good && x != 0 && y != 0 && (y >= x + len || x >= y + len), a,
           "mappings have addresses of their own");
    report(t->ops->dma_map(t, p + 1, PAGE, &z) == -EINVAL &&
               t->ops->dma_map(t, p, PAGE + 1, &z) == -EINVAL,
           a, "only whole pages are mapped");
    t->ops->dma_unmap(t, x, len);
    report(t->ops->dma_map(t, p, len, &z) == 0 && z == x, a, "an address is given out again");
    t->ops->dma_unmap(t, z, len);
    t->ops->dma_unmap(t, y, len);
    munmap(p, 2 * len);
}

/* One control queue in a few pages: a header out, a status in. */
struct ring {
    uint8_t *mem;
    uint64_t iova, doorbell;
    struct vring vr;
    struct virtio_crypto_op_ctrl_req *request;
    uint8_t *status;
    int irq[2];
};

#define RING_BYTES (4 * PAGE)

static bool ring_up(struct transport *t, struct virtio_pci *v, struct ring *r)
{
    struct virtio_queue_setup q = {.index = CONTROL_VQ, .size = RING_SIZE, .vector = 1};
    uint64_t want = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM;

    r->mem = pages(RING_BYTES);
    vring_init(&r->vr, RING_SIZE, r->mem, PAGE);
    r->request = (void *)(r->mem + 3 * PAGE);
    r->status = r->mem + 3 * PAGE + 1024;
    r->irq[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->irq[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->ops->dma_map(t, r->mem, RING_BYTES, &r->iova) != 0 ||
        t->ops->irq_connect(t, 2, r->irq) != 0 || virtio_pci_reset(v) != 0)
        return false;
    q.desc = r->iova;
    q.driver = r->iova + (uint64_t)((uint8_t *)r->vr.avail - r->mem);
    q.device = r->iova + (uint64_t)((uint8_t *)r->vr.used - r->mem);
    virtio_pci_add_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    if (virtio_pci_accept(v, want) != 0 || virtio_pci_config_vector(v, 0) != 0 ||
        virtio_pci_queue(v, &q, &r->doorbell) != 0)
        return false;
    virtio_pci_add_status(v, VIRTIO_CONFIG_S_DRIVER_OK);
    return true;
}

static void ring_down(struct transport *t, struct virtio_pci *v, struct ring *r)
{
    virtio_pci_reset(v);
    t->ops->irq_connect(t, 0, NULL);
    t->ops->dma_unmap(t, r->iova, RING_BYTES);
    munmap(r->mem, RING_BYTES);
    close(r->irq[0]);
    close(r->irq[1]);
}

/* Asks for the end of a session that there may be: any answer will do. */
static void ring_ask(struct virtio_pci *v, struct ring *r)
{
    uint64_t at = r->iova + 3 * PAGE;
    uint16_t i = r->vr.avail->idx;

    memset(r->request, 0, sizeof(*r->request));
    r->request->header.opcode = VIRTIO_CRYPTO_CIPHER_DESTROY_SESSION;
    memset(r->status, 0xee, 16);
    r->vr.desc[0] =
        (struct vring_desc){.addr = at, .len = 72, .flags = VRING_DESC_F_NEXT, .next = 1};
    r->vr.desc[1] = (struct vring_desc){.addr = at + 1024, .len = 16, .flags = VRING_DESC_F_WRITE};
    r->vr.avail->ring[i % RING_SIZE] = 0;
    __atomic_store_n(&r->vr.avail->idx, (uint16_t)(i + 1), __ATOMIC_RELEASE);
    virtio_pci_notify(v, r->doorbell, CONTROL_VQ);
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, SECONDS * 1000) == 1;
}

static void test_ring(struct transport *t, struct virtio_pci *v, const char *a)
{
    struct ring r;
    uint64_t n = 0;

    report(ring_up(t, v, &r), a, "a queue is set up");
    ring_ask(v, &r);
    report(readable(r.irq[1]) && read(r.irq[1], &n, sizeof(n)) == sizeof(n) && n == 1, a,
           "a request is answered by an interrupt");
    report(__atomic_load_n(&r.vr.used->idx, __ATOMIC_ACQUIRE) == 1 && r.vr.used->ring[0].id == 0 &&
               r.status[0] != 0xee,
           a, "the device has read and written our memory");
    ring_ask(v, &r);
    report(readable(r.irq[1]) && __atomic_load_n(&r.vr.used->idx, __ATOMIC_ACQUIRE) == 2, a,
           "so is the next");
    ring_down(t, v, &r);
}

/* The parent's function is nobody else's, and stays usable. */
static void test_fork(struct transport *t, struct virtio_pci *v, const char *a)
{
    uint64_t iova;
    int status;
    pid_t child = fork();

    if (child == 0) {
        bool out = t->ops->config_read(t, 0, 4, &(uint32_t){0}) == -ENODEV &&
                   virtio_pci_status(v) == 0xff && t->ops->events(t) == 0 &&
                   t->ops->dma_map(t, pages(PAGE), PAGE, &iova) == -ENODEV;

        virtio_pci_add_status(v, 0);
        t->ops->close(t);
        _exit(out && open_status(a) == -EBUSY ? 0 : 1);
    }
    report(waitpid(child, &status, 0) == child && status == 0, a,
           "a forked child cannot reach the function");
    report(virtio_pci_features(v) >> VIRTIO_F_VERSION_1 & 1, a, "its parent still can");
}

/* Leaves the function closed. */
static void test_child_keeps_nothing(struct transport *t, const char *a)
{
    int fds[2];
    pid_t child;
    char c;

    if (pipe(fds) != 0)
        abort();
    child = fork();
    if (child == 0) {
        /* By now it has let go. */
        if (write(fds[1], "", 1) == 1)
            pause();
        _exit(0);
    }
    t->ops->close(t);
    report(read(fds[0], &c, 1) == 1 && open_status(a) == 0, a,
           "opens again though a forked child lives");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_reset(struct transport *t, struct virtio_pci *v, const char *a, bool flr)
{
    int rc;

    virtio_pci_add_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    rc = t->ops->reset(t);
    if (!flr) {
        report(rc == -ENOTSUP, a, "has no function-level reset, and says so");
        return;
    }
    report(rc == 0 && virtio_pci_status(v) == 0, a, "resets as a function");
    report(virtio_pci_features(v) >> VIRTIO_F_VERSION_1 & 1, a, "and is there afterwards");
}

static int test(const char *a, bool flr)
{
    struct transport *t = open_or_exit(a);
    struct hw_error err = {{0}};
    struct virtio_pci v;

    test_config(t, a);
    report(virtio_pci_open(&v, t, &err) == 0 && v.isr.len != 0, a,
           "has the virtio 1.x capabilities");
    test_registers(t, &v, a);
    test_mappings(t, a);
    report(open_status(a) == -EBUSY, a, "opens once in a process");
    test_ring(t, &v, a);
    test_reset(t, &v, a, flr);
    test_ring(t, &v, a);
    test_fork(t, &v, a);
    report(t->ops->event_fd(t) >= 0 && t->ops->events(t) == 0, a, "nothing has happened to it");
    test_child_keeps_nothing(t, a);
    return failures != 0;
}

static int pair(const char *a, const char *b)
{
    struct transport *t = open_or_exit(a), *u = open_or_exit(b);
    struct hw_error err = {{0}};
    struct virtio_pci v, w;
    uint64_t x = 0, y = 0;

    report(virtio_pci_open(&v, t, &err) == 0 && virtio_pci_open(&w, u, &err) == 0, a,
           "is open beside the other of its group");
    report(t->ops->dma_map(t, pages(PAGE), PAGE, &x) == 0 &&
               u->ops->dma_map(u, pages(PAGE), PAGE, &y) == 0 && x != y,
           a, "their mappings do not collide");
    test_ring(t, &v, a);
    t->ops->close(t);
    test_ring(u, &w, b);
    u->ops->close(u);
    report(open_status(a) == 0 && open_status(b) == 0, a, "the group opens again");
    return failures != 0;
}

/* Ends at the end of input, or when the function is wanted back. */
static int hold(const char *a)
{
    struct transport *t = open_or_exit(a);
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                          {.fd = t->ops->event_fd(t), .events = POLLIN}};
    unsigned events;

    printf("open\n");
    fflush(stdout);
    poll(p, 2, -1);
    events = t->ops->events(t);
    printf("events %u\n", events);
    t->ops->close(t);
    printf("closed\n");
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 4 && strcmp(argv[1], "test") == 0)
        return test(argv[2], strcmp(argv[3], "flr") == 0);
    if (argc == 4 && strcmp(argv[1], "pair") == 0)
        return pair(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    if (argc == 3 && strcmp(argv[1], "open") == 0) {
        struct transport *t = open_or_exit(argv[2]);

        t->ops->close(t);
        printf("opened\n");
        return 0;
    }
    fprintf(stderr, "usage: transport test|pair|open|hold ADDRESS ...\n");
    return 2;
}
