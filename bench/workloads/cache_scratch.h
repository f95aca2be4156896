/* Two threads are each given a small object that a third allocated; they free it, and go on with
 * objects of their own, which they write to again and again. */
#ifndef POOLPROOF_CACHE_SCRATCH_H
#define POOLPROOF_CACHE_SCRATCH_H

#include "channel.h"

enum { CACHE_SCRATCH_WORKERS = 2, CACHE_SCRATCH_OBJECTS = 1000, CACHE_SCRATCH_WRITES = 100 };

static const struct scale cache_scratch_scales[] = {
    {"8", 8, 8, CACHE_SCRATCH_WORKERS *(CHANNEL_PLACES + 1)},
};

static inline size_t cache_scratch_operations(const struct scale *scale)
{
    (void)scale;
    return 2 * (size_t)CACHE_SCRATCH_WORKERS * (1 + CACHE_SCRATCH_OBJECTS);
}

/* One object for each worker, one after the other: an allocator that hands out the next bytes puts
 * them into one cache line. */
SHAPE_LOOP void cache_scratch_give(struct work *work, const struct allocator *allocator, void *heap)
{
    const size_t size = work->scale->most, place = work->next;
    for (unsigned i = 0; i < CACHE_SCRATCH_WORKERS; i++) {
        struct channel *const channel = work->channels + i;
        work->next = place;
        *channel_wait(work, channel, &channel->emptied) =
            object_write(allocator, allocator->alloc(heap, size), size);
    }
    for (unsigned i = 0; i < CACHE_SCRATCH_WORKERS; i++)
        sem_post(&work->channels[i].filled);
}

SHAPE_LOOP void cache_scratch_batch(struct work *work, const struct allocator *allocator,
                                    void *heap)
{
    const size_t size = work->scale->most;
    if (work->thread == 0) {
        cache_scratch_give(work, allocator, heap);
        return;
    }
    struct channel *const channel = work->channels + (work->thread - 1);
    void *const given = *channel_wait(work, channel, &channel->filled);
    object_read(given, size);
    allocator->free(heap, given, size);
    for (unsigned i = 0; i < CACHE_SCRATCH_OBJECTS; i++) {
        char *const object = (char *)object_write(allocator, allocator->alloc(heap, size), size);
        volatile char *const bytes = object;
        for (unsigned j = 0; j < CACHE_SCRATCH_WRITES; j++)
            bytes[j % 8] = (char)(bytes[j % 8] + 1);
        allocator->free(heap, object, size);
    }
    sem_post(&channel->emptied);
}

static const struct shape shape_cache_scratch = {
    .name = "cache-scratch",
    .question =
        "Do threads share a cache line for good once they were given neighbours by another?",
    .source = "Berger, McKinley, Blumofe and Wilson, Hoard: A Scalable Memory Allocator for "
              "Multithreaded Applications, ASPLOS 2000 (cache-scratch)",
    .parameters =
        "object size in bytes; a thread allocates, two free, and then allocate, write to a "
        "hundred times and free a thousand objects of their own",
    .harness =
        "No floor can be used by two threads; a hundred writes to an object are what is asked "
        "about, and no allocator does them.",
    .scales = cache_scratch_scales,
    .scale_count = sizeof cache_scratch_scales / sizeof *cache_scratch_scales,
    .ends_empty = 1,
    .owners = 1 + CACHE_SCRATCH_WORKERS,
    .operations = cache_scratch_operations,
};

#endif
