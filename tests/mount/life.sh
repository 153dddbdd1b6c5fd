#!/bin/sh
# How a mount begins and ends: in the background, by signals, by force, by mount(8).
. "$(dirname "$0")/lib.sh"

cluster_up

# The shardfs that serves a mount point: it has it as a word of its command line.
served_by() {
    for process in /proc/[0-9]*; do
        { tr '\0' '\n' <"$process/cmdline"; } 2>/dev/null | grep -qxF "$1" || continue
        [ "$(readlink "$process/exe")" = "$(realpath "$SHARDFS_BIN/shardfs")" ] &&
            basename "$process"
    done
    true
}

nobody_serves() { [ -z "$(served_by "$1")" ]; }

say "in the background: live when the command returns, gone after fusermount3 -u"
shardfs "$SHARDFS_MASTERS" "$A"
is_mounted "$A" || fail "not mounted when the command returned"
echo blue >"$A/color"
is "the key" blue "$(shardctl get color)"
call EBUSY rmdir "$A"
(cd "$A" && ! fusermount3 -u "$A" 2>/dev/null) || fail "unmounted while in use"
is "still there" blue "$(cat "$A/color")"
fusermount3 -u "$A"
wait_for 10 nobody_serves "$A" || fail "shardfs runs on after fusermount3 -u"
is "mounts over what is there no more" "" "$(ls "$A")"

say "masters from the environment"
shardfs "$A"
is "the file" blue "$(cat "$A/color")"
fusermount3 -u "$A"

for signal in TERM INT HUP; do
    say "SIG$signal unmounts"
    mount_on "$A"
    kill -$signal "$(pid_of "$A")"
    ended "$A"
    ! is_mounted "$A" || fail "still mounted after SIG$signal"
done

say "SIGTERM while it is in use: the program in it gets errors, the data is there"
mount_on "$A"
mkdir "$A/d"
exec 3>"$A/d/log"
echo one >&3
kill -TERM "$(pid_of "$A")"
ended "$A"
! echo two >&3 2>/dev/null || fail "a write after the end succeeds"
exec 3>&-
mount_on "$A"
is "what was written" one "$(cat "$A/d/log")"

say "kill -9: umount works, and what was acknowledged is there"
cp "$(command -v shardfs)" "$STAGE/noise"
(
    i=0
    while cp "$STAGE/noise" "$A/d/copy$i"; do
        echo "$i" >>"$STAGE/acknowledged"
        i=$((i + 1))
    done
) 2>/dev/null &
writer=$!
wait_for 20 test -s "$STAGE/acknowledged" || fail "no copy"
kill -9 "$(pid_of "$A")"
wait "$(pid_of "$A")" 2>/dev/null || true
wait "$writer" || true
is "a look at it" "Transport endpoint is not connected" "$(ls "$A" 2>&1 | sed 's/.*: //')"
refused 1 "unmount it first" shardfs "$SHARDFS_MASTERS" "$A"
if [ "$(id -u)" = 0 ]; then
    umount "$A"
else
    fusermount3 -u "$A"
fi
mount_on "$A"
while read -r i; do
    same "$STAGE/noise" "$A/d/copy$i"
done <"$STAGE/acknowledged"
rm -r "$A/d"
unmount "$A"

say "over a directory that is not empty, if asked"
: >"$A/below"
mount_on "$A" -o nonempty
is "the root" color "$(ls "$A")"
unmount "$A"
rm "$A/below"

say "installed: mount(8)'s helper"
DESTDIR=$STAGE/root cmake --install "$SHARDFS_BUILD" >"$STAGE/install.log" 2>&1 ||
    fail "cannot be installed"
helper=$STAGE/root/sbin/mount.fuse.shardfs
sh "$helper" "$SHARDFS_MASTERS" "$A" -n -o rw,noatime,nodiratime,_netdev,x-systemd.automount -o fsname=keys
is "the source" keys "$(awk -v dir="$A" '$2 == dir {print $1}' /proc/mounts)"
is "the file" blue "$(cat "$A/color")"
fusermount3 -u "$A"
sh "$helper" "$SHARDFS_MASTERS" "$A" -f -t fuse.shardfs
! is_mounted "$A" || fail "mount -f mounts"
refused 2 "usage" sh "$helper"
refused 2 "usage" sh "$helper" "$SHARDFS_MASTERS" "$A" -o
wait_for 10 nobody_serves "$A" || fail "shardfs runs on"

if [ "$(id -u)" = 0 ]; then
    say "mount -t fuse.shardfs and fstab, in a mount namespace whose /sbin has the helper"
    echo "$SHARDFS_MASTERS $A fuse.shardfs rw,noauto,user,_netdev,nofail,timeo=20 0 0" >"$STAGE/fstab"
    cat >"$STAGE/in_namespace" <<'END'
        set -eu
        mount --bind "$STAGE/root/sbin" "$(realpath /sbin)"
        mount --bind "$SHARDFS_BIN" /usr/local/bin # mount(8) gives its helpers a PATH of its own
        mount -t fuse.shardfs "$SHARDFS_MASTERS" "$1" -o ro,noexec
        grep " $1 fuse.shardfs " /proc/mounts | grep -q 'ro,.*noexec'
        [ "$(cat "$1/color")" = blue ]
        umount "$1"
        mount -T "$STAGE/fstab" "$1"
        [ "$(cat "$1/color")" = blue ]
        umount "$1"
END
    unshare -m --propagation private sh "$STAGE/in_namespace" "$A" || fail "mount(8) fails"
    ! is_mounted "$A" || fail "the namespace leaked"
    wait_for 10 nobody_serves "$A" || fail "shardfs runs on"
fi
