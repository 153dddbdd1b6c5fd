#!/bin/sh
# The directory stress tester: in one mount, where each result must be exactly the model's; in three at
# once, below the root and in it.
#
#   dirx.sh [SEED [SECONDS [OPTIONS of shardctl up, as --engine paxos]]]: seconds of each of the four
. "$(dirname "$0")/lib.sh"

SEED=${1-1} SECONDS_EACH=${2-7}
if [ $# -ge 2 ]; then shift 2; else shift $#; fi
D=$STAGE/d
cluster_up "$@"
mount_both
mount_on "$D"
mkdir "$A/one" "$A/turns" "$A/all"
# Rounds without an end, but for the time.
dirx() { shardfs_dirx --seed "$SEED" --rounds 1000000 --seconds "$SECONDS_EACH" "$@"; }

say "one mount, one operation at a time"
dirx --turns --workers 2 "$A/one"
say "three mounts, one operation at a time"
dirx --turns "$A/turns" "$B/turns" "$D/turns"
say "three mounts at once"
dirx --workers 4 "$A/all" "$B/all" "$D/all"
rm -rf "$A/one" "$A/turns" "$A/all"
say "three mounts at once, in the root"
dirx --root --workers 4 "$A" "$B" "$D"

unmount "$D" "$B" "$A"
