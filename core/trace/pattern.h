/* Inside core/trace: what the executors fill objects with. Each object's bytes follow from a seed
 * of its own and their offset, so that bytes of another object, or of the same one elsewhere, are
 * noticed. Of a larger object only the first PATTERN_BYTES and the last word are written: a program
 * that reserves much rarely writes it all, and a replay is not to need more memory. */
#ifndef POOLPROOF_PATTERN_H
#define POOLPROOF_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_BYTES ((size_t)1 << 20)

/* Writes the pattern to the bytes [from, to) of an object that ends at `to`. */
void pattern_fill(unsigned char *object, size_t from, size_t to, uint64_t seed);

/* The offset of the first byte below `size` that is not the pattern's; `size` if all are, as far as
 * it is written. */
size_t pattern_differs(const unsigned char *object, size_t size, uint64_t seed);

/* The offset of the first byte in [from, to) that is not zero; `to` if all are. The memory is the
 * process's own: where much of it was never touched, that is known without touching it. */
size_t first_not_zero(const unsigned char *object, size_t from, size_t to);

#endif
