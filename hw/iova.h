/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses on the device's side of an IOMMU: which are taken, and where the
 * next mapping goes. A page is left free after each, so that a device that
 * runs past its memory faults instead of reaching the next. Serialise.
 */
#ifndef VCRYPTO_IOVA_H
#define VCRYPTO_IOVA_H

#include <stddef.h>
#include <stdint.h>

/* Both ends belong to it. */
struct iova_range {
    uint64_t first, last;
};

struct iova_space {
    struct iova_range *valid, *used; /* used is sorted */
    size_t nvalid, nused, used_room;
    size_t page;
};

/* The ranges are copied. page is the smallest the IOMMU maps, a power of two.
 * -ENOMEM. */
int iova_init(struct iova_space *s, const struct iova_range *valid, size_t n, size_t page);
void iova_fini(struct iova_space *s);

/* len: a multiple of the page, not 0. Never gives address 0. -ENOSPC, -ENOMEM. */
int iova_alloc(struct iova_space *s, uint64_t len, uint64_t *iova);
/* len as it was given to iova_alloc. -ENOENT where nothing was given out. */
int iova_free(struct iova_space *s, uint64_t iova, uint64_t len);

#endif
