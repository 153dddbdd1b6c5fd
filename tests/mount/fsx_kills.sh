#!/bin/sh
# The fsx-style tester while one process after another is killed and started again.
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

# Every replica of each group, so also whoever leads; and the masters.
for victim in group-100-1 group-101-1 master-1 group-100-2 group-101-2 master-2 group-100-3 \
    group-101-3 master-3; do
    kill -9 "$(server_pid $victim)"
    sleep 1.5
    kill -0 $one && kill -0 $two || fail "the tester stopped after $victim was killed"
    shardctl up --dir "$C" >/dev/null 2>&1 || fail "$victim cannot be started again"
    sleep 1
done

say "a whole group at once"
for replica in 1 2 3; do
    kill -9 "$(server_pid group-100-$replica)"
done
sleep 1
shardctl up --dir "$C" >/dev/null 2>&1 || fail "group 100 cannot be started again"
sleep 1
: >"$STAGE/stop"
wait $one || fail "the tester in the root failed"
wait $two || fail "the tester below failed"
say "$(cat "$STAGE"/fsx-*.out | grep -c 'all bytes right') runs of the tester"
assert_fsck_clean
unmount "$A" "$mount_pid"
