#!/bin/sh
# The history of a made repository, read with its changes: fixed numbers, so that each run does the
# same work. Only the last command is recorded.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
recorder=${LD_PRELOAD-}
LD_PRELOAD=''
export GIT_CONFIG_NOSYSTEM=1 HOME="$folder" LD_PRELOAD
git init -q "$folder/made"
# Each commit changes one file in three places, and now and then adds a file.
awk 'BEGIN {
    seed = 7
    for (i = 1; i <= 600; i++) {
        f = i % 16
        for (j = 0; j < 3; j++) {
            seed = (seed * 1103515245 + 12345) % 2147483648
            line[f, int(seed / 65536) % 120] = "value " int(seed / 4096) " of commit " i
        }
        text = ""
        for (j = 0; j < 120; j++)
            text = text ((f, j) in line ? line[f, j] : "line " j " of file " f) "\n"
        message = "Change file " f " for the " i "th time\n"
        printf "commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata %d\n%s", 1e9 + i * 60,
            length(message), message
        printf "M 644 inline folder%d/file%d.txt\ndata %d\n%s\n", f % 3, f, length(text), text
    }
}' | git -C "$folder/made" fast-import --quiet
LD_PRELOAD=$recorder git -C "$folder/made" --no-pager log -p --stat --find-renames main
