/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs of 64 slots, one list of them for each size of slot. A word tells
 * which slots of a slab are taken. Slabs stay: there are as many as the most
 * keys that there ever were at a time needed.
 */
#include "secret.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sanitizer/asan_interface.h> /* does nothing without it */

#define SLOTS 64u

struct slab {
    /* Bit set: taken. Set with acquire, cleared with release: what one owner
     * did to a slot comes before what the next does. */
    _Atomic uint64_t taken;
    uint8_t *slots;
    struct slab *next; /* written before it is published, never changed */
};

/* Symmetric keys; those of curves; RSA's, the small and the large. */
static const size_t slot_size[] = {192, 512, 2048, 8192};
#define CLASSES (sizeof(slot_size) / sizeof(slot_size[0]))

/* Stored with release, loaded with acquire. */
static struct slab *_Atomic slabs[CLASSES];

static size_t class_of(size_t len)
{
    size_t cls = 0;

    while (cls < CLASSES && slot_size[cls] < len)
        cls++;
    return cls;
}

static void *map(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    if (madvise(p, len, MADV_DONTDUMP) != 0) {
        munmap(p, len);
        return NULL;
    }
    /* Locking is a wish; pages that are never used need none. */
    (void)mlock2(p, len, MLOCK_ONFAULT);
    return p;
}

/* Takes a free slot of s. */
static void *take(struct slab *s, size_t size)
{
    uint64_t taken = atomic_load_explicit(&s->taken, memory_order_relaxed);

    while (taken != UINT64_MAX) {
        unsigned i = (unsigned)__builtin_ctzll(~taken);

        if (atomic_compare_exchange_weak_explicit(&s->taken, &taken, taken | (uint64_t)1 << i,
                                                  memory_order_acquire, memory_order_relaxed)) {
            ASAN_UNPOISON_MEMORY_REGION(s->slots + i * size, size);
            return s->slots + i * size;
        }
    }
    return NULL;
}

/* One slab more, its first slot taken. */
static void *grow(size_t cls)
{
    struct slab *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->slots = map(SLOTS * slot_size[cls]);
    if (s->slots == NULL) {
        free(s);
        return NULL;
    }
    ASAN_POISON_MEMORY_REGION(s->slots + slot_size[cls], (SLOTS - 1) * slot_size[cls]);
    atomic_init(&s->taken, 1);
    s->next = atomic_load_explicit(&slabs[cls], memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&slabs[cls], &s->next, s, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return s->slots;
}

void *secret_alloc(size_t len)
{
    size_t cls = class_of(len);
    void *p = NULL;

    if (cls == CLASSES)
        return map(len);
    for (struct slab *s = atomic_load_explicit(&slabs[cls], memory_order_acquire);
         s != NULL && p == NULL; s = s->next)
        p = take(s, slot_size[cls]);
    return p != NULL ? p : grow(cls);
}

void secret_free(void *p, size_t len)
{
    size_t cls = class_of(len), size, i;
    struct slab *s;

    if (p == NULL)
        return;
    explicit_bzero(p, len);
    if (cls == CLASSES) {
        munmap(p, len);
        return;
    }
    size = slot_size[cls];
    s = atomic_load_explicit(&slabs[cls], memory_order_acquire);
    while ((uintptr_t)p - (uintptr_t)s->slots >= SLOTS * size)
        s = s->next;
    i = ((uintptr_t)p - (uintptr_t)s->slots) / size;
    ASAN_POISON_MEMORY_REGION(p, size);
    atomic_fetch_and_explicit(&s->taken, ~((uint64_t)1 << i), memory_order_release);
}
