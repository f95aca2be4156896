/* Both forms of a file: what is written is read back, and what is damaged is told. */
#include "samples.h"

#include <zlib.h>

/* The bytes of a trace in a form. */
static unsigned char *written(const struct trace *trace, enum trace_form form, size_t *size)
{
    struct scratch scratch = scratch_make();
    struct trace_error error = {0};
    if (trace_write(scratch.path, form, trace, &error) != 0)
        fail_msg("%s", error.message);
    unsigned char *bytes = file_bytes(scratch.path, size);
    scratch_remove(&scratch);
    return bytes;
}

static void round_trip(uint64_t seed, const struct trace *trace, enum trace_form form)
{
    struct scratch scratch = scratch_make();
    struct trace_error error = {0};
    struct trace again = {0};
    if (trace_write(scratch.path, form, trace, &error) != 0 ||
        trace_read(scratch.path, &again, &error) != 0)
        fail_msg("SEED=%llu form %d: %s", (unsigned long long)seed, form, error.message);
    if (!trace_equal(trace, &again))
        fail_msg("SEED=%llu form %d: another trace came back", (unsigned long long)seed, form);
    assert_int_equal(again.slots, trace->slots);
    trace_free(&again);
    scratch_remove(&scratch);
}

static void random_traces_come_back_equal(void **state)
{
    (void)state;
    for (uint64_t seed = run_seed(); seed < run_seed() + 25; seed++) {
        struct trace trace = rich_sample(seed, seed % 10 == 0 ? 20000 : seed % 200);
        round_trip(seed, &trace, TRACE_BINARY);
        round_trip(seed, &trace, TRACE_BINARY_GZIP);
        round_trip(seed, &trace, TRACE_TEXT);
        trace_free(&trace);
    }
}

static void the_empty_trace_comes_back(void **state)
{
    (void)state;
    struct trace empty = {0};
    round_trip(0, &empty, TRACE_BINARY);
    round_trip(0, &empty, TRACE_BINARY_GZIP);
    round_trip(0, &empty, TRACE_TEXT);
}

/* Many and long call sites fill several blocks. */
static void long_sites_come_back(void **state)
{
    (void)state;
    struct trace trace = {0};
    char text[TRACE_MAX_TEXT + 100];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (uint32_t i = 1; i <= 100; i++) {
        uint32_t site;
        assert_int_equal(trace_add_site(&trace, text, &site), 0);
        assert_int_equal(site, i);
        assert_int_equal(strlen(trace.sites[i]), TRACE_MAX_TEXT);
    }
    round_trip(0, &trace, TRACE_BINARY);
    round_trip(0, &trace, TRACE_TEXT);
    trace_free(&trace);
}

static void a_binary_is_compact(void **state)
{
    (void)state;
    struct generate_settings settings = {
        .seed = 1, .shape = GENERATE_CHURN, .operations = 100000, .live = 1000, .largest = 1000};
    struct trace trace;
    assert_int_equal(trace_generate(&settings, &trace), 0);
    size_t size;
    unsigned char *bytes = written(&trace, TRACE_BINARY, &size);
    assert_true(size < trace.count * 5);
    free(bytes);
    trace_free(&trace);
}

static void every_cut_is_told(enum trace_form form)
{
    struct trace trace = rich_sample(11, 40);
    size_t size;
    unsigned char *bytes = written(&trace, form, &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct trace_error error = {0};
        struct trace read;
        unsigned char *part = malloc(cut + 1); /* of its own size, for ASan to see a step beyond */
        assert_non_null(part);
        memcpy(part, bytes, cut);
        int result = trace_parse(part, cut, &read, &error);
        free(part);
        /* A text whose very last byte, the end of its last line, is cut is the same text. */
        if (form == TRACE_TEXT && result == 0 && cut + 1 == size) {
            assert_true(trace_equal(&trace, &read));
            trace_free(&read);
            continue;
        }
        if (result == 0 && form == TRACE_TEXT && cut + 4 >= size) { /* "end 4", or only "end" */
            assert_true(strstr((const char *)bytes + size - 7, "end") != NULL);
            trace_free(&read);
            continue;
        }
        if (result != -1)
            fail_msg("cut to %zu of %zu bytes it is read", cut, size);
        assert_true(error.offset <= cut);
        assert_true(error.message[0] != '\0');
        assert_null(read.ops);
    }
    free(bytes);
    trace_free(&trace);
}

static void every_cut_of_a_binary_is_told(void **state)
{
    (void)state;
    every_cut_is_told(TRACE_BINARY);
}

static void every_cut_of_a_text_is_told(void **state)
{
    (void)state;
    every_cut_is_told(TRACE_TEXT);
}

static void every_cut_of_a_gzip_file_is_told(void **state)
{
    (void)state;
    struct scratch scratch = scratch_make();
    struct trace trace = rich_sample(11, 40);
    size_t size;
    unsigned char *bytes = written(&trace, TRACE_BINARY_GZIP, &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct trace_error error = {0};
        struct trace read;
        put_file(scratch.path, bytes, cut);
        if (trace_read(scratch.path, &read, &error) != -1)
            fail_msg("cut to %zu of %zu bytes it is read", cut, size);
        assert_true(error.message[0] != '\0');
    }
    free(bytes);
    trace_free(&trace);
    scratch_remove(&scratch);
}

static void every_flipped_byte_of_a_binary_is_told(void **state)
{
    (void)state;
    struct trace trace = rich_sample(12, 40);
    size_t size;
    unsigned char *bytes = written(&trace, TRACE_BINARY, &size);
    for (size_t at = 0; at < size; at++)
        for (unsigned flip = 1; flip < 256; flip += flip < 4 ? 1 : 7) {
            struct trace_error error = {0};
            struct trace read;
            bytes[at] ^= (unsigned char)flip;
            if (trace_parse(bytes, size, &read, &error) != -1)
                fail_msg("byte %zu with %#x flipped is read", at, flip);
            assert_true(error.message[0] != '\0');
            bytes[at] ^= (unsigned char)flip;
        }
    free(bytes);
    trace_free(&trace);
}

/* A gzip header holds bytes that mean nothing; all others are under a checksum. */
static void every_flipped_byte_of_a_gzip_file_is_told_or_harmless(void **state)
{
    (void)state;
    struct scratch scratch = scratch_make();
    struct trace trace = rich_sample(13, 40);
    size_t size;
    unsigned char *bytes = written(&trace, TRACE_BINARY_GZIP, &size);
    size_t harmless = 0;
    for (size_t at = 0; at < size; at++) {
        struct trace_error error = {0};
        struct trace read;
        bytes[at] ^= 0x11;
        put_file(scratch.path, bytes, size);
        bytes[at] ^= 0x11;
        if (trace_read(scratch.path, &read, &error) != 0)
            continue;
        assert_true(trace_equal(&trace, &read));
        trace_free(&read);
        harmless++;
    }
    assert_true(harmless <= 10);
    free(bytes);
    trace_free(&trace);
    scratch_remove(&scratch);
}

/* Blocks that are whole each, but dropped, repeated or swapped. */
static void blocks_out_of_place_are_told(void **state)
{
    (void)state;
    struct trace trace = sample(21, 60000); /* several blocks of operations */
    size_t size;
    unsigned char *bytes = written(&trace, TRACE_BINARY, &size);
    static unsigned char other[1 << 20];
    assert_true(size < sizeof other / 2);
    size_t first = 9;
    size_t length = 9 + (bytes[10] | (size_t)bytes[11] << 8 | (size_t)bytes[12] << 16);
    assert_true(first + length < size);
    struct trace read;
    struct trace_error error;
    memcpy(other, bytes, first);
    memcpy(other + first, bytes + first + length, size - first - length);
    assert_int_equal(trace_parse(other, size - length, &read, &error), -1);
    memcpy(other + first, bytes + first, length);
    memcpy(other + first + length, bytes + first, size - first);
    assert_int_equal(trace_parse(other, size + length, &read, &error), -1);
    memcpy(other, bytes, size);
    other[size] = 0;
    assert_int_equal(trace_parse(other, size + 1, &read, &error), -1);
    assert_non_null(strstr(error.message, "something follows the end"));
    assert_int_equal(error.offset, size);
    free(bytes);
    trace_free(&trace);
}

/* A small file that passes every checksum may still claim anything. */
static void claims_are_not_believed(void **state)
{
    (void)state;
    static const unsigned char claims[][12] = {
        /* an end with 2^60 operations */
        {'E', 10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0},
        /* alloc in slot 2^32 - 2, size 1 */
        {'O', 7, 0x00, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1},
        /* a call site of 2^31 bytes */
        {'S', 5, 0x80, 0x80, 0x80, 0x80, 0x08},
        /* a varint without an end, one of too many bits, one longer than needed */
        {'O', 3, 0x03, 0x80, 0x80},
        {'O', 10, 0x03, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {'O', 3, 0x03, 0x80, 0x00},
        /* a kind that does not exist, a flag that the kind does not have, an alignment too large */
        {'O', 1, 0x1f},
        {'O', 3, 0x23, 4, 0},
        {'O', 4, 0x20, 13, 0, 1},
        /* a text with a line end, an unknown block */
        {'N', 1, '\n'},
        {'X', 0},
    };
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        unsigned char bytes[64] = "\x93PPT\r\n\x1a\n\x01";
        size_t length = claims[i][1];
        size_t end = 9 + 5 + length;
        bytes[9] = claims[i][0];
        bytes[10] = (unsigned char)length;
        memcpy(bytes + 14, claims[i] + 2, length);
        unsigned long crc = crc32(0, bytes, (unsigned)end);
        for (int k = 0; k < 4; k++)
            bytes[end + (size_t)k] = (unsigned char)(crc >> (8 * k));
        struct trace read;
        struct trace_error error = {0};
        assert_int_equal(trace_parse(bytes, end + 4, &read, &error), -1);
        if (strstr(error.message, "checksum") != NULL || strstr(error.message, "byte") == NULL)
            fail_msg("claim %zu: %s", i, error.message);
    }
}

static void texts_are_read_with_comments_and_told_by_line(void **state)
{
    (void)state;
    static const char good[] = "# by hand\r\n\npoolproof trace 1\r\norigin  two words\nsite here\n"
                               "alloc 0 10 16 thread 2 site 1\n# more\nfree 0\nend\n";
    struct trace trace;
    struct trace_error error;
    if (trace_parse(good, strlen(good), &trace, &error) != 0)
        fail_msg("%s", error.message);
    assert_string_equal(trace.origin, " two words");
    assert_string_equal(trace.sites[1], "here");
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.threads, 3);
    assert_int_equal(trace.ops[0].align, 4);
    trace_free(&trace);

    static const struct {
        const char *text;
        unsigned line;
        const char *message;
    } bad[] = {
        {"poolproof trace 2\nend\n", 1, "expected \"poolproof trace 1\""},
        {"poolproof trace 1\nallocate 0 1 1\nend\n", 2, "unknown operation \"allocate 0 1 1\""},
        {"poolproof trace 1\n\nalloc 0 1 3\nend\n", 3, "power of two"},
        {"poolproof trace 1\nalloc 0 1 8192\nend\n", 2, "power of two"},
        {"poolproof trace 1\nalloc 0 x 1\nend\n", 2, "expected a number, the size"},
        {"poolproof trace 1\nalloc 0 18446744073709551616 1\nend\n", 2, "out of range"},
        {"poolproof trace 1\nalloc -1 1 1\nend\n", 2, "expected a number, the slot"},
        {"poolproof trace 1\nalloc 0 1\nend\n", 2, "expected a number, the alignment"},
        {"poolproof trace 1\nalloc 0 1 1 1\nend\n", 2, "unexpected at the end"},
        {"poolproof trace 1\nfree 0\nend\n", 2, "the slot holds no object"},
        {"poolproof trace 1\nalloc 0 1 1 site 1\nend\n", 2, "the call site is not listed"},
        {"poolproof trace 1\nreset\norigin late\nend\n", 3, "unknown operation"},
        {"poolproof trace 1\nsite a\x01z\nend\n", 2, "control characters"},
        {"poolproof trace 1\nreset\nend 2\n", 3, "number of operations"},
        {"poolproof trace 1\nend\nreset\n", 3, "something follows the end"},
        {"poolproof trace 1\nreset\n", 2, "cut short"},
        {"\x01\x02", 0, "not a trace"},
        {"", 0, "the file is empty"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(trace_parse(bad[i].text, strlen(bad[i].text), &trace, &error), -1);
        if (strstr(error.message, bad[i].message) == NULL || error.line != bad[i].line)
            fail_msg("case %zu says: %s", i, error.message);
        for (const char *c = error.message; *c != '\0'; c++)
            assert_true(*c >= ' ' && *c < 127);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_traces_come_back_equal),
        cmocka_unit_test(the_empty_trace_comes_back),
        cmocka_unit_test(long_sites_come_back),
        cmocka_unit_test(a_binary_is_compact),
        cmocka_unit_test(every_cut_of_a_binary_is_told),
        cmocka_unit_test(every_cut_of_a_text_is_told),
        cmocka_unit_test(every_cut_of_a_gzip_file_is_told),
        cmocka_unit_test(every_flipped_byte_of_a_binary_is_told),
        cmocka_unit_test(every_flipped_byte_of_a_gzip_file_is_told_or_harmless),
        cmocka_unit_test(blocks_out_of_place_are_told),
        cmocka_unit_test(claims_are_not_believed),
        cmocka_unit_test(texts_are_read_with_comments_and_told_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
