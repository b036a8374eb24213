/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queue pair's worth of work: submission, the bounded backlog behind a
 * full ring, reaping, deadlines. Knows neither rings nor crypto.
 */
#ifndef VCRYPTO_QUEUE_H
#define VCRYPTO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

int queue_init(struct queue *q, struct device *dev, unsigned index);
void queue_fini(struct queue *q);

/*
 * Puts a prepared request on the ring or into the backlog. With accepted, its
 * owner has been told 0 already: the backlog then has no bound, and a device
 * out of service finishes the request with -EIO. Otherwise -EAGAIN or -EIO,
 * the request untouched. more: no doorbell.
 */
int queue_enqueue(struct queue *q, struct request *r, bool accepted, bool more);
void queue_flush(struct queue *q);

/* Puts the request among those that wait for room, or for DMA memory. */
void queue_starve(struct queue *q, struct request *r, bool memory);
/* Lets those that wait for room try again. */
void queue_feed(struct queue *q);

/* Who reaps. All but POLL do until nothing is left, and switch the interrupt on
 * at the end. */
enum queue_reaper {
    QUEUE_THREAD, /* the completion thread */
    QUEUE_CALLER, /* who has just rung the doorbell */
    QUEUE_POLL,   /* hw_poll */
};

/* Finishes what the device completed. Returns how many: none where there are
 * requests that only the completion thread may finish. */
unsigned queue_reap(struct queue *q, enum queue_reaper who);

/* Tells the owners of late requests; now in ns. Returns the next deadline, 0:
 * none. Fails a device that has gone silent. */
uint64_t queue_deadlines(struct queue *q, uint64_t now);

/* After the device was stopped: everything is finished with status. */
void queue_drain(struct queue *q, int status);

#endif
