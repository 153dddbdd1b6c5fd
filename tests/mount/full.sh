#!/bin/sh
# The servers' disks are full: what needs room is ENOSPC and changes nothing, what is there can be read,
# what frees room goes through, and with room again all goes on.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || {
    say "(not root: no disk of its own)"
    exit 0
}
DISK=$STAGE/disk C=$STAGE/disk/cluster
mkdir "$DISK"
mount -t tmpfs -o size=900m none "$DISK"
cluster_up --groups 1 --master-replicas 1
mount_on "$A"
cd "$A"
mkdir d d/dir
for name in file other gone linked; do
    echo text >d/$name
done
ln d/linked d/second
dd if=/dev/urandom of=d/long bs=1M count=3 status=none
cp d/long "$STAGE/long"
exec 3>>d/file

say "full: less is left than the servers keep for themselves"
fallocate -l $(($(df --output=avail -B1 "$DISK" | tail -n 1) - 200 * 1048576)) "$DISK/filler"
made=0
is_full() {
    made=$((made + 1))
    [ "$(mount_probe call mkdir "d/dir/$made")" = ENOSPC ] # or it is made
}
wait_for 20 is_full || fail "nothing is refused on full disks"
for operation in "create d/new" "create new" "mkdir d/new" "mkdir new" "symlink x d/new" \
    "mkfifo d/new" "mksock new" "mknod d/new" "link d/file d/new" "link d/second new" \
    "rename d/file d/new" "rename d/file new" "rename d/file d/other" \
    "rename_exchange d/file d/other" "write_at d/file 0" "write_at d/file 3000000" \
    "fallocate d/file plain 0 1000" "fallocate d/file zero 0 1000" "setxattr d/file user.a 10" \
    "unlink d/file"; do
    # shellcheck disable=SC2086
    call ENOSPC $operation
done
is "an append" "No space left on device" "$(seq 3 | dd of=d/file oflag=append conv=notrunc 2>&1 |
    sed -n "s/.*'d\/file': //p")"
is "what there is" "dir file gone linked long other second" "$(ls d | paste -sd ' ')"
is "what is read" "text text text text" "$(cat d/file d/other d/linked d/second | paste -sd ' ')"
is "links" "1 1 2" "$(stat -c %h d/file d/other d/second | paste -sd ' ')"
is "sizes" "5 5 5" "$(stat -c %s d/file d/other d/second | paste -sd " ")"
same "$STAGE/long" d/long

say "what frees room"
call OK truncate d/long 5
call OK unlink d/long
call OK unlink d/gone
call OK unlink d/second
rm -r d/dir
call ENOENT stat d/long
is "links" 1 "$(stat -c %h d/linked)"
is "what there is" "file linked other" "$(ls d | paste -sd ' ')"

say "with room again"
rm "$DISK/filler"
has_room() { echo more >&3; }
wait_for 20 has_room 2>/dev/null || fail "it stays full"
is "what is read" "text more" "$(paste -sd ' ' <d/file)"
cp "$STAGE/long" d/long
same "$STAGE/long" d/long
exec 3>&-
rm -r d
assert_fsck_clean
cd /
unmount "$A"
shardctl down --dir "$C" >/dev/null 2>&1 || fail "the cluster does not end"
