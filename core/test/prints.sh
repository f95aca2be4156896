#!/bin/sh
# prints.sh FILE PROGRAM...: passes if PROGRAM succeeds and prints exactly what FILE holds.
set -eu
expected=$(cat "$1")
shift
printed=$("$@")
if [ "$printed" != "$expected" ]; then
    printf 'printed:\n%s\nexpected:\n%s\n' "$printed" "$expected"
    exit 1
fi
