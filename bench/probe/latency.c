/* How long single operations take: an allocator that reads the clock before and after each one.
 *
 * What is timed is one call through the arm's table and one reading of the clock; nothing of the
 * arm is inlined here. Writing to the object is not: a page fault belongs to whoever touches the
 * page first.
 */
#define _DEFAULT_SOURCE
#include "probe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#if defined __x86_64__
#include <cpuid.h>
#include <x86intrin.h>
#endif

enum { KINDS = 4, EMPTY = 3, EMPTY_BATCH = 2000 };

static const char *const kinds[KINDS] = {"alloc", "free", "realloc", "empty"};

/* Every interval of one kind, in ticks of the clock; what does not fit any more is not kept. */
struct intervals {
    uint32_t *ticks;
    size_t count, room;
};

static struct {
    const struct allocator *inner;
    struct intervals of[KINDS];
    int running, counter; /* whether intervals are kept; whether the processor counts for us */
} timed;

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Whether the processor has a counter of constant pace that can be read in order. */
static int has_counter(void)
{
#if defined __x86_64__
    unsigned eax, ebx, ecx, edx, more;
    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &more) && (more & (1u << 27)) != 0 &&
           __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & (1u << 8)) != 0;
#else
    return 0;
#endif
}

static inline uint64_t ticks(void)
{
#if defined __x86_64__
    if (timed.counter) {
        unsigned processor;
        uint64_t now = __rdtscp(&processor); /* after everything before it … */
        _mm_lfence();                        /* … and before everything after it */
        return now;
    }
#endif
    return nanoseconds();
}

static inline void note(int kind, uint64_t from, uint64_t to)
{
    struct intervals *intervals = &timed.of[kind];
    uint64_t took = to > from ? to - from : 0;
    if (timed.running && intervals->count < intervals->room)
        intervals->ticks[intervals->count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

/* --- The allocator in front ------------------------------------------------------------------ */

static void *timed_alloc(void *heap, size_t size)
{
    uint64_t from = ticks();
    void *object = timed.inner->alloc(heap, size);
    note(0, from, ticks());
    return object;
}

static void *timed_aligned(void *heap, size_t size, size_t align)
{
    uint64_t from = ticks();
    void *object = timed.inner->alloc_aligned(heap, size, align);
    note(0, from, ticks());
    return object;
}

static void *timed_zeroed(void *heap, size_t size)
{
    uint64_t from = ticks();
    void *object = timed.inner->alloc_zeroed(heap, size);
    note(0, from, ticks());
    return object;
}

static void timed_free(void *heap, void *object, size_t size)
{
    uint64_t from = ticks();
    timed.inner->free(heap, object, size);
    note(1, from, ticks());
}

static void timed_free_aligned(void *heap, void *object, size_t size, size_t align)
{
    uint64_t from = ticks();
    timed.inner->free_aligned(heap, object, size, align);
    note(1, from, ticks());
}

static void *timed_realloc(void *heap, void *object, size_t old_size, size_t new_size)
{
    uint64_t from = ticks();
    void *moved = timed.inner->realloc(heap, object, old_size, new_size);
    note(2, from, ticks());
    return moved;
}

static void timed_reset(void *heap)
{
    timed.inner->reset(heap);
}

static const struct allocator allocator_timed = {
    .name = "timed",
    .alloc = timed_alloc,
    .alloc_aligned = timed_aligned,
    .alloc_zeroed = timed_zeroed,
    .realloc = timed_realloc,
    .free = timed_free,
    .free_aligned = timed_free_aligned,
};

static const struct allocator allocator_timed_resets = {
    .name = "timed",
    .alloc = timed_alloc,
    .alloc_aligned = timed_aligned,
    .alloc_zeroed = timed_zeroed,
    .realloc = timed_realloc,
    .free = timed_free,
    .free_aligned = timed_free_aligned,
    .reset = timed_reset,
};

ARM(timed)
ARM(timed_resets)

/* --- What it saw ------------------------------------------------------------------------------ */

/* Room for every interval of a kind, written beforehand: no page fault of ours is timed. */
static int make_room(struct intervals *intervals, size_t room)
{
    const size_t bytes = room * sizeof *intervals->ticks;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    memset(memory, 1, bytes);
    *intervals = (struct intervals){memory, 0, room};
    return 0;
}

/* Intervals with nothing in them, spread over the process as the others are. */
static void time_nothing(void)
{
    for (int i = 0; i < EMPTY_BATCH; i++) {
        uint64_t from = ticks();
        note(EMPTY, from, ticks());
    }
}

static int compare(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

/* The smallest difference between two intervals, in ticks; 0 if all were equal. */
static uint32_t clock_step(const struct intervals *sorted, uint32_t smallest)
{
    for (size_t i = 1; i < sorted->count; i++) {
        uint32_t gap = sorted->ticks[i] - sorted->ticks[i - 1];
        if (gap && (!smallest || gap < smallest))
            smallest = gap;
    }
    return smallest;
}

/* Nearest-rank percentiles of sorted intervals: the smallest that so many are no larger than. */
static void print_percentiles(const struct intervals *intervals, double tick_ns, FILE *out)
{
    static const struct {
        const char *name;
        size_t parts; /* of 10000 */
    } percentiles[] = {{"p50", 5000},   {"p90", 9000},    {"p99", 9900},
                       {"p99_9", 9990}, {"p99_99", 9999}, {"max", 10000}};
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        size_t rank = (intervals->count * percentiles[i].parts + 9999) / 10000;
        fprintf(out, "%s\"%s\":%.1f", i ? "," : "{", percentiles[i].name,
                intervals->ticks[rank - 1] * tick_ns);
    }
    fputs("}", out);
}

int probe_latency(const struct subject *subject, long iterations, FILE *out)
{
    enum { ROOM = 1000000 };
    struct playing playing;
    timed.inner = subject->arm->allocator;
    timed.counter = has_counter();
    for (int kind = 0; kind < KINDS; kind++)
        if (make_room(&timed.of[kind], ROOM) != 0)
            return -1;
    if (playing_prepare(&playing, subject) != 0 ||
        playing_open(&playing, timed.inner->reset ? &arm_timed_resets : &arm_timed) != 0)
        return -1;
    playing_fill(&playing);
    playing_warm(&playing);
    timed.running = 1;
    const uint64_t first_ns = nanoseconds(), first = ticks();
    for (long i = 0; i < iterations; i++) {
        playing_batch(&playing);
        time_nothing();
    }
    const uint64_t last = ticks(), last_ns = nanoseconds();
    timed.running = 0;
    if (subject->shape)
        playing_drain(&playing);
    playing_close(&playing);
    const double tick_ns =
        timed.counter ? (double)(last_ns - first_ns) / (double)(last - first) : 1;
    uint32_t smallest = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        struct intervals *intervals = &timed.of[kind];
        qsort(intervals->ticks, intervals->count, sizeof *intervals->ticks, compare);
        smallest = clock_step(intervals, smallest);
    }
    fprintf(out, "{\"iterations\":%ld,\"clock\":\"%s\",\"clock_step_ns\":%.2f,\"kinds\":{",
            iterations, timed.counter ? "rdtscp" : "clock_gettime", smallest * tick_ns);
    for (int kind = 0, printed = 0; kind < KINDS; kind++) {
        const struct intervals *intervals = &timed.of[kind];
        if (intervals->count == 0)
            continue;
        fprintf(out, "%s\"%s\":{\"count\":%zu,\"ns\":", printed++ ? "," : "", kinds[kind],
                intervals->count);
        print_percentiles(intervals, tick_ns, out);
        fputs("}", out);
    }
    fputs("}}", out);
    return 0;
}
