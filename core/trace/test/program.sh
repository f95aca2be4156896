#!/bin/sh
# What poolproof-trace says and answers: $1 is the program.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
program=$(realpath "$1")
if [ -n "${MESON_EXE_WRAPPER-}" ]; then # a program of another machine
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$MESON_EXE_WRAPPER" "$program" >"$folder.sh"
    chmod +x "$folder.sh"
    program=$folder.sh
    trap 'rm -rf "$folder" "$folder.sh"' EXIT
fi
failed=0

# expect CODE WORDS ARGUMENT...: the exit code, and one line that holds WORDS
expect() {
    code=$1 words=$2
    shift 2
    said=$("$program" "$@" 2>&1)
    got=$?
    if [ $got -ne "$code" ] || ! printf '%s\n' "$said" | grep -qF -- "$words"; then
        echo "FAILED: $* gave $got: $said"
        failed=1
    fi
    if [ "$code" -eq 2 ] && [ "$(printf '%s\n' "$said" | wc -l)" -ne 1 ]; then
        echo "FAILED: $* said more than one line: $said"
        failed=1
    fi
}

cd "$folder" || exit 1
printf 'poolproof trace 1\norigin by hand\nalloc 0 100 16\nfree 0\nfree-twice 0\nend\n' >a.txt
expect 0 'operations  3' info a.txt
expect 0 'free-twice 0' print a.txt
expect 0 '' convert a.txt a.trace
expect 0 '' convert a.trace a.gz
expect 0 '' convert --to text a.gz b.txt
expect 0 'free 0' print a.gz
"$program" print a.gz | cmp -s - b.txt || { echo 'FAILED: print is not the text form'; failed=1; }
expect 0 '3 operations on a pool of' run a.gz
expect 0 '2 operations on malloc' run --on malloc a.trace
expect 0 'on a pool of 1024 bytes' run --capacity 1024 --strict --lazy --keep-contents a.trace
expect 0 'usage' --help

head -c 20 a.trace >short.trace
expect 2 'short.trace: byte 20: the file is cut short' info short.trace
head -c 20 a.gz >short.gz
expect 2 'short.gz: byte' run short.gz
expect 2 'none: No such file' info none
expect 2 'folder' info .
expect 2 'line 2' info /dev/stdin <<TEXT
poolproof trace 1
free 0
end
TEXT
vast='poolproof trace 1
alloc 0 99999999999999 16
end'
expect 2 'more at a time than any pool' run /dev/stdin <<TEXT
$vast
TEXT
expect 0 'every promise verified' run --capacity 1024 /dev/stdin <<TEXT
$vast
TEXT
expect 2 'expected info FILE' info
expect 2 'expected info FILE' play a.txt
expect 2 'unrecognized option' run --fast a.txt
expect 2 '--on takes' run --on heap a.txt
expect 2 '--to takes' convert --to json a.txt b
expect 2 '--capacity takes' run --capacity -5 a.txt
expect 2 'beyond' run --capacity 18446744073709551615 a.txt
expect 2 'cannot write it' convert a.txt none/b.trace
if [ -w /dev/full ]; then
    expect 2 'No space left' convert a.txt /dev/full
    "$program" print a.txt >/dev/full 2>said && { echo 'FAILED: print to a full disk passed'; failed=1; }
    grep -q 'No space left' said || { echo 'FAILED: print says no reason'; failed=1; }
fi
[ "$(ls)" = "$(printf 'a.gz\na.trace\na.txt\nb.txt\nsaid\nshort.gz\nshort.trace')" ] ||
    { echo "FAILED: files are left: $(ls)"; failed=1; }
exit $failed
