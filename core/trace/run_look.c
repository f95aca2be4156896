/* The whole block: statistics, walk, invariants and shadow, against the model. */
#include "questions.h"
#include "run.h"

struct walk {
    struct run *run;
    size_t next; /* granule at which the next extent must start */
    size_t live_chunks;
};

static int visit(void *context, const struct pool_extent *extent)
{
    struct walk *walk = context;
    struct run *run = walk->run;
    const struct model *model = &run->model;
    size_t g = walk->next;
    size_t n = extent->size / POOL_GRANULE;
    if ((uintptr_t)extent->start != model->base + g * POOL_GRANULE || n == 0 ||
        extent->size % POOL_GRANULE != 0 || n > model->granules - g)
        return run_report(run, "model", "pool_walk leaves a gap or overlaps at byte %zu",
                          g * POOL_GRANULE);
    if (extent->kind == POOL_LIVE) {
        walk->live_chunks++;
        if (model_chunk_at(model, g) != n)
            return run_report(run, "model",
                              "pool_walk shows a live chunk at byte %zu that is not so",
                              g * POOL_GRANULE);
    } else if (!model_is_free(model, g, n)) {
        return run_report(run, "model",
                          "pool_walk shows a free extent at byte %zu over a live chunk",
                          g * POOL_GRANULE);
    } else if ((extent->kind == POOL_FRESH) != (g >= model->reach)) {
        return run_report(run, "model", "pool_walk is wrong about what is fresh at byte %zu",
                          g * POOL_GRANULE);
    }
    walk->next = g + n;
    return 0;
}

/* The pool's own questions, and those without sanitizers, which are the same elsewhere. */
struct questions {
    int (*check)(const struct m_pool *, const char **);
    int (*stats)(const struct m_pool *, struct pool_stats *);
    int (*walk)(const struct m_pool *, int (*)(void *, const struct pool_extent *), void *);
};

static const struct questions its_own = {pool_check, pool_stats, pool_walk};
static const struct questions unwatched = {asked_check, asked_stats, asked_walk};

static int look_at_statistics(struct run *run, const struct questions *ask)
{
    const struct model *model = &run->model;
    struct pool_stats stats;
    size_t free_runs;
    size_t longest;
    if (ask->stats(&run->pool, &stats) != 0)
        return run_report(run, "model", "pool_stats was refused");
    model_extents(model, &free_runs, &longest);
    const struct {
        const char *name;
        size_t found;
        size_t due;
    } rows[] = {
        {"capacity", stats.capacity, usable_bytes(model, model->granules)},
        {"live_bytes", stats.live_bytes,
         (model->live_granules - model->redzone * model->live_chunks) * POOL_GRANULE},
        {"live_chunks", stats.live_chunks, model->live_chunks},
        {"free_bytes", stats.free_bytes,
         usable_bytes(model, model->granules - model->live_granules)},
        {"free_runs", stats.free_runs, free_runs},
        {"largest_free", stats.largest_free, usable_bytes(model, longest)},
        {"high_water", stats.high_water, usable_bytes(model, model->reach)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].found != rows[i].due)
            return run_report(run, "model", "pool_stats says %s = %zu, due is %zu", rows[i].name,
                              rows[i].found, rows[i].due);
    if (stats.cached_bytes > stats.free_bytes ||
        stats.cached_chunks > stats.cached_bytes / POOL_GRANULE)
        return run_report(run, "model", "pool_stats says more is cached than free");
    return 0;
}

int run_report_shadow(struct run *run, uintptr_t at, int closed)
{
    return run_report(run, "shadow", "the byte at %lld is %s to ASan", run_offset(run, at),
                      closed ? "closed, but due to be open" : "open, but due to be closed");
}

/* pool_check looks at every tag. In a block of many it waits until as many operations have passed
 * as make that cheap for each, but not in a short trace, which is what findings are made to be. */
static int is_check_due(const struct run *run)
{
    enum { CHEAP = 256, SHORT = 16 };
    const struct trace *const trace = run->trace;
    return (run->oracles & ORACLE_INVARIANTS) &&
           (trace->count <= SHORT || run->op == trace->count ||
            trace->ops[run->op].kind == TRACE_CHECK ||
            run->not_checked >= run->model.reach / CHEAP);
}

/* The first byte whose shadow is not as the model has it; 0 if there is none, or nobody asks. */
static uintptr_t find_wrong_shadow(const struct run *run)
{
    size_t bytes = (run->whole ? run->model.granules : run->model.reach) * POOL_GRANULE;
    return run->oracles & ORACLE_SHADOW ? shadow_wrong(&run->shadow, run->model.base, bytes) : 0;
}

static int look(struct run *run, const struct questions *ask)
{
    run->not_seen = 0;
    /* A checked pool is looked at before it is asked, for it closes what it has verified. */
    uintptr_t wrong = run->model.redzone != 0 ? find_wrong_shadow(run) : 0;
    int closed = wrong != 0 && shadow_first_closed(wrong, 1) != 0;
    if (is_check_due(run)) {
        run->not_checked = 0;
        const char *broken = "nothing";
        if (ask->check(&run->pool, &broken) != 0)
            return run_report(run, "invariants", "pool_check says: %s", broken);
    }
    if (run->oracles & ORACLE_MODEL) {
        struct walk walk = {.run = run};
        int walked = ask->walk(&run->pool, visit, &walk);
        if (walked != 0)
            return walk.next == 0 && run->finding->oracle == NULL
                       ? run_report(run, "model", "pool_walk was refused")
                       : -1;
        if (walk.next != run->model.granules || walk.live_chunks != run->model.live_chunks)
            return run_report(run, "model", "pool_walk does not cover the block");
        if (look_at_statistics(run, ask) != 0)
            return -1;
    }
    if (wrong == 0) {
        wrong = find_wrong_shadow(run);
        closed = wrong != 0 && shadow_first_closed(wrong, 1) != 0;
    }
    return wrong != 0 ? run_report_shadow(run, wrong, closed) : 0;
}

int run_look(struct run *run)
{
    return look(run, &unwatched);
}

int run_look_itself(struct run *run)
{
    return look(run, &its_own);
}
