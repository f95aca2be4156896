/* Alloc a small object, write to it again and again, free it. */
#ifndef POOLPROOF_CACHE_THRASH_H
#define POOLPROOF_CACHE_THRASH_H

#include "shape.h"

static const struct scale cache_thrash_scales[] = {
    {"8", 8, 8, 1},
};

enum { CACHE_THRASH_OBJECTS = 64, CACHE_THRASH_WRITES = 100 };

static inline size_t cache_thrash_operations(const struct scale *scale)
{
    (void)scale;
    return 2 * CACHE_THRASH_OBJECTS;
}

SHAPE_LOOP void cache_thrash_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    const size_t size = work->scale->most;
    for (unsigned i = 0; i < CACHE_THRASH_OBJECTS; i++) {
        char *const object = (char *)object_write(allocator, allocator->alloc(heap, size), size);
        volatile char *const bytes = object;
        for (unsigned j = 0; j < CACHE_THRASH_WRITES; j++)
            bytes[j % 8] = (char)(bytes[j % 8] + 1);
        allocator->free(heap, object, size);
    }
}

static const struct shape shape_cache_thrash = {
    .name = "cache-thrash",
    .question = "Do small objects of different threads share a cache line?",
    .source = "Berger, McKinley, Blumofe and Wilson, Hoard: A Scalable Memory Allocator for "
              "Multithreaded Applications, ASPLOS 2000 (cache-thrash)",
    .parameters =
        "object size in bytes; it takes --threads to ask this, and 100 writes to an object "
        "are most of its time on every arm",
    .harness = "A hundred writes to an object are what is asked about, and no allocator does them.",
    .scales = cache_thrash_scales,
    .scale_count = sizeof cache_thrash_scales / sizeof *cache_thrash_scales,
    .ends_empty = 1,
    .operations = cache_thrash_operations,
};

#endif
