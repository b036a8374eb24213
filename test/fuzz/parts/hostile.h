/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI function that does what the fuzzer's input says. Registers, rings and
 * answers are those of a virtio-crypto function, but for what the input
 * spoils. It writes only where the driver has mapped memory: an IOMMU stands
 * before it.
 */
#ifndef FUZZ_HOSTILE_H
#define FUZZ_HOSTILE_H

#include <stdbool.h>

#include "../input.h"

/* What the next function to be opened is like; input: for all its life. */
void hostile_prepare(struct input *in);

/* Serves up to n chains of a queue as the input says. */
void hostile_serve(unsigned queue, unsigned n);
/* Writes somewhere into the memory that the driver has mapped. */
void hostile_poke(void);
/* Changes a register. */
void hostile_register(void);
/* Whether the driver lets it master the bus. */
bool hostile_masters(void);
/* Mappings that the driver has not undone. */
unsigned hostile_mapped(void);

#endif
