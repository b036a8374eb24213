/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One descriptor chain, checked and mapped, and cursors that read and write
 * it without regard to where the driver has cut it into descriptors.
 */
#ifndef VCRYPTO_EMULATOR_CHAIN_H
#define VCRYPTO_EMULATOR_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emulator;
struct vring_desc;

struct chain_seg {
    uint8_t *ptr; /* NULL: the host refused it */
    uint32_t len;
};

struct chain {
    struct chain_seg *seg; /* the device-readable ones, then the writable ones */
    unsigned max;          /* room in seg */
    unsigned nin, nout;
    uint64_t in_len, out_len;
};

/*
 * Follows the chain that starts at head of a table of size entries. 0, or
 * -EINVAL for anything that a driver must not do. Memory that the host
 * refuses is no error yet: requests that need it fail.
 */
int chain_walk(struct emulator *e, struct chain *c, const struct vring_desc *table, uint16_t size,
               uint16_t head, bool indirect);

struct cursor {
    const struct chain_seg *seg;
    unsigned left; /* segments from seg on */
    uint32_t off;  /* in seg */
};

struct cursor chain_in(const struct chain *c);
struct cursor chain_out(const struct chain *c);

/* The next len bytes where they lie in one piece, or NULL: then the cursor
 * has not moved. len > 0. */
uint8_t *cursor_direct(struct cursor *cur, size_t len);
/* False: the chain ends before, or memory is missing. */
bool cursor_read(struct cursor *cur, void *buf, size_t len);
bool cursor_write(struct cursor *cur, const void *buf, size_t len);
bool cursor_zero(struct cursor *cur, size_t len);
bool cursor_skip(struct cursor *cur, size_t len);

#endif
