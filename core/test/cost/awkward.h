/* Operations in a pool that a seed makes as awkward as it can. A part of a program that counts each
 * of them: COUNTED(name, call) stores what the call returns in `result`.
 */
#include <stddef.h>
#include <stdint.h>

#include "mem_pool.h"

#define STEPS 4000
#define SLOTS 600

static uint64_t state;

/* splitmix64 */
static size_t below(size_t bound)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((z ^ z >> 31) % bound);
}

/* Sizes around the edges of bins and of the cache, and small ones between them to keep neighbours
 * apart. */
static size_t any_size(void)
{
    static const size_t edges[] = {1,  2,  3,  4,   5,   7,   8,   12,  16,  31,  32,  40,  63, 64,
                                   65, 80, 96, 112, 127, 128, 160, 192, 224, 255, 256, 320, 512};
    size_t n = below(4) ? edges[below(sizeof edges / sizeof edges[0])] : 1 + below(300);
    return n * POOL_GRANULE - below(POOL_GRANULE);
}

/* Fails if and only if a free is refused. */
static int awkward(struct m_pool *pool, uint64_t seed)
{
    static struct {
        void *ptr;
        size_t size;
    } slots[SLOTS];
    state = seed;
    for (size_t i = 0; i < SLOTS; i++)
        slots[i].ptr = NULL;
    for (int step = 0; step < STEPS; step++) {
        size_t i = below(SLOTS), size = any_size();
        /* Phases that fill, thin out and then ask for what hardly any hole can align. */
        size_t phase = (size_t)step % 1000 / 250;
        unsigned type = phase == 3 || below(8) == 0 ? (unsigned)below(POOL_PAGE + 1) : POOL_USER;
        if (phase == 3 && below(2))
            type = POOL_PAGE;
        enum pool_type as = (enum pool_type)type;
        void **ptr = &slots[i].ptr;
        int result = 0;
        if (*ptr && (phase == 1 || below(3) == 0)) {
            COUNTED("free", pool_free(ptr, slots[i].size, pool));
            if (result)
                return -1;
        } else if (*ptr) {
            COUNTED("realloc", pool_realloc(pool, ptr, slots[i].size, size, as));
            if (result == 0)
                slots[i].size = size;
        } else {
            COUNTED("alloc", pool_alloc(pool, ptr, size, as));
            if (result == 0)
                slots[i].size = size;
        }
    }
    return 0;
}
