#!/bin/sh
# prints.sh PROGRAM FILE: passes if PROGRAM succeeds and prints exactly what FILE holds.
set -eu
printed=$("$1")
expected=$(cat "$2")
if [ "$printed" != "$expected" ]; then
    printf 'printed:\n%s\nexpected:\n%s\n' "$printed" "$expected"
    exit 1
fi
