/* Any bytes are a trace; a trace that bytes can express comes back from them. */
#include "samples.h"

static void fill(unsigned char *bytes, size_t size, uint64_t *state)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)generate_next(state);
}

static void any_bytes_are_a_trace_that_keeps_the_rules(void **state)
{
    (void)state;
    uint64_t random = run_seed();
    unsigned char bytes[2000];
    for (int round = 0; round < 300; round++) {
        size_t size = (size_t)(generate_next(&random) % sizeof bytes);
        fill(bytes, size, &random);
        struct trace trace;
        struct trace_error error;
        assert_int_equal(trace_decode(bytes, size, SIZE_MAX, &trace), 0);
        if (trace_check(&trace, &error) != 0)
            fail_msg("SEED=%llu: %s", (unsigned long long)run_seed(), error.message);
        assert_int_equal(trace.count, size / TRACE_DECODE_BYTES);
        assert_true(trace.slots <= TRACE_DECODE_SLOTS);
        trace_free(&trace);
    }
}

static void a_decoded_trace_comes_back_from_its_bytes(void **state)
{
    (void)state;
    uint64_t random = run_seed();
    unsigned char bytes[2000];
    unsigned char again[2000];
    for (int round = 0; round < 300; round++) {
        fill(bytes, sizeof bytes, &random);
        struct trace trace;
        struct trace other;
        assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
        size_t size = trace_encode(&trace, again, sizeof again);
        assert_int_equal(size, trace.count * TRACE_DECODE_BYTES);
        assert_int_equal(trace_decode(again, size, SIZE_MAX, &other), 0);
        if (!trace_equal(&trace, &other))
            fail_msg("SEED=%llu: another trace came back", (unsigned long long)run_seed());
        trace_free(&trace);
        trace_free(&other);
    }
}

/* Sizes to 4,096 bytes, the alignments of the table and few slots are all that the generator
 * uses here. */
static void an_expressible_trace_comes_back(void **state)
{
    (void)state;
    for (uint64_t seed = run_seed(); seed < run_seed() + 100; seed++) {
        struct generate_settings settings = {.seed = seed,
                                             .shape = GENERATE_RANDOM,
                                             .operations = 200,
                                             .live = TRACE_DECODE_SLOTS,
                                             .largest = 4095,
                                             .resize_in_256 = 50,
                                             .misuse_in_256 = 50};
        struct trace trace;
        struct trace other;
        unsigned char bytes[200 * TRACE_DECODE_BYTES];
        assert_int_equal(trace_generate(&settings, &trace), 0);
        size_t size = trace_encode(&trace, bytes, sizeof bytes);
        assert_int_equal(trace_decode(bytes, size, SIZE_MAX, &other), 0);
        if (!trace_equal(&trace, &other))
            fail_msg("SEED=%llu: another trace came back", (unsigned long long)seed);
        trace_free(&trace);
        trace_free(&other);
    }
}

/* One alloc of each size; what comes back is the size or the next that can be said. */
static void sizes_are_exact_or_rounded_up(void **state)
{
    (void)state;
    static const uint64_t exact[] = {1,     15,     16,     17,     255,    256,    257,
                                     1007,  1008,   1009,   1023,   1024,   1025,   4095,
                                     4096,  4097,   4111,   4112,   4113,   65535,  65536,
                                     65537, 131071, 131072, 131073, 262143, 262144, 262145};
    static const uint64_t rounded[][2] = {
        {4098, 4111}, {4120, 4127}, {65538, 131071}, {131074, 262143}, {UINT64_MAX, 262145}};
    for (size_t i = 0; i < COUNT_OF(exact) + COUNT_OF(rounded); i++) {
        int is_exact = i < COUNT_OF(exact);
        uint64_t size = is_exact ? exact[i] : rounded[i - COUNT_OF(exact)][0];
        uint64_t due = is_exact ? size : rounded[i - COUNT_OF(exact)][1];
        struct trace trace = {0};
        unsigned char bytes[TRACE_DECODE_BYTES];
        assert_int_equal(
            trace_append(&trace, (struct trace_op){.kind = TRACE_ALLOC, .size = size, .align = 7}),
            0);
        assert_int_equal(trace_encode(&trace, bytes, sizeof bytes), sizeof bytes);
        trace_free(&trace);
        assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
        assert_int_equal(trace.ops[0].size, due);
        assert_int_equal(trace.ops[0].align, 8);
        trace_free(&trace);
    }
}

static void a_quarter_of_reallocs_make_their_object_longer(void **state)
{
    (void)state;
    static const uint64_t due[][2] = {{100, 128}, {4090, 4127}, {262145, 262145}};
    for (size_t i = 0; i < COUNT_OF(due); i++) {
        struct trace trace = {0};
        unsigned char bytes[2 * TRACE_DECODE_BYTES];
        assert_int_equal(
            trace_append(&trace,
                         (struct trace_op){.kind = TRACE_ALLOC, .size = due[i][0], .align = 1}),
            0);
        assert_int_equal(
            trace_append(&trace, (struct trace_op){.kind = TRACE_REALLOC, .size = 28, .align = 1}),
            0);
        assert_int_equal(trace_encode(&trace, bytes, sizeof bytes), sizeof bytes);
        trace_free(&trace);
        for (unsigned range = 0; range < 16; range++) {
            bytes[sizeof bytes - 1] = (unsigned char)(range << 4);
            assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
            assert_int_equal(trace.ops[1].size == due[i][1], range / 4 == 1);
            trace_free(&trace);
        }
    }
}

static void every_code_is_a_size_and_every_kind_has_a_code(void **state)
{
    (void)state;
    size_t small = 0;
    for (unsigned code = 0; code < 0x10000; code++) {
        const unsigned char bytes[] = {0, 0, (unsigned char)code, (unsigned char)(code >> 8)};
        struct trace trace;
        assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
        assert_int_equal(trace.ops[0].kind, TRACE_ALLOC);
        assert_in_range(trace.ops[0].size, 1, 262145);
        small += trace.ops[0].size <= 256;
        trace_free(&trace);
    }
    assert_true(small >= 0x8000);

    /* What each kind needs, and then the kind by each code. */
    unsigned char bytes[6 * TRACE_DECODE_BYTES] = {0};
    struct trace needs = from_text("alloc 0 9 1\nfree 0\nalloc 0 9 1\nreset\nalloc 0 9 1");
    assert_int_equal(trace_encode(&needs, bytes, sizeof bytes), 5 * TRACE_DECODE_BYTES);
    trace_free(&needs);
    size_t codes[TRACE_KINDS] = {0};
    for (unsigned code = 0; code < 64; code++) {
        struct trace trace;
        bytes[5 * TRACE_DECODE_BYTES] = (unsigned char)code;
        assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
        codes[trace.ops[5].kind]++;
        trace_free(&trace);
    }
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++)
        assert_true(codes[kind] > 0);
}

static void bounds_are_kept(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0};
    struct trace trace;
    assert_int_equal(trace_decode(bytes, sizeof bytes, 3, &trace), 0);
    assert_int_equal(trace.count, 3);
    unsigned char few[9];
    memset(few, 0xee, sizeof few);
    assert_int_equal(trace_encode(&trace, few, 9), 12);
    assert_int_equal(few[8], 0xee);
    trace_free(&trace);
    assert_int_equal(trace_decode(bytes, 3, SIZE_MAX, &trace), 0);
    assert_int_equal(trace.count, 0);
    trace_free(&trace);
    assert_int_equal(trace_decode(NULL, 0, SIZE_MAX, &trace), 0);
    trace_free(&trace);
}

/* With all slots full an alloc becomes a free, and with none full a free becomes an alloc. */
static void operations_find_their_place(void **state)
{
    (void)state;
    unsigned char bytes[(TRACE_DECODE_SLOTS + 1) * TRACE_DECODE_BYTES] = {0};
    struct trace trace;
    assert_int_equal(trace_decode(bytes, sizeof bytes, SIZE_MAX, &trace), 0);
    for (uint32_t i = 0; i < TRACE_DECODE_SLOTS; i++)
        assert_int_equal(trace.ops[i].slot, i);
    assert_int_equal(trace.ops[TRACE_DECODE_SLOTS].kind, TRACE_FREE);
    trace_free(&trace);
    struct trace one = from_text("alloc 0 1 1\nfree 0");
    unsigned char two[2 * TRACE_DECODE_BYTES];
    assert_int_equal(trace_encode(&one, two, sizeof two), sizeof two);
    trace_free(&one);
    assert_int_equal(trace_decode(two + TRACE_DECODE_BYTES, TRACE_DECODE_BYTES, 1, &trace), 0);
    assert_int_equal(trace.ops[0].kind, TRACE_ALLOC);
    trace_free(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_are_a_trace_that_keeps_the_rules),
        cmocka_unit_test(a_decoded_trace_comes_back_from_its_bytes),
        cmocka_unit_test(an_expressible_trace_comes_back),
        cmocka_unit_test(sizes_are_exact_or_rounded_up),
        cmocka_unit_test(a_quarter_of_reallocs_make_their_object_longer),
        cmocka_unit_test(every_code_is_a_size_and_every_kind_has_a_code),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(operations_find_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
