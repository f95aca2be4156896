/* Inside core/trace: a trace on its way on a pool, beside the model. What the parts of the pool
 * executor share: run_objects.c and run_misuse.c make the calls, run_refusals.c judges what they
 * answer, and run_look.c looks at the whole block. A run ends with the first finding: each part
 * returns 0, or -1 once the finding is filled. */
#ifndef POOLPROOF_RUN_H
#define POOLPROOF_RUN_H

#include <stddef.h>

#include "executor.h"
#include "model.h"
#include "shadow.h"

/* What the pointer variable holds before an allocation; no address. */
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a5a5a)

/* A pool's bytes without its reason: what a refusal must not change. */
struct image {
    unsigned char bytes[sizeof(struct m_pool)];
};

struct run {
    const struct trace *trace;
    struct m_pool pool;
    struct model model;
    struct shadow shadow;
    struct m_pool foreign; /* another pool, made when first needed */
    void *foreign_chunk;
    unsigned oracles;
    int whole;     /* the block is small enough to be looked at after each operation */
    int unchanged; /* this operation called nothing, or was refused and the block compared since */
    size_t op;     /* being run */
    size_t not_seen;    /* operations since the last look … */
    size_t not_checked; /* … and since the last pool_check */
    int remembered;     /* memory_before is the block's memory */
    uint64_t seed;      /* of the next pattern */
    unsigned told;      /* calls of on_error, where it is this run's own */
    enum pool_reason told_reason;
    int tells; /* on_error is this run's own */
    struct image pool_before;
    unsigned char *memory_before;
    struct finding *finding;
};

/* An address as its offset in the block, for messages that are the same in every process. */
static inline long long run_offset(const struct run *run, uintptr_t address)
{
    return (long long)(address - run->model.base);
}

/* Fills the finding. Returns -1. */
__attribute__((format(printf, 3, 4))) int run_report(struct run *run, const char *oracle,
                                                     const char *format, ...);
int run_report_shadow(struct run *run, uintptr_t at, int closed);

struct image run_image(const struct m_pool *pool);
int run_images_differ(const struct image *one, const struct image *other);
/* Keeps what a refusal must not change. */
void run_remember(struct run *run);
/* Compares with what was remembered, but for the reason. */
int run_judge_unchanged(struct run *run, const char *call, const void *before, const void *after);
/* Judges a call's result and reason against what was due. */
int run_judge_result(struct run *run, const char *call, int result, enum pool_reason due);

/* Looks at the whole block, by the questions of questions.h or by the pool's own. */
int run_look(struct run *run);
int run_look_itself(struct run *run);

int run_check_all_contents(struct run *run);
int run_alloc(struct run *run, uint32_t slot, size_t size, unsigned align);
int run_realloc(struct run *run, uint32_t slot, size_t size, unsigned align);
int run_free(struct run *run, uint32_t slot);
int run_reset(struct run *run);
int run_misuse(struct run *run, const struct trace_op *op);

#endif
