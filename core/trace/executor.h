/* Running a trace against something that allocates, one operation at a time and with every
 * promise checked.
 *
 * These are the checking executors, for tests, fuzzing and replay: they fill each object with a
 * pattern of its own and verify it. Benchmarks replay traces with their own unchecked player.
 *
 * A trace given to an executor keeps the rules of trace_check; trace_read, trace_decode and
 * trace_generate give no others. An object whose allocation was refused for lack of memory, where
 * that is due, is left out, with the operations that mean it.
 */
#ifndef POOLPROOF_EXECUTOR_H
#define POOLPROOF_EXECUTOR_H

#include "mem_pool.h"
#include "trace.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was found wrong: which oracle saw it, at which operation, and what it saw. */
struct finding {
    const char *oracle; /* "model", "contents", "invariants", "shadow", "refusal", "exhaustion", or
                           "executor" when the executor itself lacks memory; a constant string */
    size_t op;          /* index into trace.ops; trace.count for what follows the last operation */
    char message[300];  /* one sentence */
};

/* Which oracles run after each operation. */
enum oracle {
    ORACLE_MODEL = 1u << 0,      /* results, reasons, live set, zeroes, contents, statistics */
    ORACLE_INVARIANTS = 1u << 1, /* pool_check */
    ORACLE_SHADOW = 1u << 2,  /* the ASan state of every byte of the block; nothing without ASan */
    ORACLE_REFUSAL = 1u << 3, /* a refused call leaves pool, pointer and memory byte for byte */
    ORACLE_ALL = (1u << 4) - 1
};

/* A block up to this many bytes is looked at as a whole after every operation that may have
 * changed it: statistics, walk, invariants, shadow; and compared with a copy around every
 * refusal. A larger one is looked at with every TRACE_CHECK, when as many operations have passed
 * as it has KiB, and at the end; what a refusal did to its memory shows in the objects' own
 * verification. */
#define EXECUTOR_WHOLE_BLOCK ((size_t)64 * 1024)

/* Runs the trace on a new pool made by config (NULL: the default), beside the model, then frees
 * what is left, takes the whole capacity as one chunk, and destroys the pool twice. Out-of-memory
 * is allowed exactly where the model says so. config->on_error must leave the pool alone. Returns
 * 0, or -1 with *finding filled. A config that pool_init_with refuses is a finding of
 * "exhaustion" at operation 0. Cost: linear in operations and bytes, and for a block up to
 * EXECUTOR_WHOLE_BLOCK its granules with each operation. */
int execute_on_pool(const struct trace *trace, const struct pool_config *config, unsigned oracles,
                    struct finding *finding);

/* The same on a pool of the other kind: a checked one where this build's are ordinary, an ordinary
 * one where they are checked. */
int execute_on_twin(const struct trace *trace, const struct pool_config *config, unsigned oracles,
                    struct finding *finding);

/* What a trace asks of a pool, found without one. Bytes are of whole granules. */
struct outcome {
    size_t refused; /* requests that found no room or were too large; their objects are left out */
    size_t peak_live; /* bytes held at most */
    size_t
        peak_end; /* bytes from the start of the block to the end of the furthest object, at most */
};

/* Runs the trace on the model alone, which puts each object at the lowest address that holds it:
 * an ideal pool of `capacity` bytes at an address of any alignment, which never runs out while a
 * place is left. A realloc stays in place where it can. Misuse is left out. Returns 0, or -1 for
 * lack of memory. Cost: for each request the granules in use, 64 at a time. */
int execute_on_model(const struct trace *trace, size_t capacity, struct outcome *outcome);

/* Something that allocates, as an executor sees it. Only context and reset may be NULL. */
struct allocator {
    const char *name;
    void *context; /* handed to each function */
    /* `size` bytes aligned to `align`, a power of two; zeroed if `zero`. NULL: none left. */
    void *(*alloc)(void *context, size_t size, size_t align, int zero);
    /* An object with the bytes that both sizes cover; NULL leaves the old one as it was. */
    void *(*resize)(void *context, void *ptr, size_t old_size, size_t new_size, size_t align);
    void (*release)(void *context, void *ptr, size_t size);
    void (*reset)(void *context); /* frees everything at once; NULL: each live object is released */
};

/* malloc, aligned_alloc, calloc, realloc and free of this process. */
extern const struct allocator allocator_malloc;

/* Runs the trace on an allocator, with contents, alignment and separateness verified; misuse is
 * left out and counted in *skipped (NULL: not counted). At the end every live object is released.
 * Returns 0, or -1 with *finding filled. Cost: linear in operations and bytes. */
int execute_on_allocator(const struct trace *trace, const struct allocator *allocator,
                         size_t *skipped, struct finding *finding);

/* The same on allocator_malloc. */
int execute_on_malloc(const struct trace *trace, size_t *skipped, struct finding *finding);

#ifdef __cplusplus
}
#endif

#endif
