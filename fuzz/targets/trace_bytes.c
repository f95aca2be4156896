/* Any bytes decode to a trace that keeps the rules, and the bytes that encode it decode to the
 * same one. */
#include <assert.h>
#include <stdlib.h>

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct trace one, other;
    struct trace_error error;
    if (trace_decode(bytes, size, INPUT_MAX_OPS, &one) != 0)
        return 0;
    assert(trace_check(&one, &error) == 0 && "a decoded trace breaks a rule");
    const size_t whole = size / TRACE_DECODE_BYTES;
    assert(one.count == (whole < INPUT_MAX_OPS ? whole : INPUT_MAX_OPS));
    const size_t needed = trace_encode(&one, NULL, 0);
    uint8_t *const again = malloc(needed + 1);
    if (again) {
        again[needed] = 0xA5;
        assert(trace_encode(&one, again, needed) == needed && again[needed] == 0xA5);
        assert(trace_decode(again, needed, INPUT_MAX_OPS, &other) == 0);
        assert(trace_equal(&one, &other) && "encoding loses something that decoding gave");
        trace_free(&other);
    }
    free(again);
    trace_free(&one);
    return 0;
}
