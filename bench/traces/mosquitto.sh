#!/bin/sh
# A message broker and its clients, on a socket in a folder of its own: topics, wildcards, messages
# that are retained, acknowledged, and kept for a client that is away.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >settings <<END
user root
listener 0 $folder/socket
allow_anonymous true
persistence false
max_queued_messages 500
log_type error
END
mosquitto -c settings &
server=$!

LD_PRELOAD='' # the clients are not recorded
export LD_PRELOAD
until [ -S socket ]; do
    kill -0 $server # fails if the server is gone
    sleep 0.05
done
publish() { # SITE MESSAGES
    awk -v seed="$1" -v N="$2" 'BEGIN {
        text = sprintf("%300s", "")
        for (i = 0; i < N; i++) {
            seed = (seed * 1103515245 + 12345) % 2147483648
            print "value " i substr(text, 1, int(seed / 65536) % (i % 20 ? 60 : 300))
        }
    }' | mosquitto_pub --unix socket -l -q $(($1 % 3)) -t "site/$1/level"
}

listen='mosquitto_sub --unix socket -q 1 -F %l'
$listen -i away -c -t 'site/+/level' -E
for topic in '#' 'site/+/level' 'site/1/#'; do
    $listen -t "$topic" >/dev/null &
    listeners="${listeners-} $!"
done
for site in 1 2 3 4; do
    publish $site 800 &
    publishers="${publishers-} $!"
done
wait $publishers
for note in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    mosquitto_pub --unix socket -r -t "site/$((note % 4))/note$note" -m "note $note"
done
$listen -i away -c -t 'site/+/level' -C 400 >/dev/null
kill $listeners
wait $listeners || true
kill $server
wait $server
