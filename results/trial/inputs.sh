#!/bin/sh
# inputs.sh FOLDER: makes what the published trials read; the same bytes each time.
set -eu
mkdir -p "$1"
cd "$1"
cat >tables.lua <<'END'
local t = {}
for r = 1, 3 do for i = 1, 40000 do t[i] = {i, tostring(i)} end end
print(#t)
END
awk 'BEGIN { for (i = 0; i < 12000; i++)
    printf "{\"id\":%d,\"name\":\"n%d\",\"tags\":[\"a%d\",\"b\"],\"x\":%d.5}\n", i, i % 977, i % 31, i }' >rows.json
awk 'BEGIN { srand(7); for (i = 0; i < 30000; i++)
    printf "w%d %d line w%d\n", int(rand() * 9000), i, int(rand() * 300) }' >words.txt
{
    echo '<rows>'
    awk 'BEGIN { for (i = 0; i < 14000; i++)
        printf "<row id=\"%d\"><name>n%d</name><x k=\"v\">%d</x></row>\n", i, i % 977, i * 3 }'
    echo '</rows>'
} >rows.xml
awk 'BEGIN { print "#include <stddef.h>"; for (i = 0; i < 16; i++) {
    printf "static int f%d(int a, int *p) { int s = 0; for (int i = 0; i < a; i++) { if (p && p[i] > %d) s += p[i] * %d; else s -= i; } return s; }\n", i, i, i + 1
    printf "int g%d(int *p) { return f%d(%d, p) + f%d(3, p); }\n", i, i, i, i } }' >code.c
awk 'BEGIN { print "digraph g {"; for (i = 0; i < 110; i++)
    printf "n%d -> n%d; n%d -> n%d;\n", i, (i * 7 + 3) % 110, i, (i * 3 + 1) % 110; print "}" }' >graph.dot
awk 'BEGIN { srand(5); n = 190; m = 800; print "p cnf", n, m; for (i = 0; i < m; i++) {
    for (k = 0; k < 3; k++) { v = 1 + int(rand() * n); printf "%d ", rand() < .5 ? v : -v } print 0 } }' >clauses.cnf
cat >page.ps <<'END'
/Times-Roman findfont 12 scalefont setfont
1 1 12 { pop 0 1 400 { dup 7 mul 500 mod exch 11 mul 700 mod moveto (text of a page) show } for
0 1 300 { dup 3 mul 500 mod exch 700 mod moveto 40 30 rlineto stroke } for showpage } for
END
awk 'BEGIN { for (i = 0; i < 40; i++) printf "(declare-const x%d Int)\n", i
    for (i = 0; i < 39; i++) printf "(assert (< (+ x%d %d) (* 2 x%d)))\n", i, i % 5, i + 1
    for (i = 0; i < 38; i++) printf "(assert (or (> x%d x%d) (= (mod x%d 3) 1)))\n", i, i + 2, i + 1
    print "(check-sat)" }' >ints.smt2
cat >objects.py <<'END'
rows = []
for r in range(3):
    rows = [{"id": i, "name": str(i), "tags": [i, i + 1]} for i in range(6000)]
print(len(rows), sum(len(row["name"]) for row in rows))
END
{
    echo 'create table t(a integer primary key, b text, c real);'
    awk 'BEGIN { print "begin;"; for (i = 0; i < 16000; i++)
        printf "insert into t values(%d, \"name %d\", %d.5);\n", i, i % 997, i; print "commit;" }'
    echo 'select count(*), sum(length(b)) from t; select b, count(*) from t group by b order by 2, 1 limit 5;'
} >table.sql
