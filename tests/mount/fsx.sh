#!/bin/sh
# The fsx-style tester, in the root and below, over files of several extents.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"
for seed in ${1-1 2 3 4}; do
    say "seed $seed"
    shardfs_fsx --seed "$seed" --ops 300 --size 5242880 "$A/fsx"
    shardfs_fsx --seed "$((seed + 1000))" --ops 300 --size 5242880 "$A/d/fsx"
    shardfs_fsx --seed "$((seed + 2000))" --ops 1000 --size 100000 "$A/d/small"
done

say "across 2 GiB, and up to the largest file"
shardfs_fsx --ops 300 --base $((2147483648 - 2097152)) "$A/d/far"
shardfs_fsx --ops 300 --size 3145728 --base $((17592186044416 - 3145728)) --limit "$A/d/far"
unmount "$A"
