/* Random traces. A shape is written as a loop that asks for slots; the sizes come from the
 * settings. */
#include "generate.h"

#include <stdlib.h>

#include "rules.h"

struct generator {
    struct generate_settings settings;
    uint64_t state;
    struct trace *trace;
    struct rules rules;
    int failed; /* for lack of memory */
};

/* A number below `limit`, or any if that is 0, as 2^64 is here. The bias is below limit / 2^64. */
static uint64_t below(struct generator *generator, uint64_t limit)
{
    uint64_t any = generate_next(&generator->state);
    return limit != 0 ? any % limit : any;
}

static unsigned bits_of(uint64_t value)
{
    unsigned bits = 0;
    for (; value != 0; value >>= 1)
        bits++;
    return bits;
}

static uint64_t random_size(struct generator *generator)
{
    uint64_t low = generator->settings.smallest;
    uint64_t high = generator->settings.largest;
    if (generator->settings.sizes == GENERATE_LOGARITHMIC) {
        /* A number of bits first, then a size of as many bits. */
        unsigned least = bits_of(low);
        unsigned bits = least + (unsigned)below(generator, bits_of(high) - least + 1);
        uint64_t first = bits > 0 ? UINT64_C(1) << (bits - 1) : 0;
        uint64_t last = first + (first - 1);
        low = first > low ? first : low;
        high = last < high ? last : high;
    }
    return low + below(generator, high - low + 1);
}

/* Each step up is half as likely. */
static uint8_t random_align(struct generator *generator)
{
    uint8_t align = 0;
    while (align < generator->settings.largest_align && below(generator, 2))
        align++;
    return align;
}

static int is_full(struct generator *generator, uint32_t slot)
{
    return rules_allow(&generator->rules, NEED_FULL, slot);
}

static void put(struct generator *generator, unsigned kind, uint32_t slot)
{
    struct trace_op op = {.kind = (uint8_t)kind};
    const struct kind_rule *rule = &kind_rules[kind];
    if (rule->fields & FIELD_SLOT)
        op.slot = slot;
    if (rule->fields & FIELD_SIZE)
        op.size = random_size(generator);
    if (rule->fields & FIELD_ALIGN)
        op.align = random_align(generator);
    const char *reason;
    if (rules_step(&generator->rules, &op, 0, &reason) != 0 ||
        trace_append(generator->trace, op) != 0)
        generator->failed = 1;
}

/* Any slot, as far as the rules let a trace of this length reach. */
static uint32_t random_slot(struct generator *generator)
{
    size_t count = generator->trace->count;
    size_t reach = count > TRACE_FREE_SLOTS ? count : TRACE_FREE_SLOTS;
    uint32_t live = generator->settings.live;
    return (uint32_t)below(generator, live < reach ? live : reach);
}

static int has_room(const struct generator *generator)
{
    return !generator->failed && generator->trace->count < generator->settings.operations;
}

/* One operation of a shape, with what the settings want put before it: misuse, or a realloc of an
 * object that is there. */
static void step(struct generator *generator, unsigned kind, uint32_t slot)
{
    if (has_room(generator) && below(generator, 256) < generator->settings.misuse_in_256) {
        unsigned misuse =
            TRACE_ALLOC_ZERO + (unsigned)below(generator, TRACE_KINDS - TRACE_ALLOC_ZERO);
        uint32_t any = random_slot(generator);
        if (rules_allow(&generator->rules, kind_rules[misuse].need, any))
            put(generator, misuse, any);
    }
    if (has_room(generator) && kind == TRACE_FREE &&
        below(generator, 256) < generator->settings.resize_in_256)
        put(generator, TRACE_REALLOC, slot);
    if (has_room(generator))
        put(generator, kind, slot);
}

static void make_pairs(struct generator *generator)
{
    uint32_t last = generator->settings.live - 1;
    for (uint32_t slot = 0; slot < last && has_room(generator); slot++)
        step(generator, TRACE_ALLOC, slot);
    while (has_room(generator))
        step(generator, is_full(generator, last) ? TRACE_FREE : TRACE_ALLOC, last);
}

static void make_lifo(struct generator *generator)
{
    while (has_room(generator)) {
        for (uint32_t slot = 0; slot < generator->settings.live; slot++)
            step(generator, TRACE_ALLOC, slot);
        for (uint32_t slot = generator->settings.live; slot > 0; slot--)
            step(generator, TRACE_FREE, slot - 1);
    }
}

static void make_fifo(struct generator *generator)
{
    for (uint32_t slot = 0; has_room(generator); slot = (slot + 1) % generator->settings.live) {
        if (is_full(generator, slot))
            step(generator, TRACE_FREE, slot);
        step(generator, TRACE_ALLOC, slot);
    }
}

static void make_churn(struct generator *generator)
{
    for (uint32_t slot = 0; slot < generator->settings.live && has_room(generator); slot++)
        step(generator, TRACE_ALLOC, slot);
    while (has_room(generator)) {
        uint32_t slot = (uint32_t)below(generator, generator->settings.live);
        step(generator, TRACE_FREE, slot);
        step(generator, TRACE_ALLOC, slot);
    }
}

static void make_random(struct generator *generator)
{
    while (has_room(generator)) {
        uint32_t slot = random_slot(generator);
        uint64_t choice = below(generator, 256);
        if (choice == 0)
            step(generator, TRACE_RESET, 0);
        else if (choice < 4)
            step(generator, TRACE_CHECK, 0);
        else if (is_full(generator, slot))
            step(generator, TRACE_FREE, slot);
        else
            step(generator, choice < 64 ? TRACE_CALLOC : TRACE_ALLOC, slot);
    }
}

int trace_generate(const struct generate_settings *settings, struct trace *trace)
{
    static void (*const shapes[GENERATE_SHAPES])(struct generator *) = {
        [GENERATE_PAIR] = make_pairs,  [GENERATE_LIFO] = make_lifo,     [GENERATE_FIFO] = make_fifo,
        [GENERATE_CHURN] = make_churn, [GENERATE_RANDOM] = make_random,
    };
    *trace = (struct trace){0};
    if ((unsigned)settings->shape >= GENERATE_SHAPES || settings->largest_align > TRACE_MAX_ALIGN)
        return -1;
    struct generator generator = {.settings = *settings, .state = settings->seed, .trace = trace};
    struct generate_settings *own = &generator.settings;
    own->live = own->live != 0 ? own->live : 1;
    own->smallest = own->smallest != 0 ? own->smallest : 1;
    own->largest = own->largest > own->smallest ? own->largest : own->smallest;
    rules_start(&generator.rules);
    shapes[settings->shape](&generator);
    rules_free(&generator.rules);
    if (generator.failed)
        trace_free(trace);
    return generator.failed ? -1 : 0;
}
