#!/bin/sh
# integer.sh CLANG CORE PROGRAM FOLDER: the program under clang's integer checks ends well, silently.
set -eu
"$1" -std=c11 -O1 -fsanitize=integer,undefined -fno-sanitize-recover=all -I"$2" "$3" \
    "$2/mem_pool.c" -o "$4/integer"
"$4/integer"
# The control: what the checks are for is seen.
printf 'int main(int c, char **v) { unsigned n = (unsigned)c; (void)v; return (int)((n - 2u) >> 31) * 0; }\n' \
    > "$4/wraps.c"
"$1" -O1 -fsanitize=integer -fno-sanitize-recover=all "$4/wraps.c" -o "$4/wraps"
if "$4/wraps" 2> /dev/null; then
    echo "a number that wraps was not seen"
    exit 1
fi
