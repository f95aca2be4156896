/* stress OPERATIONS SEED: threads allocate, hand over, check and free against a model; meant to run
 * under ThreadSanitizer and AddressSanitizer. The model: each chunk holds its size and a pattern,
 * and in the end nothing is live. Each chunk that another thread frees twice must be refused once.
 * */
#define _GNU_SOURCE
#include "heaps.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                                   \
    do                                                                                             \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            exit(1);                                                                               \
        }                                                                                          \
    while (0)

enum { THREADS = 4, SLOTS = 4000, GENERATIONS = 5, TWICE = 1000 };

struct chunk {
    size_t size;
    unsigned char pattern[];
};

static _Atomic(struct chunk *) slots[SLOTS];
static uint64_t operations, seed;

static void release(void *ptr)
{
    struct heap *heap = heap_of(ptr);
    CHECK(heap);
    heap_free(heap, ptr);
}

static void *work(void *number)
{
    uint64_t random = seed * 1000 + (uintptr_t)number;
    for (uint64_t i = 0; i < operations / THREADS / GENERATIONS / 2; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t size = sizeof(struct chunk) +
                      (random >> 52 < 20 ? random >> 40 & 0xffff : random >> 40 & 0xff);
        enum pool_type type = (random >> 36 & 31) == 0 ? POOL_ALIGN(256) : POOL_USER;
        struct chunk *chunk = heap_alloc(size, type);
        CHECK(chunk && (uintptr_t)chunk % (type == POOL_USER ? 16 : 256) == 0);
        chunk->size = size;
        memset(chunk->pattern, (int)(size & 0xff), size - sizeof *chunk);
        chunk = atomic_exchange(&slots[(random >> 33) % SLOTS], chunk);
        if (!chunk)
            continue;
        for (size_t k = 0; k < chunk->size - sizeof *chunk; k++)
            CHECK(chunk->pattern[k] == (chunk->size & 0xff));
        release(chunk);
    }
    return NULL;
}

static void *release_twice(void *chunks)
{
    for (int i = 0; i < TWICE; i++) {
        void *chunk = ((void **)chunks)[i];
        release(chunk);
        release(chunk);
        release((char *)chunk + 1); /* misaligned */
    }
    return NULL;
}

/* Ends with the thread's own heap emptied of what others freed. */
static void *sweep(void *unused)
{
    (void)unused;
    CHECK(heap_mine || heap_acquire());
    heap_drain(heap_mine);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ids[THREADS];
    operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    CHECK(heaps_start((size_t)256 << 20, 0));
    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&ids[i], NULL, work, (void *)(generation * THREADS + i)) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(ids[i], NULL);
    }
    for (int i = 0; i < SLOTS; i++)
        if (slots[i])
            release(slots[i]);
    CHECK(atomic_load(&ledger_entry->refused) == 0 && atomic_load(&ledger_entry->unfit) == 0);

    static void *chunks[TWICE];
    for (int i = 0; i < TWICE; i++)
        CHECK((chunks[i] = heap_alloc(48, POOL_USER)));
    pthread_create(&ids[0], NULL, release_twice, chunks);
    pthread_join(ids[0], NULL);
    CHECK(atomic_load(&ledger_entry->refused) == 2 * TWICE);
    for (int i = 0; i < TWICE; i++)
        release(chunks[i]); /* third frees, by the owner, who looks at the list first */
    CHECK(atomic_load(&ledger_entry->refused) == 3 * TWICE);

    sweep(NULL);
    for (unsigned i = 0; i < heaps.count; i++) {
        struct heap *heap = &heap_table[i];
        struct pool_stats stats;
        const char *broken = "";
        if (heap->state == HEAP_NEVER)
            continue;
        heap_drain(heap);
        CHECK(pool_check(&heap->pool, &broken) == 0);
        CHECK(pool_stats(&heap->pool, &stats) == 0 && stats.live_chunks == 0);
    }
    printf("%llu owners, %llu adopted, %llu remote frees\n",
           (unsigned long long)ledger_entry->owners, (unsigned long long)ledger_entry->adopted,
           (unsigned long long)ledger_entry->remote);
    return 0;
}
