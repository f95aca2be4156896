/* The one language of Poolproof: a sequence of allocator operations.
 *
 * A benchmark's workload, a fuzz input, a recorded program and a minimised crash are all traces,
 * and an executor (executor.h) runs one against a pool, the model or malloc. Here are the
 * vocabulary, the binary and the text form, and the decoder that makes a trace of any bytes.
 *
 * Objects are named by slots: small integers, each free for reuse after its object is freed. A
 * trace holds sizes, alignments, threads and call sites, never addresses and never contents.
 *
 * Functions return 0 on success and -1 on failure, with *error filled where there is one; none
 * prints. A struct trace owns its arrays until trace_free. Nothing is global; one trace belongs
 * to one thread at a time.
 */
#ifndef POOLPROOF_TRACE_H
#define POOLPROOF_TRACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest alignment exponent: 4,096 bytes. */
#define TRACE_MAX_ALIGN 12
/* Any trace may use this many slots; a longer one as many as the operations before. */
#define TRACE_FREE_SLOTS 4096
/* The longest origin or call site in bytes, without the end. */
#define TRACE_MAX_TEXT 4000
/* Slots of a decoded trace, and the bytes that become one operation. */
#define TRACE_DECODE_SLOTS 32
#define TRACE_DECODE_BYTES 4

/* What an operation does. In the text form each is the word in the comment, followed by its fields,
 * ALIGN as bytes. A field that a kind does not name is not kept. */
enum trace_kind {
    TRACE_ALLOC,   /* alloc SLOT SIZE ALIGN      the slot must be empty, the size not 0 */
    TRACE_CALLOC,  /* calloc SLOT SIZE ALIGN     the same, and the program wanted zeroes */
    TRACE_REALLOC, /* realloc SLOT SIZE ALIGN    the slot must hold an object, the size not be 0 */
    TRACE_FREE,    /* free SLOT                  the slot must hold an object */
    TRACE_RESET,   /* reset                      empties every slot */
    TRACE_CHECK,   /* check                      verify every live object now */
    /* Misuse: what a correct program never does. Each must be refused and change nothing. */
    TRACE_ALLOC_ZERO,      /* alloc-zero SLOT            size 0 */
    TRACE_ALLOC_HUGE,      /* alloc-huge SLOT SIZE       SIZE bytes below SIZE_MAX */
    TRACE_ALLOC_BAD_ALIGN, /* alloc-bad-align SLOT SIZE  a type beyond the largest */
    TRACE_FREE_TWICE,      /* free-twice SLOT            the pointer last freed from this slot */
    TRACE_FREE_INTERIOR,   /* free-interior SLOT SIZE    SIZE granules after its start, not 0 */
    TRACE_FREE_MISALIGNED, /* free-misaligned SLOT SIZE  1 + SIZE % 15 bytes after its start */
    TRACE_FREE_BEFORE,     /* free-before SIZE           SIZE + 1 granules before the block */
    TRACE_FREE_AFTER,      /* free-after SIZE            SIZE granules after the block's end */
    TRACE_FREE_FOREIGN,    /* free-foreign SIZE          a live chunk of another pool */
    TRACE_FREE_WRONG_SIZE, /* free-wrong-size SLOT SIZE  SIZE bytes, not 0, instead of its own */
    TRACE_FREE_STALE,      /* free-stale SLOT            the pointer that it held before a reset */
    TRACE_REALLOC_TWICE, /* realloc-twice SLOT SIZE     realloc of the pointer last freed from it */
    TRACE_REALLOC_INTERIOR,   /* realloc-interior SLOT SIZE  realloc one granule after its start */
    TRACE_REALLOC_WRONG_SIZE, /* realloc-wrong-size SLOT SIZE  realloc with SIZE as the old size */
    TRACE_KINDS
};

struct trace_op {
    uint8_t kind;    /* of enum trace_kind */
    uint8_t align;   /* exponent: alignment in bytes is 1 << align; at most TRACE_MAX_ALIGN */
    uint32_t thread; /* which of the program's threads; 0 is the first */
    uint32_t slot;
    uint32_t site; /* index into trace.sites; 0 is unknown */
    uint64_t size; /* bytes, or as the kind says */
};

struct trace {
    struct trace_op *ops;
    size_t count;        /* operations */
    uint32_t slots;      /* one more than the largest slot */
    uint32_t threads;    /* one more than the largest thread */
    char **sites;        /* call sites as text, from index 1; sites[0] is NULL */
    uint32_t site_count; /* entries of sites, the unused first one included; 0 if none */
    char *origin;        /* what was recorded, as one line of text; NULL if unknown */
    size_t room;         /* operations that ops has memory for */
};

/* What is wrong with a file or a text, and where. The message is one sentence that names the place
 * (byte, line or operation), without the file's name. */
struct trace_error {
    uint64_t offset; /* bytes from the start, of the uncompressed form */
    uint64_t line;   /* of a text, from 1; 0 for a binary */
    char message[200];
};

/* Reads a trace from a file, binary or text, compressed by gzip or not: the form is recognised.
 * Each operation is checked as trace_check does, and each block of a binary against its checksum.
 * Fails if the file cannot be read, is cut short, is damaged or breaks a rule, or memory is
 * lacking; *trace is then empty. Cost: linear. */
int trace_read(const char *path, struct trace *trace, struct trace_error *error);

/* The same from memory; the bytes are not compressed. Memory taken is bounded by a multiple of
 * `size`, whatever the bytes claim. */
int trace_parse(const void *bytes, size_t size, struct trace *trace, struct trace_error *error);

enum trace_form { TRACE_BINARY, TRACE_BINARY_GZIP, TRACE_TEXT };

/* Writes a trace so that trace_read gives an equal one. The file appears whole under its name or
 * not at all: a full or read-only folder leaves what was there before. What is not a regular
 * file, a pipe or a terminal, is written to directly. Fails also if the trace breaks a rule. */
int trace_write(const char *path, enum trace_form form, const struct trace *trace,
                struct trace_error *error);

/* A trace that is written operation by operation, in memory bounded by its slots. The operations
 * wait packed, the first TRACE_STREAM_BYTES in memory and the rest in a file without a name in
 * `folder`, since call sites are written before them. */
#define TRACE_STREAM_BYTES (64 * 1024)
struct trace_stream;

/* NULL for lack of memory. */
struct trace_stream *trace_stream_open(const char *folder);

/* Appends one operation, which must keep the rules of trace_check but for its call site, which may
 * be named later. Fails if it breaks one or the file cannot grow. Cost: constant, amortised. */
int trace_stream_append(struct trace_stream *stream, const struct trace_op *op,
                        struct trace_error *error);

/* Writes the operations with the origin and the sites of `head` as trace_write does. At most
 * once. */
int trace_stream_write(struct trace_stream *stream, const char *path, enum trace_form form,
                       const struct trace *head, struct trace_error *error);
void trace_stream_close(struct trace_stream *stream);

/* Verifies the rules: known kinds; a slot empty where one is filled, full where one is freed or
 * resized, and freed or reset before where a stale pointer is meant; sizes not 0; alignments at
 * most TRACE_MAX_ALIGN; call sites that exist; a slot below TRACE_FREE_SLOTS or not above the
 * number of operations before it; texts of one line. error->offset is the operation's index.
 * Cost: linear. */
int trace_check(const struct trace *trace, struct trace_error *error);

/* The text of one operation, as a line without its end, cut to `size` bytes; 80 hold any. */
void trace_print_op(const struct trace_op *op, char *buffer, size_t size);

/* The word of a kind ("free-twice"); "unknown" beyond the last. */
const char *trace_kind_name(unsigned kind);

/* 1 if a kind is misuse, else 0. */
int trace_is_misuse(unsigned kind);

/* 1 if two traces mean the same: operations in the fields that their kinds name, threads, sites and
 * origin; else 0. */
int trace_equal(const struct trace *one, const struct trace *other);

/* Makes a trace of any bytes: every string of bytes is one, and every operation in it is well
 * placed, as trace_check has it. TRACE_DECODE_BYTES bytes make one operation, so that cutting,
 * inserting and changing bytes cuts, inserts and changes operations:
 *   0  its kind, by a table in which correct use is the likelier; the upper two bits are ignored
 *   1  slot in the lower five bits, alignment in the upper three (1, 8, 16, 32, 64, 256, 1,024 or
 *      4,096 bytes)
 *   2  size, little-endian: the upper four bits say how to read the lower twelve. Half of all
 *      codes mean 1 to 256 bytes; the others 1 to 4,096, multiples of a granule up to 64 KiB and
 *      one more or less, and powers of two up to 256 KiB and one more or less. A quarter of a
 *      realloc's codes, of those for 1 to 256 bytes, make its object 1 to 128 bytes longer.
 * An operation that its slot does not allow takes the next slot that does; if none does it becomes
 * an alloc, or with every slot full a free. At most max_ops operations; bytes that are left over
 * are ignored. Fails only for lack of memory. */
int trace_decode(const uint8_t *bytes, size_t size, size_t max_ops, struct trace *trace);

/* Bytes that trace_decode turns into this trace, or into its nearest expressible neighbour: slots
 * taken modulo TRACE_DECODE_SLOTS, sizes and alignments rounded up, threads and sites dropped.
 * Returns the bytes needed, which may be more than `room`; nothing beyond room is written. */
size_t trace_encode(const struct trace *trace, uint8_t *bytes, size_t room);

/* Appends one operation, growing the array and the counts of slots and threads; -1 for lack of
 * memory. Rules are not checked. Cost: constant, amortised. */
int trace_append(struct trace *trace, struct trace_op op);

/* Appends a call site and stores its index in *site; sets the origin. The text is copied, cut to
 * TRACE_MAX_TEXT bytes, and its control characters become spaces; -1 for lack of memory. Equal
 * sites are not looked for. */
int trace_add_site(struct trace *trace, const char *text, uint32_t *site);
int trace_set_origin(struct trace *trace, const char *text);

/* Makes a trace of its own, which keeps the rules, of what happens from operation `first` on to the
 * objects that are made there, as far as `slots` slots hold them, until it has `most` operations.
 * All that happens to other objects, misuse, threads, sites and the origin are left out. Fails only
 * for lack of memory; *slice is then empty. Cost: linear, a reset's in the slots. */
int trace_slice(const struct trace *trace, size_t first, size_t most, uint32_t slots,
                struct trace *slice);

/* Bytes live at the trace's peak, each object rounded up to granules of POOL_GRANULE bytes: the
 * capacity that a pool needs for it without fragmentation. SIZE_MAX if they are more than that,
 * or memory is lacking. Cost: linear. */
size_t trace_peak_bytes(const struct trace *trace);

/* Frees what the trace owns and empties it. An empty (all zero) trace is fine. */
void trace_free(struct trace *trace);

#ifdef __cplusplus
}
#endif

#endif
