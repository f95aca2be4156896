/* What the pool tells the tools that watch memory: AddressSanitizer, MemorySanitizer, Valgrind.
 *
 * Each hook is empty unless the build has its tool: the sanitizers announce themselves, Valgrind's
 * requests are compiled in with POOL_VALGRIND. Open memory belongs to the user or, for a moment, to
 * the pool that wipes it; closed memory is nobody's. Only mem_pool.c includes this file.
 *
 * Every range starts at a granule and every closed one ends at a granule: AddressSanitizer rounds
 * the end of what it closes down to 8 bytes, so a chunk is closed whole first and then opened to
 * its last byte.
 *
 * HOOK_ASSERT states what only a bug of the pool can break, whatever a user writes to the block:
 * facts of the struct, and what the same call has found or made. It is checked where
 * POOL_ASSERTIONS is defined, as in debug builds, and NDEBUG is not.
 */
#ifndef POOL_HOOKS_H
#define POOL_HOOKS_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#if __has_feature(memory_sanitizer)
#define POOL_MSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#endif

#if defined(POOL_ASAN) || defined(POOL_MSAN) || defined(POOL_VALGRIND)
#define HOOK_WATCHED 1
#else
#define HOOK_WATCHED 0
#endif

#if defined(POOL_ASAN)
#include <sanitizer/asan_interface.h>
#define HOOK_OPEN(at, bytes) __asan_unpoison_memory_region((at), (bytes))
#define HOOK_CLOSE(at, bytes) __asan_poison_memory_region((at), (bytes))
#elif defined(POOL_MSAN)
#include <sanitizer/msan_interface.h>
#define HOOK_OPEN(at, bytes) __msan_unpoison((at), (bytes))
#define HOOK_CLOSE(at, bytes) __msan_poison((at), (bytes))
#define HOOK_UNDEFINED(at, bytes) __msan_poison((at), (bytes))
#elif defined(POOL_VALGRIND)
#include <valgrind/memcheck.h>
#define HOOK_OPEN(at, bytes) ((void)VALGRIND_MAKE_MEM_DEFINED((at), (bytes)))
#define HOOK_CLOSE(at, bytes) ((void)VALGRIND_MAKE_MEM_NOACCESS((at), (bytes)))
#define HOOK_UNDEFINED(at, bytes) ((void)VALGRIND_MAKE_MEM_UNDEFINED((at), (bytes)))
#else
#define HOOK_OPEN(at, bytes) ((void)(at), (void)(bytes))
#define HOOK_CLOSE(at, bytes) ((void)(at), (void)(bytes))
#endif

#if defined(POOL_ASSERTIONS)
#include <assert.h>
#define HOOK_ASSERT(truth) assert(truth)
#else
#define HOOK_ASSERT(truth) ((void)0)
#endif

#ifndef HOOK_UNDEFINED
#define HOOK_UNDEFINED(at, bytes) ((void)(at), (void)(bytes))
#endif

#endif
