/* A map from numbers that are not 0 to small numbers. */
#ifndef POOLPROOF_MAP_H
#define POOLPROOF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is empty. */
struct map {
    struct place {
        uint64_t key;
        uint32_t value;
    } *places;
    size_t room; /* a power of two, or 0 */
    size_t used;
};

bool map_get(const struct map *map, uint64_t key, uint32_t *value);
/* Adds a key or changes its value. */
void map_put(struct map *map, uint64_t key, uint32_t value);
/* Removes a key that is there. */
void map_remove(struct map *map, uint64_t key);
void map_drop(struct map *map);

/* Ends the program with one line and status 4. */
__attribute__((noreturn)) void out_of_memory(void);

#endif
