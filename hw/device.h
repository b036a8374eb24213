/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open device: its queues, its completion thread, its DMA memory and its
 * sessions. Drivers fill in the part that differs between accelerators.
 *
 * Locks, in the order in which they may nest:
 *     registry: opening -> list -> session table (with the control queue)
 *     queue -> (nothing)
 * No lock is held while a request's complete() runs.
 */
#ifndef VCRYPTO_DEVICE_H
#define VCRYPTO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dma.h"
#include "hw.h"
#include "request.h"
#include "session.h"

struct transport;

/* Longest data and AAD of one request, so that it fits a DMA buffer. */
#define DEVICE_LEN_MAX    ((size_t)64 * 1024)
#define DEVICE_AAD_MAX    ((size_t)1024)
#define DEVICE_QUEUES_MAX 16
#define DEVICE_IRQS_MAX   (DEVICE_QUEUES_MAX + 2)
#define DEVICE_DMA_LIMIT  ((size_t)128 << 20)

/* Figures of one queue. Written under its lock, read by anyone. */
struct queue_counts {
    _Atomic uint64_t requests, completions, kicks, backlogged, errors, timeouts;
};

struct queue {
    pthread_mutex_t lock; /* everything below, and priv's ring */
    struct device *dev;
    unsigned index;
    struct request_list ring, backlog, overdue, starved;
    unsigned backlog_max;
    /* Written under the lock; read without it to refuse early. */
    atomic_uint backlog_len;
    atomic_bool has_starved;
    bool unkicked;         /* chains were added without a doorbell */
    unsigned apart;        /* in ring, overdue or backlog: to be completed by the thread */
    unsigned silent;       /* timeouts since the last completion */
    uint64_t hungry_until; /* nobody is told of room before: memory is short */
    /* Those about to ring the doorbell, lock released: counted under the lock
     * (relaxed), uncounted (release) after; queue_drain waits for none. */
    atomic_uint kickers;
    struct queue_counts counts;
    void *priv; /* the driver's */
} __attribute__((aligned(64)));

/* What a driver does. Queue calls are made with the queue's lock held. */
struct driver_ops {
    uint16_t vendor, device; /* PCI ids it drives */

    /*
     * Once after the transport is open: reads what the device offers into
     * dev->nqueues, dev->nirqs and dev->offered. stop must leave priv alone,
     * detach releases it.
     */
    int (*attach)(struct device *dev, struct hw_error *err);
    void (*detach)(struct device *dev);
    /* From reset to working. May be called again after stop. */
    int (*start)(struct device *dev, struct hw_error *err);
    /* A working device without requests is about to be stopped for good: takes
     * from it what it would keep. */
    void (*farewell)(struct device *dev);
    /* Resets the device: it reaches no memory of ours afterwards. Requests
     * that waited for a session are moved to orphans. No lock held. */
    void (*stop)(struct device *dev, struct request_list *orphans);

    /*
     * Makes the request ready for place: 0, or -EINPROGRESS when the driver
     * keeps it and will call queue_enqueue or request_finish later. No lock
     * held.
     */
    int (*prepare)(struct device *dev, struct request *r);
    /* -ENOSPC: the ring is full; -EIO: prepared before the last reset. */
    int (*place)(struct queue *q, struct request *r);
    /* The next completed request, how it ended and how many bytes it gave: 1;
     * none: 0; the device broke the rules: -EIO. */
    int (*take)(struct queue *q, struct request **r, int *status, size_t *len);
    bool (*should_kick)(struct queue *q);
    void (*kick)(struct queue *q); /* no lock needed */
    void (*irq_off)(struct queue *q);
    bool (*irq_on)(struct queue *q); /* true: something came meanwhile */

    /* On the completion thread: control queue, and with changed, whatever a
     * configuration interrupt means. -EIO: the device needs a reset. */
    int (*service)(struct device *dev, bool changed);
    /* When service must run next for a deadline of its own; 0: never. */
    uint64_t (*deadline)(struct device *dev);
    /* The key is gone: so are its sessions. Any thread, registry locked. */
    void (*forget_key)(struct device *dev, uint64_t key_id);
};

enum device_state { DEVICE_RUNNING, DEVICE_FAILED };

/* Size classes of keys there are for one algorithm. */
#define DEVICE_KEY_CLASSES 5
/* Bits of an RSA modulus. */
#define DEVICE_RSA_MIN 1024
#define DEVICE_RSA_MAX 8192

struct device_caps {
    bool ok[HW_ALG_COUNT][DEVICE_KEY_CLASSES]; /* see device_key_class */
    size_t granularity[HW_ALG_COUNT];
    bool rsa_raw, rsa_pkcs1;
    size_t max_len;
    unsigned queues;
    /* For people, see hw_info.h. */
    uint64_t features;
    uint32_t services, offered;
    unsigned queue_size, vectors;
};

struct device {
    char name[32];
    const struct driver_ops *ops;
    struct transport *transport;
    struct hw_config cfg; /* strings are ours */
    unsigned users;       /* pools; guarded by the registry */
    struct device *next;  /* in the registry */
    char *spec;           /* the entry of the device list that named it */
    unsigned index;       /* among equal entries */

    void *priv; /* the driver's, NULL: not attached */
    struct dma_pool *dma;
    struct session_table sessions;
    struct device_caps offered; /* what it says of itself; who brings it up looks */
    struct device_caps caps;    /* what a self test confirmed; does not change in use */
    atomic_uint nqueues;        /* 1 before the hardware was ever up */
    struct queue queues[DEVICE_QUEUES_MAX];

    /*
     * Failure is stored here by whoever notices; the completion thread alone
     * goes back to running. queue_enqueue looks at it under the queue's lock,
     * and the completion thread empties each queue under that lock after the
     * store: so nothing is added behind its back.
     */
    _Atomic enum device_state state;
    atomic_uint in_flight; /* requests from hw_submit to the device's last word */
    /*
     * True while the completion thread sleeps without a deadline. It stores
     * true, then looks at in_flight; hw_submit adds to in_flight, then looks
     * here: all sequentially consistent, so that one of them sees the other.
     */
    atomic_bool idle;
    atomic_bool stopping;
    bool self_close; /* closed on its own thread: the thread frees it */
    bool probing;    /* it has no thread, see device_probe */

    pthread_t thread;
    int wake_fd;    /* eventfd: look at state, stopping, deadlines */
    unsigned nirqs; /* 0: configuration changes, then queues */
    int irq_fds[DEVICE_IRQS_MAX];
    uint64_t retry_at, backoff; /* ns; completion thread only */
    _Atomic uint64_t interrupts, polls, resets, sessions_created, sessions_evicted;
    _Atomic uint64_t removals, returns;
};

/* ns, CLOCK_MONOTONIC_COARSE: some ms of grain is fine for deadlines. */
uint64_t device_now(void);

/* What people call the device: "emulator0", or the PCI address. */
void device_name(const char *spec, unsigned index, char *name, size_t size);

/* text without the device's name before it, which some have. */
const char *device_reason(const char *name, const char *text);

/* Class of a key length (asymmetric keys: of so many bits) within caps.ok, or
 * -1. RSA has two: up to 2048 bits, and more. */
int device_key_class(enum hw_alg alg, size_t key_len);

/* The entry of the list as its index'th namesake; its hardware is down. */
int device_new(const char *spec, unsigned index, const struct hw_config *cfg, struct device **out);
/* Takes the hardware down, which finishes everything in flight with -ECANCELED:
 * must not hold a lock that a complete() may want. Its thread, if it had one,
 * has ended, or calls this. */
void device_free(struct device *dev);

/*
 * A device to be probed, up and without a thread, and an emulator without any
 * as well: a provider may be loaded inside OpenSSL's own initialisation, where
 * libcrypto makes every other thread wait. Completions are found by device_poll,
 * deadlines are not looked at, and a failed device stays so.
 */
int device_probe(const char *spec, unsigned index, const struct hw_config *cfg, struct device **out,
                 struct hw_error *err);
/* Reaps what is there, on the caller's thread. */
void device_poll(struct device *dev);

/* Takes it out of service; the completion thread does the rest. Any thread,
 * any lock but the registry's. */
void device_fail(struct device *dev);
/* On the completion thread, or before there is one. up: the transport opens
 * and the device works. down undoes that; drain is its first part, which ends
 * all requests with status and leaves the device reset. */
int device_hardware_up(struct device *dev, struct hw_error *err);
void device_hardware_down(struct device *dev);
void device_drain(struct device *dev, int status);

void device_wake(struct device *dev);

/* A line for whoever configured the device: its name, ": ", and the text. */
void device_notice(const struct device *dev, const char *text);

#endif
