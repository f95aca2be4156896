/* Inside core/trace: what each kind of operation names and needs, and the check of one operation
 * after another. */
#ifndef POOLPROOF_RULES_H
#define POOLPROOF_RULES_H

#include "trace.h"

enum field { FIELD_SLOT = 1, FIELD_SIZE = 2, FIELD_ALIGN = 4 };

enum need {
    NEED_NOTHING,
    NEED_EMPTY, /* the slot holds no object */
    NEED_FULL,  /* the slot holds an object */
    NEED_FREED, /* an object was freed from the slot, at any time */
    NEED_STALE  /* the slot held an object when a reset came, at any time */
};

struct kind_rule {
    const char *word;
    uint8_t fields; /* of enum field: what the kind names */
    uint8_t need;   /* of enum need */
    uint8_t size_not_0;
};

extern const struct kind_rule kind_rules[TRACE_KINDS];

/* What the rules remember of a slot. A reset only moves the epoch on, so that it costs nothing. */
struct slot_rule {
    uint32_t epoch; /* in which the slot was filled last; 0: never, or freed since */
    uint8_t freed;
    uint8_t stale;
};

struct rules {
    struct slot_rule *slots;
    uint32_t room;  /* slots that there is memory for */
    uint32_t epoch; /* one more than the resets so far */
    uint64_t ops;   /* operations so far */
};

/* Ready for the first operation; rules_free gives the memory back. */
void rules_start(struct rules *rules);
void rules_free(struct rules *rules);

/* 1 if the need is met by the slot now, else 0. */
int rules_allow(struct rules *rules, enum need need, uint32_t slot);

/* Checks the next operation and takes note of it. On failure *reason is a sentence of the rule
 * that is broken; the state is then of no more use. Cost: constant, amortised. */
int rules_step(struct rules *rules, const struct trace_op *op, uint32_t site_count,
               const char **reason);

/* Fills *error, unless NULL, and returns -1. The message is a format of printf. */
int trace_fail(struct trace_error *error, uint64_t offset, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* 1 if the text is one line of at most TRACE_MAX_TEXT bytes without control characters. */
int text_is_plain(const char *text, size_t size);

#endif
