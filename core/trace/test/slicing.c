/* Slices of a trace: what is kept, and that it is a trace again. */
#include "samples.h"

static struct trace cut(const struct trace *trace, size_t first, size_t most, uint32_t slots)
{
    struct trace slice;
    struct trace_error error;
    assert_int_equal(trace_slice(trace, first, most, slots, &slice), 0);
    if (trace_check(&slice, &error) != 0)
        fail_msg("from %zu, %u slots: %s", first, slots, error.message);
    assert_true(slice.count <= most && slice.slots <= slots && slice.threads <= 1);
    return slice;
}

static void expect(const char *whole, size_t first, size_t most, uint32_t slots, const char *due)
{
    struct trace trace = from_text(whole);
    struct trace slice = cut(&trace, first, most, slots);
    struct trace other = from_text(due);
    assert_true(trace_equal(&slice, &other));
    trace_free(&trace);
    trace_free(&slice);
    trace_free(&other);
}

static void objects_from_before_are_left_out(void **state)
{
    (void)state;
    expect("alloc 0 10 1\nalloc 7 20 16\nrealloc 0 30 1\ncheck\nfree 0\nrealloc 7 40 16\nfree 7\n"
           "calloc 0 50 8",
           1, 100, 32, "alloc 0 20 16\ncheck\nrealloc 0 40 16\nfree 0\ncalloc 0 50 8");
}

static void objects_beyond_the_slots_are_left_out(void **state)
{
    (void)state;
    static const char whole[] = "alloc 0 1 1\nalloc 1 2 1\nalloc 2 3 1\nrealloc 1 4 1\nfree 0\n"
                                "free 1\nalloc 0 5 1\nfree 2\nfree 0";
    expect(whole, 0, 100, 3,
           "alloc 0 1 1\nalloc 1 2 1\nalloc 2 3 1\nrealloc 1 4 1\nfree 0\nfree 1\nalloc 1 5 1\n"
           "free 2\nfree 1");
    expect(whole, 0, 100, 2,
           "alloc 0 1 1\nalloc 1 2 1\nrealloc 1 4 1\nfree 0\nfree 1\nalloc 1 5 1\nfree 1");
    expect(whole, 0, 100, 1, "alloc 0 1 1\nfree 0\nalloc 0 5 1\nfree 0");
    expect(whole, 0, 100, 0, "");
}

static void a_slice_ends_when_it_is_long_enough(void **state)
{
    (void)state;
    static const char whole[] = "alloc 0 1 1\nalloc 1 2 1\nfree 0\nfree 1";
    expect(whole, 0, 3, 32, "alloc 0 1 1\nalloc 1 2 1\nfree 0");
    expect(whole, 0, 0, 32, "");
    expect(whole, 4, 3, 32, "");
    expect(whole, SIZE_MAX, 3, 32, "");
}

static void a_reset_frees_every_slot(void **state)
{
    (void)state;
    expect("alloc 3 1 1\nalloc 4 2 1\nreset\nalloc 3 3 1\nfree 3", 1, 100, 1,
           "alloc 0 2 1\nreset\nalloc 0 3 1\nfree 0");
}

static void misuse_threads_and_sites_are_left_out(void **state)
{
    (void)state;
    expect("origin program\nsite main\nalloc 0 1 1 thread 1 site 1\nfree 0 thread 2\n"
           "free-twice 0\nfree-before 1\nalloc-zero 0",
           0, 100, 32, "alloc 0 1 1\nfree 0");
}

static void any_slice_keeps_the_rules(void **state)
{
    (void)state;
    for (uint64_t seed = run_seed(); seed < run_seed() + 40; seed++) {
        struct trace trace = rich_sample(seed, 1000);
        for (size_t first = 0; first <= 1000; first += 1 + seed % 37) {
            struct trace slice = cut(&trace, first, 256, 1 + (uint32_t)(seed % 40));
            trace_free(&slice);
        }
        trace_free(&trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_from_before_are_left_out),
        cmocka_unit_test(objects_beyond_the_slots_are_left_out),
        cmocka_unit_test(a_slice_ends_when_it_is_long_enough),
        cmocka_unit_test(a_reset_frees_every_slot),
        cmocka_unit_test(misuse_threads_and_sites_are_left_out),
        cmocka_unit_test(any_slice_keeps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
