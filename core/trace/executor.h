/* Running a trace against something that allocates, one operation at a time and with every promise checked.
 *
 * This is the checking executor, for tests, fuzzing and `poolproof replay`: it fills each object with a
 * pattern of its own and verifies it. Benchmarks replay traces with their own unchecked player.
 */
#ifndef POOLPROOF_EXECUTOR_H
#define POOLPROOF_EXECUTOR_H

#include "mem_pool.h"
#include "trace.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the model found wrong: which oracle, at which operation, and what it saw. */
struct finding {
    const char *oracle; /* "model", "invariants", "shadow", "refusal", "exhaustion", "contents" */
    size_t op;          /* index into trace.ops */
    char message[300];
};

/* Which oracles run after each operation. */
enum oracle {
    ORACLE_MODEL = 1u << 0,      /* results, live set, alignment, zeroes, contents, statistics */
    ORACLE_INVARIANTS = 1u << 1, /* pool_check */
    ORACLE_SHADOW = 1u << 2,     /* the ASan state of every byte of the block; nothing without ASan */
    ORACLE_REFUSAL = 1u << 3,    /* a failed call leaves pool, pointer and memory byte for byte */
    ORACLE_ALL = (1u << 4) - 1
};

/* Runs the trace on a new pool made by config, beside the model, and destroys it. Out-of-memory is allowed
 * exactly where the model says so. Returns 0, or -1 with *finding filled. */
int execute_on_pool(const struct trace *trace, const struct pool_config *config, unsigned oracles,
                    struct finding *finding);

/* The same on malloc, realloc and free, with contents and alignment verified; misuse is left out and
 * counted in *skipped. A reset frees every live object. */
int execute_on_malloc(const struct trace *trace, size_t *skipped, struct finding *finding);

/* The capacity in bytes that a pool needs for this trace's live objects at their peak, in granules rounded
 * up, without fragmentation. */
size_t trace_peak_bytes(const struct trace *trace);

#ifdef __cplusplus
}
#endif

#endif
