/* The vocabulary: kinds, rules, and traces in memory. */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_pool.h"
#include "rules.h"

#define SLOT FIELD_SLOT
#define SLOT_SIZE (FIELD_SLOT | FIELD_SIZE)
#define SLOT_SIZE_ALIGN (FIELD_SLOT | FIELD_SIZE | FIELD_ALIGN)

const struct kind_rule kind_rules[TRACE_KINDS] = {
    [TRACE_ALLOC] = {"alloc", SLOT_SIZE_ALIGN, NEED_EMPTY, 1},
    [TRACE_CALLOC] = {"calloc", SLOT_SIZE_ALIGN, NEED_EMPTY, 1},
    [TRACE_REALLOC] = {"realloc", SLOT_SIZE_ALIGN, NEED_FULL, 1},
    [TRACE_FREE] = {"free", SLOT, NEED_FULL, 0},
    [TRACE_RESET] = {"reset", 0, NEED_NOTHING, 0},
    [TRACE_CHECK] = {"check", 0, NEED_NOTHING, 0},
    [TRACE_ALLOC_ZERO] = {"alloc-zero", SLOT, NEED_NOTHING, 0},
    [TRACE_ALLOC_HUGE] = {"alloc-huge", SLOT_SIZE, NEED_NOTHING, 0},
    [TRACE_ALLOC_BAD_ALIGN] = {"alloc-bad-align", SLOT_SIZE, NEED_NOTHING, 1},
    [TRACE_FREE_TWICE] = {"free-twice", SLOT, NEED_FREED, 0},
    [TRACE_FREE_INTERIOR] = {"free-interior", SLOT_SIZE, NEED_FULL, 1},
    [TRACE_FREE_MISALIGNED] = {"free-misaligned", SLOT_SIZE, NEED_FULL, 0},
    [TRACE_FREE_BEFORE] = {"free-before", FIELD_SIZE, NEED_NOTHING, 0},
    [TRACE_FREE_AFTER] = {"free-after", FIELD_SIZE, NEED_NOTHING, 0},
    [TRACE_FREE_FOREIGN] = {"free-foreign", FIELD_SIZE, NEED_NOTHING, 1},
    [TRACE_FREE_WRONG_SIZE] = {"free-wrong-size", SLOT_SIZE, NEED_FULL, 1},
    [TRACE_FREE_STALE] = {"free-stale", SLOT, NEED_STALE, 0},
    [TRACE_REALLOC_TWICE] = {"realloc-twice", SLOT_SIZE, NEED_FREED, 1},
    [TRACE_REALLOC_INTERIOR] = {"realloc-interior", SLOT_SIZE, NEED_FULL, 1},
    [TRACE_REALLOC_WRONG_SIZE] = {"realloc-wrong-size", SLOT_SIZE, NEED_FULL, 1},
};

const char *trace_kind_name(unsigned kind)
{
    return kind < TRACE_KINDS ? kind_rules[kind].word : "unknown";
}

int trace_is_misuse(unsigned kind)
{
    return kind >= TRACE_ALLOC_ZERO && kind < TRACE_KINDS;
}

int trace_fail(struct trace_error *error, uint64_t offset, uint64_t line, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        error->offset = offset;
        error->line = line;
    }
    return -1;
}

/* --- Rules ------------------------------------------------------------------------------------ */

void rules_start(struct rules *rules)
{
    *rules = (struct rules){.epoch = 1};
}

void rules_free(struct rules *rules)
{
    free(rules->slots);
    *rules = (struct rules){0};
}

static int grow_slots(struct rules *rules, uint32_t slot)
{
    size_t room = rules->room != 0 ? rules->room : 32;
    while (room <= slot)
        room *= 2;
    struct slot_rule *slots = realloc(rules->slots, room * sizeof *slots);
    if (slots == NULL)
        return -1;
    memset(slots + rules->room, 0, (room - rules->room) * sizeof *slots);
    rules->slots = slots;
    rules->room = room > UINT32_MAX ? UINT32_MAX : (uint32_t)room;
    return 0;
}

/* Brings a slot up to date with the resets since it was filled. */
static void settle(struct rules *rules, struct slot_rule *slot)
{
    if (slot->epoch != 0 && slot->epoch != rules->epoch) {
        slot->epoch = 0;
        slot->stale = 1;
    }
}

int rules_allow(struct rules *rules, enum need need, uint32_t slot)
{
    if (need == NEED_NOTHING)
        return 1;
    if (slot >= rules->room)
        return need == NEED_EMPTY;
    struct slot_rule *state = &rules->slots[slot];
    settle(rules, state);
    switch (need) {
    case NEED_EMPTY:
        return state->epoch == 0;
    case NEED_FULL:
        return state->epoch != 0;
    case NEED_FREED:
        return state->freed;
    default:
        return state->stale;
    }
}

static const char *broken_need(enum need need)
{
    switch (need) {
    case NEED_EMPTY:
        return "the slot already holds an object";
    case NEED_FULL:
        return "the slot holds no object";
    case NEED_FREED:
        return "nothing has been freed from the slot";
    default:
        return "the slot held no object when a reset came";
    }
}

int rules_step(struct rules *rules, const struct trace_op *op, uint32_t site_count,
               const char **reason)
{
    *reason = NULL;
    if (op->kind >= TRACE_KINDS) {
        *reason = "there is no such kind of operation";
        return -1;
    }
    const struct kind_rule *rule = &kind_rules[op->kind];
    if ((rule->fields & FIELD_ALIGN) && op->align > TRACE_MAX_ALIGN)
        *reason = "the alignment is beyond 4096 bytes";
    else if (rule->size_not_0 && op->size == 0)
        *reason = "the size is 0";
    else if (op->site != 0 && op->site >= site_count)
        *reason = "the call site is not listed";
    else if ((rule->fields & FIELD_SLOT) && op->slot >= TRACE_FREE_SLOTS && op->slot > rules->ops)
        *reason = "the slot is above the number of operations before";
    else if ((rule->fields & FIELD_SLOT) && !rules_allow(rules, rule->need, op->slot))
        *reason = broken_need(rule->need);
    else if ((rule->fields & FIELD_SLOT) && op->slot >= rules->room && grow_slots(rules, op->slot))
        *reason = "there is not enough memory to check the slots";
    if (*reason != NULL)
        return -1;
    rules->ops++;
    if (op->kind == TRACE_RESET)
        rules->epoch++;
    if (op->kind > TRACE_FREE || rules->slots == NULL)
        return 0;
    struct slot_rule *slot = &rules->slots[op->slot];
    slot->freed |= op->kind == TRACE_FREE;
    slot->epoch = op->kind == TRACE_FREE ? 0 : rules->epoch;
    return 0;
}

static int is_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}

int text_is_plain(const char *text, size_t size)
{
    if (size > TRACE_MAX_TEXT)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (is_control(text[i]))
            return 0;
    return 1;
}

int trace_check(const struct trace *trace, struct trace_error *error)
{
    if (trace->origin != NULL && !text_is_plain(trace->origin, strlen(trace->origin)))
        return trace_fail(error, 0, 0, "the origin is not one plain line of text");
    for (uint32_t i = 1; i < trace->site_count; i++)
        if (trace->sites[i] == NULL || !text_is_plain(trace->sites[i], strlen(trace->sites[i])))
            return trace_fail(error, 0, 0, "call site %u is not one plain line of text", i);
    struct rules rules;
    rules_start(&rules);
    const char *reason = NULL;
    size_t i = 0;
    while (i < trace->count && rules_step(&rules, &trace->ops[i], trace->site_count, &reason) == 0)
        i++;
    rules_free(&rules);
    if (reason == NULL)
        return 0;
    char text[80];
    trace_print_op(&trace->ops[i], text, sizeof text);
    return trace_fail(error, i, 0, "operation %zu, \"%s\": %s", i, text, reason);
}

/* --- Traces in memory ------------------------------------------------------------------------- */

int trace_append(struct trace *trace, struct trace_op op)
{
    if (trace->count == trace->room) {
        size_t room = trace->room != 0 ? trace->room * 2 : 64;
        if (room > SIZE_MAX / sizeof *trace->ops)
            return -1;
        struct trace_op *ops = realloc(trace->ops, room * sizeof *ops);
        if (ops == NULL)
            return -1;
        trace->ops = ops;
        trace->room = room;
    }
    int has_slot = op.kind < TRACE_KINDS && (kind_rules[op.kind].fields & FIELD_SLOT);
    if (has_slot && op.slot >= trace->slots)
        trace->slots = op.slot + 1;
    if (op.thread >= trace->threads)
        trace->threads = op.thread + 1u;
    trace->ops[trace->count++] = op;
    return 0;
}

/* A copy of the text that is one plain line; NULL for lack of memory. */
static char *plain_copy(const char *text)
{
    size_t size = strlen(text);
    if (size > TRACE_MAX_TEXT)
        size = TRACE_MAX_TEXT;
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (is_control(copy[i]))
            copy[i] = ' ';
    return copy;
}

int trace_add_site(struct trace *trace, const char *text, uint32_t *site)
{
    uint32_t count = trace->site_count != 0 ? trace->site_count : 1;
    char *copy = plain_copy(text);
    if (copy == NULL || count == UINT32_MAX) {
        free(copy);
        return -1;
    }
    /* The array has room up to a power of two: it grows when the count is one. */
    if ((count & (count - 1)) == 0) {
        char **sites = realloc(trace->sites, (size_t)count * 2 * sizeof *sites);
        if (sites == NULL) {
            free(copy);
            return -1;
        }
        trace->sites = sites;
        trace->sites[0] = NULL;
    }
    trace->sites[count] = copy;
    trace->site_count = count + 1;
    *site = count;
    return 0;
}

int trace_set_origin(struct trace *trace, const char *text)
{
    char *copy = NULL;
    if (text != NULL && text[0] != '\0') {
        copy = plain_copy(text);
        if (copy == NULL)
            return -1;
    }
    free(trace->origin);
    trace->origin = copy;
    return 0;
}

void trace_free(struct trace *trace)
{
    for (uint32_t i = 1; i < trace->site_count; i++)
        free(trace->sites[i]);
    free(trace->sites);
    free(trace->origin);
    free(trace->ops);
    *trace = (struct trace){0};
}

static int ops_equal(const struct trace_op *one, const struct trace_op *other)
{
    if (one->kind != other->kind || one->kind >= TRACE_KINDS || one->thread != other->thread ||
        one->site != other->site)
        return 0;
    uint8_t fields = kind_rules[one->kind].fields;
    return (!(fields & FIELD_SLOT) || one->slot == other->slot) &&
           (!(fields & FIELD_SIZE) || one->size == other->size) &&
           (!(fields & FIELD_ALIGN) || one->align == other->align);
}

static int texts_equal(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

int trace_equal(const struct trace *one, const struct trace *other)
{
    uint32_t sites = one->site_count > 1 ? one->site_count : 1;
    if (one->count != other->count || sites != (other->site_count > 1 ? other->site_count : 1) ||
        !texts_equal(one->origin, other->origin))
        return 0;
    for (uint32_t i = 1; i < sites; i++)
        if (!texts_equal(one->sites[i], other->sites[i]))
            return 0;
    for (size_t i = 0; i < one->count; i++)
        if (!ops_equal(&one->ops[i], &other->ops[i]))
            return 0;
    return 1;
}

void trace_print_op(const struct trace_op *op, char *buffer, size_t size)
{
    uint8_t fields = op->kind < TRACE_KINDS ? kind_rules[op->kind].fields : 0;
    char slot[16] = "";
    char bytes[24] = "";
    char align[16] = "";
    char thread[20] = "";
    char site[20] = "";
    if (fields & FIELD_SLOT)
        snprintf(slot, sizeof slot, " %u", op->slot);
    if (fields & FIELD_SIZE)
        snprintf(bytes, sizeof bytes, " %llu", (unsigned long long)op->size);
    if (fields & FIELD_ALIGN)
        snprintf(align, sizeof align, " %u", 1u << (op->align & 15));
    if (op->thread != 0)
        snprintf(thread, sizeof thread, " thread %u", op->thread);
    if (op->site != 0)
        snprintf(site, sizeof site, " site %u", op->site);
    snprintf(buffer, size, "%s%s%s%s%s%s", trace_kind_name(op->kind), slot, bytes, align, thread,
             site);
}

/* What a slot holds while the peak is sought, in granules. */
struct held {
    uint64_t granules;
    uint64_t epoch;
};

size_t trace_peak_bytes(const struct trace *trace)
{
    struct held *held = calloc((size_t)trace->slots + 1, sizeof *held);
    if (held == NULL)
        return SIZE_MAX;
    uint64_t live = 0;
    uint64_t peak = 0;
    uint64_t epoch = 1;
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_op *op = &trace->ops[i];
        if (op->kind == TRACE_RESET) {
            live = 0;
            epoch++;
        }
        if (op->kind > TRACE_FREE)
            continue;
        struct held *slot = &held[op->slot];
        if (slot->epoch == epoch)
            live -= slot->granules;
        slot->epoch = epoch;
        slot->granules = 0;
        if (op->kind != TRACE_FREE)
            slot->granules = op->size / POOL_GRANULE + (op->size % POOL_GRANULE != 0);
        if (slot->granules > SIZE_MAX / POOL_GRANULE || live > SIZE_MAX / POOL_GRANULE) {
            peak = SIZE_MAX;
            break;
        }
        live += slot->granules;
        peak = live > peak ? live : peak;
    }
    free(held);
    return peak > SIZE_MAX / POOL_GRANULE ? SIZE_MAX : (size_t)peak * POOL_GRANULE;
}
