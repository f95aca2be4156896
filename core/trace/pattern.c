/* Eight bytes at a time, by memcpy, for objects have any alignment. */
#define _GNU_SOURCE
#include "pattern.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WORD sizeof(uint64_t)

/* The pattern's word at offset `at`, a multiple of WORD. */
static uint64_t word_of(uint64_t seed, size_t at)
{
    return (seed + at) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;
}

static unsigned char byte_of(uint64_t seed, size_t at)
{
    uint64_t word = word_of(seed, at / WORD * WORD);
    unsigned char bytes[WORD];
    memcpy(bytes, &word, WORD);
    return bytes[at % WORD];
}

void pattern_fill(unsigned char *object, size_t from, size_t to, uint64_t seed)
{
    size_t at = from;
    if (to > PATTERN_BYTES) {
        for (size_t i = to - WORD; i < to; i++)
            object[i] = byte_of(seed, i);
        to = PATTERN_BYTES;
    }
    for (; at < to && at % WORD != 0; at++)
        object[at] = byte_of(seed, at);
    for (; at < to && to - at >= WORD; at += WORD) {
        uint64_t word = word_of(seed, at);
        memcpy(object + at, &word, WORD);
    }
    for (; at < to; at++)
        object[at] = byte_of(seed, at);
}

/* Eight words at once, as long as nothing is wrong, then one by one to find the place. */
#define STRIDE (8 * WORD)

size_t pattern_differs(const unsigned char *object, size_t size, uint64_t seed)
{
    const size_t whole = size;
    size_t at = 0;
    if (size > PATTERN_BYTES)
        size = PATTERN_BYTES;
    for (; size - at >= STRIDE; at += STRIDE) {
        uint64_t words[8], off = 0;
        memcpy(words, object + at, STRIDE);
        for (size_t i = 0; i < 8; i++)
            off |= words[i] ^ word_of(seed, at + i * WORD);
        if (off != 0)
            break;
    }
    for (; size - at >= WORD; at += WORD) {
        uint64_t word;
        memcpy(&word, object + at, WORD);
        if (word != word_of(seed, at))
            break;
    }
    while (at < size && object[at] == byte_of(seed, at))
        at++;
    if (at == size && whole > size)
        for (at = whole - WORD; at < whole && object[at] == byte_of(seed, at);)
            at++;
    return at;
}

/* --- Zeroes ----------------------------------------------------------------------------------- */

/* What the system says of the process's pages, or -1. It is believed where it knows this very page
 * to be there, which an emulator's system does not. */
static int open_pages(size_t page)
{
    uint64_t own = 0;
    const int pages = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    const off_t place = (off_t)((uintptr_t)&own / page * sizeof own);
    if (pages >= 0 && pread(pages, &own, sizeof own, place) == sizeof own && own >> 63 != 0)
        return pages;
    if (pages >= 0)
        close(pages);
    return -1;
}

/* Whether a page was never touched: it is neither in memory nor swapped out. */
static int is_untouched(int pages, const unsigned char *at, size_t page)
{
    uint64_t said = 0;
    const off_t place = (off_t)((uintptr_t)at / page * sizeof said);
    return pread(pages, &said, sizeof said, place) == sizeof said && said >> 62 == 0;
}

static size_t find_not_zero(const unsigned char *object, size_t from, size_t to)
{
    size_t at = from;
    for (; to - at >= STRIDE; at += STRIDE) {
        uint64_t words[8], off = 0;
        memcpy(words, object + at, STRIDE);
        for (size_t i = 0; i < 8; i++)
            off |= words[i];
        if (off != 0)
            break;
    }
    while (at < to && object[at] == 0)
        at++;
    return at;
}

size_t first_not_zero(const unsigned char *object, size_t from, size_t to)
{
    size_t at = from;
    if (to - from > PATTERN_BYTES) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        const int pages = open_pages(page);
        while (pages >= 0 && at < to) {
            const size_t left = page - (uintptr_t)(object + at) % page;
            const size_t end = left < to - at ? at + left : to;
            if (!is_untouched(pages, object + at, page) && find_not_zero(object, at, end) != end)
                break;
            at = end;
        }
        if (pages >= 0)
            close(pages);
    }
    return find_not_zero(object, at, to);
}
