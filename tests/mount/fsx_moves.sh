#!/bin/sh
# The fsx-style tester while shards move and groups leave and join.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"

# Until STAGE/stop is there.
stress() { # FILE SEED
    seed=$2
    until [ -e "$STAGE/stop" ]; do
        shardfs_fsx --seed "$seed" --ops 100 --size 5242880 "$1" >>"$STAGE/fsx-$2.out" 2>&1 ||
            fail "$(tail -n 50 "$STAGE/fsx-$2.out")"
        seed=$((seed + 1))
    done
}
stress "$A/fsx" 1 &
one=$!
stress "$A/d/fsx" 1000 &
two=$!

round=0
end=$(($(date +%s) + 25))
while [ "$(date +%s)" -lt $end ]; do
    round=$((round + 1))
    for shard in 1 17 33 49; do
        shardctl move $((shard + round % 4)) $((100 + round % 2)) >/dev/null
    done
    kill -0 $one && kill -0 $two || fail "the tester stopped"
    gid=$((100 + round % 2))
    shardctl --timeout 30 leave $gid >/dev/null
    sleep 1
    # shellcheck disable=SC2046  # a list of addresses
    shardctl --timeout 30 join $gid $(join_line $gid) >/dev/null
    sleep 1
done
: >"$STAGE/stop"
wait $one || fail "the tester in the root failed"
wait $two || fail "the tester below failed"
say "$round rounds; $(cat "$STAGE"/fsx-*.out | grep -c 'all bytes right') runs of the tester"
assert_fsck_clean
unmount "$A" "$mount_pid"
