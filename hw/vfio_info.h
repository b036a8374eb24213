/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFIO's descriptions of variable length: a struct that starts with argsz, and
 * a chain of capabilities behind it.
 */
#ifndef VCRYPTO_VFIO_INFO_H
#define VCRYPTO_VFIO_INFO_H

#include <stddef.h>

/*
 * Asks for a description with the size bytes at first, which the kernel
 * fills in, and again with as much room as it wants for all of it. Freed with
 * free(3). NULL: refused, or no memory.
 */
void *vfio_info(int fd, unsigned long request, const void *first, size_t size);

/* The first capability with this id at or after offset (0: none) that has size
 * bytes in the description, or NULL. */
const void *vfio_info_cap(const void *info, size_t offset, unsigned id, size_t size);

#endif
