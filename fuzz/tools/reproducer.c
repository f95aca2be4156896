/* A trace as a C program that needs the pool alone. Beside mem_pool.h, mem_pool.c and pool_hooks.h:
 *
 *     cc -g -fsanitize=address,undefined -I. THIS.c mem_pool.c && ./a.out
 *
 * It makes the calls of its trace, checks after each what mem_pool.h promises, and aborts with one
 * line at the first promise that does not hold. Without -fsanitize=address the shadow of memory
 * goes unseen.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_pool.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#if __has_feature(memory_sanitizer)
#define WATCHED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif
#if defined(WITH_ASAN) || defined(POOL_VALGRIND)
#define WATCHED 1 /* most of the block is closed, and not to be read */
#endif
#ifdef WITH_ASAN
int __asan_address_is_poisoned(void const volatile *address);
#define IS_CLOSED(p) (__asan_address_is_poisoned(p) != 0)
#endif

/* begin settings */
enum { SOURCE = 0, BYTES = 1024, OFFSET = 0, FLAGS = 0, SLOTS = 2 };
/* end settings */

/* SOURCE is 0 for malloc, 1 for a buffer of BYTES bytes OFFSET after an aligned address, 2 for
 * lazy, 3 for map. */
enum { KEEPS = FLAGS & POOL_KEEP_CONTENTS };

#include "reproducer_checks.h" /* in a printed program its text stands here */

/* Notes where the block starts: at its first extent. */
static int first(void *context, const struct pool_extent *extent)
{
    (void)context;
    block = extent->start;
    return 1;
}

/* Dirty memory for the pool, from the caller. */
static void *map(void *context, size_t bytes)
{
    void *const memory = malloc(bytes);
    (void)context;
    return memory ? memset(memory, 0xA5, bytes) : NULL;
}

static void unmap(void *context, void *memory, size_t bytes)
{
    (void)context, (void)bytes;
    free(memory);
}

static unsigned char *start(void)
{
    unsigned char *buffer = NULL;
    struct pool_config config = {.capacity = BYTES, .flags = FLAGS};
    struct pool_stats stats;
    if (SOURCE == 1) {
        buffer = malloc(OFFSET + BYTES);
        expect(buffer != NULL, "there is no buffer");
        config = (struct pool_config){.flags = FLAGS, .buffer_size = BYTES};
        memset(buffer, 0xA5, OFFSET + BYTES);
        config.buffer = buffer + OFFSET;
    } else if (SOURCE == 2) {
        config.flags |= POOL_LAZY;
    } else if (SOURCE == 3) {
        config.map = map;
        config.unmap = unmap;
    }
    config.on_error = hear;
    expect(pool_init_with(&pool, &config) == 0, "the pool is refused");
    expect(pool_stats(&pool, &stats) == 0, "no statistics");
    capacity = stats.capacity;
    pool_walk(&pool, first, NULL);
    return buffer;
}

/* When everything has been freed the whole block can be had again, zeroed. */
static void finish(void)
{
    void *ptr = NULL;
    step++;
    told = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        give(slot);
    expect(pool_alloc(&pool, &ptr, capacity, POOL_USER) == 0,
           "the whole block cannot be had again");
    receive(0, ptr, 0, capacity, POOL_USER);
    verify();
    give(0);
    pool_destroy(&pool);
    pool_destroy(&pool);
    expect(pool_free(&ptr, capacity, &pool) == -1, "a destroyed pool takes a chunk");
    pool_destroy(&other);
    free(memory_before);
}

int main(void)
{
    unsigned char *const buffer = start();
    verify();
    /* begin operations */
    step = 0, take(0, 20, 4);                                     /* alloc 0 20 16 */
    step = 1, take(1, 600, 5);                                    /* alloc 1 600 32 */
    step = 2, resize(0, 100, 4);                                  /* realloc 0 100 16 */
    step = 3, bad_alloc(0, 0);                                    /* alloc-zero 0 */
    step = 4, bad_free_inside(0, 1 * POOL_GRANULE);               /* free-interior 0 1 */
    step = 5, bad_free_at(capacity + (size_t)0 * POOL_GRANULE);   /* free-after 0 */
    step = 6, bad_free(foreign(64), 64);                          /* free-foreign 64 */
    step = 7, bad_realloc_inside(0, 10);                          /* realloc-interior 0 10 */
    step = 8, give(0);                                            /* free 0 */
    step = 9, bad_free(objects[0].freed, objects[0].freed_size);  /* free-twice 0 */
    step = 10, reset();                                           /* reset */
    step = 11, bad_free(objects[1].stale, objects[1].stale_size); /* free-stale 1 */
    /* end operations */
    finish();
    free(buffer);
    puts("every promise held");
    return 0;
}
