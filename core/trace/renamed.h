/* Inside core/trace: the pool's functions under other names, which start with POOL_PREFIX, for a
 * copy of its source beside the library. */
#ifndef POOLPROOF_RENAMED_H
#define POOLPROOF_RENAMED_H

#define RENAMED_JOIN(prefix, name) prefix##name
#define RENAMED_WITH(prefix, name) RENAMED_JOIN(prefix, name)
#define RENAMED(name) RENAMED_WITH(POOL_PREFIX, name)

#define pool_alloc RENAMED(alloc)
#define pool_alloc_inline RENAMED(alloc_inline)
#define pool_alloc_slow RENAMED(alloc_slow)
#define pool_check RENAMED(check)
#define pool_destroy RENAMED(destroy)
#define pool_error RENAMED(error)
#define pool_free RENAMED(free)
#define pool_free_inline RENAMED(free_inline)
#define pool_free_long RENAMED(free_long)
#define pool_free_slow RENAMED(free_slow)
#define pool_free_unsized RENAMED(free_unsized)
#define pool_free_unsized_slow RENAMED(free_unsized_slow)
#define pool_granule RENAMED(granule)
#define pool_init RENAMED(init)
#define pool_init_with RENAMED(init_with)
#define pool_lowest RENAMED(lowest)
#define pool_owns RENAMED(owns)
#define pool_realloc RENAMED(realloc)
#define pool_refuse RENAMED(refuse)
#define pool_required RENAMED(required)
#define pool_reset RENAMED(reset)
#define pool_size_of RENAMED(size_of)
#define pool_stack RENAMED(stack)
#define pool_stats RENAMED(stats)
#define pool_strerror RENAMED(strerror)
#define pool_trim RENAMED(trim)
#define pool_walk RENAMED(walk)
#define pool_wipe RENAMED(wipe)

#endif
