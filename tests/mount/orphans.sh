#!/bin/sh
# What a mount had open, and removed, goes with the mount: the room is given back. Where it was killed,
# as soon as its sessions are closed: for the sake of a lock here, else when nobody heard of it for an hour.
. "$(dirname "$0")/lib.sh"

short_leases 3
cluster_up
mount_both
mkdir "$A/d"
exec 3>"$A/d/killed" 4>"$B/d/ended" 5>"$A/d/lock"
head -c 3000000 /dev/urandom >&3
head -c 3000000 /dev/urandom >&4
flock 5

# found TEXT: what fsck says of the rest
found() {
    assert_fsck_clean
    is "what there is" "1 directories, $1 in 64 shards: clean" "$(cat "$STAGE/fsck.out")"
}

say "kept as long as the mounts are there"
rm "$A/d/killed" "$B/d/ended"
found "1 files, 2 deleted ones that somebody has open, or had, 4 extents"

say "one mount is killed, the other gets its lock, and ends"
kill -9 "$(pid_of "$A")"
wait "$(pid_of "$A")" 2>/dev/null || true
exec 3>&- 5>&-
flock "$B/d/lock" true
kill -TERM "$(pid_of "$B")"
ended "$B"
exec 4>&-

say "the files go with the next tick of their shards, their extents a minute after"
until shardctl fsck | grep -q ' 0 extents '; do
    sleep 3
done
found "1 files, 0 extents"
umount "$A" 2>/dev/null || fusermount3 -u "$A"
