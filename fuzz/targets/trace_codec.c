/* Any bytes given as a trace file are refused with a sentence and a place inside them, or are a
 * trace that keeps the rules and that its text gives again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

/* Parses what trace_print_op makes of the operations, between the first line and the last. */
static void check_text(struct trace trace)
{
    enum { LINE = 81 };
    static const char start[] = "poolproof trace 1\n";
    struct trace again;
    struct trace_error error;
    char *const text = malloc(sizeof start + trace.count * LINE + sizeof "end");
    size_t size = text ? sizeof start - 1 : 0;
    if (text)
        memcpy(text, start, size);
    trace.sites = NULL; /* operations alone do not carry them, nor the origin */
    trace.site_count = 0;
    trace.origin = NULL;
    for (size_t i = 0; text && i < trace.count; i++) {
        trace.ops[i].site = 0;
        trace_print_op(&trace.ops[i], text + size, LINE - 1);
        size += strlen(text + size);
        text[size++] = '\n';
    }
    if (text) {
        memcpy(text + size, "end", 3);
        assert(trace_parse(text, size + 3, &again, &error) == 0 && "a trace's text is refused");
        assert(trace_equal(&trace, &again) && "a trace's text is another trace");
        trace_free(&again);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct trace trace;
    struct trace_error error = {0};
    if (trace_parse(bytes, size, &trace, &error) == 0) {
        assert(trace_check(&trace, &error) == 0 && "a parsed trace breaks a rule");
        check_text(trace);
    } else {
        assert(error.message[0] && memchr(error.message, 0, sizeof error.message));
        assert(error.offset <= size && "the place is outside of the file");
        assert(!trace.ops && trace.count == 0 && "a refused trace is not empty");
    }
    trace_free(&trace);
    return 0;
}
