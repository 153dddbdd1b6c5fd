#!/bin/sh
# The directory stress tester in two mounts while leaders are killed and shards move.
#
#   dirx_faults.sh [SEED [SECONDS]]
. "$(dirname "$0")/lib.sh"

SEED=${1-1} FOR=${2-30}
cluster_up
mount_on "$A"
pid_a=$mount_pid
mount_on "$B"
pid_b=$mount_pid
mkdir "$A/d"

disturb &
disturbing=$!
shardfs_dirx --seed "$SEED" --rounds 1000000 --seconds "$FOR" --workers 4 "$A/d" "$B/d"
: >"$STAGE/stop"
wait $disturbing || fail "a server could not be started again, or a shard not be moved"
say "$(cat "$STAGE/disturbed") times disturbed"
[ "$(cat "$STAGE/disturbed")" -gt 2 ] || fail "hardly disturbed"

unmount "$B" "$pid_b"
unmount "$A" "$pid_a"
