#!/bin/sh
# A key-value server and its clients, on a socket in a folder of its own: strings, counters, lists,
# hashes, sets, sorted sets. The server's input and output run on three threads.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
socket=socket

# The server is the same file as its checking tool; it goes by its name.
ln -s "$(command -v redis-check-rdb)" redis-server
./redis-server --port 0 --unixsocket "$socket" --io-threads 3 --io-threads-do-reads yes \
    --save '' --appendonly no --hz 1 &
server=$!

LD_PRELOAD='' # the clients are not recorded
export LD_PRELOAD
until [ -S "$socket" ]; do
    kill -0 $server # fails if the server is gone
    sleep 0.05
done
for test in set,get,incr lpush,rpop hset,sadd,zadd; do
    redis-benchmark -q -s "$socket" -c 24 -P 8 -n 3000 -r 1000 -d 200 -t "$test"
done
redis-cli -s "$socket" shutdown nosave || true
wait $server
