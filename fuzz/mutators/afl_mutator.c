/* The mutation by operations as AFL++ loads it: its interface on one side, libFuzzer's on the
 * other. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
                                 size_t other_size, uint8_t *out, size_t max_size, unsigned seed);
void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_fuzz(void *data, uint8_t *bytes, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size);
void afl_custom_deinit(void *data);

struct mutator {
    uint64_t state;
    uint8_t *bytes;
    size_t room;
};

/* What libFuzzer brings itself: one byte is changed, added or taken away. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size)
{
    static uint64_t state; /* there is no seed to go by */
    const uint64_t random = generate_next(&state);
    if (size < max_size && (size == 0 || random % 4 == 0)) {
        bytes[size] = (uint8_t)(random >> 8);
        return size + 1;
    }
    if (size > 1 && random % 4 == 1)
        return size - 1;
    if (size > 0)
        bytes[(random >> 16) % size] = (uint8_t)(random >> 8);
    return size;
}

void *afl_custom_init(void *afl, unsigned seed)
{
    struct mutator *const mutator = calloc(1, sizeof *mutator);
    (void)afl;
    if (mutator)
        mutator->state = seed;
    return mutator;
}

size_t afl_custom_fuzz(void *data, uint8_t *bytes, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size)
{
    struct mutator *const mutator = data;
    const unsigned random = (unsigned)generate_next(&mutator->state);
    *out = bytes;
    if (mutator->room < max_size) {
        free(mutator->bytes);
        mutator->bytes = malloc(max_size);
        mutator->room = mutator->bytes ? max_size : 0;
    }
    if (size > mutator->room)
        return size;
    *out = mutator->bytes;
    size_t crossed = 0;
    if (other && random % 8 == 0)
        crossed = LLVMFuzzerCustomCrossOver(bytes, size, other, other_size, *out, max_size, random);
    if (crossed)
        return crossed;
    memcpy(*out, bytes, size);
    return LLVMFuzzerCustomMutator(*out, size, max_size, random);
}

void afl_custom_deinit(void *data)
{
    struct mutator *const mutator = data;
    free(mutator->bytes);
    free(mutator);
}
