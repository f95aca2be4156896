/* One thread only allocates, another only frees what it gets from there. */
#ifndef POOLPROOF_XMALLOC_TEST_H
#define POOLPROOF_XMALLOC_TEST_H

#include "channel.h"
#include "generate.h"

enum { XMALLOC_TEST_SEED = 22 };

static const struct scale xmalloc_test_scales[] = {
    {"64", 64, 64, 4096},
    {"mixed16-512", 16, 512, 4096},
};

static inline size_t xmalloc_test_operations(const struct scale *scale)
{
    return 2 * (size_t)scale->live / CHANNEL_PLACES;
}

/* Both threads know the sizes: the one that frees hands them back. */
static inline int xmalloc_test_prepare(struct work *work)
{
    uint64_t random = XMALLOC_TEST_SEED;
    for (uint32_t i = 0; i < work->scale->live; i++)
        work->sizes[i] = shape_size(work->scale, &random);
    return 0;
}

SHAPE_LOOP void xmalloc_test_batch(struct work *work, const struct allocator *allocator, void *heap)
{
    struct channel *const channel = work->channels;
    const uint32_t count = work->scale->live / CHANNEL_PLACES;
    const uint32_t *const sizes = work->sizes + work->next * count;
    if (work->thread == 0) {
        void **const objects = channel_wait(work, channel, &channel->emptied);
        for (uint32_t i = 0; i < count; i++)
            objects[i] = object_write(allocator, allocator->alloc(heap, sizes[i]), sizes[i]);
        sem_post(&channel->filled);
    } else {
        void **const objects = channel_wait(work, channel, &channel->filled);
        for (uint32_t i = 0; i < count; i++) {
            object_read(objects[i], sizes[i]);
            allocator->free(heap, objects[i], sizes[i]);
        }
        sem_post(&channel->emptied);
    }
}

static const struct shape shape_xmalloc_test = {
    .name = "xmalloc-test",
    .question = "What does it cost when the thread that frees is never the one that allocated?",
    .source =
        "Lever and Boreham, malloc() Performance in a Multithreaded Linux Environment, USENIX "
        "2000, as one producer and one consumer",
    .parameters =
        "object sizes in bytes (mixed: each as likely); a thousand objects are handed over "
        "at a time, and at most four thousand are on their way",
    .harness =
        "No floor can be used by two threads; handing a batch over is in every arm's time, a "
        "few instructions for each object.",
    .scales = xmalloc_test_scales,
    .scale_count = sizeof xmalloc_test_scales / sizeof *xmalloc_test_scales,
    .ends_empty = 1,
    .owners = 2,
    .operations = xmalloc_test_operations,
    .prepare = xmalloc_test_prepare,
};

#endif
