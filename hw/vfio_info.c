/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio_info.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#define INFO_MAX ((size_t)1 << 20)

static uint32_t argsz(const void *info)
{
    return *(const uint32_t *)info;
}

void *vfio_info(int fd, unsigned long request, const void *first, size_t size)
{
    uint32_t *info = NULL, *more;
    size_t need = size;

    do {
        more = realloc(info, need);
        if (more == NULL)
            break;
        info = more;
        memset(info, 0, need);
        memcpy(info, first, size);
        info[0] = (uint32_t)need;
        if (ioctl(fd, request, info) != 0)
            break;
        if (argsz(info) <= need) {
            info[0] = (uint32_t)need;
            return info;
        }
        need = argsz(info);
    } while (need <= INFO_MAX);
    free(info);
    return NULL;
}

const void *vfio_info_cap(const void *info, size_t offset, unsigned id, size_t size)
{
    const struct vfio_info_cap_header *h;

    while (offset != 0 && offset <= argsz(info) && size <= argsz(info) - offset) {
        h = (const void *)((const char *)info + offset);
        if (h->id == id)
            return h;
        offset = h->next;
    }
    return NULL;
}
