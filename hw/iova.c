/* SPDX-License-Identifier: Apache-2.0 */
#include "iova.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Mappings of this size and more are aligned to it, so that an IOMMU can use
 * large pages. */
#define LARGE_PAGE ((uint64_t)2 << 20)

int iova_init(struct iova_space *s, const struct iova_range *valid, size_t n, size_t page)
{
    memset(s, 0, sizeof(*s));
    s->page = page;
    s->valid = malloc((n + 1) * sizeof(*valid));
    if (s->valid == NULL)
        return -ENOMEM;
    memcpy(s->valid, valid, n * sizeof(*valid));
    s->nvalid = n;
    return 0;
}

void iova_fini(struct iova_space *s)
{
    free(s->valid);
    free(s->used);
    memset(s, 0, sizeof(*s));
}

/* False where it does not fit into 64 bits. */
static bool align_up(uint64_t *v, uint64_t align)
{
    uint64_t up = *v + (align - 1);

    if (up < *v)
        return false;
    *v = up & ~(align - 1);
    return true;
}

static bool fits(const struct iova_range *in, uint64_t at, uint64_t len)
{
    return at >= in->first && at <= in->last && len - 1 <= in->last - at;
}

/* The lowest place within one valid range, and before which used entry. */
static bool place(const struct iova_space *s, const struct iova_range *in, uint64_t len,
                  uint64_t align, uint64_t *at, size_t *before)
{
    uint64_t v = in->first < s->page ? s->page : in->first;

    if (!align_up(&v, align))
        return false;
    for (size_t i = 0; i < s->nused; i++) {
        const struct iova_range *u = &s->used[i];

        /* u->last includes the free page behind it; ours must fit as well. */
        if (v < u->first && len + s->page <= u->first - v) {
            *at = v;
            *before = i;
            return fits(in, v, len);
        }
        if (u->last >= v) {
            v = u->last + 1;
            if (v == 0 || !align_up(&v, align))
                return false;
        }
    }
    *at = v;
    *before = s->nused;
    return fits(in, v, len);
}

static int make_room(struct iova_space *s)
{
    size_t room = s->used_room + 16;
    struct iova_range *more;

    if (s->nused < s->used_room)
        return 0;
    more = realloc(s->used, room * sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    s->used = more;
    s->used_room = room;
    return 0;
}

int iova_alloc(struct iova_space *s, uint64_t len, uint64_t *iova)
{
    uint64_t align = len >= LARGE_PAGE ? LARGE_PAGE : s->page;
    uint64_t last;
    size_t i;

    if (len == 0 || len % s->page != 0 || len + s->page < len)
        return -ENOSPC;
    if (make_room(s) != 0)
        return -ENOMEM;
    for (size_t r = 0; r < s->nvalid; r++) {
        if (!place(s, &s->valid[r], len, align, iova, &i))
            continue;
        last = *iova + len - 1;
        last = last + s->page < last ? UINT64_MAX : last + s->page;
        memmove(&s->used[i + 1], &s->used[i], (s->nused - i) * sizeof(*s->used));
        s->used[i] = (struct iova_range){*iova, last};
        s->nused++;
        return 0;
    }
    return -ENOSPC;
}

int iova_free(struct iova_space *s, uint64_t iova, uint64_t len)
{
    for (size_t i = 0; i < s->nused; i++) {
        if (s->used[i].first != iova || s->used[i].last - iova < len - 1)
            continue;
        s->nused--;
        memmove(&s->used[i], &s->used[i + 1], (s->nused - i) * sizeof(*s->used));
        return 0;
    }
    return -ENOENT;
}
