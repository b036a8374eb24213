/* SPDX-License-Identifier: Apache-2.0 */
/* The machine around the emulated function: addresses, translation, MSI-X. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "hw.h"
#include "support.h"
#include "transport.h"

#define PAGE   4096u
#define BAR    4
#define NOTIFY 0x3000u
#define SIZE   16u

static const struct hw_config config = {.emulator_threads = 2};

static struct transport *open_one(void)
{
    struct hw_error err = {""};
    struct transport *t = NULL;
    int ret = transport_emulator.open("emulator", 0, &config, &t, &err);

    ck_assert_msg(ret == 0, "%s", err.text);
    return t;
}

static void *pages(unsigned n)
{
    void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

static void set(struct transport *t, unsigned off, unsigned width, uint32_t val)
{
    t->ops->write(t, BAR, off, width, val);
}

static void set64(struct transport *t, unsigned off, uint64_t val)
{
    set(t, off, 4, (uint32_t)val);
    set(t, off + 4, 4, (uint32_t)(val >> 32));
}

START_TEST(names)
{
    struct hw_config faulty = config;
    struct hw_error err = {""};
    struct transport *t = NULL, *u;

    ck_assert_int_lt(transport_emulator.open("emulator:1", 0, &config, &t, &err), 0);
    ck_assert_ptr_null(t);
    ck_assert_str_ne(err.text, "");
    faulty.emulator_fault = "nonsense";
    ck_assert_int_eq(transport_emulator.open("emulator", 0, &faulty, &t, &err), -EINVAL);
    /* As many as are asked for. */
    t = open_one();
    u = open_one();
    ck_assert_ptr_ne(t, u);
    u->ops->close(u);
    t->ops->close(t);
}
END_TEST

START_TEST(configuration)
{
    struct transport *t = open_one();
    uint32_t val = 0;

    ck_assert_int_eq(t->ops->config_read(t, PCI_VENDOR_ID, 4, &val), 0);
    ck_assert_uint_eq(val, 0x10541af4);
    ck_assert_int_eq(t->ops->config_read(t, PCI_COMMAND, 2, &val), 0);
    /* As the kernel hands it over: decoding, not yet master. */
    ck_assert_uint_eq(val, PCI_COMMAND_MEMORY);
    ck_assert_int_eq(t->ops->config_read(t, 256, 4, &val), -EINVAL);
    ck_assert_int_eq(t->ops->config_read(t, 2, 4, &val), -EINVAL);
    ck_assert_int_eq(t->ops->config_read(t, 0, 3, &val), -EINVAL);
    ck_assert_int_eq(t->ops->config_write(t, 254, 4, 0), -EINVAL);
    ck_assert_uint_eq(t->ops->read(t, 5, 0, 4), 0xffffffff);
    ck_assert_uint_ge(t->ops->vectors(t), 3);
    ck_assert_int_eq(t->ops->irq_connect(t, t->ops->vectors(t) + 1, NULL), -EINVAL);
    t->ops->close(t);
}
END_TEST

START_TEST(mapping)
{
    struct transport *t = open_one();
    uint8_t *p = pages(4);
    uint64_t a, b, c;

    ck_assert_int_eq(t->ops->dma_map(t, p + 1, PAGE, &a), -EINVAL);
    ck_assert_int_eq(t->ops->dma_map(t, p, 100, &a), -EINVAL);
    ck_assert_int_eq(t->ops->dma_map(t, p, 0, &a), -EINVAL);
    ck_assert_int_eq(t->ops->dma_map(t, p, 2 * PAGE, &a), 0);
    ck_assert_int_eq(t->ops->dma_map(t, p + 2 * PAGE, 2 * PAGE, &b), 0);
    ck_assert_uint_ne(a, (uintptr_t)p);
    /* Neighbours in memory are none on the bus. */
    ck_assert(b < a || b - a > 2 * PAGE);
    t->ops->dma_unmap(t, a, 2 * PAGE);
    /* An address is not soon used again. */
    ck_assert_int_eq(t->ops->dma_map(t, p, PAGE, &c), 0);
    ck_assert_uint_ne(a, c);
    t->ops->close(t);
    munmap(p, 4 * PAGE);
}
END_TEST

/* The table of mappings is finite, and a freed entry can be had again. */
START_TEST(many_mappings)
{
    struct transport *t = open_one();
    uint8_t *p = pages(1);
    static uint64_t iova[4096];
    unsigned n = 0;
    int ret = 0;

    while (n < 4096 && (ret = t->ops->dma_map(t, p, PAGE, &iova[n])) == 0)
        n++;
    ck_assert_int_eq(ret, -ENOSPC);
    ck_assert_uint_ge(n, 256);
    t->ops->dma_unmap(t, iova[7], PAGE);
    ck_assert_int_eq(t->ops->dma_map(t, p, PAGE, &iova[n]), 0);
    t->ops->close(t);
    munmap(p, PAGE);
}
END_TEST

/* The control queue of a function that is running, in one mapping; the
 * requests' memory is another. */
struct running {
    struct transport *t;
    uint8_t *rings, *data;
    uint64_t at_rings, at_data;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    unsigned index;
    int fd[3];
};

static void start(struct running *r)
{
    struct transport *t = open_one();
    uint32_t features = 1u << 1;

    memset(r, 0, sizeof(*r));
    r->t = t;
    r->rings = pages(1);
    r->data = pages(1);
    for (int i = 0; i < 3; i++)
        r->fd[i] = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_eq(t->ops->config_write(t, PCI_COMMAND, 2, 6), 0);
    ck_assert_int_eq(t->ops->dma_map(t, r->rings, PAGE, &r->at_rings), 0);
    ck_assert_int_eq(t->ops->dma_map(t, r->data, PAGE, &r->at_data), 0);
    ck_assert_int_eq(t->ops->irq_connect(t, 3, r->fd), 0);
    set(t, VIRTIO_PCI_COMMON_STATUS, 1, 3);
    set(t, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    set(t, VIRTIO_PCI_COMMON_GF, 4, 1 | features);
    set(t, VIRTIO_PCI_COMMON_STATUS, 1, 11);
    set(t, VIRTIO_PCI_COMMON_MSIX, 2, 0);
    r->index = t->ops->read(t, BAR, VIRTIO_PCI_COMMON_NUMQ, 2) - 1;
    r->desc = (struct vring_desc *)r->rings;
    r->avail = (struct vring_avail *)(r->rings + 1024);
    r->used = (struct vring_used *)(r->rings + 2048);
    set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, r->index);
    set(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, SIZE);
    set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
    set64(t, VIRTIO_PCI_COMMON_Q_DESCLO, r->at_rings);
    set64(t, VIRTIO_PCI_COMMON_Q_AVAILLO, r->at_rings + 1024);
    set64(t, VIRTIO_PCI_COMMON_Q_USEDLO, r->at_rings + 2048);
    set(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    set(t, VIRTIO_PCI_COMMON_STATUS, 1, 15);
    ck_assert_uint_eq(t->ops->read(t, BAR, VIRTIO_PCI_COMMON_STATUS, 1), 15);
}

static void stop(struct running *r)
{
    r->t->ops->close(r->t);
    for (int i = 0; i < 3; i++)
        close(r->fd[i]);
    munmap(r->rings, PAGE);
    munmap(r->data, PAGE);
}

/* An unknown opcode, answered NOTSUPP, of so many bytes. */
static void ask_long(struct running *r, uint32_t len)
{
    unsigned n = r->avail->idx % (SIZE / 2);
    unsigned at = 32 * n, d = 2 * n;

    memset(r->data + at, 0xff, 16);
    r->desc[d] = (struct vring_desc){r->at_data + at, len, VRING_DESC_F_NEXT, (uint16_t)(d + 1)};
    r->desc[d + 1] = (struct vring_desc){r->at_data + at + 16, 16, VRING_DESC_F_WRITE, 0};
    r->avail->ring[r->avail->idx % SIZE] = (uint16_t)d;
    __atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1), __ATOMIC_SEQ_CST);
    r->t->ops->write(r->t, BAR, NOTIFY + 4 * r->index, 2, r->index);
}

static void ask(struct running *r)
{
    ask_long(r, 16);
}

static bool signalled(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t n;

    return poll(&p, 1, ms) == 1 && read(fd, &n, sizeof(n)) == sizeof(n);
}

START_TEST(interrupt_is_an_eventfd)
{
    struct running r;

    start(&r);
    ask(&r);
    ck_assert(signalled(r.fd[2], 5000));
    ck_assert_uint_eq(__atomic_load_n(&r.used->idx, __ATOMIC_ACQUIRE), 1);
    ck_assert_uint_eq(r.data[16 + 8], VIRTIO_CRYPTO_NOTSUPP);
    ck_assert(!signalled(r.fd[1], 0));
    /* Disconnected, nobody is told; connected again, the next one is. */
    ck_assert_int_eq(r.t->ops->irq_connect(r.t, 0, NULL), 0);
    ask(&r);
    while (__atomic_load_n(&r.used->idx, __ATOMIC_ACQUIRE) != 2)
        usleep(100);
    ck_assert(!signalled(r.fd[2], 20));
    ck_assert_int_eq(r.t->ops->irq_connect(r.t, 3, r.fd), 0);
    ask(&r);
    ck_assert(signalled(r.fd[2], 5000));
    stop(&r);
}
END_TEST

/* A mapping ends where it ends. */
START_TEST(beyond_the_mapping)
{
    struct running r;

    start(&r);
    ask_long(&r, PAGE);
    ck_assert(signalled(r.fd[2], 5000));
    ck_assert_uint_eq(r.data[16 + 8], VIRTIO_CRYPTO_NOTSUPP);
    stop(&r);
    start(&r);
    ask_long(&r, PAGE + 1);
    ck_assert(signalled(r.fd[2], 5000));
    ck_assert_uint_eq(r.data[16 + 8], VIRTIO_CRYPTO_ERR);
    stop(&r);
}
END_TEST

/* Data that is unmapped faults; the device goes on. */
START_TEST(unmapped_data)
{
    struct running r;

    start(&r);
    r.t->ops->dma_unmap(r.t, r.at_data, PAGE);
    memset(r.data, 0xaa, PAGE);
    ask(&r);
    ck_assert(signalled(r.fd[2], 5000));
    ck_assert_uint_eq(r.used->ring[0].len, 0);
    ck_assert_uint_eq(r.data[16], 0xaa);
    stop(&r);
}
END_TEST

/* Rings that are unmapped under a running device stop it, and it says so. */
START_TEST(unmapped_rings)
{
    struct running r;

    start(&r);
    r.t->ops->dma_unmap(r.t, r.at_rings, PAGE);
    ck_assert(signalled(r.fd[0], 5000));
    ck_assert_uint_eq(r.t->ops->read(r.t, BAR, VIRTIO_PCI_COMMON_STATUS, 1),
                      15 | VIRTIO_CONFIG_S_NEEDS_RESET);
    stop(&r);
}
END_TEST

/* dma_unmap returns when the device is through with the memory: it is taken
 * away for good right after, while requests are on their way. */
START_TEST(unmap_in_the_middle)
{
    struct running r;

    start(&r);
    for (unsigned round = 0; round < 2000; round++) {
        uint16_t before = r.used->idx;
        for (unsigned i = 0; i < 8; i++)
            ask(&r);
        /* The first few are through: then the next ones are in work. */
        while ((uint16_t)(__atomic_load_n(&r.used->idx, __ATOMIC_ACQUIRE) - before) < round % 4)
            ;
        r.t->ops->dma_unmap(r.t, r.at_data, PAGE);
        memset(r.data, 0, PAGE);
        munmap(r.data, PAGE);
        r.data = pages(1);
        ck_assert_int_eq(r.t->ops->dma_map(r.t, r.data, PAGE, &r.at_data), 0);
        while (__atomic_load_n(&r.used->idx, __ATOMIC_ACQUIRE) != r.avail->idx)
            sched_yield();
    }
    stop(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("emulator transport");
    TCase *tc = tcase_create("emulator transport");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, names);
    tcase_add_test(tc, configuration);
    tcase_add_test(tc, mapping);
    tcase_add_test(tc, many_mappings);
    tcase_add_test(tc, interrupt_is_an_eventfd);
    tcase_add_test(tc, beyond_the_mapping);
    tcase_add_test(tc, unmapped_data);
    tcase_add_test(tc, unmapped_rings);
    tcase_add_test(tc, unmap_in_the_middle);
    suite_add_tcase(s, tc);
    return support_run(s);
}
