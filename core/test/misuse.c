/* One misuse of a pool, done on purpose, so that each build can show what it says of it.
 *
 *     misuse --list      NAME<tab>SENTENCE for each
 *     misuse NAME        does it, and prints "outcome: refused: REASON" or "outcome: unnoticed",
 *                        or in the checked build "outcome: pool_check: INVARIANT"
 *
 * A build whose tool stops the process prints that tool's report instead. An unknown name is exit
 * code 2. core/MISUSE.md holds the outcomes.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_pool.h"

enum { SIZE = 20, LARGE = 2048, CAPACITY = 64 * 1024 };

static struct m_pool pool, other;

static struct m_pool *open_pool(struct m_pool *which, unsigned flags)
{
    const struct pool_config config = {.capacity = CAPACITY, .flags = flags};
    memset(which, 0, sizeof *which);
    if (pool_init_with(which, &config) != 0)
        abort();
    return which;
}

static unsigned char *chunk_of(size_t size)
{
    void *chunk = NULL;
    if (pool_alloc(&pool, &chunk, size, POOL_USER) != 0)
        abort();
    return chunk;
}

/* Frees a chunk while its address stays in the caller's hands. */
static int release(void *chunk, size_t size)
{
    return pool_free(&chunk, size, &pool);
}

/* What a call that is to be refused returned, as an outcome. */
static const char *verdict(int returned)
{
    static char text[128];
    if (returned == 0)
        return "unnoticed";
    snprintf(text, sizeof text, "refused: %s", pool_strerror(pool_error(&pool)));
    return text;
}

/* --- Pointers and sizes handed to a call ------------------------------------------------------ */

static const char *free_twice(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    release(chunk, SIZE);
    return verdict(release(chunk, SIZE));
}

static const char *free_twice_coalesced(void)
{
    unsigned char *left = chunk_of(LARGE), *chunk = chunk_of(LARGE);
    (void)chunk_of(LARGE);
    release(left, LARGE);
    release(chunk, LARGE);
    return verdict(release(chunk, LARGE));
}

static const char *free_reused(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    release(chunk, SIZE);
    if (chunk_of(SIZE) != chunk)
        return "not tried: the memory went to nobody else";
    return verdict(release(chunk, SIZE));
}

static const char *free_inside(void)
{
    return verdict(release(chunk_of(LARGE) + 64, LARGE));
}

static const char *free_misaligned(void)
{
    return verdict(release(chunk_of(SIZE) + 1, SIZE));
}

static const char *free_foreign(void)
{
    void *volatile chunk = malloc(SIZE); /* gcc would see that the pool's wipe is larger */
    const char *said = verdict(release(chunk, SIZE));
    free(chunk);
    return said;
}

static const char *free_elsewhere(void)
{
    const char *said = verdict(0);
    void *chunk = chunk_of(SIZE);
    if (pool_free(&chunk, SIZE, open_pool(&other, 0)) != 0) {
        pool.reason = other.reason;
        said = verdict(-1);
    }
    pool_destroy(&other);
    return said;
}

static const char *free_size(void)
{
    return verdict(release(chunk_of(SIZE), SIZE + POOL_GRANULE));
}

static const char *free_near_size(void)
{
    return verdict(release(chunk_of(SIZE), SIZE + 1));
}

static const char *free_stale(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    if (pool_reset(&pool) != 0)
        abort();
    return verdict(release(chunk, SIZE));
}

static const char *free_dead(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    pool_destroy(&pool);
    return verdict(release(chunk, SIZE));
}

static const char *realloc_freed(void)
{
    void *chunk = chunk_of(SIZE);
    release(chunk, SIZE);
    return verdict(pool_realloc(&pool, &chunk, SIZE, LARGE, POOL_USER));
}

static const char *alloc_nothing(void)
{
    void *chunk = NULL;
    return verdict(pool_alloc(&pool, &chunk, 0, POOL_USER));
}

static const char *alloc_wrapped(void)
{
    void *chunk = NULL;
    return verdict(pool_alloc(&pool, &chunk, SIZE_MAX, POOL_USER));
}

static const char *alloc_dead(void)
{
    void *chunk = NULL;
    pool_destroy(&pool);
    return verdict(pool_alloc(&pool, &chunk, SIZE, POOL_USER));
}

/* --- Memory that is not the user's ------------------------------------------------------------ */

/* Reads and writes that no compiler may leave out or move. */
static void write_at(unsigned char *at)
{
    *(volatile unsigned char *)at = 0xa5;
}

static unsigned char read_at(unsigned char *at)
{
    return *(volatile unsigned char *)at;
}

static const char *write_past_size(void)
{
    write_at(chunk_of(SIZE) + SIZE);
    return verdict(0);
}

static const char *write_past_granules(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    (void)chunk_of(SIZE);
    write_at(chunk + 2 * POOL_GRANULE);
    return verdict(0);
}

static const char *write_before(void)
{
    (void)chunk_of(SIZE);
    write_at(chunk_of(SIZE) - 1);
    return verdict(0);
}

static const char *write_never_given(void)
{
    write_at(chunk_of(SIZE) + LARGE);
    return verdict(0);
}

static const char *write_past_block(void)
{
    unsigned char *whole = chunk_of(CAPACITY);
    write_at(whole + CAPACITY);
    return verdict(0);
}

static const char *read_past_size(void)
{
    printf("# it reads %s\n", read_at(chunk_of(SIZE) + SIZE) ? "something" : "zero");
    return verdict(0);
}

static const char *read_freed(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    release(chunk, SIZE);
    printf("# it reads %s\n", read_at(chunk) ? "something" : "zero");
    return verdict(0);
}

static const char *write_freed(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    release(chunk, SIZE);
    write_at(chunk + POOL_GRANULE);
    return verdict(0);
}

static const char *write_reset(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    if (pool_reset(&pool) != 0)
        abort();
    write_at(chunk);
    return verdict(0);
}

static const char *write_destroyed(void)
{
    unsigned char *chunk = chunk_of(SIZE);
    pool_destroy(&pool);
    write_at(chunk);
    return verdict(0);
}

static const char *read_unwritten(void)
{
    pool_destroy(&pool);
    open_pool(&pool, POOL_KEEP_CONTENTS);
    printf("# it reads %s\n", read_at(chunk_of(SIZE)) == 0x5a ? "Z" : "another byte");
    return verdict(0);
}

/* What needs more than the type promised. */
static const char *use_overaligned(void)
{
    struct wide {
        _Alignas(64) int number;
    };
    unsigned char *chunk = chunk_of(SIZE);
    while (((uintptr_t)chunk & 63) == 0)
        chunk = chunk_of(SIZE);
    struct wide *const wide = (struct wide *)(void *)chunk;
    wide->number = 1;
    return verdict(read_at(chunk) == 2);
}

/* --- The pool as a whole ---------------------------------------------------------------------- */

static void *alloc_many(void *unused)
{
    for (int i = 0; i < 100; i++) {
        void *chunk = NULL;
        (void)pool_alloc(&pool, &chunk, SIZE, POOL_USER);
    }
    return unused;
}

static const char *two_threads(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, alloc_many, NULL) != 0)
        abort();
    alloc_many(NULL);
    pthread_join(thread, NULL);
    return verdict(0);
}

static const char *forget_pool(void)
{
    (void)chunk_of(SIZE);
    memset(&pool, 0, sizeof pool);
    open_pool(&other, 0); /* whose address takes the place of the other in vector registers */
    pool_destroy(&other);
    return verdict(0);
}

static const char *init_live(void)
{
    open_pool(&other, 0);
    const struct pool_config config = {.capacity = CAPACITY};
    if (pool_init_with(&other, &config) != 0)
        return verdict(-1);
    pool_destroy(&other);
    return verdict(0);
}

static const char *copy_pool(void)
{
    void *one = NULL, *two = NULL;
    other = pool;
    if (pool_alloc(&pool, &one, SIZE, POOL_USER) != 0 ||
        pool_alloc(&other, &two, SIZE, POOL_USER) != 0)
        return verdict(-1);
    return verdict(0);
}

static const struct misuse {
    const char *name;
    const char *(*act)(void);
    const char *sentence;
} misuses[] = {
    {"free-twice", free_twice, "a chunk is freed twice"},
    {"free-twice-coalesced", free_twice_coalesced, "it is freed again after it was coalesced"},
    {"free-reused", free_reused, "it is freed again once its memory is another's chunk"},
    {"free-inside", free_inside, "a pointer into a chunk is freed"},
    {"free-misaligned", free_misaligned, "a pointer one byte into a chunk is freed"},
    {"free-foreign", free_foreign, "memory of malloc is freed"},
    {"free-elsewhere", free_elsewhere, "a chunk is freed in another pool"},
    {"free-size", free_size, "a chunk is freed with a size of more granules"},
    {"free-near-size", free_near_size, "with another size of as many granules"},
    {"free-stale", free_stale, "a chunk is freed after pool_reset"},
    {"free-dead", free_dead, "a chunk is freed after pool_destroy"},
    {"realloc-freed", realloc_freed, "a freed chunk is made larger"},
    {"alloc-nothing", alloc_nothing, "a chunk of size 0 is asked for"},
    {"alloc-wrapped", alloc_wrapped, "a size that went below zero is asked for"},
    {"alloc-dead", alloc_dead, "a destroyed pool is asked for a chunk"},
    {"write-past-size", write_past_size, "a byte is written right after the size asked for"},
    {"write-past-granules", write_past_granules, "a byte is written to the next live chunk"},
    {"write-before", write_before, "a byte is written right before a chunk"},
    {"write-never-given", write_never_given, "a byte is written where nothing was given out"},
    {"write-past-block", write_past_block, "a byte is written after the whole block"},
    {"read-past-size", read_past_size, "a byte is read right after the size asked for"},
    {"read-freed", read_freed, "a freed chunk is read"},
    {"write-freed", write_freed, "a freed chunk is written to"},
    {"write-reset", write_reset, "a chunk is written to after pool_reset"},
    {"write-destroyed", write_destroyed, "a chunk is written to after pool_destroy"},
    {"read-unwritten", read_unwritten, "contents that nobody promised decide a branch"},
    {"use-overaligned", use_overaligned, "a chunk is used at an alignment not asked for"},
    {"two-threads", two_threads, "two threads use a pool at once"},
    {"forget-pool", forget_pool, "a pool is never destroyed"},
    {"init-live", init_live, "a live pool is made again"},
    {"copy-pool", copy_pool, "a pool is copied, and both are used"},
};

/* What a misuse came to; of one that went unnoticed, what the checked build finds afterwards. */
static const char *or_found(const char *outcome)
{
#if defined(POOL_CHECKED)
    static char text[160];
    const char *broken = NULL;
    struct pool_stats stats;
    if (strcmp(outcome, "unnoticed") == 0 && pool_stats(&pool, &stats) == 0 &&
        pool_check(&pool, &broken) != 0) {
        snprintf(text, sizeof text, "pool_check: %s", broken);
        return text;
    }
#endif
    return outcome;
}

enum { MISUSES = sizeof misuses / sizeof *misuses };

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        for (int i = 0; i < MISUSES; i++)
            printf("%s\t%s\n", misuses[i].name, misuses[i].sentence);
        return 0;
    }
    for (int i = 0; count == 2 && i < MISUSES; i++) {
        if (strcmp(arguments[1], misuses[i].name) != 0)
            continue;
        open_pool(&pool, 0);
        printf("outcome: %s\n", or_found(misuses[i].act()));
        pool_destroy(&pool);
        return 0;
    }
    fprintf(stderr, "misuse: name one misuse; --list names them all\n");
    return 2;
}
