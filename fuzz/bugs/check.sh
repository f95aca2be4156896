#!/bin/sh
# Whether each planted bug says what it breaks and still applies to the tree, in TAP.
#     check.sh TREE
set -u
tree=$1
count=0
failed=0
if ! command -v patch >/dev/null; then
    echo '1..0 # SKIP patch is not installed'
    exit 0
fi
for bug in "$tree"/fuzz/bugs/*/*.patch; do
    count=$((count + 1))
    word=ok
    for line in Class Breaks Target Oracle; do
        grep -q "^$line: ." "$bug" || { word='not ok'; echo "# $bug has no line '$line:'"; }
    done
    target=$(sed -n 's/^Target: //p' "$bug")
    [ -f "$tree/fuzz/targets/$target.c" ] || { word='not ok'; echo "# no target '$target'"; }
    patch --dry-run --force --silent --fuzz=1 -p1 -d "$tree" <"$bug" >/dev/null || word='not ok'
    [ "$word" = ok ] || failed=1
    echo "$word $count - $(basename "$bug" .patch)"
done
echo "1..$count"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
