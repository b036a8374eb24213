/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VFIO group in its container, with the IOMMU's address space.
 *
 * A group opens once in the whole machine and lies in one container; so the
 * functions of one group share both, and each is opened through the same
 * struct. Mappings of one are then visible to the others.
 */
#ifndef VCRYPTO_VFIO_GROUP_H
#define VCRYPTO_VFIO_GROUP_H

#include <stddef.h>
#include <stdint.h>

struct hw_error;
struct pci_host;
struct vfio_group;

/* Serialise these four. */

/* Opens the function's group, or takes one more reference. -EBUSY: another
 * process has it; -EACCES, -EPERM, -ENODEV, ... */
int vfio_group_get(const struct pci_host *host, struct vfio_group **out, struct hw_error *err);
/* With the last reference all mappings go. */
void vfio_group_put(struct vfio_group *g);
/* The descriptor of one function, or negative errno. */
int vfio_group_device(struct vfio_group *g, const struct pci_host *host, struct hw_error *err);
/* In a forked child: closes the descriptors and forgets the groups, which the
 * parent goes on using. Only close(2) is called. */
void vfio_group_forked(void);

/* Any thread. va and len are page-aligned. -EINVAL, -ENOSPC: no address left,
 * -ENOMEM: the memlock limit, or too many mappings. */
int vfio_group_map(struct vfio_group *g, void *va, size_t len, uint64_t *iova);
void vfio_group_unmap(struct vfio_group *g, uint64_t iova, size_t len);

#endif
