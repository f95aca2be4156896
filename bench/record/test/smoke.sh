#!/bin/sh
# smoke.sh LIBRARY CONVERTER TRACE-PROGRAM SUBJECT: records the subject's threads and plays the trace.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/raw"
LD_PRELOAD=$1 POOLPROOF_RECORD_FOLDER=$folder/raw "$4" threads
"$2" "$folder/raw" -o "$folder/subject.trace" >"$folder/summary"
grep -q '"threads":5,.*"missed_frees":0' "$folder/summary"
"$3" run --lazy "$folder/subject.trace"
"$3" run --on malloc "$folder/subject.trace"
