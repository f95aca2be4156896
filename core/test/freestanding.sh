#!/bin/sh
# freestanding.sh CORE FOLDER COMPILER...: mem_pool.c and its header alone, without a C library, want
# memcpy and memset of the program, and nothing else.
set -eu
core=$1 folder=$2
shift 2
mkdir -p "$folder/freestanding"
cp "$core/mem_pool.c" "$core/mem_pool.h" "$folder/freestanding"
cd "$folder/freestanding"
"$@" -std=c11 -ffreestanding -Os -Wall -Wextra -Werror -c mem_pool.c -o mem_pool.o
wanted=$(nm -u mem_pool.o | awk '{print $2}' | grep -vxE 'memcpy|memset|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail' || true)
if [ -n "$wanted" ]; then
    echo "a freestanding pool wants $wanted"
    exit 1
fi
size mem_pool.o
