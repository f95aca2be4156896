#!/bin/sh
# programs.sh [FOLDER]: tries the published programs on a clean and on a littered heap, and a program
# again beside the mallocs that AUDIT names (--malloc NAME=FILE.so ...). Writes samples and
# table into FOLDER, this one if none is given. ONLY='lua jq' tries these alone. 45 minutes at most.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=$here/../..
results=$(CDPATH='' cd -- "${1:-$here}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
needed='lua5.4 jq perl gawk xmllint cppcheck dot gcc minisat gs z3 python3 sqlite3'
for program in $needed; do
    command -v "$program" >/dev/null || missing="${missing-} $program"
done
[ -z "${missing-}" ] || { echo "programs.sh: not installed:$missing" >&2; exit 4; }
"$here/inputs.sh" "$work"
cd "$work"
export PYTHONHASHSEED=0

# one NAME TIME OPTION... -- COMMAND: a trial, whose samples become NAME.json.gz
one() {
    name=$1
    time=$2
    shift 2
    "$top/poolproof" trial --time "$time" --seed 20 -o "$work/$name" "$@" >"$work/$name.log" 2>&1 ||
        [ $? = 3 ] || { echo "$name: $(tail -n 1 "$work/$name.log")"; return 0; }
    gzip -9nc "$work/$name/trial.json" >"$results/$name.json.gz"
    echo "$name: $(grep -m 1 -E '^(Yes|No|Cannot)' "$work/$name.log")"
}

wanted() {
    case " ${ONLY-$1} " in *" $1 "*) ;; *) return 1 ;; esac
}

# try NAME OPTION... -- COMMAND
try() {
    program=$1
    shift
    wanted "$program" || return 0
    one "$program" "${TIME:-100s}" "$@"
    one "$program-littered" "${LITTERED_TIME:-50s}" --littered --arm 'glibc, huge pages' \
        --arm jemalloc --arm mimalloc --arm tcmalloc --arm pool --arm 'pool at sites' "$@"
    if [ -n "${AUDIT-}" ]; then
        arms=$(printf '%s\n' $AUDIT | sed -n 's/=.*//p' | grep -v -e '^--' | sed 's/^/--arm /')
        one "$program-audit" "${AUDIT_TIME:-30s}" $AUDIT $arms --arm pool "$@"
    fi
}

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

# Known answers: programs whose own pool is switched off, and on in one arm.
export PYTHONMALLOC=malloc LOOKASIDE='0 0' ARM=malloc
try python --adopted PYTHONMALLOC=pymalloc -- /usr/bin/python3 objects.py
try sqlite --adopted LOOKASIDE='1200 100' --shell -- \
    'exec sqlite3 -lookaside $LOOKASIDE :memory: ".read table.sql"'
if wanted lua-adopted; then
    one lua-adopted "${TIME:-100s}" --adopted ARM=pool-keep --shell -- \
        "exec '$top/build/release/bench/poolproof-bench' --workload=app/lua --arm=\$ARM >/dev/null 2>&1"
fi
cd "$top"
/usr/bin/python3 -m analysis.report.trials "$results"
