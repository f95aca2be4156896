/* The rules of a trace, and what is told of one. */
#include "samples.h"

#include "mem_pool.h"

static void expect_broken(const struct trace_op *ops, size_t count, const char *message)
{
    struct trace trace = {0};
    struct trace_error error = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(trace_append(&trace, ops[i]), 0);
    assert_int_equal(trace_check(&trace, &error), -1);
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" was expected in: %s", message, error.message);
    assert_int_equal(error.offset, count - 1);
    trace_free(&trace);
}

static void each_rule_is_enforced(void **state)
{
    (void)state;
#define OP(...) ((struct trace_op){__VA_ARGS__})
#define ALLOC OP(.kind = TRACE_ALLOC, .size = 1)
    const struct {
        struct trace_op ops[3];
        size_t count;
        const char *message;
    } broken[] = {
        {{OP(.kind = TRACE_KINDS)}, 1, "no such kind"},
        {{OP(.kind = TRACE_ALLOC)}, 1, "the size is 0"},
        {{OP(.kind = TRACE_ALLOC, .size = 1, .align = 13)}, 1, "alignment"},
        {{OP(.kind = TRACE_ALLOC, .size = 1, .site = 1)}, 1, "call site"},
        {{OP(.kind = TRACE_ALLOC, .size = 1, .slot = TRACE_FREE_SLOTS)}, 1, "above the number"},
        {{ALLOC, ALLOC}, 2, "already holds"},
        {{ALLOC, OP(.kind = TRACE_CALLOC, .size = 1)}, 2, "already holds"},
        {{OP(.kind = TRACE_FREE)}, 1, "holds no object"},
        {{ALLOC, OP(.kind = TRACE_RESET), OP(.kind = TRACE_FREE)}, 3, "holds no object"},
        {{ALLOC, OP(.kind = TRACE_REALLOC)}, 2, "the size is 0"},
        {{OP(.kind = TRACE_REALLOC, .size = 1)}, 1, "holds no object"},
        {{ALLOC, OP(.kind = TRACE_FREE_TWICE)}, 2, "nothing has been freed"},
        {{ALLOC, OP(.kind = TRACE_REALLOC_TWICE, .size = 1)}, 2, "nothing has been freed"},
        {{ALLOC, OP(.kind = TRACE_FREE_STALE)}, 2, "held no object when a reset came"},
        {{OP(.kind = TRACE_RESET), OP(.kind = TRACE_FREE_STALE)}, 2, "held no object"},
        {{ALLOC, OP(.kind = TRACE_FREE_INTERIOR)}, 2, "the size is 0"},
        {{OP(.kind = TRACE_FREE_INTERIOR, .size = 1)}, 1, "holds no object"},
        {{OP(.kind = TRACE_FREE_MISALIGNED)}, 1, "holds no object"},
        {{ALLOC, OP(.kind = TRACE_FREE_WRONG_SIZE)}, 2, "the size is 0"},
        {{OP(.kind = TRACE_REALLOC_INTERIOR, .size = 1)}, 1, "holds no object"},
        {{OP(.kind = TRACE_REALLOC_WRONG_SIZE, .size = 1)}, 1, "holds no object"},
        {{OP(.kind = TRACE_FREE_FOREIGN)}, 1, "the size is 0"},
        {{OP(.kind = TRACE_ALLOC_BAD_ALIGN)}, 1, "the size is 0"},
    };
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        expect_broken(broken[i].ops, broken[i].count, broken[i].message);
}

static void what_the_rules_allow_passes(void **state)
{
    (void)state;
    struct trace trace = from_text("alloc 0 1 1\nfree 0\nfree-twice 0\ncalloc 0 7 4096\n"
                                   "realloc-twice 0 3\nreset\nfree-stale 0\nalloc 0 2 1\nreset\n"
                                   "free-before 0\nfree-after 0\nalloc-huge 0 0\nalloc-zero 9\n"
                                   "alloc 4095 1 1\ncheck");
    assert_int_equal(trace_check(&trace, NULL), 0);
    assert_int_equal(trace.slots, 4096);
    trace_free(&trace);
}

/* A slot may reach as far as the operations before it, however many those are. */
static void a_long_trace_may_use_as_many_slots(void **state)
{
    (void)state;
    struct trace trace = {0};
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(
            trace_append(&trace, (struct trace_op){.kind = TRACE_ALLOC, .size = 1, .slot = i}), 0);
    assert_int_equal(trace_check(&trace, NULL), 0);
    trace.ops[19999].slot = 20000;
    assert_int_equal(trace_check(&trace, NULL), -1);
    trace_free(&trace);
}

static void the_longest_operation_fits_its_line(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++) {
        struct trace_op op = {.kind = (uint8_t)kind,
                              .align = TRACE_MAX_ALIGN,
                              .thread = UINT16_MAX,
                              .slot = UINT32_MAX,
                              .site = UINT32_MAX,
                              .size = UINT64_MAX};
        char longer[200];
        char line[80];
        trace_print_op(&op, longer, sizeof longer);
        trace_print_op(&op, line, sizeof line);
        assert_string_equal(line, longer);
        assert_true(strncmp(line, trace_kind_name(kind), strlen(trace_kind_name(kind))) == 0);
    }
}

static void the_peak_counts_granules(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t granules;
    } cases[] = {
        {"", 0},
        {"alloc 0 1 1", 1},
        {"alloc 0 16 1\nalloc 1 17 1", 3},
        {"alloc 0 16 1\nfree 0\nalloc 1 17 1\nfree 1\nalloc 0 5 1", 2},
        {"alloc 0 100 1\nreset\nalloc 1 17 1\nalloc 0 32 1", 7},
        {"alloc 0 1 1\nrealloc 0 160 1\nrealloc 0 16 1\nalloc 1 144 1\nalloc 2 1 1", 11},
        {"alloc 0 1 1\nalloc-huge 1 5\nfree-after 3", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trace trace = from_text(cases[i].text);
        assert_int_equal(trace_peak_bytes(&trace), cases[i].granules * POOL_GRANULE);
        trace_free(&trace);
    }
    struct trace huge = from_text("alloc 0 18446744073709551615 1\nalloc 1 9223372036854775808 1");
    assert_true(trace_peak_bytes(&huge) == SIZE_MAX);
    trace_free(&huge);
}

static void texts_become_plain_lines(void **state)
{
    (void)state;
    struct trace trace = {0};
    uint32_t site;
    assert_int_equal(trace_add_site(&trace, "one\ntwo\x7f", &site), 0);
    assert_string_equal(trace.sites[site], "one two ");
    assert_int_equal(trace_set_origin(&trace, "a\tb"), 0);
    assert_string_equal(trace.origin, "a b");
    assert_int_equal(trace_check(&trace, NULL), 0);
    assert_int_equal(trace_set_origin(&trace, ""), 0);
    assert_null(trace.origin);
    trace_free(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_is_enforced),
        cmocka_unit_test(what_the_rules_allow_passes),
        cmocka_unit_test(a_long_trace_may_use_as_many_slots),
        cmocka_unit_test(the_longest_operation_fits_its_line),
        cmocka_unit_test(the_peak_counts_granules),
        cmocka_unit_test(texts_become_plain_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
