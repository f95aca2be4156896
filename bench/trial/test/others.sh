#!/bin/sh
# others.sh SOURCES LIBRARY...: other allocators' test programs, each with LIBRARY preloaded. SOURCES
# holds clones of microsoft/mimalloc, mjansson/rpmalloc and GrapheneOS/hardened_malloc, at any
# version; the programs are built in SOURCES/built. Ends with 1 if one of them fails. For the arms
# pool and bump; on the others glibc itself aborts programs that free what is not live.
set -eu
sources=$1
shift
built=$sources/built
mkdir -p "$built/shim"

# rpmalloc's programs call it by its own names.
cat >"$built/shim/rpmalloc.h" <<'END'
#include <malloc.h>
#include <stdlib.h>
typedef struct { size_t page_size; } rpmalloc_config_t;
typedef struct { size_t unused; } rpmalloc_global_statistics_t, rpmalloc_thread_statistics_t;
typedef struct { size_t unused; } rpmalloc_interface_t;
#define rpmalloc malloc
#define rpcalloc calloc
#define rprealloc realloc
#define rpfree free
#define rpaligned_alloc aligned_alloc
#define rpaligned_calloc(align, count, size) calloc(count, size)
#define rpmalloc_usable_size malloc_usable_size
#define rpmalloc_initialize(interface) 0
#define rpmalloc_finalize() ((void)0)
#define rpmalloc_thread_initialize() ((void)0)
#define rpmalloc_thread_finalize() ((void)0)
#define rpmalloc_thread_collect() ((void)0)
END
gcc -O1 -w -pthread -DUSE_STD_MALLOC "$sources/mimalloc/test/test-stress.c" -o "$built/mimalloc-stress"
gcc -std=c11 -O1 -w -pthread -D_GNU_SOURCE -I"$built/shim" -I"$sources/rpmalloc/test" \
    "$sources/rpmalloc/test/stress.c" "$sources/rpmalloc/test/thread.c" -o "$built/rpmalloc-stress"
# Those of hardened_malloc that any malloc must pass, or that free what is not live: refused, not fatal.
portable="offset large_array_growth realloc_init calloc_overflow calloc_zeroed malloc_zero_different
    impossibly_large_malloc malloc_info double_free_small double_free_small_delayed
    unaligned_free_small"
operators="aligned_sized_delete_small aligned_sized_delete_large delete_type_size_mismatch"
for name in $portable; do
    gcc -std=gnu2x -O1 -w -pthread -fno-builtin -D_GNU_SOURCE -DSLAB_CANARY=1 \
        "$sources/hardened_malloc/test/$name.c" -o "$built/$name"
done
for name in $operators; do
    g++ -std=c++17 -O1 -w -fno-builtin -fsized-deallocation \
        "$sources/hardened_malloc/test/$name.cc" -o "$built/$name"
done

status=0
for library; do
    run() {
        LD_PRELOAD=$library "$@" >"$built/log" 2>&1 || {
            echo "$(basename "$library"): $(basename "$1"): status $?: $(tail -n 1 "$built/log")"
            status=1
        }
    }
    run "$built/mimalloc-stress" 8 20 20
    RPMALLOC_STRESS_SECONDS=5 RPMALLOC_STRESS_THREADS=4 run "$built/rpmalloc-stress"
    for name in $portable $operators; do
        run "$built/$name"
    done
done
exit $status
