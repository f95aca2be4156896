/* The executor on a pool: each operation is run, judged by the model, and followed by a look at
 * the whole block. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "pattern.h"
#include "run.h"

/* A whole block beyond this is taken but neither read nor freed one by one at the end, in
 * bytes. */
#define MAX_WHOLE_CHUNK ((size_t)256 * 1024 * 1024)

int run_report(struct run *run, const char *oracle, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    run->finding->oracle = oracle;
    run->finding->op = run->op;
    vsnprintf(run->finding->message, sizeof run->finding->message, format, arguments);
    va_end(arguments);
    return -1;
}

static void on_error(void *context, const struct m_pool *pool, enum pool_reason reason,
                     const void *ptr)
{
    struct run *run = context;
    (void)pool;
    (void)ptr;
    run->told++;
    run->told_reason = reason;
}

static int step(struct run *run, const struct trace_op *op)
{
    size_t size = op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX;
    int result;
    run->told = 0;
    run->unchanged = 1;
    switch (op->kind) {
    case TRACE_ALLOC:
    case TRACE_CALLOC:
        result = run_alloc(run, op->slot, size, op->align);
        break;
    case TRACE_REALLOC:
        result = run_realloc(run, op->slot, size, op->align);
        break;
    case TRACE_FREE:
        result = run_free(run, op->slot);
        break;
    case TRACE_RESET:
        result = run_reset(run);
        break;
    case TRACE_CHECK:
        result = run_check_all_contents(run);
        break;
    default:
        result = run_misuse(run, op);
        break;
    }
    run->not_seen++;
    run->not_checked++;
    if (result == 0 &&
        ((run->whole && !run->unchanged) || op->kind == TRACE_CHECK ||
         (!run->whole && run->not_seen >= run->model.granules / (1024 / POOL_GRANULE))))
        result = run_look(run);
    return result;
}

/* The fresh block is one extent. */
static int find_block(void *context, const struct pool_extent *extent)
{
    struct pool_extent *block = context;
    if (block->size != 0 || extent->kind != POOL_FRESH)
        return 1;
    *block = *extent;
    return 0;
}

static int start(struct run *run, const struct pool_config *config)
{
    struct pool_config own = {0};
    if (config != NULL)
        own = *config;
    run->tells = own.on_error == NULL && own.map == NULL;
    if (run->tells) {
        own.on_error = on_error;
        own.context = run;
    }
    if (pool_init_with(&run->pool, &own) != 0)
        return run_report(run, "exhaustion", "pool_init_with was refused: %s",
                          pool_strerror(pool_error(&run->pool)));
    struct pool_extent block = {0};
    if (pool_walk(&run->pool, find_block, &block) != 0 || block.size == 0 ||
        (uintptr_t)block.start % POOL_GRANULE != 0)
        return run_report(run, "model", "a new pool's block is not one fresh, aligned extent");
    size_t due = (own.capacity != 0 ? own.capacity : POOL_DEFAULT_CAPACITY);
    if (own.buffer == NULL && block.size != (granules_of(due) + POOL_REDZONE) * POOL_GRANULE)
        return run_report(run, "model", "a new pool of %zu bytes has a block of %zu", due,
                          block.size);
    run->whole = block.size <= EXECUTOR_WHOLE_BLOCK;
    uintptr_t base = (uintptr_t)block.start;
    if (model_start(&run->model, base, block.size, own.flags, POOL_REDZONE, run->trace->slots) !=
            0 ||
        ((run->oracles & ORACLE_SHADOW) && shadow_start(&run->shadow, base, block.size) != 0))
        return run_report(run, "executor", "not enough memory for the model");
    if (run->whole && (run->oracles & ORACLE_REFUSAL)) {
        run->memory_before = malloc(block.size);
        if (run->memory_before == NULL)
            return run_report(run, "executor", "not enough memory for a copy of the block");
    }
    return run_look_itself(run);
}

/* All that is left is freed, and then the block is there as a whole. */
static int drain(struct run *run)
{
    run->told = 0;
    for (uint32_t slot = 0; slot < run->trace->slots; slot++)
        if (run_free(run, slot) != 0)
            return -1;
    if (run_look_itself(run) != 0 || !(run->oracles & ORACLE_MODEL))
        return run->finding->oracle == NULL ? 0 : -1;
    size_t capacity = usable_bytes(&run->model, run->model.granules);
    void *chunk = UNTOUCHED;
    if (pool_alloc(&run->pool, &chunk, capacity, POOL_I8) != 0)
        return run_report(run, "model", "all is free, but the whole capacity was refused: %s",
                          pool_strerror(pool_error(&run->pool)));
    if ((uintptr_t)chunk != run->model.base)
        return run_report(run, "model", "the whole capacity is not the block");
    if (capacity > MAX_WHOLE_CHUNK)
        return 0;
    int wiped = !(run->model.flags & POOL_KEEP_CONTENTS);
    size_t dirty = wiped ? first_not_zero(chunk, 0, capacity) : capacity;
    if (dirty != capacity)
        return run_report(run, "contents", "byte %zu of the whole capacity is not zero", dirty);
    if (pool_free(&chunk, capacity, &run->pool) != 0)
        return run_report(run, "model", "the whole capacity could not be freed");
    return 0;
}

/* Destroys the pool, twice, and looks at what is left of it. */
static int finish(struct run *run, const struct pool_config *config)
{
    pool_destroy(&run->pool);
    int judge = run->finding->oracle == NULL && (run->oracles & ORACLE_MODEL);
    void *chunk = UNTOUCHED;
    if (judge && (pool_alloc(&run->pool, &chunk, 16, POOL_I8) != -1 ||
                  pool_error(&run->pool) != POOL_DEAD || chunk != UNTOUCHED))
        return run_report(run, "refusal", "a destroyed pool does not refuse as a dead one");
    pool_destroy(&run->pool);
    if (judge && (run->oracles & ORACLE_SHADOW) && config != NULL && config->buffer != NULL) {
        uintptr_t closed = shadow_first_closed((uintptr_t)config->buffer, config->buffer_size);
        if (closed != 0)
            return run_report(run, "shadow",
                              "byte %zu of the caller's buffer is closed after destroy",
                              (size_t)(closed - (uintptr_t)config->buffer));
    }
    return 0;
}

int execute_on_pool(const struct trace *trace, const struct pool_config *config, unsigned oracles,
                    struct finding *finding)
{
    struct run run = {.trace = trace, .oracles = oracles, .finding = finding, .seed = 1};
    finding->oracle = NULL;
    finding->op = 0;
    finding->message[0] = '\0';
    int result = start(&run, config);
    for (; result == 0 && run.op < trace->count; run.op++)
        if ((result = step(&run, &trace->ops[run.op])) != 0)
            break;
    if (result == 0)
        result = drain(&run);
    if (finish(&run, config) != 0)
        result = -1;
    pool_destroy(&run.foreign);
    model_free(&run.model);
    shadow_free(&run.shadow);
    free(run.memory_before);
    return result;
}
