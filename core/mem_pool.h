/* A memory pool: many small chunks out of one block, each free checked.
 *
 * A pool owns one block of memory. pool_alloc gives out zeroed, aligned chunks of it, pool_free
 * wipes them and takes them back, pool_destroy returns the block. No chunk carries a header: what
 * the pool knows stands in front of the block, where no overrun of a chunk goes, and nothing of it
 * in free memory. A write there changes nothing but what is given out next.
 *
 * mem_pool.c and this file are enough. What one can do without stands beside them and is used where
 * it is there: pool_questions.h (pool_required, pool_walk, pool_stats, pool_check, pool_strerror,
 * pool_trim), pool_system.h (POOL_LAZY) and pool_hooks.h (sanitizers and Valgrind); the checked
 * build needs pool_checked.h. Without a C library (-ffreestanding) a pool needs memcpy and memset,
 * and a buffer or map to take its block from.
 *
 * Conventions of every call:
 *   - 0 is success and -1 failure; pool_error says why.
 *   - A call that fails changes nothing but that reason: not the pool, not *ptr, not the memory.
 *     (One that fails for lack of memory may coalesce what is free, which pool_walk alone shows.)
 *   - Nothing prints, nothing aborts, nothing is global. Only the configured on_error is called. (A
 *     library compiled with POOL_ASSERTIONS, as debug builds are, aborts on a bug of its own.)
 *   - One pool belongs to one thread at a time; different pools are independent.
 *   - Sizes are bytes. A pool counts in granules of POOL_GRANULE bytes, to which sizes are rounded
 *     up.
 *   - The checked build of the library (-Dchecked=true, or POOL_CHECKED defined where mem_pool.c is
 *     compiled) refuses more, at a price in time and memory. What differs is said below; the struct
 *     and the calls are the same, so that programs need not know which build they are linked with.
 *   - "Constant" cost means a bound on instructions that holds for every pool and every history;
 *     DESIGN.md states the largest counts that were found.
 */
#ifndef MEM_POOL_H
#define MEM_POOL_H

#include <stddef.h>
#include <stdint.h>
#if !defined(__STDC_HOSTED__) || __STDC_HOSTED__
#include <string.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__STDC_HOSTED__) && !__STDC_HOSTED__
/* The two that a compiler wants of a freestanding program in any case. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *at, int value, size_t bytes);
#endif

#define POOL_VERSION "0.1.0"

/* The fast path of pool_alloc and pool_free, for small chunks that the pool has at hand, is
 * compiled into the caller unless this is defined. Only that code depends on where the fields of
 * struct m_pool are: a program that may meet another version of the shared library than it was
 * compiled with defines it. The size of the struct must be the same either way. */
#if defined(POOL_NO_INLINE)
#define POOL_INLINE
#elif defined(__GNUC_GNU_INLINE__) /* in gnu89 words */
#define POOL_INLINE extern __inline__
#else
#define POOL_INLINE inline
#endif

/* The unit of every pool, in bytes, and the alignment that every chunk has. */
#define POOL_GRANULE 16

/* What pool_init gives, in bytes. */
#define POOL_DEFAULT_CAPACITY 1024

/* The largest capacity, in bytes: 64 GiB, or half of the address space where that is less. */
#define POOL_MAX_CAPACITY                                                                          \
    (sizeof(size_t) > 4 ? (size_t)((UINT64_C(1) << 36) & SIZE_MAX) : (size_t)(SIZE_MAX / 2 + 1))

/* What a chunk will hold, which is to say its alignment, as a power of two. */
enum pool_type {
    POOL_I8 = 0,
    POOL_I16 = 1,
    POOL_I32 = 2,
    POOL_I64 = 3,
    POOL_F32 = 2,
    POOL_F64 = 3,
    POOL_STR = 0,
    POOL_USER = 4, /* that of max_align_t */
#ifndef POOL_NO_SHORT_TYPES
    i8 = POOL_I8,
    i16 = POOL_I16,
    i32 = POOL_I32,
    i64 = POOL_I64,
    f32 = POOL_F32,
    f64 = POOL_F64,
#endif
    POOL_PAGE = 12 /* the largest alignment, 4,096 bytes */
};

/* The type with an alignment of n bytes: a power of two from 1 to 4,096. Any other n is refused. */
#define POOL_ALIGN(n)                                                                              \
    ((enum pool_type)((n) == 1      ? 0                                                            \
                      : (n) == 2    ? 1                                                            \
                      : (n) == 4    ? 2                                                            \
                      : (n) == 8    ? 3                                                            \
                      : (n) == 16   ? 4                                                            \
                      : (n) == 32   ? 5                                                            \
                      : (n) == 64   ? 6                                                            \
                      : (n) == 128  ? 7                                                            \
                      : (n) == 256  ? 8                                                            \
                      : (n) == 512  ? 9                                                            \
                      : (n) == 1024 ? 10                                                           \
                      : (n) == 2048 ? 11                                                           \
                      : (n) == 4096 ? 12                                                           \
                                    : 15))

/* Why a call returned -1. */
enum pool_reason {
    POOL_OK = 0,
    POOL_NULL_ARGUMENT, /* a pointer that the call needs is NULL */
    POOL_DEAD,          /* the pool was never initialised, or is destroyed */
    POOL_ZERO_SIZE,     /* size 0 */
    POOL_TOO_LARGE,     /* a size or alignment that this pool could not hold even when empty */
    POOL_BAD_ALIGNMENT, /* a type beyond POOL_PAGE */
    POOL_OUT_OF_MEMORY, /* no adjacent free granules are enough just now */
    POOL_ALREADY_FREE,  /* the chunk at this pointer has been freed */
    POOL_STALE,         /* nothing has been allocated here since pool_init or pool_reset */
    POOL_INTERIOR,      /* the pointer is inside a live chunk, not at its start */
    POOL_MISALIGNED,    /* the pointer is in the block, but no chunk can start there */
    POOL_OUTSIDE,       /* the pointer is before or after the block: another pool's, or nobody's */
    POOL_WRONG_SIZE,    /* a live chunk starts here, but of another size */
    POOL_BAD_CONFIG,    /* settings that contradict each other; see struct pool_config */
    POOL_BUFFER_TOO_SMALL, /* the caller's buffer has no room for one granule and its bookkeeping */
    POOL_NO_BACKING,       /* malloc, the system or the configured map gave no memory */
    POOL_CORRUPTED,        /* checked build: something wrote into freed memory; pool_reset makes it
                              good */
    POOL_OVERRUN,          /* checked build: something wrote after the end of this chunk, or before
                              the start of the next one */
    POOL_REASONS           /* how many reasons there are */
};

enum pool_flag {
    /* Neither wipe chunks on free nor promise zeroes on alloc: the contract of malloc. */
    POOL_KEEP_CONTENTS = 1u << 0,
    /* Address space from the system; a page costs memory once it has been touched. */
    POOL_LAZY = 1u << 1,
    /* With POOL_LAZY: ask for huge pages. One page fault for 2 MiB instead of one for 4 KiB, which
     * can take half of a short program's time; and memory is occupied 2 MiB at a time. */
    POOL_HUGE_PAGES = 1u << 2,
    /* No pages: the work of an alloc or free, besides the wipe, is bounded by the capacity alone
     * and not by history. At worst it looks at each free run and each KiB of the block. */
    POOL_STRICT = 1u << 3
};

struct m_pool;

/* How to make a pool. Zero means the default, for each field and for all of them. */
struct pool_config {
    size_t capacity; /* usable bytes, rounded up to granules; 0: POOL_DEFAULT_CAPACITY */
    unsigned flags;  /* of enum pool_flag */
    void *buffer; /* memory of the caller's, which outlives the pool; nothing is allocated then */
    size_t buffer_size; /* its bytes; the capacity follows from them, so .capacity must be 0 */
    /* A source of memory other than malloc: map returns `bytes` bytes aligned to POOL_GRANULE, of
     * any contents, or NULL; unmap takes them back. Both or neither. */
    void *(*map)(void *context, size_t bytes);
    void (*unmap)(void *context, void *memory, size_t bytes);
    /* Told before the call returns of each refusal that pool_error would name, but for those of a
     * dead pool, which has forgotten it; may read the pool, must not change it. */
    void (*on_error)(void *context, const struct m_pool *pool, enum pool_reason reason,
                     const void *ptr);
    void *context; /* handed to the three functions */
};

/* Chunks of fewer granules than this have a size class each, in pages of POOL_PAGE_GRANULES. */
#define POOL_CLASSES 64
#define POOL_PAGE_GRANULES 256

/* A size class, whose chunks have so many granules as its index. */
struct pool_class {
    uint32_t *ready; /* a stack of chunks that are given out next: their granules … */
    uint32_t count;  /* … so many … */
    uint32_t room;   /* … of at most so many */
    uint32_t next; /* from here on a page is not yet looked at; where one starts: nothing is left */
    uint32_t listed; /* the last page of a ring of those of which a chunk may be free, and 1 */
};

/* A page's class, 0 if there is no page, and its neighbours in the ring of that class. */
struct pool_page {
    uint32_t n, next, prev;
};

/* A pool. Every field belongs to mem_pool.c; DESIGN.md explains them. All zero is a dead pool. */
struct m_pool {
    unsigned char *base;        /* the block */
    unsigned char *tags;        /* a byte a granule */
    unsigned char *listed;      /* a byte a page: its class if it is listed, or 0 */
    struct pool_class *classes; /* which there are none of where this is NULL */
    size_t fast_limit;          /* granules from here on never take the fast path */
    size_t fast_classes;        /* nor do chunks of as many granules and more */
    unsigned flags;             /* of enum pool_flag */
    unsigned reason;            /* of enum pool_reason */
    unsigned source;            /* which source */
    unsigned is_tight;          /* there are no pages and units, but a map of granules */
    size_t granules;            /* capacity */
    size_t frontier;            /* granules from here on are in no chunk, page or free extent */
    size_t high_water;          /* granules given out since init or reset, but for fresh pages */
    size_t clean;               /* from here on memory and tags are as the source gave them */
    struct pool_page *pages;
    size_t page_count;
    size_t rover;        /* the page that is looked at next to find an empty one */
    uint32_t *ready;     /* the classes' stacks */
    uint32_t *bins;      /* free extents by length … */
    uint64_t bin_map[2]; /* … and which bins are not empty */
    uint32_t *kept;      /* freed extents that are kept whole, by length */
    size_t kept_count;
    uint64_t *used;      /* a bit a granule: is not free … */
    uint64_t *begin;     /* … and is a chunk's first */
    uint32_t lowest[16]; /* no run of 2^i free granules starts before this one */
    void *memory;        /* what the source gave, and takes back … */
    size_t memory_size;  /* … and its bytes */
    void *(*map)(void *, size_t);
    void (*unmap)(void *, void *, size_t);
    void (*on_error)(void *, const struct m_pool *, enum pool_reason, const void *);
    void *context;
};

/* --- The life of a pool ----------------------------------------------------------------------- */

/* Makes a pool of POOL_DEFAULT_CAPACITY usable bytes with one malloc. The pool must be zeroed or
 * destroyed: a live pool's block would be lost.
 * Fails if and only if pool is NULL or malloc fails. Cost: constant, besides malloc's. */
int pool_init(struct m_pool *pool);

/* Makes a pool as config says; NULL is pool_init. The block comes from exactly one place: malloc,
 * the caller's buffer, the configured map, or with POOL_LAZY the system.
 * Fails if and only if pool is NULL; two sources are named, or .capacity and .buffer, or map
 * without unmap or unmap without map, .buffer_size without .buffer, unknown flags, or huge pages
 * without POOL_LAZY (POOL_BAD_CONFIG); the capacity is beyond POOL_MAX_CAPACITY (POOL_TOO_LARGE);
 * the buffer is too small; the source gives nothing, or map what no granule starts at.
 * Cost: constant, besides the source's. */
int pool_init_with(struct m_pool *pool, const struct pool_config *config);

/* Frees every chunk at once and keeps the block. Every pointer into the pool is stale afterwards
 * and is refused until a chunk starts there again.
 * Fails if and only if the pool is NULL or dead.
 * Cost: the wipe of what is live, and a look at each page, chunk and free extent. */
int pool_reset(struct m_pool *pool);

/* Returns the block to its source and leaves a dead pool. NULL and a dead pool are fine. Cost: the
 * source's. */
void pool_destroy(struct m_pool *pool);

/* --- Chunks ----------------------------------------------------------------------------------- */

/* Stores in *ptr a chunk of size bytes, aligned for type and zeroed (unless POOL_KEEP_CONTENTS).
 * The caller owns it until pool_free, pool_reset or pool_destroy. ptr may be the address of any
 * object pointer, cast to void **; in pool_realloc and pool_free it must not lie in the chunk that
 * *ptr names.
 * Fails if and only if pool or ptr is NULL, the pool is dead, size is 0, type is beyond POOL_PAGE,
 * the chunk is larger than the pool, or no adjacent free granules hold it at its alignment. The
 * checked build also answers POOL_CORRUPTED before it gives out what was written to.
 * Cost: constant, amortised over the calls before it. In a pool below 64 KiB, with POOL_STRICT, and
 * from when the capacity has been used up until all is free: at most a look at each free run.
 * Memory used for the first time costs its zeroes. */
POOL_INLINE int pool_alloc(struct m_pool *pool, void **ptr, size_t size, enum pool_type type);

/* Makes the chunk at *ptr, allocated with old_size, a chunk of new_size aligned for type: in place
 * where its size class or its neighbours allow it, else moved, with *ptr changed. The bytes that
 * both sizes cover are kept, the others are zero (unless POOL_KEEP_CONTENTS). *ptr == NULL with
 * old_size 0 allocates; with any other it is POOL_NULL_ARGUMENT.
 * Fails if and only if pool_free of (*ptr, old_size) or pool_alloc of new_size would, except that
 * the chunk's own granules, with the free ones directly after it, suffice where no others do, if
 * they are aligned for type. The chunk is then as it was.
 * Cost: that of pool_alloc, and the bytes moved and wiped. */
int pool_realloc(struct m_pool *pool, void **ptr, size_t old_size, size_t new_size,
                 enum pool_type type);

/* Wipes the chunk at *ptr (unless POOL_KEEP_CONTENTS), makes it available and sets *ptr to NULL.
 * size is the size that it was allocated with; in the ordinary build any size of as many granules
 * will do. In the checked build a chunk that was written past is refused too (POOL_OVERRUN), and
 * one that is freed waits, while less than a quarter of the block does, before it is used again.
 * *ptr == NULL is a success that does nothing.
 * Fails if and only if pool or ptr is NULL, the pool is dead, or no live chunk of that many
 * granules starts at *ptr.
 * Cost: constant, besides the wipe; in a pool without pages a word for each KiB of the chunk and of
 * what is free around it; a refusal may look at every chunk and extent. */
POOL_INLINE int pool_free(void **ptr, size_t size, struct m_pool *pool);

/* pool_free for code that has only the pointer: the size is the chunk's own.
 * Fails if and only if pool or ptr is NULL, the pool is dead, or no live chunk starts at *ptr; in
 * the checked build also if the chunk was written past. Cost: that of pool_free. */
POOL_INLINE int pool_free_unsized(void **ptr, struct m_pool *pool);

/* --- Questions -------------------------------------------------------------------------------- */

/* The usable bytes of the live chunk that starts at ptr, its size rounded up to granules, or in the
 * checked build its size; 0 if none does. Cost: a word for each KiB of the chunk. */
size_t pool_size_of(const struct m_pool *pool, const void *ptr);

/* 1 if ptr points into the pool's block, else 0. Cost: constant. */
int pool_owns(const struct m_pool *pool, const void *ptr);

/* The capacity with which `count` live chunks of `size` bytes aligned for type are certain to fit
 * at any time, whatever the order of allocations and frees of such chunks; one granule less is not
 * certain. 0 if no pool can be that large or an argument is refused by pool_alloc.
 * Cost: constant. */
size_t pool_required(size_t count, size_t size, enum pool_type type);

enum pool_kind {
    POOL_LIVE,   /* a chunk that the user holds */
    POOL_CACHED, /* a freed chunk of a page, or one waiting in the checked build */
    POOL_RUN,    /* adjacent free granules */
    POOL_FRESH   /* granules not given out since init or reset */
};

struct pool_extent {
    void *start;
    size_t size; /* bytes, a multiple of POOL_GRANULE */
    enum pool_kind kind;
};

/* Calls visit for each extent of the block in address order; the extents cover it without gaps. In
 * the checked build the block is a granule longer than the capacity, and so is each live chunk. A
 * visit that returns non-zero ends the walk, and that value is returned; a visit must not change
 * the pool.
 * Fails (-1) if and only if pool or visit is NULL or the pool is dead.
 * Cost: proportional to the granules ever given out. */
int pool_walk(const struct m_pool *pool,
              int (*visit)(void *context, const struct pool_extent *extent), void *context);

/* Verifies the invariants I1 to I8 of DESIGN.md, in the checked build I9 and I10 too. On failure
 * *broken names the first that does not hold; broken may be NULL. Fails if and only if one does not
 * hold or the pool is NULL or dead.
 * Cost: proportional to the granules ever given out; in the checked build to the free bytes. */
int pool_check(const struct m_pool *pool, const char **broken);

struct pool_stats {
    size_t capacity;   /* bytes that chunks can occupy */
    size_t live_bytes; /* held by the user, rounded up to granules */
    size_t live_chunks;
    size_t cached_bytes; /* freed and kept whole by size; available */
    size_t cached_chunks;
    size_t free_bytes;   /* capacity - live_bytes, and in the checked build less what parts the live
                          chunks: all that is available, cached and fresh included */
    size_t free_runs;    /* maximal runs of adjacent available granules */
    size_t largest_free; /* bytes of the longest of them: the largest chunk that can be had now */
    size_t high_water;   /* bytes from the start of the block up to the last given out since init
                           or reset */
    size_t overhead;     /* bytes of the source that no chunk can occupy, and struct m_pool */
};

/* Fills *stats. Fails if and only if an argument is NULL or the pool is dead. Nothing is counted
 * while small chunks come and go, so the cost is here: proportional to the granules ever given
 * out. */
#if defined(__cplusplus) && defined(__GNUC__) /* a function may be called as a struct is */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
int pool_stats(const struct m_pool *pool, struct pool_stats *stats);
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Why the last call that returned -1 and could change the pool did; POOL_OK if none has yet. For
 * NULL, POOL_NULL_ARGUMENT. The calls on a const pool leave no reason. */
enum pool_reason pool_error(const struct m_pool *pool);

/* That reason as a sentence without a full stop; never NULL. */
const char *pool_strerror(enum pool_reason reason);

/* Purges free whole pages: the system gets their memory, the pool keeps the addresses. Stores the
 * bytes purged in *released unless NULL: 0 for a pool without POOL_LAZY.
 * Fails if and only if the pool is NULL or dead.
 * Cost: proportional to the granules ever given out. */
int pool_trim(struct m_pool *pool, size_t *released);

/* --- The fast path, not for users ------------------------------------------------------------- */

/* What the fast path leaves to the library. Pointers are passed by value: one whose address went to
 * another file could not stay in a register. */
void pool_refuse(struct m_pool *pool, enum pool_reason reason, const void *ptr);
void *pool_alloc_slow(struct m_pool *pool, size_t size, enum pool_type type);
int pool_free_slow(struct m_pool *pool, void *ptr, size_t size);
int pool_free_unsized_slow(struct m_pool *pool, void *ptr);
void pool_free_long(struct m_pool *pool, size_t g, size_t n);

#ifndef POOL_NO_INLINE

#if defined(__clang__) /* unsigned numbers wrap on purpose, and lose bits: -fsanitize=integer */
#pragma clang attribute push(                                                                      \
    __attribute__((no_sanitize("unsigned-integer-overflow", "unsigned-shift-base"))),              \
    apply_to = function)
#endif

#if defined(__GNUC__)
#define POOL_LIKELY(x) __builtin_expect(!!(x), 1)
#define POOL_IS_NULL(x) (__builtin_constant_p(!(x)) && !(x)) /* seen while compiling */
#define POOL_IS_LONG(n) (__builtin_constant_p((n) >= POOL_CLASSES) && (n) >= POOL_CLASSES)
#else
#define POOL_LIKELY(x) (x)
#define POOL_IS_NULL(x) 0
#define POOL_IS_LONG(n) 0
#endif

/* The tag of a chunk in a page. Of a chunk with room to grow the next granule's is its length. */
#define POOL_TAG_LIVE 0x40u
#define POOL_TAG_GROWN 0x41u /* live, and shorter than its class */
#define POOL_TAG_FREE 0x80u
#define POOL_TAG_FRESH 0x81u /* free, and not given out, but for what high_water knows */

/* The granule that starts at an address. Any address where none starts gives a number beyond every
 * capacity: the rotation moves the bits of misalignment to the top, where a wrapped offset has its
 * own. */
POOL_INLINE size_t pool_granule(const struct m_pool *pool, const void *at)
{
    size_t offset = (size_t)((uintptr_t)at - (uintptr_t)pool->base);
    return offset / POOL_GRANULE | offset << (sizeof(size_t) * 8 - POOL_USER);
}

/* Zeroes 1 to 4 granules. Stores that may overlap cost less than a loop of n turns; each memset of
 * a granule is one vector store. */
POOL_INLINE void pool_wipe(void *chunk, size_t n)
{
    unsigned char *first = (unsigned char *)chunk, *last = first + (n - 1) * POOL_GRANULE;
    memset(first, 0, POOL_GRANULE);
    memset(last, 0, POOL_GRANULE);
    if (n > 2) {
        memset(first + POOL_GRANULE, 0, POOL_GRANULE);
        memset(last - POOL_GRANULE, 0, POOL_GRANULE);
    }
}

/* The number of the lowest bit that is set; there is one. */
POOL_INLINE unsigned pool_lowest(uint64_t word)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(word);
#else
    unsigned bit = 0;
    for (word &= 0 - word; word > 1; word >>= 1)
        bit++;
    return bit;
#endif
}

/* Stores the granule of a chunk of n granules in a page: the last of its class's stack. 0 if that
 * is empty. */
POOL_INLINE int pool_alloc_inline(struct m_pool *pool, size_t n, size_t *granule)
{
    struct pool_class *own = &pool->classes[n];
    size_t count, g;
    if (POOL_IS_LONG(n)) /* gcc would warn of the entry */
        return 0;
    count = own->count;
    if (!POOL_LIKELY(count))
        return 0;
    g = own->ready[count - 1];
    own->count = (uint32_t)(count - 1);
    pool->tags[g] = POOL_TAG_LIVE;
    *granule = g;
    return 1;
}

/* A free chunk of n granules in a listed page is given out next, if there is room for it. */
POOL_INLINE void pool_stack(struct m_pool *pool, size_t g, size_t n)
{
    struct pool_class *own = &pool->classes[n];
    uint32_t count = own->count;
    if (count >= own->room)
        return;
    own->ready[count] = (uint32_t)g;
    own->count = count + 1;
}

/* Frees a chunk that is live and of 0 < n granules in a listed page; else 0. */
POOL_INLINE int pool_free_inline(struct m_pool *pool, void *chunk, size_t n)
{
    size_t g = pool_granule(pool, chunk);
    if (POOL_IS_NULL(chunk) || POOL_IS_LONG(n)) /* gcc would warn of the wipe */
        return 0;
    if (!POOL_LIKELY(g < pool->fast_limit && pool->listed[g / POOL_PAGE_GRANULES] == n &&
                     pool->tags[g] == POOL_TAG_LIVE))
        return 0;
    if (!(pool->flags & POOL_KEEP_CONTENTS)) {
        if (!POOL_LIKELY(n <= 4)) {
            pool_free_long(pool, g, n);
            return 1;
        }
        pool_wipe(chunk, n);
    }
    pool->tags[g] = POOL_TAG_FREE;
    pool_stack(pool, g, n);
    return 1;
}

POOL_INLINE int pool_alloc(struct m_pool *pool, void **ptr, size_t size, enum pool_type type)
{
    size_t n = (size - 1) / POOL_GRANULE + 1; /* beyond every capacity for size 0 */
    size_t g;
    void *chunk;
    if (!pool || !ptr) {
        pool_refuse(pool, POOL_NULL_ARGUMENT, NULL);
        return -1;
    }
    if (POOL_LIKELY(n < pool->fast_classes && (unsigned)type <= POOL_USER) &&
        POOL_LIKELY(pool_alloc_inline(pool, n, &g))) {
        chunk = pool->base + g * POOL_GRANULE;
    } else {
        chunk = pool_alloc_slow(pool, size, type);
        if (!chunk)
            return -1;
    }
    memcpy(ptr, &chunk, sizeof chunk); /* *ptr may be of any pointer type */
    return 0;
}

POOL_INLINE int pool_free(void **ptr, size_t size, struct m_pool *pool)
{
    size_t n = (size - 1) / POOL_GRANULE + 1;
    void *chunk;
    if (!pool || !ptr) {
        pool_refuse(pool, POOL_NULL_ARGUMENT, NULL);
        return -1;
    }
    memcpy(&chunk, ptr, sizeof chunk);
    if (!POOL_LIKELY(pool_free_inline(pool, chunk, n)) && pool_free_slow(pool, chunk, size) != 0)
        return -1;
    memset(ptr, 0, sizeof chunk);
    return 0;
}

POOL_INLINE int pool_free_unsized(void **ptr, struct m_pool *pool)
{
    void *chunk;
    size_t g, n = 0;
    if (!pool || !ptr) {
        pool_refuse(pool, POOL_NULL_ARGUMENT, NULL);
        return -1;
    }
    memcpy(&chunk, ptr, sizeof chunk);
    g = pool_granule(pool, chunk);
    if (POOL_LIKELY(g < pool->fast_limit))
        n = pool->listed[g / POOL_PAGE_GRANULES];
    if (!(POOL_LIKELY(n) && pool_free_inline(pool, chunk, n)) &&
        pool_free_unsized_slow(pool, chunk) != 0)
        return -1;
    memset(ptr, 0, sizeof chunk);
    return 0;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif

#ifdef __cplusplus
}
#endif

#endif
