/* Generated traces: the shapes, and the same trace from the same seed. */
#include "samples.h"

static struct trace make(struct generate_settings settings)
{
    struct trace trace;
    struct trace_error error;
    assert_int_equal(trace_generate(&settings, &trace), 0);
    if (trace_check(&trace, &error) != 0)
        fail_msg("shape %d: %s", settings.shape, error.message);
    assert_int_equal(trace.count, settings.operations);
    return trace;
}

static void a_seed_decides_the_trace(void **state)
{
    (void)state;
    for (int shape = 0; shape < GENERATE_SHAPES; shape++) {
        struct generate_settings settings = {.seed = run_seed(),
                                             .shape = (enum generate_shape)shape,
                                             .operations = 5000,
                                             .live = 40,
                                             .largest = 700,
                                             .largest_align = 12,
                                             .resize_in_256 = 30,
                                             .misuse_in_256 = 30};
        struct trace one = make(settings);
        struct trace same = make(settings);
        settings.seed++;
        struct trace other = make(settings);
        assert_true(trace_equal(&one, &same));
        assert_false(trace_equal(&one, &other));
        trace_free(&one);
        trace_free(&same);
        trace_free(&other);
    }
}

static void sizes_stay_in_their_range(void **state)
{
    (void)state;
    static const uint64_t ranges[][2] = {{1, 1},      {16, 16},        {5, 6},
                                         {100, 1000}, {1, UINT64_MAX}, {1000, 1024}};
    for (size_t i = 0; i < COUNT_OF(ranges); i++)
        for (int sizes = GENERATE_UNIFORM; sizes <= GENERATE_LOGARITHMIC; sizes++) {
            struct trace trace =
                make((struct generate_settings){.seed = run_seed() + i,
                                                .shape = GENERATE_CHURN,
                                                .operations = 3000,
                                                .live = 10,
                                                .sizes = (enum generate_sizes)sizes,
                                                .smallest = ranges[i][0],
                                                .largest = ranges[i][1]});
            for (size_t k = 0; k < trace.count; k++)
                if (trace.ops[k].kind == TRACE_ALLOC)
                    assert_true(trace.ops[k].size >= ranges[i][0] &&
                                trace.ops[k].size <= ranges[i][1]);
            trace_free(&trace);
        }
}

static void shapes_are_what_they_are_called(void **state)
{
    (void)state;
    const struct generate_settings common = {.seed = 1, .operations = 6, .live = 3};
    static const char *const due[] = {
        [GENERATE_PAIR] = "alloc 0 1 1;alloc 1 1 1;alloc 2 1 1;free 2;alloc 2 1 1;free 2;",
        [GENERATE_LIFO] = "alloc 0 1 1;alloc 1 1 1;alloc 2 1 1;free 2;free 1;free 0;",
        [GENERATE_FIFO] = "alloc 0 1 1;alloc 1 1 1;alloc 2 1 1;free 0;alloc 0 1 1;free 1;",
    };
    for (size_t shape = 0; shape < COUNT_OF(due); shape++) {
        struct generate_settings settings = common;
        settings.shape = (enum generate_shape)shape;
        struct trace trace = make(settings);
        char text[600] = "";
        for (size_t i = 0; i < trace.count; i++) {
            char line[80];
            trace_print_op(&trace.ops[i], line, sizeof line);
            strcat(strcat(text, line), ";");
        }
        assert_string_equal(text, due[shape]);
        trace_free(&trace);
    }
}

/* More objects live than slots that are free for any trace. */
static void many_live_objects_keep_the_rules(void **state)
{
    (void)state;
    for (int shape = 0; shape < GENERATE_SHAPES; shape++) {
        struct trace trace = make((struct generate_settings){.seed = run_seed(),
                                                             .shape = (enum generate_shape)shape,
                                                             .operations = 40000,
                                                             .live = 10000,
                                                             .misuse_in_256 = 10});
        trace_free(&trace);
    }
}

static void impossible_settings_are_refused(void **state)
{
    (void)state;
    struct trace trace;
    assert_int_equal(trace_generate(&(struct generate_settings){.shape = GENERATE_SHAPES}, &trace),
                     -1);
    assert_int_equal(trace_generate(&(struct generate_settings){.largest_align = 13}, &trace), -1);
    assert_null(trace.ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_decides_the_trace),
        cmocka_unit_test(sizes_stay_in_their_range),
        cmocka_unit_test(shapes_are_what_they_are_called),
        cmocka_unit_test(many_live_objects_keep_the_rules),
        cmocka_unit_test(impossible_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
