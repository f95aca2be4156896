/* SQLite, with the arm for its memory methods.
 *
 * SQLite asks for the size of an object that it holds. The pool knows it; for other arms it stands
 * in front of the object, as SQLite itself has it where malloc does not tell. The arm malloc is
 * SQLite as it comes, with nothing in between.
 */
#include "app.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 16 };

/* The methods of the arm get no pointer to it. */
static const struct arm *the_arm;
static void *the_heap;

static int round_up(int size)
{
    return (size + 15) & ~15;
}

static int method_init(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void method_shutdown(void *data)
{
    (void)data;
}

/* --- An arm that knows its objects' sizes --- */

static int known_size(void *ptr)
{
    return (int)the_arm->allocator->size_of(the_heap, ptr);
}

static void *known_alloc(int size)
{
    return the_arm->resize(the_heap, NULL, 0, (size_t)size);
}

static void known_free(void *ptr)
{
    the_arm->resize(the_heap, ptr, (size_t)known_size(ptr), 0);
}

static void *known_resize(void *ptr, int size)
{
    return the_arm->resize(the_heap, ptr, (size_t)known_size(ptr), (size_t)size);
}

/* --- An arm that has to be told --- */

static int noted_size(void *ptr)
{
    size_t size;
    memcpy(&size, (char *)ptr - HEADER, sizeof size);
    return (int)size;
}

static void *note(char *object, size_t size)
{
    if (!object)
        return NULL;
    memcpy(object, &size, sizeof size);
    return object + HEADER;
}

static void *noted_alloc(int size)
{
    const size_t wanted = (size_t)round_up(size);
    return note(the_arm->resize(the_heap, NULL, 0, wanted + HEADER), wanted);
}

static void noted_free(void *ptr)
{
    the_arm->resize(the_heap, (char *)ptr - HEADER, (size_t)noted_size(ptr) + HEADER, 0);
}

static void *noted_resize(void *ptr, int size)
{
    const size_t wanted = (size_t)round_up(size);
    return note(the_arm->resize(the_heap, (char *)ptr - HEADER, (size_t)noted_size(ptr) + HEADER,
                                wanted + HEADER),
                wanted);
}

/* -------------------------------------------- */

static int use_arm(const struct arm *arm, void *heap)
{
    static const sqlite3_mem_methods known = {known_alloc, known_free,  known_resize,    known_size,
                                              round_up,    method_init, method_shutdown, NULL};
    static const sqlite3_mem_methods noted = {noted_alloc, noted_free,  noted_resize,    noted_size,
                                              round_up,    method_init, method_shutdown, NULL};
    the_arm = arm;
    the_heap = heap;
    if (strcmp(arm->allocator->name, "malloc") == 0)
        return SQLITE_OK;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, arm->allocator->size_of ? &known : &noted);
}

/* A script without the lines that are the shell's own; NULL if it cannot be read. */
static char *read_script(const char *path)
{
    char line[4096], *text = NULL;
    size_t used = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    while (fgets(line, sizeof line, file)) {
        const size_t length = line[0] == '.' ? 0 : strlen(line);
        char *longer = realloc(text, used + length + 1);
        if (!longer)
            break;
        text = longer;
        memcpy(text + used, line, length);
        used += length;
        text[used] = '\0';
    }
    fclose(file);
    return text;
}

static int add_row(void *sum, int count, char **values, char **names)
{
    uint64_t *checksum = sum;
    (void)names;
    for (int i = 0; i < count; i++) {
        const char *text = values[i] ? values[i] : "";
        *checksum = app_checksum(*checksum, text, strlen(text) + 1);
    }
    return 0;
}

static int run(const struct arm *arm, void *heap, const char *script, uint64_t *checksum,
               char *message, size_t room)
{
    sqlite3 *database = NULL;
    char *text = read_script(script);
    int result = text ? use_arm(arm, heap) : SQLITE_CANTOPEN;
    *checksum = APP_CHECKSUM;
    if (result == SQLITE_OK)
        result = sqlite3_open(":memory:", &database);
    if (result == SQLITE_OK)
        result = sqlite3_exec(database, text, add_row, checksum, NULL);
    if (result != SQLITE_OK)
        snprintf(message, room, "SQLite: %s",
                 database ? sqlite3_errmsg(database) : sqlite3_errstr(result));
    sqlite3_close(database);
    sqlite3_shutdown();
    free(text);
    return result == SQLITE_OK ? 0 : -1;
}

const struct app app_sqlite;
const struct app app_sqlite = {
    .name = "sqlite",
    .question = "How long does a database in memory take, all that it allocates on the arm?",
    .source = "SQLite 3, SQLITE_CONFIG_MALLOC; with malloc as it comes",
    .parameters = "none: bench/traces/sqlite.sql, once",
    .needs = {.live_bytes = 32 << 20, .objects = 100000, .largest = 4 << 20},
    .script = "sqlite.sql",
    .run = run,
};
