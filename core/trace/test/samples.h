/* Traces for the tests of core/trace. */
#ifndef POOLPROOF_TRACE_SAMPLES_H
#define POOLPROOF_TRACE_SAMPLES_H

#define _XOPEN_SOURCE 700 /* mkdtemp; this header comes first */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "generate.h"
#include "trace.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The seed of this run: SEED from the environment, or a fixed one. It is printed where a test
 * fails. */
static inline uint64_t run_seed(void)
{
    const char *given = getenv("SEED");
    return given != NULL ? strtoull(given, NULL, 0) : 20260731;
}

/* A random trace of everything that a trace can hold. */
static inline struct trace sample(uint64_t seed, size_t operations)
{
    struct generate_settings settings = {
        .seed = seed,
        .shape = GENERATE_RANDOM,
        .operations = operations,
        .live = 1 + (uint32_t)(seed % 50),
        .sizes = GENERATE_LOGARITHMIC,
        .largest = seed % 3 != 0 ? 4096 : UINT64_MAX,
        .largest_align = TRACE_MAX_ALIGN,
        .resize_in_256 = 80,
        .misuse_in_256 = 60,
    };
    struct trace trace;
    assert_int_equal(trace_generate(&settings, &trace), 0);
    return trace;
}

/* The same, with threads, call sites and an origin. */
static inline struct trace rich_sample(uint64_t seed, size_t operations)
{
    struct trace trace = sample(seed, operations);
    uint64_t state = seed;
    uint32_t site;
    assert_int_equal(trace_set_origin(&trace, "program --with 'arguments' \xc3\xa4"), 0);
    for (int i = 0; i < 5; i++) {
        char text[40];
        snprintf(text, sizeof text, "function_%d (file.c:%d)", i, i * 7);
        assert_int_equal(trace_add_site(&trace, i != 3 ? text : "", &site), 0);
        assert_int_equal(site, i + 1);
    }
    for (size_t i = 0; i < trace.count; i++) {
        trace.ops[i].thread = (uint16_t)(generate_next(&state) % 3 * 300);
        trace.ops[i].site = (uint32_t)(generate_next(&state) % 6);
    }
    return trace;
}

/* A trace from a text, without its first line and the end. */
static inline struct trace from_text(const char *operations)
{
    char text[4096];
    struct trace trace;
    struct trace_error error;
    snprintf(text, sizeof text, "poolproof trace 1\n%s\nend\n", operations);
    if (trace_parse(text, strlen(text), &trace, &error) != 0)
        fail_msg("%s", error.message);
    return trace;
}

/* A whole file's bytes, which the caller frees. */
static inline unsigned char *file_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(1 << 20);
    if (file == NULL || bytes == NULL)
        abort();
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static inline void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        abort();
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A new folder under TMPDIR or /tmp, and a path in it. */
struct scratch {
    char folder[256];
    char path[280];
};

static inline struct scratch scratch_make(void)
{
    struct scratch scratch;
    const char *under = getenv("TMPDIR");
    snprintf(scratch.folder, sizeof scratch.folder, "%s/trace-test-XXXXXX",
             under != NULL && strlen(under) < 200 ? under : "/tmp");
    assert_non_null(mkdtemp(scratch.folder));
    snprintf(scratch.path, sizeof scratch.path, "%s/a.trace", scratch.folder);
    return scratch;
}

/* Removes both; fails the test if anything else was left in the folder. */
static inline void scratch_remove(const struct scratch *scratch)
{
    unlink(scratch->path);
    assert_int_equal(rmdir(scratch->folder), 0);
}

#endif
