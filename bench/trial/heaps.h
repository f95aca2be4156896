/* The pool as malloc for a whole program: one pool a thread, all in one reserved range.
 *
 * An address names its owner: (address - base) >> shift is the heap. The owner frees at once. Any
 * other thread claims the chunk by one compare-and-exchange of the granule's link: a second
 * remote free of it is refused, and pushes it to the owner's list; the owner takes the whole list
 * before its next call. Links stand outside of the chunks: no user can write to them.
 *
 *     heap.pending ⇒ link[g1] ⇒ link[g2] ⇒ LINK_END        0 in a link: not pending
 *
 * A thread that ends abandons its heap with what is live in it; the next thread adopts it. There is
 * no lock anywhere, so fork needs none: in the child, heaps of threads that are gone stay theirs.
 * */
#ifndef TRIAL_HEAPS_H
#define TRIAL_HEAPS_H

#include "ledger.h"
#include "mem_pool.h"

#define HEAPS 256
#define HEAP_FOLD 4096 /* a heap's own counts reach the ledger once in so many allocations */

enum { LINK_NONE = 0, LINK_END = 1, LINK_FIRST = 2 };
enum heap_state { HEAP_NEVER, HEAP_OWNED, HEAP_ABANDONED };

struct heap {
    struct m_pool pool; /* its refusals go to the ledger */
    uintptr_t start;    /* of its part of the range … */
    size_t room;        /* … and that part's bytes */
    uint64_t served, bytes, folded, folded_bytes;
    _Alignas(64) _Atomic uint32_t pending; /* a link; written by others */
    _Atomic int state;
};

struct heaps {
    char *base; /* NULL until there is a reservation */
    size_t total;
    unsigned shift;
    unsigned count;
    _Atomic uint32_t *links; /* one for each granule of the range */
};

#ifdef HEAPS_STATIC_TLS
#define HEAPS_TLS __attribute__((tls_model("initial-exec")))
#else
#define HEAPS_TLS
#endif

extern struct heaps heaps;
extern struct heap heap_table[HEAPS];
extern _Thread_local struct heap *heap_mine HEAPS_TLS;

/* Reserves the range, as large as limits allow, and starts serving. capacity of each pool, in
 * bytes, or 0; prefault: bytes of each pool to touch beforehand. False if there is no room. */
bool heaps_start(size_t capacity, size_t prefault);
/* This thread's heap: a new one, an abandoned one, or NULL if there is none to be had. */
struct heap *heap_acquire(void);
void heap_drain(struct heap *heap);
void heap_free_remote(struct heap *heap, size_t offset);
void heap_fold(struct heap *heap);
void heaps_fork_child(void);

/* NULL if the thread has no heap or the heap no room. */
static inline void *heap_alloc(size_t size, enum pool_type type)
{
    struct heap *heap = heap_mine;
    void *chunk = NULL;
    if (__builtin_expect(!heap, 0) && !(heap = heap_acquire()))
        return NULL;
    if (__builtin_expect(atomic_load_explicit(&heap->pending, memory_order_relaxed) != LINK_END, 0))
        heap_drain(heap);
    if (__builtin_expect(pool_alloc(&heap->pool, &chunk, size, type) != 0, 0))
        return NULL;
    heap->bytes += size;
    if (__builtin_expect(++heap->served % HEAP_FOLD == 0, 0))
        heap_fold(heap);
    return chunk;
}

/* The heap that an address belongs to, or NULL. */
static inline struct heap *heap_of(const void *ptr)
{
    struct heap *mine = heap_mine;
    if (__builtin_expect(mine && (uintptr_t)ptr - mine->start < mine->room, 1))
        return mine;
    size_t offset = (size_t)((uintptr_t)ptr - (uintptr_t)heaps.base);
    return offset < heaps.total ? &heap_table[offset >> heaps.shift] : NULL;
}

static inline void heap_free(struct heap *heap, void *ptr)
{
    if (__builtin_expect(heap != heap_mine, 0)) {
        heap_free_remote(heap, (size_t)((char *)ptr - heaps.base));
        return;
    }
    /* What others have freed first, so that a second free of it finds it free. */
    if (__builtin_expect(atomic_load_explicit(&heap->pending, memory_order_relaxed) != LINK_END, 0))
        heap_drain(heap);
    (void)pool_free_unsized(&ptr, &heap->pool);
}

/* Usable bytes. Another thread's chunk may be asked about by who holds it: what says its size does
 * not change while it is live. */
static inline size_t heap_usable(const struct heap *heap, const void *ptr)
{
    return pool_size_of(&heap->pool, ptr);
}

#endif
