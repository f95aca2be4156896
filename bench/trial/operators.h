/* C++'s operators new and delete over an arm; family.h includes this, after what it needs. */

/* Where memory is short, the C++ library's own operator calls the new-handler and throws; it asks
 * malloc again, which is as short. It also takes over where the program has its own malloc. */
static __attribute__((noinline, cold)) void *new_short(size_t size, size_t align)
{
    if (!next_new)
        *(void **)&next_new = dlsym(RTLD_NEXT, "_Znwm");
    if (!next_new_aligned)
        *(void **)&next_new_aligned = dlsym(RTLD_NEXT, "_ZnwmSt11align_val_t");
    if (align > PLAIN_ALIGN)
        return next_new_aligned ? next_new_aligned(size, align) : NULL;
    return next_new ? next_new(size) : NULL;
}

static inline void *make_new(size_t size, size_t align, const void *site)
{
    if (RARELY(stage != STARTED)) {
        start();
        if (stage == ASIDE)
            return new_short(size, align);
    }
    void *chunk = serve(size, align < PLAIN_ALIGN ? PLAIN_ALIGN : align, site);
    return chunk ? chunk : new_short(size, align);
}

static inline void *make_new_quiet(size_t size, size_t align, const void *site)
{
    if (RARELY(stage == ASIDE))
        return align > PLAIN_ALIGN ? NULL : malloc(size);
    return serve(size, align < PLAIN_ALIGN ? PLAIN_ALIGN : align, site);
}

static inline void delete_any(void *ptr, const void *site)
{
    if (RARELY(stage == ASIDE))
        free(ptr);
    else
        give(ptr, site);
}

#define NEW(name) EXPORT void *name(size_t size)
#define NEW_ALIGNED(name) EXPORT void *name(size_t size, size_t align)
NEW(_Znwm);
NEW(_Znam);
NEW_ALIGNED(_ZnwmSt11align_val_t);
NEW_ALIGNED(_ZnamSt11align_val_t);
NEW(_Znwm)
{
    return make_new(size, PLAIN_ALIGN, SITE);
}
NEW(_Znam)
{
    return make_new(size, PLAIN_ALIGN, SITE);
}
NEW_ALIGNED(_ZnwmSt11align_val_t)
{
    return make_new(size, align, SITE);
}
NEW_ALIGNED(_ZnamSt11align_val_t)
{
    return make_new(size, align, SITE);
}

#define NEW_QUIET(name)                                                                            \
    EXPORT void *name(size_t size, const void *quiet);                                             \
    EXPORT void *name(size_t size, const void *quiet)                                              \
    {                                                                                              \
        (void)quiet;                                                                               \
        return make_new_quiet(size, PLAIN_ALIGN, SITE);                                            \
    }
NEW_QUIET(_ZnwmRKSt9nothrow_t)
NEW_QUIET(_ZnamRKSt9nothrow_t)

#define NEW_QUIET_ALIGNED(name)                                                                    \
    EXPORT void *name(size_t size, size_t align, const void *quiet);                               \
    EXPORT void *name(size_t size, size_t align, const void *quiet)                                \
    {                                                                                              \
        (void)quiet;                                                                               \
        return make_new_quiet(size, align, SITE);                                                  \
    }
NEW_QUIET_ALIGNED(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_QUIET_ALIGNED(_ZnamSt11align_val_tRKSt9nothrow_t)

#define DELETE(name, ...)                                                                          \
    EXPORT void name(__VA_ARGS__);                                                                 \
    EXPORT void name(__VA_ARGS__)                                                                  \
    {                                                                                              \
        delete_any(ptr, SITE);                                                                     \
    }
#define UNUSED __attribute__((unused))
DELETE(_ZdlPv, void *ptr)
DELETE(_ZdaPv, void *ptr)
DELETE(_ZdlPvm, void *ptr, size_t a UNUSED)
DELETE(_ZdaPvm, void *ptr, size_t a UNUSED)
DELETE(_ZdlPvSt11align_val_t, void *ptr, size_t a UNUSED)
DELETE(_ZdaPvSt11align_val_t, void *ptr, size_t a UNUSED)
DELETE(_ZdlPvmSt11align_val_t, void *ptr, size_t a UNUSED, size_t b UNUSED)
DELETE(_ZdaPvmSt11align_val_t, void *ptr, size_t a UNUSED, size_t b UNUSED)
DELETE(_ZdlPvRKSt9nothrow_t, void *ptr, const void *a UNUSED)
DELETE(_ZdaPvRKSt9nothrow_t, void *ptr, const void *a UNUSED)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, void *ptr, size_t a UNUSED, const void *b UNUSED)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, void *ptr, size_t a UNUSED, const void *b UNUSED)
