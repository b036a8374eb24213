/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MSI-X table and pending bits of BAR1. A message is sent under the
 * table's lock: once a register write that masks or disables has returned,
 * no message is on its way.
 */
#ifndef VCRYPTO_EMULATOR_MSIX_H
#define VCRYPTO_EMULATOR_MSIX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MSIX_BAR_SIZE 0x1000u
#define MSIX_PBA      0x800u
#define MSIX_VECTORS  (MSIX_PBA / 16)

struct msix_entry {
    uint32_t addr_lo, addr_hi, data, ctrl;
};

struct msix {
    pthread_mutex_t lock;
    unsigned vectors;
    bool enabled, masked, master; /* message control, bus master */
    struct msix_entry table[MSIX_VECTORS];
    uint64_t pending[MSIX_VECTORS / 64];
    atomic_uint_fast64_t sent;
    void (*send)(void *host, uint64_t address, uint32_t data);
    void *host;
};

void msix_init(struct msix *m, unsigned vectors,
               void (*send)(void *host, uint64_t address, uint32_t data), void *host);
void msix_fini(struct msix *m);

/* The function's control registers changed: what was pending may go now. */
void msix_control(struct msix *m, bool enabled, bool masked, bool master);
/* Forgets what is pending: the function was reset. */
void msix_clear(struct msix *m);

/* False where MSI-X is disabled. A vector that is none sends nothing. */
bool msix_notify(struct msix *m, unsigned vector);

uint32_t msix_read(struct msix *m, uint32_t off, unsigned width);
void msix_write(struct msix *m, uint32_t off, unsigned width, uint32_t val);

#endif
