/* One reserved range, a slot of it a heap, and how heaps pass from thread to thread. */
#define _GNU_SOURCE
#include "heaps.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define MOST_SHIFT 33  /* 8 GiB a heap */
#define LEAST_SHIFT 22 /* 4 MiB */
#define LIMITED_HEAPS 8
#define HUGE_PAGE ((size_t)2 << 20)

struct heaps heaps;
struct heap heap_table[HEAPS];
_Thread_local struct heap *heap_mine HEAPS_TLS;
static _Thread_local int endings HEAPS_TLS; /* how often the thread's end has been put off */

static size_t pool_capacity, pool_prefault;
static pthread_key_t end_key;
static bool have_key;

/* The address space that the program may have, or SIZE_MAX. */
static size_t address_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

/* Private, without reserve and untouched: it costs no memory until a page is written. */
static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Runs at a thread's end, and again, so that what other destructors free and allocate is still
 * served; but not in the last round, in which sanitizers take the thread apart. */
static void end_thread(void *value)
{
    struct heap *heap = value;
    if (++endings < PTHREAD_DESTRUCTOR_ITERATIONS - 1 && pthread_setspecific(end_key, heap) == 0)
        return;
    endings = PTHREAD_DESTRUCTOR_ITERATIONS;
    heap_mine = NULL;
    heap_fold(heap);
    atomic_store_explicit(&heap->state, HEAP_ABANDONED, memory_order_release);
}

bool heaps_start(size_t capacity, size_t prefault)
{
    size_t limit = address_limit();
    unsigned count = limit == SIZE_MAX ? HEAPS : LIMITED_HEAPS;
    int error = errno;
    pool_capacity = capacity;
    pool_prefault = prefault;
    have_key = pthread_key_create(&end_key, end_thread) == 0;
    /* The range and its links, a quarter of it: at most a quarter of what the program may have. */
    for (unsigned shift = MOST_SHIFT; shift >= LEAST_SHIFT; shift--) {
        size_t total = (size_t)count << shift, links = total / POOL_GRANULE * sizeof(uint32_t);
        if (total + links > limit / 4)
            continue;
        char *at = reserve(total + links);
        if (!at) {
            count = LIMITED_HEAPS; /* memory is accounted for strictly here */
            continue;
        }
        heaps.shift = shift;
        heaps.count = count;
        heaps.links = (_Atomic uint32_t *)(void *)(at + total);
        heaps.base = at;
        heaps.total = total;
        ledger_add(&ledger_entry->reserved, total + links);
        break;
    }
    if (!heaps.base)
        ledger_add(&ledger_entry->flags, LEDGER_NO_MEMORY);
    errno = error;
    return heaps.base != NULL;
}

static uint64_t thread_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Touches a pool's first bytes; the time is told, for the ceiling is what runs without it. */
static void fault_in(char *at, size_t bytes)
{
    uint64_t start = thread_time_ns();
    for (size_t i = 0; i < bytes; i += 4096)
        *(volatile char *)(at + i) = 0;
    ledger_add(&ledger_entry->prefault_ns, thread_time_ns() - start);
}

/* A heap's slot, when its pool asks for memory for its chunks and its books. */
static void *map_slot(void *at, size_t bytes)
{
    return bytes <= (size_t)1 << heaps.shift ? at : NULL;
}

static void unmap_slot(void *at, void *memory, size_t bytes)
{
    (void)at, (void)memory, (void)bytes;
}

/* Huge pages, as POOL_HUGE_PAGES would ask for. */
static void ask_for_huge_pages(char *at, size_t bytes)
{
    int error = errno;
    (void)madvise(at, bytes, MADV_HUGEPAGE);
    errno = error;
}

/* What a pool refuses: without a pointer an alloc, and of those with one not a resize that must
 * move. */
static void refused(void *at, const struct m_pool *pool, enum pool_reason reason, const void *ptr)
{
    (void)at, (void)pool;
    if (!ptr)
        ledger_add(&ledger_entry->unfit, 1);
    else if (reason != POOL_OUT_OF_MEMORY && reason != POOL_TOO_LARGE)
        ledger_add(&ledger_entry->refused, 1);
}

static bool make(struct heap *heap)
{
    size_t slot = (size_t)1 << heaps.shift, room = slot - slot / 8;
    char *at = heaps.base + (size_t)(heap - heap_table) * slot;
    struct pool_config config = {
        .capacity = pool_capacity && pool_capacity < room ? pool_capacity : room,
        .flags = POOL_KEEP_CONTENTS,
        .map = map_slot,
        .unmap = unmap_slot,
        .on_error = refused,
        .context = at,
    };
    /* The main thread's heap is huge pages throughout. A program may have many others: theirs come
     * after the pages that its pool has touched, which make those around them small. */
    if (heap == heap_table)
        ask_for_huge_pages(at, slot);
    if (pool_init_with(&heap->pool, &config) != 0)
        return false;
    heap->start = (uintptr_t)at;
    heap->room = slot;
    if (heap != heap_table)
        ask_for_huge_pages(at + HUGE_PAGE, slot - HUGE_PAGE);
    if (pool_prefault)
        fault_in(at, pool_prefault < room ? pool_prefault : room);
    ledger_add(&ledger_entry->owners, 1);
    return true;
}

static struct heap *take(void)
{
    for (unsigned i = 0; i < heaps.count; i++) {
        struct heap *heap = &heap_table[i];
        int state = atomic_load_explicit(&heap->state, memory_order_relaxed);
        if (state == HEAP_OWNED ||
            !atomic_compare_exchange_strong_explicit(&heap->state, &state, HEAP_OWNED,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        if (state == HEAP_ABANDONED) {
            ledger_add(&ledger_entry->adopted, 1);
            return heap;
        }
        atomic_store_explicit(&heap->pending, LINK_END, memory_order_relaxed);
        return make(heap) ? heap : NULL; /* a heap that cannot be made stays owned by nobody */
    }
    return NULL;
}

struct heap *heap_acquire(void)
{
    if (!heaps.base || endings)
        return NULL;
    struct heap *heap = take();
    heap_mine = heap; /* before the next call, which may allocate */
    if (heap && have_key)
        (void)pthread_setspecific(end_key, heap);
    return heap;
}

void heap_drain(struct heap *heap)
{
    uint32_t link = atomic_exchange_explicit(&heap->pending, LINK_END, memory_order_acquire);
    size_t first = (size_t)(heap - heap_table) << heaps.shift;
    while (link >= LINK_FIRST) {
        size_t offset = first + (size_t)(link - LINK_FIRST) * POOL_GRANULE;
        _Atomic uint32_t *at = &heaps.links[offset / POOL_GRANULE];
        void *chunk = heaps.base + offset;
        link = atomic_load_explicit(at, memory_order_relaxed);
        atomic_store_explicit(at, LINK_NONE, memory_order_relaxed);
        (void)pool_free_unsized(&chunk, &heap->pool);
    }
}

void heap_free_remote(struct heap *heap, size_t offset)
{
    size_t slot = (size_t)1 << heaps.shift;
    _Atomic uint32_t *at = &heaps.links[offset / POOL_GRANULE];
    uint32_t unclaimed = LINK_NONE;
    if (atomic_load_explicit(&heap->state, memory_order_relaxed) == HEAP_NEVER ||
        offset % POOL_GRANULE ||
        !atomic_compare_exchange_strong_explicit(at, &unclaimed, LINK_END, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        ledger_add(&ledger_entry->refused, 1);
        return;
    }
    ledger_add(&ledger_entry->remote, 1);
    uint32_t own = (uint32_t)(offset % slot / POOL_GRANULE) + LINK_FIRST;
    uint32_t head = atomic_load_explicit(&heap->pending, memory_order_relaxed);
    do
        atomic_store_explicit(at, head, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&heap->pending, &head, own, memory_order_release,
                                                  memory_order_relaxed));
}

void heap_fold(struct heap *heap)
{
    ledger_add(&ledger_entry->served, heap->served - heap->folded);
    ledger_add(&ledger_entry->served_bytes, heap->bytes - heap->folded_bytes);
    heap->folded = heap->served;
    heap->folded_bytes = heap->bytes;
}

/* What was counted before belongs to the parent, and other threads' heaps to nobody. */
void heaps_fork_child(void)
{
    struct heap *heap = heap_mine;
    if (heap) {
        heap->folded = heap->served;
        heap->folded_bytes = heap->bytes;
    }
}
