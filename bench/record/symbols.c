/* Reading the symbol tables of ELF files, whose every field may be wrong. */
#define _GNU_SOURCE
#include "symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* `count` things of `size` bytes at an offset of the file, or NULL if they are not all inside. */
static const void *inside(const struct symbols *symbols, uint64_t offset, uint64_t count,
                          uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > symbols->memory_size ||
        offset > symbols->memory_size - bytes || offset % _Alignof(uint64_t) != 0)
        return NULL;
    return (const char *)symbols->memory + offset;
}

static const ElfW(Ehdr) * file_header(const struct symbols *symbols)
{
    static const unsigned char kind[] = {0x7f, 'E', 'L', 'F', sizeof(void *) == 8 ? 2 : 1};
    const ElfW(Ehdr) *header = inside(symbols, 0, 1, sizeof *header);
    return header && memcmp(header->e_ident, kind, sizeof kind) == 0 ? header : NULL;
}

static const ElfW(Shdr) *
    find_section(const struct symbols *symbols, const ElfW(Ehdr) * header, unsigned type)
{
    const ElfW(Shdr) *sections =
        inside(symbols, header->e_shoff, header->e_shnum, sizeof *sections);
    for (unsigned i = 0; sections && i < header->e_shnum; i++)
        if (sections[i].sh_type == type && sections[i].sh_link < header->e_shnum)
            return &sections[i];
    return NULL;
}

static int by_address(const void *left, const void *right)
{
    uint64_t a = ((const struct symbol *)left)->address;
    uint64_t b = ((const struct symbol *)right)->address;
    return (a > b) - (a < b);
}

static void read_functions(struct symbols *symbols, const ElfW(Ehdr) * header,
                           const ElfW(Shdr) * section)
{
    const ElfW(Shdr) *sections =
        inside(symbols, header->e_shoff, header->e_shnum, sizeof *sections);
    const ElfW(Shdr) *text = &sections[section->sh_link];
    const size_t entries = section->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *table = inside(symbols, section->sh_offset, entries, sizeof *table);
    const bool named = text->sh_size > 0 && text->sh_size <= symbols->memory_size &&
                       text->sh_offset <= symbols->memory_size - text->sh_size;
    const char *names = (const char *)symbols->memory + text->sh_offset;
    if (!table || !named || names[text->sh_size - 1] != '\0')
        return;
    symbols->functions = calloc(entries + 1, sizeof *symbols->functions);
    if (!symbols->functions)
        return;
    for (size_t i = 0; i < entries; i++) {
        if ((table[i].st_info & 0xf) == STT_FUNC && table[i].st_value != 0 &&
            table[i].st_name < text->sh_size)
            symbols->functions[symbols->count++] =
                (struct symbol){table[i].st_value, table[i].st_size, names + table[i].st_name};
    }
    qsort(symbols->functions, symbols->count, sizeof *symbols->functions, by_address);
}

struct symbols symbols_read(const char *path)
{
    struct symbols symbols = {0};
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return symbols;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (memory != MAP_FAILED) {
            symbols.memory = memory;
            symbols.memory_size = (size_t)status.st_size;
        }
    }
    close(fd);
    const ElfW(Ehdr) *header = symbols.memory ? file_header(&symbols) : NULL;
    if (!header)
        return symbols;
    const ElfW(Shdr) *section = find_section(&symbols, header, SHT_SYMTAB);
    if (!section)
        section = find_section(&symbols, header, SHT_DYNSYM);
    if (section)
        read_functions(&symbols, header, section);
    return symbols;
}

void symbols_drop(struct symbols *symbols)
{
    free(symbols->functions);
    if (symbols->memory)
        munmap(symbols->memory, symbols->memory_size);
    *symbols = (struct symbols){0};
}

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t address)
{
    size_t low = 0, high = symbols->count;
    while (low < high) { /* functions before low start at or before the address */
        size_t middle = low + (high - low) / 2;
        if (symbols->functions[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    while (low-- > 0) { /* of several names for one place, any that has a size */
        const struct symbol *function = &symbols->functions[low];
        if (address - function->address < function->size)
            return function;
        if (function->address != symbols->functions[low ? low - 1 : 0].address)
            break;
    }
    return NULL;
}
