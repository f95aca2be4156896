/* Long random runs in every kind of pool, each call beside the ledger, and pool_check, pool_walk
 * and pool_stats compared with it after each. POOL_TEST_SEED repeats a run.
 */
#include "ledger.h"

/* What the sizes and the mix of calls look like. */
static const struct mood {
    const char *name;
    size_t capacity, largest;
    unsigned types; /* alignments up to 1 << (types - 1) */
    int steps, free_percent, realloc_percent;
} moods[] = {
    {"few granules", 512, 64, 5, 1500, 45, 10},
    {"small chunks", 8192, 200, 5, 1200, 42, 10},
    {"either side of the largest size class", 131072, 1200, 5, 600, 40, 10},
    {"large chunks", 65536, 9000, 5, 500, 40, 15},
    {"aligned chunks", 65536, 600, 13, 500, 40, 10},
    {"mostly growing", 131072, 2000, 7, 500, 20, 50},
    {"often full", 4096, 500, 8, 1000, 25, 15},
};

/* Small sizes are likelier, and the edges of granules and of the cache likelier still. */
static size_t some_size(const struct mood *mood, uint64_t *random)
{
    size_t size = 1 + random_below(random, 1 + random_below(random, mood->largest));
    if (random_below(random, 4) == 0)
        size = (size + 15) / 16 * 16 + random_below(random, 3) - 1;
    if (random_below(random, 20) == 0)
        size = 63 * 16 + random_below(random, 34);
    return size == 0 ? 1 : size;
}

static void one_step(struct ledger *ledger, const struct mood *mood, uint64_t *random)
{
    int dice = (int)random_below(random, 1000);
    unsigned type = (unsigned)random_below(random, 1 + random_below(random, mood->types));
    if (dice == 999)
        ledger_reset(ledger);
    else if (dice == 998)
        assert_int_equal(pool_trim(&ledger->rig->pool, NULL), 0);
    else if (dice == 997)
        ledger_alloc(ledger,
                     ledger_longest(ledger) * POOL_GRANULE + 1 -
                         (size_t)(type % 2 != 0 && ledger_longest(ledger) > 0),
                     POOL_I8);
    else if (dice < 10 * mood->free_percent && ledger->count > 0)
        ledger_free(ledger, random_below(random, ledger->count));
    else if (dice < 10 * (mood->free_percent + mood->realloc_percent) && ledger->count > 0)
        ledger_realloc(ledger, random_below(random, ledger->count), some_size(mood, random), type);
    else
        ledger_alloc(ledger, some_size(mood, random), type);
}

/* A mood, in which kind of pool. */
struct trip {
    const struct mood *mood;
    const struct kind *kind;
    char name[80];
};

static void run(void **state)
{
    const struct trip *trip = *state;
    const struct mood *mood = trip->mood;
    uint64_t random = random_seed(20250101);
    struct rig rig;
    struct ledger ledger;
    rig_open_shifted(&rig, trip->kind, mood->capacity, 16 * random_below(&random, 256));
    ledger_open(&ledger, &rig);
    for (int step = 0; step < mood->steps; step++) {
        one_step(&ledger, mood, &random);
        ledger_assert_agrees(&ledger);
        if (step % 50 == 0)
            ledger_assert_contents(&ledger);
    }
    ledger_assert_contents(&ledger);
    ledger_drain(&ledger, &random);
    ledger_close(&ledger);
    rig_close(&rig);
}

int main(void)
{
    static struct trip trips[COUNT_OF(moods) * KINDS];
    static struct CMUnitTest tests[COUNT_OF(trips)];
    for (size_t i = 0; i < COUNT_OF(trips); i++) {
        struct trip *trip = &trips[i];
        trip->mood = &moods[i / KINDS];
        trip->kind = &kinds[i % KINDS];
        snprintf(trip->name, sizeof trip->name, "%s (%s)", trip->mood->name, trip->kind->name);
        tests[i] = (struct CMUnitTest){.name = trip->name, .test_func = run, .initial_state = trip};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
