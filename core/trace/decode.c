/* Bytes to traces and back. TRACE_DECODE_BYTES bytes are one operation whatever stands around
 * them, so that an engine that cuts, copies and flips bytes cuts, copies and changes operations. */
#include <stdlib.h>

#include "mem_pool.h"
#include "rules.h"
#include "trace.h"

#define KIND_CODES 64
#define SLOT_BITS 5
#define POWERS 19 /* sizes up to 2^18 */

_Static_assert(TRACE_DECODE_SLOTS == 1 << SLOT_BITS, "a slot is the lower bits of a byte");

/* How often each kind stands among the codes: misuse about one in five. */
static const struct {
    uint8_t kind;
    uint8_t codes;
} shares[] = {
    {TRACE_ALLOC, 18},
    {TRACE_FREE, 16},
    {TRACE_REALLOC, 10},
    {TRACE_CALLOC, 4},
    {TRACE_RESET, 1},
    {TRACE_CHECK, 1},
    {TRACE_ALLOC_ZERO, 1},
    {TRACE_ALLOC_HUGE, 1},
    {TRACE_ALLOC_BAD_ALIGN, 1},
    {TRACE_FREE_TWICE, 1},
    {TRACE_FREE_INTERIOR, 1},
    {TRACE_FREE_MISALIGNED, 1},
    {TRACE_FREE_BEFORE, 1},
    {TRACE_FREE_AFTER, 1},
    {TRACE_FREE_FOREIGN, 1},
    {TRACE_FREE_WRONG_SIZE, 1},
    {TRACE_FREE_STALE, 1},
    {TRACE_REALLOC_TWICE, 1},
    {TRACE_REALLOC_INTERIOR, 1},
    {TRACE_REALLOC_WRONG_SIZE, 1},
};

static const uint8_t align_codes[8] = {0, 3, 4, 5, 6, 8, 10, 12};

static uint8_t kind_of(unsigned code)
{
    unsigned i = 0;
    for (code %= KIND_CODES; code >= shares[i].codes; i++)
        code -= shares[i].codes;
    return shares[i].kind;
}

static uint8_t code_of(uint8_t kind)
{
    uint8_t code = 0;
    for (unsigned i = 0; shares[i].kind != kind; i++)
        code = (uint8_t)(code + shares[i].codes);
    return code;
}

/* The size of a code, at least 1. */
static uint64_t size_of(unsigned code)
{
    unsigned low = code & 0xfff;
    uint64_t granules = ((uint64_t)low + 1) * POOL_GRANULE;
    switch (code >> 12) {
    case 8:
    case 9:
    case 10:
    case 11:
        return low + 1;
    case 12:
        return granules - 1;
    case 13:
        return granules;
    case 14:
        return granules + 1;
    case 15: {
        uint64_t size = (UINT64_C(1) << (low % POWERS)) + low / POWERS % 3;
        return size > 1 ? size - 1 : 1;
    }
    default:
        return (low & 0xff) + 1;
    }
}

/* The code of the size, or of the next larger one that has a code, or else of the largest. */
static unsigned size_code(uint64_t size)
{
    if (size <= 0x100)
        return (unsigned)(size != 0 ? size - 1 : 0);
    if (size <= 0x1000)
        return 0x8000 | (unsigned)(size - 1);
    for (; size <= 0x10001; size++) {
        unsigned around = (unsigned)((size + 1) % POOL_GRANULE);
        if (around <= 2)
            return (0xc000 + (around << 12)) | (unsigned)((size + 1) / POOL_GRANULE - 1);
    }
    for (unsigned power = 16; power < POWERS; power++)
        for (unsigned more = 0; more < 3; more++)
            if ((UINT64_C(1) << power) + more - 1 >= size)
                return 0xf000 | (more * POWERS + power);
    return 0xf000 | (2 * POWERS + POWERS - 1);
}

/* The size that a realloc's code makes of `old` bytes: a quarter of the codes make them longer. */
static uint64_t size_from(unsigned code, uint64_t old)
{
    return code >> 14 == 1 ? size_of(size_code(old + code % 128 + 1)) : size_of(code);
}

/* The first slot from `slot` on, round and round, that meets the need; TRACE_DECODE_SLOTS if
 * none. */
static uint32_t find_slot(struct rules *rules, enum need need, uint32_t slot)
{
    for (uint32_t i = 0; i < TRACE_DECODE_SLOTS; i++)
        if (rules_allow(rules, need, (slot + i) % TRACE_DECODE_SLOTS))
            return (slot + i) % TRACE_DECODE_SLOTS;
    return TRACE_DECODE_SLOTS;
}

/* Makes the operation well placed: another slot, or another kind. */
static void place(struct rules *rules, struct trace_op *op)
{
    uint32_t slot = find_slot(rules, kind_rules[op->kind].need, op->slot);
    if (slot == TRACE_DECODE_SLOTS) {
        op->kind = TRACE_ALLOC;
        slot = find_slot(rules, NEED_EMPTY, op->slot);
    }
    if (slot == TRACE_DECODE_SLOTS) {
        op->kind = TRACE_FREE;
        slot = op->slot;
    }
    op->slot = slot;
}

int trace_decode(const uint8_t *bytes, size_t size, size_t max_ops, struct trace *trace)
{
    *trace = (struct trace){0};
    struct rules rules;
    rules_start(&rules);
    uint64_t sizes[TRACE_DECODE_SLOTS] = {0};
    int result = 0;
    size_t count = size / TRACE_DECODE_BYTES < max_ops ? size / TRACE_DECODE_BYTES : max_ops;
    trace->ops = count != 0 ? malloc(count * sizeof *trace->ops) : NULL;
    trace->room = trace->ops != NULL ? count : 0; /* without, trace_append tries again */
    for (size_t i = 0; i < count && result == 0; i++) {
        const uint8_t *code = bytes + i * TRACE_DECODE_BYTES;
        struct trace_op op = {.kind = kind_of(code[0]), .slot = code[1] % TRACE_DECODE_SLOTS};
        place(&rules, &op);
        const struct kind_rule *rule = &kind_rules[op.kind];
        if (!(rule->fields & FIELD_SLOT))
            op.slot = 0;
        if (rule->fields & FIELD_ALIGN)
            op.align = align_codes[code[1] >> SLOT_BITS];
        const unsigned size_bits = code[2] | (unsigned)code[3] << 8;
        if (op.kind == TRACE_REALLOC)
            op.size = size_from(size_bits, sizes[op.slot]);
        else if (rule->fields & FIELD_SIZE)
            op.size = size_of(size_bits) - !rule->size_not_0;
        if (rule->fields == (FIELD_SLOT | FIELD_SIZE | FIELD_ALIGN))
            sizes[op.slot] = op.size;
        const char *reason;
        if (rules_step(&rules, &op, 0, &reason) != 0 || trace_append(trace, op) != 0)
            result = -1;
    }
    rules_free(&rules);
    if (result != 0)
        trace_free(trace);
    return result;
}

size_t trace_encode(const struct trace *trace, uint8_t *bytes, size_t room)
{
    for (size_t i = 0; i < trace->count && (i + 1) * TRACE_DECODE_BYTES <= room; i++) {
        const struct trace_op *op = &trace->ops[i];
        const struct kind_rule *rule = &kind_rules[op->kind];
        unsigned align = 0;
        while ((rule->fields & FIELD_ALIGN) && align_codes[align] < op->align)
            align++;
        uint64_t size = op->size < UINT64_MAX ? op->size + !rule->size_not_0 : op->size;
        unsigned code = rule->fields & FIELD_SIZE ? size_code(size) : 0;
        uint32_t slot = rule->fields & FIELD_SLOT ? op->slot % TRACE_DECODE_SLOTS : 0;
        uint8_t *at = bytes + i * TRACE_DECODE_BYTES;
        at[0] = code_of(op->kind);
        at[1] = (uint8_t)(slot | align << SLOT_BITS);
        at[2] = (uint8_t)code;
        at[3] = (uint8_t)(code >> 8);
    }
    return trace->count * TRACE_DECODE_BYTES;
}
