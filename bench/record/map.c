/* Open addressing with linear probing; key 0 is an empty place. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>

static size_t map_home(const struct map *map, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (map->room - 1);
}

/* The place of the key, or the empty one where it belongs. The map has room. */
static size_t map_place(const struct map *map, uint64_t key)
{
    size_t place = map_home(map, key);
    while (map->keys[place] != 0 && map->keys[place] != key)
        place = (place + 1) & (map->room - 1);
    return place;
}

bool map_get(const struct map *map, uint64_t key, uint32_t *value)
{
    if (map->room == 0)
        return false;
    size_t place = map_place(map, key);
    *value = map->values[place];
    return map->keys[place] == key;
}

_Noreturn void out_of_memory(void)
{
    fprintf(stderr, "poolproof-convert: out of memory; record a shorter run\n");
    exit(4);
}

void map_put(struct map *map, uint64_t key, uint32_t value)
{
    if (2 * map->used >= map->room) {
        struct map larger = {.room = map->room ? 2 * map->room : 1024, .used = map->used};
        larger.keys = calloc(larger.room, sizeof *larger.keys);
        larger.values = calloc(larger.room, sizeof *larger.values);
        if (!larger.keys || !larger.values)
            out_of_memory();
        for (size_t i = 0; i < map->room; i++) {
            if (map->keys[i] != 0) {
                size_t place = map_place(&larger, map->keys[i]);
                larger.keys[place] = map->keys[i];
                larger.values[place] = map->values[i];
            }
        }
        free(map->keys);
        free(map->values);
        *map = larger;
    }
    size_t place = map_place(map, key);
    map->used += map->keys[place] == 0;
    map->keys[place] = key;
    map->values[place] = value;
}

/* Removes a key, pulling later entries of its cluster forward so that no gap hides them. */
void map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->room - 1, hole = map_place(map, key);
    for (size_t next = hole;;) {
        next = (next + 1) & mask;
        if (map->keys[next] == 0)
            break;
        if (((next - map_home(map, map->keys[next])) & mask) >= ((next - hole) & mask)) {
            map->keys[hole] = map->keys[next];
            map->values[hole] = map->values[next];
            hole = next;
        }
    }
    map->keys[hole] = 0;
    map->used--;
}

void map_drop(struct map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct map){0};
}
