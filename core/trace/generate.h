/* Random traces from a seed, for tests and benchmarks. The same settings give the same trace on
 * every machine. */
#ifndef POOLPROOF_GENERATE_H
#define POOLPROOF_GENERATE_H

#include "trace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum generate_shape {
    GENERATE_PAIR,   /* alloc and free one object, over and over, beside live - 1 that stay */
    GENERATE_LIFO,   /* alloc `live` objects, free them last first, over and over */
    GENERATE_FIFO,   /* a queue: alloc at one end, free at the other, `live` objects long */
    GENERATE_CHURN,  /* replace a random one of `live` objects, over and over */
    GENERATE_RANDOM, /* any operation at any time, with checks, and resets one in 256 */
    GENERATE_SHAPES
};

enum generate_sizes {
    GENERATE_UNIFORM,    /* every size from smallest to largest as likely */
    GENERATE_LOGARITHMIC /* every doubling as likely, so that most are small */
};

struct generate_settings {
    uint64_t seed;
    enum generate_shape shape;
    size_t operations; /* how many; what is live at the end stays live */
    uint32_t live;     /* objects live at a time, at most; 0 means 1 */
    enum generate_sizes sizes;
    uint64_t smallest;      /* bytes; 0 means 1 */
    uint64_t largest;       /* bytes; less than smallest means smallest */
    uint8_t largest_align;  /* exponent; each alloc takes one from 0 to this, small ones likelier */
    unsigned resize_in_256; /* of 256 operations on a live object, how many are a realloc */
    unsigned misuse_in_256; /* of 256 operations, how many are misuse; each is well placed */
};

/* Makes the trace; *trace need not be initialised. Fails for lack of memory, or on a shape or
 * alignment that does not exist; *trace is then empty. */
int trace_generate(const struct generate_settings *settings, struct trace *trace);

/* The next number of a sequence that starts with any *state (splitmix64: Steele, Lea, Flood, OOPSLA
 * 2014). */
static inline uint64_t generate_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#ifdef __cplusplus
}
#endif

#endif
