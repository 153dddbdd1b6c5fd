#!/bin/sh
# The fsx-style tester while one process after another is killed and started again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"

fsx_on 1 --ops 100 --size 5242880 "$A/fsx"
fsx_on 1000 --ops 100 --size 5242880 "$A/d/fsx"

# Every replica of each group, so also whoever leads; and the masters.
for victim in group-100-1 group-101-1 master-1 group-100-2 group-101-2 master-2 group-100-3 \
    group-101-3 master-3; do
    kill -9 "$(server_pid $victim)"
    sleep 1.5
    fsx_goes_on
    start_again "$victim"
    sleep 1
done

say "a whole group at once"
for replica in 1 2 3; do
    kill -9 "$(server_pid group-100-$replica)"
done
sleep 1
start_again "group 100"
sleep 1
fsx_end
assert_fsck_clean
unmount "$A"
