/* The operators new and delete of C++.
 *
 * They are recorded here, so that a call site is the program's and not that of libstdc++, and so
 * that those of an allocator that the program is linked with are seen: they do not call malloc.
 * Memory then comes from malloc on all of these ways. A program that replaces the operators keeps
 * its own: what the C++ library would have called goes on there. So does a plugin of a C program:
 * its calls go on to the operators that it brings, and else come from malloc here.
 */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

typedef void function(void);

#pragma weak _dl_find_object /* glibc's alone */

static enum { FORWARDED, RECORDED } mode;

/* Each operator: its name, that of the one which the C++ library implements it by, and what the
 * program would have called without the recorder. */
struct overload {
    const char *name, *base;
    function *next;
};

/* Whether the program's calls of this function come to this library; no if it cannot be told. */
static bool is_ours(const char *name)
{
    Dl_info found, here;
    void *address = dlsym(RTLD_DEFAULT, name);
    return address && dladdr(address, &found) && dladdr(&mode, &here) &&
           found.dli_fbase == here.dli_fbase;
}

static const void *relocated(const struct link_map *map, uint64_t address)
{
    return (const void *)(uintptr_t)(address < map->l_addr ? address + map->l_addr // NOLINT
                                                           : address);
}

/* A function that the module itself defines, found by its hash table: dlsym would take the loader's
 * lock, which a thread that loads a plugin may hold while it waits for this one. */
static function *find_in(const struct link_map *map, const char *name)
{
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const uint32_t *table = NULL;
    uint32_t hash = 5381;
    for (const ElfW(Dyn) *entry = map->l_ld; entry && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            symbols = relocated(map, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_STRTAB)
            names = relocated(map, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_GNU_HASH)
            table = relocated(map, entry->d_un.d_ptr);
    }
    if (!symbols || !names || !table || table[0] == 0)
        return NULL;
    for (const char *c = name; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    const uint32_t *buckets = table + 4 + (size_t)table[2] * (sizeof(ElfW(Addr)) / 4);
    const uint32_t *chain = buckets + table[0];
    for (uint32_t i = buckets[hash % table[0]]; i >= table[1]; i++) {
        const uint32_t there = chain[i - table[1]];
        if ((there | 1) == (hash | 1) && symbols[i].st_shndx != SHN_UNDEF &&
            strcmp(names + symbols[i].st_name, name) == 0) {
            function *found;
            const uintptr_t address = map->l_addr + symbols[i].st_value;
            memcpy(&found, &address, sizeof found);
            return found;
        }
        if (there & 1)
            break;
    }
    return NULL;
}

/* What the call of a plugin that brings operators of its own would have come to, or NULL. Only
 * programs in C whose plugins are in C++ come here. */
static function *find_for_plugin(const struct overload *op, uintptr_t site)
{
    struct dl_find_object found;
    if (!_dl_find_object ||
        _dl_find_object((void *)site, &found) != 0) // NOLINT: an address is meant
        return NULL;
    function *own = find_in(found.dlfo_link_map, op->name);
    return own ? own : find_in(found.dlfo_link_map, op->base);
}

/* What decides where memory is lacking: the plugin's C++ library calls the new-handler, or throws.
 */
static function *find_for_failure(const struct overload *op)
{
    function *next = NULL;
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (library)
        *(void **)&next = dlsym(library, op->name);
    return next;
}

static function *next_of(const struct overload *op, uintptr_t site)
{
    return op->next ? op->next : find_for_plugin(op, site);
}

static void *new_object(size_t size, size_t align, uintptr_t site)
{
    const size_t room = size + (size == 0);
    void *ptr = align ? real_memalign(align, room) : real_malloc(room);
    if (ptr)
        record(EVENT_ALLOC, ptr, size, align, site);
    return ptr;
}

/* If memory is lacking the next one decides: it calls the new-handler, or throws. */
#define NEW(symbol, base, parameters, arguments, align)                                            \
    EXPORT void *symbol parameters;                                                                \
    static struct overload symbol##_op = {#symbol, #base, NULL};                                   \
    EXPORT void *symbol parameters                                                                 \
    {                                                                                              \
        void *ptr = mode == RECORDED ? new_object(size, align, SITE) : NULL;                       \
        function *next = ptr ? NULL : next_of(&symbol##_op, SITE);                                 \
        if (next)                                                                                  \
            return ((void *(*)parameters)next)arguments;                                           \
        if (!ptr)                                                                                  \
            ptr = new_object(size, align, SITE);                                                   \
        if (!ptr && (next = find_for_failure(&symbol##_op)) != NULL)                               \
            return ((void *(*)parameters)next)arguments;                                           \
        return ptr;                                                                                \
    }

NEW(_Znwm, _Znwm, (size_t size), (size), 0)
NEW(_Znam, _Znwm, (size_t size), (size), 0)
NEW(_ZnwmRKSt9nothrow_t, _Znwm, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnamRKSt9nothrow_t, _Znwm, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnwmSt11align_val_t, _ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnamSt11align_val_t, _ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, _ZnwmSt11align_val_t,
    (size_t size, size_t align, const void *tag), (size, align, tag), align)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, _ZnwmSt11align_val_t,
    (size_t size, size_t align, const void *tag), (size, align, tag), align)

#define DELETE(symbol, base, parameters, arguments)                                                \
    EXPORT void symbol parameters;                                                                 \
    static struct overload symbol##_op = {#symbol, #base, NULL};                                   \
    EXPORT void symbol parameters                                                                  \
    {                                                                                              \
        function *next = mode == RECORDED ? NULL : next_of(&symbol##_op, SITE);                    \
        if (next) {                                                                                \
            ((void(*) parameters)next) arguments;                                                  \
        } else if (ptr) {                                                                          \
            record(EVENT_FREE, ptr, 0, 0, SITE);                                                   \
            real_free(ptr);                                                                        \
        }                                                                                          \
    }

DELETE(_ZdlPv, _ZdlPv, (void *ptr), (ptr))
DELETE(_ZdaPv, _ZdlPv, (void *ptr), (ptr))
DELETE(_ZdlPvm, _ZdlPv, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdaPvm, _ZdlPv, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdlPvRKSt9nothrow_t, _ZdlPv, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdaPvRKSt9nothrow_t, _ZdlPv, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdlPvSt11align_val_t, _ZdlPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdaPvSt11align_val_t, _ZdlPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdlPvmSt11align_val_t, _ZdlPvSt11align_val_t, (void *ptr, size_t size, size_t align),
       (ptr, size, align))
DELETE(_ZdaPvmSt11align_val_t, _ZdlPvSt11align_val_t, (void *ptr, size_t size, size_t align),
       (ptr, size, align))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, _ZdlPvSt11align_val_t,
       (void *ptr, size_t align, const void *tag), (ptr, align, tag))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, _ZdlPvSt11align_val_t,
       (void *ptr, size_t align, const void *tag), (ptr, align, tag))

void operators_start(void)
{
    static struct overload *const all[] = {&_Znwm_op,
                                           &_Znam_op,
                                           &_ZnwmRKSt9nothrow_t_op,
                                           &_ZnamRKSt9nothrow_t_op,
                                           &_ZnwmSt11align_val_t_op,
                                           &_ZnamSt11align_val_t_op,
                                           &_ZnwmSt11align_val_tRKSt9nothrow_t_op,
                                           &_ZnamSt11align_val_tRKSt9nothrow_t_op,
                                           &_ZdlPv_op,
                                           &_ZdaPv_op,
                                           &_ZdlPvm_op,
                                           &_ZdaPvm_op,
                                           &_ZdlPvRKSt9nothrow_t_op,
                                           &_ZdaPvRKSt9nothrow_t_op,
                                           &_ZdlPvSt11align_val_t_op,
                                           &_ZdaPvSt11align_val_t_op,
                                           &_ZdlPvmSt11align_val_t_op,
                                           &_ZdaPvmSt11align_val_t_op,
                                           &_ZdlPvSt11align_val_tRKSt9nothrow_t_op,
                                           &_ZdaPvSt11align_val_tRKSt9nothrow_t_op};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *(void **)&all[i]->next = dlsym(RTLD_NEXT, all[i]->name);
        if (!all[i]->next && !is_ours(all[i]->base)) /* the program's, as the library calls it */
            *(void **)&all[i]->next = dlsym(RTLD_DEFAULT, all[i]->base);
    }
    if (_Znwm_op.next && is_ours("_Znwm") && is_ours("_ZdlPv") && is_ours("_ZnwmSt11align_val_t") &&
        is_ours("_ZdlPvSt11align_val_t"))
        mode = RECORDED;
    dlerror();
    dlerror(); /* frees what a failure allocated */
}
