/* When the n-th request for backing memory is refused, for each n, pool_init_with fails with
 * POOL_NO_BACKING, holds nothing and leaves a dead pool; the next try with the same struct
 * succeeds, and so does one more when that pool has been used and destroyed. */
#include "input.h"

/* Uses and destroys the pool; the next one in the same struct must know nothing of that. */
static void use_again(const struct input *input, const struct pool_config *config, struct m_pool *p)
{
    const char *broken = "no second pool in a struct that was used before";
    void *ptr = NULL;
    if (pool_alloc(p, &ptr, 1, POOL_I8) != 0 || pool_free(&ptr, 1, p) != 0)
        target_complain(input, "exhaustion", "a new pool has no room for one byte");
    pool_destroy(p);
    if (pool_init_with(p, config) != 0 || pool_check(p, &broken) != 0)
        target_complain(input, "invariants", broken);
}

/* Makes a pool whose refuse-th request fails. Returns 1 if it failed for that, 0 if it needed
 * fewer. */
static int refused_at(const struct input *input, unsigned refuse)
{
    struct backing backing;
    struct pool_config config;
    struct m_pool pool = {0};
    void *ptr = NULL;
    if (backing_open(input, &backing, &config) != 0)
        return 0;
    backing.refuse_map = refuse;
    const int failed = pool_init_with(&pool, &config) != 0;
    if (failed && (backing.maps < refuse || pool_error(&pool) != POOL_NO_BACKING))
        target_complain(input, "exhaustion", "init failed for another reason than POOL_NO_BACKING");
    if (failed && (backing.mapped || pool_alloc(&pool, &ptr, 1, POOL_I8) == 0 || ptr))
        target_complain(input, "exhaustion", "a pool without memory is not dead");
    if (failed && pool_init_with(&pool, &config) != 0)
        target_complain(input, "exhaustion", "a second try failed");
    backing.refuse_map = 0;
    use_again(input, &config, &pool);
    pool_destroy(&pool);
    const char *const complaint = backing_complaint(&backing);
    if (complaint)
        target_complain(input, "backing", complaint);
    backing_close(&backing);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input;
    if (input_decode(bytes, size, &input) == 0) {
        input.source = INPUT_MAP;
        unsigned refuse = 1;
        while (refused_at(&input, refuse))
            refuse++;
        if (refuse == 1)
            target_complain(&input, "exhaustion", "the source was never asked");
        input_check(&input, ORACLE_ALL);
    }
    input_free(&input);
    return 0;
}
