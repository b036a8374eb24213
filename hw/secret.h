/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for keys: not written to core dumps, and locked as far as the limit
 * on locked memory goes. A forked child has a copy, for it may have to do in
 * software what the parent had asked a device for. Any thread; no locks, so
 * that a child forked in the middle of it finds everything in order.
 */
#ifndef VCRYPTO_SECRET_H
#define VCRYPTO_SECRET_H

#include <stddef.h>

/* Zeroed, aligned for any type. NULL: no memory. */
void *secret_alloc(size_t len);
/* Cleansed. len as it was asked for; NULL is fine. */
void secret_free(void *p, size_t len);

#endif
