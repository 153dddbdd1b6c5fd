#!/bin/sh
# The fsx-style tester on one file from three mounts: each operation goes through another one, and
# every read anywhere must give what was written last. Underneath one replica after the other is
# killed, so also whoever leads, and shards move.
#
#   fsx_mounts.sh [--seconds S] [OPTIONS of shardctl up, as --engine paxos]
. "$(dirname "$0")/lib.sh"

seconds=8
if [ "${1-}" = --seconds ]; then
    seconds=$2
    shift 2
fi
cluster_up "$@"
mkdir "$STAGE/third"
mount_on "$A"
pid_a=$mount_pid
mount_on "$B"
pid_b=$mount_pid
mount_on "$STAGE/third"
pid_third=$mount_pid
mkdir "$A/d"

# Until STAGE/stop is there.
stress() { # FILE SEED OPTIONS...
    file=$1 seed=$2 seeds=$2
    shift 2
    until [ -e "$STAGE/stop" ]; do
        shardfs_fsx --seed "$seed" --ops 50 --mounts "$A,$B,$STAGE/third" "$@" "$file" \
            >>"$STAGE/fsx-$seeds.out" 2>&1 || fail "$(tail -n 50 "$STAGE/fsx-$seeds.out")"
        seed=$((seed + 1))
    done
}
stress fsx 1 --size 3145728 &
one=$!
stress d/fsx 1000 --size 3145728 &
two=$!
stress far 2000 --size 1572864 --base $((2147483648 - 1048576)) &
three=$!

round=0
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt "$end" ]; do
    round=$((round + 1))
    victim=group-$((100 + round % 2))-$((1 + round / 2 % 3))
    kill -9 "$(server_pid $victim)"
    for shard in 2 18 34 50; do
        shardctl move $((shard + round % 7)) $((100 + round % 2)) >/dev/null
    done
    sleep 1
    kill -0 $one && kill -0 $two && kill -0 $three ||
        fail "the tester stopped after $victim was killed"
    shardctl up --dir "$C" >/dev/null 2>&1 || fail "$victim cannot be started again"
    sleep 1
done
: >"$STAGE/stop"
wait $one || fail "the tester in the root failed"
wait $two || fail "the tester below failed"
wait $three || fail "the tester behind 2 GiB failed"
say "$round rounds; $(cat "$STAGE"/fsx-*.out | grep -c 'all bytes right') runs of the tester"
unmount "$STAGE/third" "$pid_third"
unmount "$B" "$pid_b"
unmount "$A" "$pid_a"
