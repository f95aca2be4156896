/* Alloc one object, free it, again. */
#include "shape.h"

enum { PAIRS = 1000 };

static const struct scale scales[] = {
    {"16", 16, 16, 1},    {"32", 32, 32, 1},    {"64", 64, 64, 1},
    {"128", 128, 128, 1}, {"256", 256, 256, 1},
};

static size_t operations(const struct scale *scale)
{
    (void)scale;
    return 2 * PAIRS;
}

static int prepare(struct work *work)
{
    (void)work;
    return 0;
}

static void batch(struct work *work, const struct peer *peer, void *arm)
{
    void *(*const alloc)(void *, size_t) = peer->alloc;
    void (*const release)(void *, void *, size_t) = peer->free;
    const size_t size = work->scale->most;
    for (unsigned i = 0; i < PAIRS; i++) {
        void *object = alloc(arm, size);
        object_write(peer, object, size);
        object_read(object, size);
        release(arm, object, size);
    }
}

const struct shape shape_pair = {
    .name = "pair",
    .question = "What does the shortest path cost, when what was just freed is asked for again?",
    .source = "Grunwald and Zorn, CustoMalloc, Software: Practice and Experience 23(8), 1993: most "
              "requests repeat a size that was just freed",
    .parameters = "object size in bytes",
    .scales = scales,
    .scale_count = sizeof scales / sizeof *scales,
    .ends_empty = 1,
    .operations = operations,
    .prepare = prepare,
    .batch = batch,
};
