/* Alignment for arms that have none of their own: an object within a larger one. */
#ifndef POOLPROOF_ALIGN_H
#define POOLPROOF_ALIGN_H

#include <stdint.h>
#include <string.h>

/* The address within `base`, which has `align` bytes more than the object needs, where the object
 * starts. Where `base` starts stands before it; it is aligned to 8 bytes at least. */
static inline void *align_within(void *base, size_t align)
{
    const uintptr_t gap = align - ((uintptr_t)base & (align - 1));
    char *const object = (char *)base + gap;
    memcpy(object - sizeof base, &base, sizeof base);
    return object;
}

static inline void *align_base(const void *object)
{
    void *base;
    memcpy(&base, (const char *)object - sizeof base, sizeof base);
    return base;
}

#endif
