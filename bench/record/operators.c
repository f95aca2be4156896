/* The operators new and delete of C++.
 *
 * They are recorded here, so that a call site is the program's and not that of libstdc++, and so
 * that those of an allocator that the program is linked with are seen: they do not call malloc.
 * Memory then comes from malloc on all of these ways. A program that replaces the operators keeps
 * its own: what the C++ library would have called goes on there. So does a plugin of a C program:
 * its calls go on to the operators that it brings, or its C++ runtime does.
 */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef void function(void);

static enum { OF_PLUGINS, OF_THE_PROGRAM, RECORDED } mode;

/* Each operator: its name and what the program would have called without the recorder. */
struct overload {
    const char *name;
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

/* What a plugin's call would have come to, remembered for its module. Only programs in C whose
 * plugins are in C++ come here. */
static function *find_for_plugin(const struct overload * op, uintptr_t site)
{
    enum { REMEMBERED = 256 };
    static struct {
        _Atomic(uint64_t) key;
        _Atomic(uintptr_t) next;
    } memory[REMEMBERED];
    static _Atomic(int) writing;
    struct dl_find_object found;
    function *next;
    if (_dl_find_object((void *)site, &found) != 0) // NOLINT: an address is meant
        return NULL;
    const uint64_t key = ((uintptr_t)found.dlfo_link_map * UINT64_C(0x9e3779b97f4a7c15)) ^
                         ((uintptr_t)op << 20) ^ modules_generation();
    const size_t place = (key >> 40) % REMEMBERED;
    const uintptr_t kept = atomic_load(&memory[place].next);
    if (atomic_load(&memory[place].key) == key && atomic_load(&memory[place].next) == kept)
        memcpy(&next, &kept, sizeof next);
    else {
        *(void **)&next = dlsym(found.dlfo_link_map, op->name);
        if (atomic_exchange(&writing, 1) == 0) {
            atomic_store(&memory[place].key, 0);
            atomic_store(&memory[place].next, (uintptr_t)next);
            atomic_store(&memory[place].key, key);
            atomic_store(&writing, 0);
        }
    }
    return next;
}

static function *next_of(const struct overload * op, uintptr_t site)
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
#define NEW(symbol, parameters, arguments, align)                                                  \
    EXPORT void *symbol parameters;                                                                \
    static struct overload symbol##_op = {#symbol, NULL};                                          \
    EXPORT void *symbol parameters                                                                 \
    {                                                                                              \
        void *ptr = mode == RECORDED ? new_object(size, align, SITE) : NULL;                       \
        function *next = ptr ? NULL : next_of(&symbol##_op, SITE);                                 \
        if (next)                                                                                  \
            return ((void *(*)parameters)next)arguments;                                           \
        return ptr ? ptr : new_object(size, align, SITE);                                          \
    }

NEW(_Znwm, (size_t size), (size), 0)
NEW(_Znam, (size_t size), (size), 0)
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 0)
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),
    (size, align, tag), align)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),
    (size, align, tag), align)

#define DELETE(symbol, parameters, arguments)                                                      \
    EXPORT void symbol parameters;                                                                 \
    static struct overload symbol##_op = {#symbol, NULL};                                          \
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

DELETE(_ZdlPv, (void *ptr), (ptr))
DELETE(_ZdaPv, (void *ptr), (ptr))
DELETE(_ZdlPvm, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdaPvm, (void *ptr, size_t size), (ptr, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdaPvRKSt9nothrow_t, (void *ptr, const void *tag), (ptr, tag))
DELETE(_ZdlPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdaPvSt11align_val_t, (void *ptr, size_t align), (ptr, align))
DELETE(_ZdlPvmSt11align_val_t, (void *ptr, size_t size, size_t align), (ptr, size, align))
DELETE(_ZdaPvmSt11align_val_t, (void *ptr, size_t size, size_t align), (ptr, size, align))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *ptr, size_t align, const void *tag),
       (ptr, align, tag))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *ptr, size_t align, const void *tag),
       (ptr, align, tag))

void operators_start(void)
{
    static struct overload *const all[] = {
        &_Znwm_op, &_Znam_op, &_ZnwmRKSt9nothrow_t_op, &_ZnamRKSt9nothrow_t_op,
        &_ZnwmSt11align_val_t_op, &_ZnamSt11align_val_t_op,
        &_ZnwmSt11align_val_tRKSt9nothrow_t_op, &_ZnamSt11align_val_tRKSt9nothrow_t_op,
        &_ZdlPv_op, &_ZdaPv_op, &_ZdlPvm_op, &_ZdaPvm_op, &_ZdlPvRKSt9nothrow_t_op,
        &_ZdaPvRKSt9nothrow_t_op, &_ZdlPvSt11align_val_t_op, &_ZdaPvSt11align_val_t_op,
        &_ZdlPvmSt11align_val_t_op, &_ZdaPvmSt11align_val_t_op,
        &_ZdlPvSt11align_val_tRKSt9nothrow_t_op, &_ZdaPvSt11align_val_tRKSt9nothrow_t_op};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *(void **)&all[i]->next = dlsym(RTLD_NEXT, all[i]->name);
        if (!all[i]->next)
            break; /* a program in C */
    }
    if (_Znwm_op.next)
        mode = is_ours("_Znwm") && is_ours("_ZdlPv") && is_ours("_ZnwmSt11align_val_t") &&
                       is_ours("_ZdlPvSt11align_val_t")
                   ? RECORDED
                   : OF_THE_PROGRAM;
    dlerror(); /* gives back what a failure allocated */
}
