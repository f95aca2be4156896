/* How much of the pool's code has run, and what the engine is told of it. */
#include "steps.h"

#include <stdint.h>

enum { LENGTHS = 192, SHARES = 64 };

size_t steps;

/* libFuzzer looks here for counters beside its own; elsewhere this is an array. */
__attribute__((section("__libfuzzer_extra_counters"),
               used)) static uint8_t records[LENGTHS + SHARES];

void __wrap___sanitizer_cov_trace_pc(void);

/* Compilers call this, linked with --wrap, in every block of the code that they are told to
 * count. */
void __wrap___sanitizer_cov_trace_pc(void)
{
    steps++;
}

void steps_tell(size_t length, const struct pool_stats *stats)
{
    size_t class = 0;
    for (; length >= 16; length /= 2)
        class += 8; /* eight classes for each doubling */
    class += length;
    records[class < LENGTHS ? class : LENGTHS - 1] = 1;
    const size_t scattered = stats->free_bytes - stats->largest_free;
    records[LENGTHS + scattered * SHARES / stats->capacity] = 1;
}
