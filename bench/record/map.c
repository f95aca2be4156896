/* Open addressing with linear probing; key 0 is an empty place. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>

/* Keys that are near each other are near in the map, sixteen in a row. */
static size_t map_home(const struct map *map, uint64_t key)
{
    const uint64_t group = (key >> 8) * UINT64_C(0x9e3779b97f4a7c15) >> 24;
    return (size_t)(group << 4 | (key >> 4 & 15)) & (map->room - 1);
}

/* The place of the key, or the empty one where it belongs. The map has room. */
static size_t map_place(const struct map *map, uint64_t key)
{
    size_t place = map_home(map, key);
    while (map->places[place].key != 0 && map->places[place].key != key)
        place = (place + 1) & (map->room - 1);
    return place;
}

bool map_get(const struct map *map, uint64_t key, uint32_t *value)
{
    if (map->room == 0)
        return false;
    size_t place = map_place(map, key);
    *value = map->places[place].value;
    return map->places[place].key == key;
}

void out_of_memory(void)
{
    fprintf(stderr, "poolproof-convert: out of memory; record a shorter run\n");
    exit(4);
}

void map_put(struct map *map, uint64_t key, uint32_t value)
{
    if (2 * map->used >= map->room) {
        struct map larger = {.room = map->room ? 2 * map->room : 1024, .used = map->used};
        larger.places = calloc(larger.room, sizeof *larger.places);
        if (!larger.places)
            out_of_memory();
        for (size_t i = 0; i < map->room; i++)
            if (map->places[i].key != 0)
                larger.places[map_place(&larger, map->places[i].key)] = map->places[i];
        free(map->places);
        *map = larger;
    }
    size_t place = map_place(map, key);
    map->used += map->places[place].key == 0;
    map->places[place] = (struct place){key, value};
}

/* Removes a key, pulling later entries of its cluster forward so that no gap hides them. */
void map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->room - 1, hole = map_place(map, key);
    for (size_t next = hole;;) {
        next = (next + 1) & mask;
        if (map->places[next].key == 0)
            break;
        if (((next - map_home(map, map->places[next].key)) & mask) >= ((next - hole) & mask)) {
            map->places[hole] = map->places[next];
            hole = next;
        }
    }
    map->places[hole].key = 0;
    map->used--;
}

void map_drop(struct map *map)
{
    free(map->places);
    *map = (struct map){0};
}
