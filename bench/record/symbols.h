/* The names of the functions in a program or shared library, by place in its file. */
#ifndef POOLPROOF_SYMBOLS_H
#define POOLPROOF_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbol {
    uint64_t address; /* as linked */
    uint64_t size;
    const char *name; /* in the mapped file */
};

/* All zero is a file without names. */
struct symbols {
    void *memory;
    size_t memory_size;
    struct symbol *functions; /* by address */
    size_t count;
};

/* Reads the functions of an ELF file of this machine's kind, from its full symbol table or else the
 * dynamic one. A file that is missing, damaged or of another kind has no names. */
struct symbols symbols_read(const char *path);
void symbols_drop(struct symbols *symbols);

/* The function that contains the address, or NULL. Owned by symbols. */
const struct symbol *symbols_find(const struct symbols *symbols, uint64_t address);

#endif
