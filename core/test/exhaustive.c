/* Every sequence of calls up to a depth on a pool of a few granules, each beside the ledger. What a
 * random run may miss for years is among the first hundred thousand here, and the shortest sequence
 * is found.
 */
#include "ledger.h"

#define GRANULES 5

#if defined(__SANITIZE_ADDRESS__)
#define DEPTH 4
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DEPTH 4
#endif
#endif
#ifndef DEPTH
#define DEPTH 5
#endif

/* The calls that can come next: allocations first, then what can be done to each live chunk. */
enum { ALLOC_1, ALLOC_2, ALLOC_3, ALLOC_ALIGNED, RESET, TRIM, PLAIN };
enum { FREE, SHRINK, GROW, GROW_FAR, TO_A_CHUNK };

static size_t choices(const struct ledger *ledger)
{
    return PLAIN + TO_A_CHUNK * ledger->count;
}

static void choose(struct ledger *ledger, size_t choice)
{
    static const size_t sizes[] = {[ALLOC_1] = 1, [ALLOC_2] = 17, [ALLOC_3] = 48};
    if (choice >= PLAIN) {
        size_t entry = (choice - PLAIN) / TO_A_CHUNK;
        size_t size = ledger->entries[entry].size;
        switch ((choice - PLAIN) % TO_A_CHUNK) {
        case FREE:
            ledger_free(ledger, entry);
            break;
        case SHRINK:
            ledger_realloc(ledger, entry, (size + 1) / 2, POOL_I8);
            break;
        case GROW:
            ledger_realloc(ledger, entry, size + 16, POOL_I8);
            break;
        default:
            ledger_realloc(ledger, entry, size + 32, POOL_ALIGN(32));
        }
    } else if (choice == RESET)
        ledger_reset(ledger);
    else if (choice == TRIM)
        assert_int_equal(pool_trim(&ledger->rig->pool, NULL), 0);
    else if (choice == ALLOC_ALIGNED)
        ledger_alloc(ledger, 20, POOL_ALIGN(32));
    else
        ledger_alloc(ledger, sizes[choice], POOL_I8);
}

/* Plays the sequence on a new pool. Returns how many choices there are after it. */
static size_t play(const struct kind *kind, const size_t *sequence, size_t length)
{
    struct rig rig;
    struct ledger ledger;
    rig_open_shifted(&rig, kind, GRANULES * POOL_GRANULE, 16);
    ledger_open(&ledger, &rig);
    for (size_t i = 0; i < length; i++)
        choose(&ledger, sequence[i]);
    ledger_assert_agrees(&ledger);
    ledger_assert_contents(&ledger);
    size_t next = choices(&ledger);
    ledger_close(&ledger);
    rig_close(&rig);
    return next;
}

static size_t play_all(const struct kind *kind, size_t *sequence, size_t length)
{
    size_t played = 1, next = play(kind, sequence, length);
    if (length < DEPTH)
        for (size_t choice = 0; choice < next; choice++) {
            sequence[length] = choice;
            played += play_all(kind, sequence, length + 1);
        }
    return played;
}

static void every_sequence(void **state)
{
    size_t sequence[DEPTH] = {0};
    size_t played = play_all(*state, sequence, 0);
    print_message("# %zu sequences of up to %d calls\n", played, DEPTH);
    assert_true(played > 1000);
}

int main(void)
{
    static struct CMUnitTest tests[KINDS];
    size_t count = 0;
    for (size_t k = 0; k < KINDS; k++)
        if (kinds[k].source == FROM_MAP) /* whose memory lies where the test wants it */
            tests[count++] = (struct CMUnitTest){.name = kinds[k].name,
                                                 .test_func = every_sequence,
                                                 .initial_state = (void *)&kinds[k]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
