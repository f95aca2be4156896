#!/bin/sh
# prints.sh FILE PROGRAM...: passes if PROGRAM succeeds and prints exactly what FILE holds.
# Meson names the emulator that a program of another machine needs.
set -eu
expected=$(cat "$1")
shift
# shellcheck disable=SC2086 # the emulator comes with its arguments
printed=$(${MESON_EXE_WRAPPER-} "$@")
printed=$(printf '%s\n' "$printed" | tr -d '\r') # as Windows ends lines
if [ "$printed" != "$expected" ]; then
    printf 'printed:\n%s\nexpected:\n%s\n' "$printed" "$expected"
    exit 1
fi
