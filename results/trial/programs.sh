#!/bin/sh
# programs.sh INPUTS RESULTS [OPTION…]: tries the published programs, each into a folder of RESULTS.
set -u
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
mkdir -p "$2"
results=$(cd "$2" && pwd)
cd "$1"
shift 2
export PYTHONHASHSEED=0
try() {
    name=$1
    shift
    "$top/poolproof" trial --time "${TIME:-3m}" --seed 20 -o "$results/$name" $options "$@" \
        >"$results/$name.log" 2>&1 || echo "$name: status $?"
}
options=$*
try lua -- lua5.4 tables.lua
try jq -- jq -c '{id, n: .tags[0], y: (.x * 2)}' rows.json
try perl -- perl -ne '@w = split; $c{$_}++ for @w; push @l, [@w]; END { print scalar(@l), " ", scalar(keys %c), "\n" }' words.txt
try gawk -- gawk '{ for (i = 1; i <= NF; i++) c[$i]++; l[NR] = $0 } END { print length(c), NR }' words.txt
try xmllint -- xmllint --noout --xpath 'count(//x)' rows.xml
try cppcheck -- cppcheck --quiet code.c
try dot -- dot -Tsvg graph.dot
try cc1 -- "$(gcc -print-prog-name=cc1)" -quiet -O2 code.c -o /dev/null
try minisat --ignore-output -- minisat -verb=0 clauses.cnf
try gs -- gs -q -dNOPAUSE -dBATCH -sDEVICE=ppmraw -r40 -sOutputFile=/dev/null page.ps
try z3 -- z3 ints.smt2
PYTHONMALLOC=malloc try python -- /usr/bin/python3 objects.py
try sqlite -- sqlite3 -lookaside 0 0 :memory: '.read table.sql'
