#!/bin/sh
# smoke.sh LIBRARY CONVERTER TRACE-PROGRAM SUBJECT: records the subject's threads and plays the trace.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/words" "$folder/ring"
"$2" -o "$folder/subject.trace" <"$folder/words" >"$folder/ring" &
exec 3>"$folder/words" 4<"$folder/ring"
read -r ring <&4
LD_PRELOAD=$1 POOLPROOF_RECORD_RING=$ring "$4" threads
printf e >&3
grep -q '"threads":5,.*"missed_frees":0' <&4
wait
"$3" run --lazy "$folder/subject.trace"
"$3" run --on malloc "$folder/subject.trace"
