#!/bin/sh
# Inputs out of traces of any length: $1 is fuzz-translate, $2 the folder of seeds and corpus.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
translate() { # a program of another machine has something before it
    ${MESON_EXE_WRAPPER-} "$program" "$@"
}
program=$1

# What one input holds stays whole, its misuse and its settings included.
translate slices "$2/seeds/free-misuse.trace" 4 "$folder/short"
cmp "$folder/short-1" "$2/corpus/pool/free-misuse"
test ! -e "$folder/short-2"

# Of a longer trace four pieces, each from a place of its own and as long as an input may be; every
# oracle agrees with them.
awk 'BEGIN {
    print "poolproof trace 1"
    for (i = 0; i < 40; i++) print "alloc", i, 16 + i, 16
    for (i = 0; i < 2000; i++) {
        print "free", i * 7 % 40
        print "alloc", i * 7 % 40, 1 + i % 500, 8
    }
    print "end 4040"
}' >"$folder/long.trace"
translate slices "$folder/long.trace" 4 "$folder/long"
for i in 1 2 3 4; do
    translate run "$folder/long-$i"
    translate text "$folder/long-$i" >"$folder/text-$i"
    grep -qx "end 256" "$folder/text-$i"
done
test ! -e "$folder/long-5"
test "$(for i in 1 2 3 4; do cksum <"$folder/text-$i"; done | sort -u | wc -l)" -eq 4

# A folder that is not there is one line and exit 2.
code=0
translate slices "$folder/long.trace" 4 "$folder/none/x" 2>"$folder/said" || code=$?
test $code -eq 2
test "$(wc -l <"$folder/said")" -eq 1
grep -q "none/x-1: No such file or directory" "$folder/said"
