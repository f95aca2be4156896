/* In which order a pool gives out chunks of one size: fresh ones side by side; the one freed last
 * first; what was all freed page by page, ascending in each, but for a few; and an empty page
 * serves another size. */
#include "rig.h"

/* Chunks of SIZE fill a page without a rest. */
enum {
    CAPACITY = 1 << 20,
    PAGE = POOL_PAGE_GRANULES * POOL_GRANULE,
    SIZE = 128,
    MOST = 32 * PAGE / SIZE
};

struct heap {
    struct rig rig;
    unsigned char *chunks[MOST];
};

/* So many freed chunks such a pool remembers of a size: one for 32 KiB of its block. */
static size_t stack_of(const struct heap *heap)
{
    return heap->rig.capacity / (32 * 1024);
}

static void take(struct heap *heap, size_t i)
{
    assert_int_equal(pool_alloc(&heap->rig.pool, (void **)&heap->chunks[i], SIZE, POOL_I8), 0);
}

static void give(struct heap *heap, size_t i)
{
    assert_int_equal(pool_free((void **)&heap->chunks[i], SIZE, &heap->rig.pool), 0);
}

/* A pool with MOST chunks, which follow each other from the block's start on. */
static void fill(struct heap *heap, const struct kind *kind)
{
    rig_open(&heap->rig, kind, CAPACITY);
    for (size_t i = 0; i < MOST; i++) {
        take(heap, i);
        assert_ptr_equal(heap->chunks[i], heap->rig.base + i * chunk_granules(SIZE) * POOL_GRANULE);
    }
}

static void shuffle(struct heap *heap)
{
    uint64_t random = 7;
    for (size_t i = MOST; i > 1; i--) {
        size_t j = random_below(&random, i);
        unsigned char *chunk = heap->chunks[j];
        heap->chunks[j] = heap->chunks[i - 1];
        heap->chunks[i - 1] = chunk;
    }
}

static size_t page_of(const struct heap *heap, size_t i)
{
    return (size_t)(heap->chunks[i] - heap->rig.base) / PAGE;
}

static size_t high_water(const struct heap *heap)
{
    struct pool_stats stats;
    assert_int_equal(pool_stats(&heap->rig.pool, &stats), 0);
    return stats.high_water;
}

static struct heap heap;

static void fresh_chunks_ascend_side_by_side(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        fill(&heap, &kinds[k]);
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

static void freed_last_is_given_out_first(void **state)
{
    (void)state;
    if (is_left_out("what was freed waits"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        uint64_t random = k;
        if (kinds[k].flags & POOL_STRICT)
            continue; /* has no pages */
        fill(&heap, &kinds[k]);
        for (size_t i = 0; i + 8 < MOST; i += 1 + random_below(&random, 8)) {
            size_t last = i + random_below(&random, 8);
            unsigned char *there = heap.chunks[last];
            for (size_t j = i; j < i + 8; j++)
                if (j != last)
                    give(&heap, j);
            give(&heap, last);
            take(&heap, last);
            assert_ptr_equal(heap.chunks[last], there);
            for (size_t j = i; j < i + 8; j++)
                if (j != last)
                    take(&heap, j);
        }
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

/* Page by page but for those that are remembered, and without pages from the start. */
static void what_was_all_freed_ascends_in_each_page(void **state)
{
    (void)state;
    if (is_left_out("what was freed waits"))
        return;
    for (size_t k = 0; k < KINDS; k++) {
        int seen[MOST * SIZE / PAGE] = {0};
        unsigned char *remembered[64];
        const int strict = !!(kinds[k].flags & POOL_STRICT);
        fill(&heap, &kinds[k]);
        shuffle(&heap);
        const size_t stack = stack_of(&heap);
        memcpy(remembered, heap.chunks, sizeof remembered);
        for (size_t i = 0; i < MOST; i++)
            give(&heap, i);
        for (size_t i = 0; i < MOST; i++) {
            take(&heap, i);
            if (strict)
                assert_ptr_equal(heap.chunks[i], heap.rig.base + i * SIZE);
            else if (i < stack)
                assert_ptr_equal(heap.chunks[i], remembered[stack - 1 - i]);
            else if (i > stack && page_of(&heap, i) == page_of(&heap, i - 1))
                assert_true(heap.chunks[i] > heap.chunks[i - 1]);
            else
                assert_int_equal(seen[page_of(&heap, i)]++, 0);
        }
        rig_assert_sound(&heap.rig);
        rig_close(&heap.rig);
    }
}

/* No fresh memory is touched for another size, of pages or beyond them, while pages are empty. */
static void an_empty_page_serves_another_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 144, 1008, 1024, 4096, PAGE};
    if (is_left_out("what was freed waits"))
        return;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            fill(&heap, &kinds[k]);
            size_t before = high_water(&heap);
            shuffle(&heap);
            for (size_t i = 0; i < MOST; i++)
                give(&heap, i);
            for (size_t bytes = 0; bytes + PAGE <= before; bytes += sizes[s]) {
                void *chunk = NULL;
                assert_int_equal(pool_alloc(&heap.rig.pool, &chunk, sizes[s], POOL_I8), 0);
            }
            assert_int_equal(high_water(&heap), before);
            rig_assert_sound(&heap.rig);
            rig_close(&heap.rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_chunks_ascend_side_by_side),
        cmocka_unit_test(freed_last_is_given_out_first),
        cmocka_unit_test(what_was_all_freed_ascends_in_each_page),
        cmocka_unit_test(an_empty_page_serves_another_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
