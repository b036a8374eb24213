/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the virtio-crypto driver share. */
#ifndef VCRYPTO_VIRTIO_CRYPTO_H
#define VCRYPTO_VIRTIO_CRYPTO_H

#include <pthread.h>

#include <linux/virtio_crypto.h>

#include "device.h"
#include "virtio_pci.h"
#include "virtqueue.h"

/* VIRTIO 1.2, section 5.9.3; not in the kernel's header. */
#define VIRTIO_CRYPTO_F_REVISION_1 0
/* Section 5.9.7.2: set in the header's flag under REVISION_1. */
#define VIRTIO_CRYPTO_FLAG_SESSION_MODE 1
/* Section 5.9.2.5 numbers ECDSA 2. The kernel's header has DSA there and ECDSA
 * at 3; devices are made from the specification. */
#define VC_AKCIPHER_RSA   1
#define VC_AKCIPHER_ECDSA 2

/* Written by us into each status byte: a device that answers without writing
 * its answer is found out. */
#define VC_STATUS_UNSET 0xff

/* Above 256 entries QEMU's used ring straddles pages, and behind a vIOMMU loses
 * what lies on the second one. */
#define VC_QUEUE_MAX 256

/* One per descriptor of a data queue, indexed by the chain's head. */
struct vc_slot {
    /* Header and, right behind it, the IV. */
    uint8_t out[sizeof(struct virtio_crypto_op_data_req) + HW_IV_MAX];
    uint8_t status;  /* the device's answer */
    uint8_t pad[39]; /* to two cache lines: the device writes its own slot only */
};
_Static_assert(sizeof(struct vc_slot) == 128, "a slot is two cache lines");

/* One virtqueue with its memory. */
struct vc_ring {
    struct virtqueue vq;
    struct dma_region mem;
    size_t slots_off;
    uint64_t doorbell;
    uint16_t index;
};

/* A command on the control queue. */
struct vc_command {
    TAILQ_ENTRY(vc_command) link;
    struct session *session; /* our reference; NULL: a stray's end */
    bool creates;
    bool on_ring;
    struct dma_buf buf; /* message, then answer */
    size_t out_len, buf_len;
    uint64_t deadline;
};

TAILQ_HEAD(vc_command_list, vc_command);

/*
 * Sessions that an earlier user of the function left on it. Some devices
 * without REVISION_1 (QEMU's) keep sessions through a reset, and through the
 * end of the process that made them.
 *
 * A session is ended by its id, and a device may take an id that it never gave
 * badly (QEMU up to 7.2.10 ends the whole machine). So nothing is done until
 * the device refuses a session that it can make: then it is full, and of the
 * ids that it can have, those that it has not given us since our reset are
 * strays; the function is ours alone. Creations wait meanwhile, as they could
 * be given such an id.
 */
enum vc_strays {
    VC_STRAYS_NONE,   /* REVISION_1, or ended already */
    VC_STRAYS_MAYBE,  /* nobody has looked since the reset */
    VC_STRAYS_WANTED, /* to be ended once no creation is unanswered */
    VC_STRAYS_ENDING, /* being ended */
};
#define VC_STRAY_IDS 256

struct vc_device {
    struct device *dev;
    struct virtio_pci pci;
    struct virtio_crypto_config cfg; /* in host order */
    uint64_t features;
    bool revision_1;
    unsigned queue_size;
    struct vc_ring data[DEVICE_QUEUES_MAX];

    /* Everything below is guarded by the session table's lock. */
    struct vc_ring ctrl;
    struct vc_command_list commands; /* in the order in which they were given */
    enum vc_strays strays;
    unsigned creating;                 /* creations on the ring */
    unsigned ending;                   /* strays' ends not answered yet */
    uint64_t given[VC_STRAY_IDS / 64]; /* ids that the device gave us */
    /* Asymmetric sessions that it has made: by algorithm and padding, a bit for
     * each digest. */
    uint32_t made[HW_ALG_COUNT][2];
};

/* Message formats, virtio_crypto_format.c. */

/* Header of a data request, without IV, into out; its length is returned. */
size_t vc_format_data(const struct vc_device *vc, const struct request *r, uint8_t *out);
/* Fixed part of a session's creation or end. */
size_t vc_format_create(const struct vc_device *vc, const struct session *s, uint8_t *out);
size_t vc_format_destroy(const struct vc_device *vc, enum hw_alg alg, uint64_t id, uint8_t *out);
#define VC_COMMAND_MAX sizeof(struct virtio_crypto_op_ctrl_req)
/* The status byte of a data request as an errno. */
int vc_status(const struct request *r, uint8_t status);
/* Whether the configuration advertises alg. */
bool vc_advertises(const struct virtio_crypto_config *cfg, enum hw_alg alg);

/* Control queue, virtio_crypto_command.c. With the session table's lock held, but
 * for the kick. */

/* Gives the creation of s, or the end of a session, to the control queue; a
 * reference to s, which may be NULL in the latter, goes along. -ENOMEM: it does
 * not. */
int vc_send_create(struct vc_device *vc, struct session *s);
int vc_send_end(struct vc_device *vc, enum hw_alg alg, uint64_t id, struct session *s);
/* Commands go to the ring in the order in which they were given: a session's end
 * frees the place that the next creation needs. True: the device is to be told,
 * when the lock has been released. */
bool vc_commands_pump(struct vc_device *vc, bool hold_creations);
void vc_commands_kick(struct vc_device *vc);
/* 1: there is an answer, to *out, which is the caller's now; or perhaps, and
 * *out is as it was. 0: there is none. -EIO: the device broke the rules. */
int vc_command_answer(struct vc_device *vc, struct vc_command **out);
void vc_command_free(struct vc_command *c);

/* Sessions, virtio_crypto_ctrl.c. */

/* driver_ops prepare, forget_key and deadline. */
int vc_prepare(struct device *dev, struct request *r);
void vc_forget_key(struct device *dev, uint64_t key_id);
uint64_t vc_control_deadline(struct device *dev);
/* Before the device works: whatever it held is a stray now. */
void vc_control_start(struct vc_device *vc);
/* Before a working device without requests is stopped for good: ends the
 * sessions that it would keep, and with them the keys. */
void vc_control_farewell(struct vc_device *vc);
/* Answers that came. -EIO: the device broke the rules, or is late. */
int vc_control_service(struct vc_device *vc);
/* The device was reset: commands and sessions are gone, requests that waited
 * for one go to orphans. */
void vc_control_drop(struct vc_device *vc, struct request_list *orphans);

/* Strays, virtio_crypto_strays.c. All with the session table's lock held. */

void vc_strays_start(struct vc_device *vc);
/* The device gave us this id. */
void vc_strays_given(struct vc_device *vc, uint64_t id);
/* The device refused s. Whether that may be for strays: then its creation is
 * to be given again, and waits until they have been ended. */
bool vc_strays_suspected(struct vc_device *vc, const struct session *s);
/* Whether creations must wait. */
bool vc_strays_hold(const struct vc_device *vc);
/* After each answer; stray: it was a stray's end. */
void vc_strays_step(struct vc_device *vc, bool stray);

#endif
