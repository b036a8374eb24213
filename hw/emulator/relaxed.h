/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field that any worker may read and write, and that orders nothing: a figure
 * to decide by, where one that is lost or old does no harm.
 */
#ifndef VCRYPTO_EMULATOR_RELAXED_H
#define VCRYPTO_EMULATOR_RELAXED_H

#include <stdatomic.h>

#define GET(p, field)    atomic_load_explicit(&(p)->field, memory_order_relaxed)
#define SET(p, field, v) atomic_store_explicit(&(p)->field, v, memory_order_relaxed)

#endif
