#!/bin/sh
# The fsx-style tester on one file from three mounts: each operation goes through another one, and
# every read anywhere must give what was written last. Underneath one replica after the other is
# killed, so also whoever leads, and shards move.
#
#   fsx_mounts.sh [--seconds S] [OPTIONS of shardctl up, as --engine paxos]
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

seconds=8
if [ "${1-}" = --seconds ]; then
    seconds=$2
    shift 2
fi
cluster_up "$@"
D=$STAGE/d
mount_both
mount_on "$D"
mkdir "$A/d"
fsx_on 1 --ops 50 --mounts "$A,$B,$D" --size 3145728 fsx
fsx_on 1000 --ops 50 --mounts "$A,$B,$D" --size 3145728 d/fsx
fsx_on 2000 --ops 50 --mounts "$A,$B,$D" --size 1572864 --base $((2147483648 - 1048576)) far

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
    fsx_goes_on
    start_again $victim
    sleep 1
done
fsx_end
say "$round rounds"
unmount "$D" "$B" "$A"
