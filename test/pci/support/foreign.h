/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small virtio-crypto driver that has nothing in common with hw/: it knows
 * the kernel's headers and the bus of emulator/emulator.h. Where the two
 * drivers agree with the function, they agree because of the specification.
 *
 * It plays the host as well: one arena of memory, whose bus addresses are not
 * its addresses, and messages that count. Everything asserts; it serves tests.
 */
#ifndef TEST_PCI_FOREIGN_H
#define TEST_PCI_FOREIGN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "emulator/emulator.h"

#define FOREIGN_QUEUES     8
#define FOREIGN_VECTORS    16
#define FOREIGN_MEMORY     (8u << 20)
#define FOREIGN_IOVA       0x7654000000ull
#define FOREIGN_MSI        0xfee01000u
#define FOREIGN_UNMAPPED   0x1234000ull
#define FOREIGN_REVISION_1 0 /* feature bit, section 5.9.3 */

/* ck_assert for what is done often: that one writes to a file each time. */
#define must(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

#define FEATURE(n) (1ull << (n))
/* What the driver takes besides the optional three. */
#define FEATURES_BASE (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ACCESS_PLATFORM))

struct region {
    unsigned bar, off, len;
};

struct fqueue {
    uint16_t size, free, nfree, seen; /* seen: used entries taken */
    uint16_t next_free[1024];
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    unsigned doorbell;
    unsigned index, vector;
    uint64_t kicks;
};

struct foreign {
    struct emulator *e;
    uint8_t *mem;
    size_t used;                      /* of mem */
    void (*watch)(struct foreign *f); /* NULL, or called whenever memory is asked for */
    atomic_uint refused;
    atomic_uint msi[FOREIGN_VECTORS]; /* messages by data */
    struct region common, notify, isr, device;
    unsigned notify_mult, msix_cap, msix_bar, msix_table, msix_pba, vectors;
    unsigned queues; /* data queues; the control queue follows */
    uint64_t features;
    struct fqueue q[FOREIGN_QUEUES + 1];
};

/* One piece of a request in the arena; addr is a bus address. */
struct piece {
    uint64_t addr;
    uint32_t len;
};

/* Powers the function on and finds everything by the capability list. */
void foreign_open(struct foreign *f, const struct emulator_config *config);
void foreign_close(struct foreign *f);

/* Arena memory, zeroed, and its bus address. */
void *foreign_alloc(struct foreign *f, size_t len, size_t align);
uint64_t foreign_iova(const struct foreign *f, const void *p);

uint32_t foreign_get(struct foreign *f, unsigned off, unsigned width);
void foreign_set(struct foreign *f, unsigned off, unsigned width, uint32_t val);
uint32_t foreign_config(struct foreign *f, size_t off);
uint8_t foreign_status(struct foreign *f);
void foreign_reset(struct foreign *f); /* forgets the arena, too */

/* Everything from reset to DRIVER_OK; queue_size 0: the largest. optional:
 * of REVISION_1, EVENT_IDX, INDIRECT_DESC and RING_RESET. */
void foreign_start(struct foreign *f, uint64_t optional, unsigned queue_size);
uint64_t foreign_offered(struct foreign *f); /* feature bits */
bool foreign_negotiate(struct foreign *f, uint64_t features);
void foreign_queue(struct foreign *f, unsigned index, unsigned size, unsigned vector);
void foreign_vector(struct foreign *f, unsigned vector, bool masked);

/* Puts a chain into the ring, pieces cut to at most cut bytes (0: uncut);
 * its head, or -1 when the ring is full. */
int foreign_add(struct foreign *f, struct fqueue *q, const struct piece *p, unsigned nread,
                unsigned nwrite, unsigned cut);
/* Makes it visible, and rings as the suppression rules say. */
void foreign_publish(struct foreign *f, struct fqueue *q, int head);
void foreign_ring(struct foreign *f, struct fqueue *q);
/* A used entry. False: none yet. */
bool foreign_take(struct foreign *f, struct fqueue *q, unsigned *head, uint32_t *len);
/* Waits for one, by looking; fails after seconds. */
void foreign_wait(struct foreign *f, struct fqueue *q, unsigned *head, uint32_t *len);

/* An algorithm with its known answer, hex. */
struct foreign_vector {
    const char *name;
    uint32_t service, algo;
    const char *key, *iv, *aad, *plain, *cipher, *tag;
};
extern const struct foreign_vector foreign_vectors[];
extern const unsigned foreign_vectors_count;
const struct foreign_vector *foreign_vector_named(const char *name);
size_t foreign_unhex(const char *hex, uint8_t *out); /* NULL: none */

/* Session of v in a direction; the status is the answer. */
uint32_t foreign_session(struct foreign *f, const struct foreign_vector *v, bool encrypt,
                         uint64_t *id);
uint32_t foreign_destroy(struct foreign *f, uint32_t service, uint64_t id);
/* A control request of raw bytes; the outcome is outlen bytes. Returns used.len. */
uint32_t foreign_control(struct foreign *f, const void *in, size_t inlen, void *out, size_t outlen);

/* A data request in the arena. */
struct foreign_request {
    uint8_t *header, *iv, *src, *aad, *dst, *status;
    uint32_t header_len, iv_len, src_len, aad_len, dst_len;
    uint8_t want[256]; /* of dst */
};
/* in_place: destination and source are the same memory. */
void foreign_make(struct foreign *f, struct foreign_request *r, const struct foreign_vector *v,
                  bool encrypt, bool in_place, uint64_t session);
/* Fills the source again, and spoils what is to be written. */
void foreign_fill(struct foreign_request *r, const struct foreign_vector *v, bool encrypt);
unsigned foreign_pieces(const struct foreign *f, const struct foreign_request *r, struct piece *p,
                        unsigned *nread);
int foreign_send(struct foreign *f, struct fqueue *q, const struct foreign_request *r,
                 unsigned cut);
void foreign_check(const struct foreign_request *r);
/* Sends, waits, and answers the status byte. */
uint8_t foreign_run(struct foreign *f, const struct foreign_request *r, unsigned cut,
                    uint32_t *len);

#endif
