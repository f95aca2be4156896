/* ASan keeps a shadow byte for 8 bytes: 0 for all open, k for only the first k, from 128 on for
 * none. The expected bytes are compared with those in a loop of words; only where they differ are
 * the bytes of the block asked for one by one, by the documented call, which decides. */
#include "shadow.h"

#ifdef POOLPROOF_ASAN

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#define GROUP 8
#define CLOSED 0xf7u /* what __asan_poison_memory_region writes */

int shadow_start(struct shadow *shadow, uintptr_t base, size_t size)
{
    *shadow = (struct shadow){.base = base, .size = size};
    shadow->expected = calloc(size / GROUP + 1, 1);
    return shadow->expected != NULL ? 0 : -1;
}

void shadow_free(struct shadow *shadow)
{
    free(shadow->expected);
    *shadow = (struct shadow){0};
}

void shadow_open(struct shadow *shadow, uintptr_t address, size_t size)
{
    uint8_t *at = shadow->expected + (address - shadow->base) / GROUP;
    memset(at, CLOSED, size / GROUP);
    if (size % GROUP != 0)
        at[size / GROUP] = (uint8_t)(CLOSED ^ size % GROUP);
}

void shadow_close(struct shadow *shadow, uintptr_t address, size_t size)
{
    memset(shadow->expected + (address - shadow->base) / GROUP, 0, (size + GROUP - 1) / GROUP);
}

static int is_open(const struct shadow *shadow, uintptr_t address)
{
    uintptr_t offset = address - shadow->base;
    unsigned state = shadow->expected[offset / GROUP] ^ CLOSED;
    return state == 0 || (state < GROUP && offset % GROUP < state);
}

/* 32 groups, 256 bytes of the block, at once; as large as the smallest blocks are not. */
typedef uint64_t words __attribute__((vector_size(32), aligned(1), may_alias));

/* The first group from `group` on, below `groups`, that is not as expected. */
SEES_CLOSED static size_t first_different(const struct shadow *shadow, size_t group, size_t groups)
{
    size_t scale;
    size_t offset;
    __asan_get_shadow_mapping(&scale, &offset);
    if ((size_t)1 << scale != GROUP)
        return group;
    const volatile uint8_t *actual =
        (const volatile uint8_t *)((shadow->base >> scale) + offset); /* ASan's own formula */
    const uint8_t *expected = shadow->expected;
    for (; group + sizeof(words) <= groups; group += sizeof(words)) {
        const words off = *(const volatile words *)(const volatile void *)(actual + group) ^
                          *(const words *)(const void *)(expected + group) ^
                          UINT64_C(0xf7f7f7f7f7f7f7f7);
        if (off[0] | off[1] | off[2] | off[3])
            break;
    }
    for (; group < groups; group++)
        if ((actual[group] ^ CLOSED) != expected[group])
            return group;
    return groups;
}

uintptr_t shadow_wrong(const struct shadow *shadow, uintptr_t address, size_t size)
{
    size_t group = (address - shadow->base) / GROUP;
    size_t groups = group + size / GROUP;
    for (; (group = first_different(shadow, group, groups)) < groups; group++) {
        uintptr_t first = shadow->base + group * GROUP;
        for (uintptr_t at = first; at < first + GROUP; at++) {
            int closed = __asan_address_is_poisoned((void *)at) != 0;
            if (closed == is_open(shadow, at))
                return at;
        }
    }
    return 0;
}

uintptr_t shadow_first_closed(uintptr_t address, size_t size)
{
    for (uintptr_t at = address; at < address + size; at++)
        if (__asan_address_is_poisoned((void *)at))
            return at;
    return 0;
}

#else

int shadow_start(struct shadow *shadow, uintptr_t base, size_t size)
{
    *shadow = (struct shadow){.base = base, .size = size};
    return 0;
}

void shadow_free(struct shadow *shadow)
{
    *shadow = (struct shadow){0};
}

void shadow_open(struct shadow *shadow, uintptr_t address, size_t size)
{
    (void)shadow;
    (void)address;
    (void)size;
}

void shadow_close(struct shadow *shadow, uintptr_t address, size_t size)
{
    (void)shadow;
    (void)address;
    (void)size;
}

uintptr_t shadow_wrong(const struct shadow *shadow, uintptr_t address, size_t size)
{
    (void)shadow;
    (void)address;
    (void)size;
    return 0;
}

uintptr_t shadow_first_closed(uintptr_t address, size_t size)
{
    (void)address;
    (void)size;
    return 0;
}

#endif
