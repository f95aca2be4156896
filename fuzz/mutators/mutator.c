/* Mutation by operations: an input's settings stay in place, and each change inserts, deletes,
 * doubles, swaps or alters whole operations, where a change of single bytes would mostly shift
 * all of those after it. */
#include <string.h>

#include "generate.h"
#include "input.h"

enum { RECORD = TRACE_DECODE_BYTES, SETTINGS = INPUT_HEADER };

/* libFuzzer's own mutation of bytes. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
                                 size_t other_size, uint8_t *out, size_t max_size, unsigned seed);

/* The operations of an input in place, and the room for more. */
struct records {
    uint8_t *bytes;
    size_t count, room;
};

static size_t below(uint64_t *state, size_t limit)
{
    return limit > 0 ? (size_t)(generate_next(state) % limit) : 0;
}

static void randomise(uint8_t *record, uint64_t *state)
{
    const uint64_t random = generate_next(state);
    memcpy(record, &random, RECORD);
}

/* Makes a gap of `count` records at `at`; returns 0 if there is no room. */
static int open_gap(struct records *records, size_t at, size_t count)
{
    if (count == 0 || records->count + count > records->room)
        return 0;
    memmove(records->bytes + (at + count) * RECORD, records->bytes + at * RECORD,
            (records->count - at) * RECORD);
    records->count += count;
    return 1;
}

static void insert(struct records *records, uint64_t *state)
{
    const size_t at = below(state, records->count + 1);
    if (open_gap(records, at, 1))
        randomise(records->bytes + at * RECORD, state);
}

static void delete(struct records *records, uint64_t *state)
{
    const size_t at = below(state, records->count);
    const size_t most = records->count - at;
    const size_t count = 1 + below(state, most < 8 ? most : 8);
    if (records->count < 2 || count >= records->count)
        return;
    memmove(records->bytes + at * RECORD, records->bytes + (at + count) * RECORD,
            (records->count - at - count) * RECORD);
    records->count -= count;
}

/* Copies a stretch to another place: the same objects come and go again. */
static void repeat(struct records *records, uint64_t *state)
{
    uint8_t stretch[16 * RECORD];
    const size_t from = below(state, records->count), most = records->count - from;
    const size_t count = 1 + below(state, most < 16 ? most : 16);
    const size_t to = below(state, records->count + 1);
    if (records->count == 0)
        return;
    memcpy(stretch, records->bytes + from * RECORD, count * RECORD);
    if (open_gap(records, to, count))
        memcpy(records->bytes + to * RECORD, stretch, count * RECORD);
}

/* Does one operation several times, on as many objects: each takes the next slot that suits. */
static void multiply(struct records *records, uint64_t *state)
{
    const size_t at = below(state, records->count), count = 1 + below(state, 15);
    if (!open_gap(records, at, count))
        return;
    for (size_t i = 0; i < count; i++)
        memcpy(records->bytes + (at + i) * RECORD, records->bytes + (at + count) * RECORD, RECORD);
}

static void swap(struct records *records, uint64_t *state)
{
    uint8_t kept[RECORD];
    if (records->count < 2)
        return;
    uint8_t *const one = records->bytes + below(state, records->count) * RECORD;
    uint8_t *const other = records->bytes + below(state, records->count) * RECORD;
    memcpy(kept, one, RECORD);
    memmove(one, other, RECORD);
    memcpy(other, kept, RECORD);
}

/* Changes one field: kind, slot with alignment, or size; the last also by one, for the edges. */
static void alter(struct records *records, uint64_t *state)
{
    if (records->count == 0)
        return;
    uint8_t *const record = records->bytes + below(state, records->count) * RECORD;
    const size_t choice = below(state, 5);
    if (choice < 4)
        record[choice] = (uint8_t)generate_next(state);
    else
        record[2] = (uint8_t)(record[2] + (generate_next(state) & 1 ? 1 : 255));
}

/* Gives an operation the slot of its neighbour, or the size: what belongs together is about one
 * object, or one size class. */
static void join(struct records *records, uint64_t *state)
{
    if (records->count < 2)
        return;
    uint8_t *const record = records->bytes + (1 + below(state, records->count - 1)) * RECORD;
    if (generate_next(state) & 1)
        record[1] = (uint8_t)((record[1] & ~31) | (record[1 - RECORD] & 31));
    else
        memcpy(record + 2, record + 2 - RECORD, 2);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed)
{
    static void (*const changes[])(struct records *, uint64_t *) = {
        insert, insert, delete, repeat, multiply, swap, alter, alter, join, join};
    uint64_t state = seed;
    if (max_size < SETTINGS + RECORD || size < SETTINGS + RECORD || below(&state, 8) == 0)
        return LLVMFuzzerMutate(bytes, size, max_size);
    if (below(&state, 16) == 0)
        bytes[below(&state, SETTINGS)] = (uint8_t)generate_next(&state);
    struct records records = {bytes + SETTINGS, (size - SETTINGS) / RECORD,
                              (max_size - SETTINGS) / RECORD};
    for (size_t i = 1 + below(&state, 4); i > 0; i--)
        changes[below(&state, sizeof changes / sizeof *changes)](&records, &state);
    return SETTINGS + records.count * RECORD;
}

/* The beginning of one input, then the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
                                 size_t other_size, uint8_t *out, size_t max_size, unsigned seed)
{
    uint64_t state = seed;
    if (one_size < SETTINGS + RECORD || other_size < SETTINGS + RECORD)
        return 0;
    const size_t head = SETTINGS + RECORD * (1 + below(&state, (one_size - SETTINGS) / RECORD));
    const size_t skip = SETTINGS + RECORD * below(&state, (other_size - SETTINGS) / RECORD);
    if (head > max_size)
        return 0;
    const size_t tail = other_size - skip < max_size - head ? other_size - skip : max_size - head;
    memcpy(out, one, head);
    memcpy(out + head, other + skip, tail);
    return head + tail;
}
