#!/bin/sh
# The directory stress tester in two mounts while leaders are killed and shards move.
#
#   dirx_faults.sh [SEED [SECONDS]]
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

SEED=${1-1} FOR=${2-30}
cluster_up
mount_both
mkdir "$A/d"

disturb &
disturbing=$!
shardfs_dirx --seed "$SEED" --rounds 1000000 --seconds "$FOR" --workers 4 "$A/d" "$B/d"
calm $disturbing

unmount "$B" "$A"
