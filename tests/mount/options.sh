#!/bin/sh
# Every -o option does what it says; .shardfs shows what the mount knows.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"
echo x >"$A/file"
chmod 600 "$A/file"
S=.shardfs

stat_of() { sed -n "s/^$2 \([0-9]*\).*/\1/p" "$1/$S/stats"; }

say ".shardfs is there, and in no listing"
is "names" "d file" "$(ls -a "$A" | sed '/^\.*$/d' | paste -sd ' ')"
is "names in it" "config members stats" "$(ls "$A/$S" | paste -sd ' ')"
is "all names in it" ". .. config members stats" "$(ls -af "$A/$S" | sort | paste -sd ' ')"
is "types" "directory 555, regular file 444" \
    "$(stat -c '%F %a' "$A/$S"), $(stat -c %F "$A/$S/stats" | sed 's/ empty//') $(mode_of "$A/$S/stats")"
is "config: shards" "$(shardctl query --json | tr -d '\n ' | sed 's/.*"shards":\[\([0-9,]*\)\].*/\1/')" \
    "$(sed -n 's/^shard [0-9]* //p' "$A/$S/config" | paste -sd ,)"
is "config: groups" "$(sed -n 's/^group \([0-9]*\) .*/\1/p' "$A/$S/config" | paste -sd ' ')" "100 101"
members() { [ "$(grep -c 'leads free [0-9]* of [0-9]*$' "$A/$S/members")" = 2 ]; }
wait_for 15 members || fail "members: $(cat "$A/$S/members")"
is "members" 6 "$(wc -l <"$A/$S/members")"
before=$(stat_of "$A" create)
: >"$A/new"
is "creates in stats" $((before + 1)) "$(stat_of "$A" create)"
rm "$A/new"
call ENOENT stat "$A/none" && is "errors in stats" 1 \
    "$(($(sed -n 's/^lookup .* errors //p' "$A/$S/stats") > 0))"
is "part of a file" "$(head -c 12 "$A/$S/config" | tail -c 5)" \
    "$(dd if="$A/$S/config" bs=1 skip=7 count=5 2>/dev/null)"

say "nothing of it can be changed"
call EPERM unlink "$A/$S/stats"
call EPERM rmdir "$A/$S"
call EPERM create "$A/$S/new"
call EPERM mkdir "$A/$S/new"
call EPERM mkfifo "$A/$S/new"
call EPERM symlink x "$A/$S/new"
call EEXIST mkdir "$A/$S"
call EACCES open_write "$A/$S/stats"
call EPERM truncate "$A/$S/stats" 0
call EPERM chmod "$A/$S/stats" 777
call EPERM rename "$A/$S/stats" "$A/new"
call EPERM rename "$A/file" "$A/$S/new"
call EPERM rename "$A/d" "$A/$S"
call EPERM rename "$A/$S" "$A/new"
call EPERM setxattr "$A/$S/stats" user.one 1
call ENODATA getxattr "$A/$S/stats" user.one 9
call OK listxattr "$A/$S/stats" 9
call ENOENT stat "$A/$S/none"
call ENOTDIR stat "$A/$S/stats/x"

say "a key of that name is reached by shardctl alone"
shardctl put --key .shardfs hidden
is "names" "d file" "$(ls -A "$A" | paste -sd ' ')"
call EISDIR open_write "$A/$S"
is "the key" hidden "$(shardctl get .shardfs)"
shardctl del --key .shardfs
unmount "$A"

say "-o fsname, max_background"
mount_on "$A" -o 'fsname=a\,b\\c,ro'
is "source with a comma" 'a,b\134c' "$(awk -v where="$A" '$2 == where { print $1 }' /proc/mounts)"
unmount "$A"
mount_on "$A" -o fsname=keys,max_background=23
is "source" keys "$(awk -v where="$A" '$2 == where { print $1 }' /proc/mounts)"
if [ "$(id -u)" = 0 ]; then
    mkdir "$STAGE/control"
    number=$(stat -c %d "$A")
    is "max_background" 23 "$(unshare -m --propagation private sh -c \
        "mount -t fusectl none '$STAGE/control' && cat '$STAGE/control/$number/max_background'")"
fi
unmount "$A"

# looks MOUNT: how many look-ups twenty stats of a file cost
looks() {
    stat "$1/file" >/dev/null
    from=$(stat_of "$1" "$2")
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        stat "$1/file" >/dev/null
    done
    echo $(($(stat_of "$1" "$2") - from))
}

say "-o attr_timeout, entry_timeout"
mount_on "$A"
is "look-ups of 20 stats" 20 "$(looks "$A" lookup)"
unmount "$A"
mount_on "$A" -o attr_timeout=100,entry_timeout=100
[ "$(looks "$A" lookup)" -le 1 ] || fail "entry_timeout is not obeyed"
[ "$(looks "$A" getattr)" -le 1 ] || fail "attr_timeout is not obeyed"
unmount "$A"

say "-o ro"
mount_on "$A" -o ro
is "what it shows" x "$(cat "$A/file")"
for refused in "create $A/new" "mkdir $A/new" "unlink $A/file" "rename $A/file $A/new" \
    "chmod $A/file 644" "truncate $A/file 0" "open_write $A/file" "symlink x $A/new" \
    "setxattr $A/file user.one 1" "mkfifo $A/new" "utimens $A/file 1" "link $A/file $A/new" \
    "rmdir $A/d" "rename_exchange $A/file $A/d" "removexattr $A/file user.one" "mksock $A/new" \
    "create $A/d/new" "link $A/file $A/d/new" "rename $A/file $A/d/new"; do
    # shellcheck disable=SC2086
    call EROFS $refused
done
chown 1 "$A/file" 2>/dev/null && fail "chown in a mount that refuses changes"
is "how it still is" "600 $(id -u)" "$(stat -c '%a %u' "$A/file")"
is "what there is" "d file" "$(ls "$A" | paste -sd ' ')"
unmount "$A"

say "-o uid, gid, umask"
mount_on "$A" -o uid=4321,gid=765,umask=027
is "a file" "4321 765 750" "$(stat -c '%u %g %a' "$A/file")"
is "a directory" "4321 765 750" "$(stat -c '%u %g %a' "$A/d")"
is "the root" "4321 765 750" "$(stat -c '%u %g %a' "$A")"
unmount "$A"
mount_on "$A" -o uid=4321
is "a file" "4321 $(id -g) 600" "$(stat -c '%u %g %a' "$A/file")"
unmount "$A"

if [ "$(id -u)" = 0 ]; then
    say "-o allow_other, default_permissions"
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    chmod 711 "$STAGE"
    mount_on "$A"
    is "another user, by default" EACCES "$(as_nobody mount_probe call stat "$A")"
    unmount "$A"
    for options in allow_other allow_other,default_permissions; do
        mount_on "$A" -o $options
        chmod 755 "$A"
        is "another user" OK "$(as_nobody mount_probe call stat "$A/file")"
        is "a file of mode 600" EACCES "$(as_nobody mount_probe call open "$A/file")"
        is "a directory of others" EACCES "$(as_nobody mount_probe call create "$A/d/new")"
        chmod 1777 "$A/d"
        : >"$A/d/mine"
        is "a file of others in a sticky directory" EPERM \
            "$(as_nobody mount_probe call unlink "$A/d/mine")"
        is "one of its own" OK "$(as_nobody mount_probe call create "$A/d/its")"
        is "its owner" 65534 "$(stat -c %u "$A/d/its")"
        is "chown" EPERM "$(as_nobody mount_probe call chmod "$A/d/mine" 777)"
        chmod 755 "$A/d"
        rm "$A/d/its" "$A/d/mine"
        unmount "$A"
    done
else
    say "-o default_permissions"
    mount_on "$A" -o default_permissions
    chmod 0 "$A/file"
    call EACCES open "$A/file"
    chmod 600 "$A/file"
    unmount "$A"
    mount_on "$A"
    chmod 0 "$A/file"
    call OK open "$A/file"
    chmod 600 "$A/file"
    unmount "$A"
fi

say "-o timeo: an operation fails; hard: it waits"
mount_on "$A" -o timeo=1
mount_on "$B" -o hard
mount_on "$STAGE/patient" -o timeo=4294968 # milliseconds that 32 bits do not hold
exec 3<"$STAGE/patient/file"
for name in $(server_names); do
    case $name in group-*) kill -STOP "$(server_pid "$name")" ;; esac
done
call ETIMEDOUT stat "$A/file"
call OK stat "$A"
cat "$A/$S/members" >/dev/null
cat "$B/file" >"$STAGE/waited" &
waits=$!
flock 3 &
locks=$!
call ETIMEDOUT create "$A/new"
kill -0 $waits || fail "a hard mount does not wait"
for name in $(server_names); do
    case $name in group-*) kill -CONT "$(server_pid "$name")" ;; esac
done
wait $waits || fail "a hard mount fails"
is "what it waited for" x "$(cat "$STAGE/waited")"
wait $locks || fail "a mount with much time gives up at once"
exec 3<&-
unmount "$STAGE/patient" "$B" "$A"
