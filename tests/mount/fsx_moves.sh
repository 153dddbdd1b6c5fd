#!/bin/sh
# The fsx-style tester while shards move and groups leave and join.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"

fsx_on 1 --ops 100 --size 5242880 "$A/fsx"
fsx_on 1000 --ops 100 --size 5242880 "$A/d/fsx"

round=0
end=$(($(date +%s) + 25))
while [ "$(date +%s)" -lt $end ]; do
    round=$((round + 1))
    for shard in 1 17 33 49; do
        shardctl move $((shard + round % 4)) $((100 + round % 2)) >/dev/null
    done
    fsx_goes_on
    gid=$((100 + round % 2))
    shardctl --timeout 30 leave $gid >/dev/null
    sleep 1
    # shellcheck disable=SC2046  # a list of addresses
    shardctl --timeout 30 join $gid $(join_line $gid) >/dev/null
    sleep 1
done
fsx_end
say "$round rounds"
assert_fsck_clean
unmount "$A"
