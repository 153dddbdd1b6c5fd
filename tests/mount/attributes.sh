#!/bin/sh
# Modes, owners, times, sizes, statfs.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
cd "$A"

say "modes and owners, as both mounts see them"
mkdir d
(umask 027 && echo x >d/f && mkdir d/sub)
is "mode by umask" 640 "$(mode_of d/f)"
is "mode by umask" 750 "$(mode_of d/sub)"
for name in d/f d/sub d; do
    chmod 705 $name
    is "mode of $name" 705 "$(mode_of "$B/$name")"
    if [ "$(id -u)" = 0 ]; then
        chown 1234:56 $name
        is "owner of $name" 1234:56 "$(stat -c %u:%g "$B/$name")"
        chgrp 78 "$B/$name"
        is "owner of $name" 1234:78 "$(stat -c %u:%g $name)"
        chmod 2755 $name
        is "mode of $name" 2755 "$(mode_of "$B/$name")"
    fi
done
if [ "$(id -u)" = 0 ]; then
    chmod 6755 d/f
    chown 77 d/f
    is "suid after chown" 755 "$(mode_of "$B/d/f")"
fi

say "times"
mount_probe times d/f
mount_probe times d/sub
mount_probe times d
touch -d '2001-02-03 04:05:06.789 UTC' d/f
is "mtime" 981173106.789000000 "$(stat -c %.9Y "$B/d/f")"
call EINVAL utimens d/f 16725225600 # the year 2500: beyond 64 bits of nanoseconds
is "mtime" 981173106.789000000 "$(stat -c %.9Y "$B/d/f")"
echo y >>d/f
[ "$(stat -c %Y d/f)" -gt 981173106 ] || fail "a write leaves the mtime"

say "every change shows in the ctime, a change of bytes in the mtime, both strictly later"
for name in d/f changing; do
    dd if=/dev/zero of=$name bs=1M count=3 2>/dev/null
    for change in "chmod 640 $name" "chmod 640 $name" "chown $(id -u) $name" \
        "mount_probe set_xattr $name user.one 1" "touch -a $name" "mv $name d/x && mv d/x $name" \
        "+echo y >>$name" "+printf z | dd of=$name conv=notrunc" "+truncate -s 2500000 $name" \
        "+dd if=/dev/zero of=$name bs=1000 seek=2000 count=1 conv=notrunc" \
        "+fallocate -p -o 5 -l 10 $name" "+truncate -s 2600000 $name"; do
        case $change in mv*changing*) continue ;; esac # it would leave the root
        ctime=$(stat -c %.9Z "$B/$name") mtime=$(stat -c %.9Y "$B/$name")
        eval "${change#+}" 2>/dev/null || fail "$change"
        expr "$ctime" '<' "$(stat -c %.9Z $name)" >/dev/null || fail "'$change' leaves the ctime"
        is "ctime as others see it" "$(stat -c %.9Z $name)" "$(stat -c %.9Z "$B/$name")"
        if [ "${change#+}" = "$change" ]; then
            is "mtime after '$change'" "$mtime" "$(stat -c %.9Y "$B/$name")"
        else
            expr "$mtime" '<' "$(stat -c %.9Y "$B/$name")" >/dev/null ||
                fail "'$change' leaves the mtime"
        fi
    done
done
echo x >d/f

say "times of directories"
touch -d '2001-02-03 UTC' d
: >d/new
[ "$(stat -c %Y "$B/d")" -gt 1000000000 ] || fail "a new entry leaves the directory's mtime"
touch -d '2001-02-03 UTC' d
rm d/new
[ "$(stat -c %Y "$B/d")" -gt 1000000000 ] || fail "a removal leaves the directory's mtime"

say "an mtime of an overwrite beyond the first MiB is right at once, and one that is set stays"
dd if=/dev/zero of=d/big bs=1M count=3 2>/dev/null
touch -d '2001-02-03 UTC' d/big
dd if=/dev/urandom of=d/big bs=1000 seek=2500 count=1 conv=notrunc 2>/dev/null
[ "$(stat -c %Y d/big)" -gt 1000000000 ] || fail "an overwrite leaves the mtime"
exec 3<>d/big
dd if=/dev/urandom bs=1000 count=1 seek=2600 conv=notrunc >&3 2>/dev/null
touch -d '2001-02-03 UTC' d/big
sleep 1.5
exec 3>&-
is "mtime" 981158400 "$(stat -c %Y d/big)"

exec 3<>d/big
dd if=/dev/urandom bs=1000 count=1 seek=2700 conv=notrunc >&3 2>/dev/null
mv d/big d/renamed
[ "$(stat -c %Y "$B/d/renamed")" -gt 1000000000 ] || fail "a rename loses the mtime of an overwrite"
exec 3>&-

say "link counts of directories"
mkdir d/sub/1 d/sub/2
is "links" 4 "$(stat -c %h "$B/d/sub")"
rmdir d/sub/1
is "links" 3 "$(stat -c %h "$B/d/sub")"
is "inode number" "$(stat -c %i d/f)" "$(stat -c %i "$B/d/f")"
ino=$(stat -c %i d/f)
mv d/f d/g
is "inode number after a rename" "$ino" "$(stat -c %i "$B/d/g")"

say "the root, as the other mount sees it within a second or two"
is "owner" "$(id -u)" "$(stat -c %u "$A")"
is "mode" 755 "$(mode_of "$B")"
shows() { [ "$(stat -c "$2" "$1")" = "$3" ]; }
chmod 1770 "$A"
is "mode" 1770 "$(mode_of "$A")"
wait_for 5 shows "$B" %a 1770 || fail "the root's mode is $(mode_of "$B")"
touch -d '2001-02-03 UTC' "$B"
is "mtime" 981158400 "$(stat -c %Y "$B")"
wait_for 5 shows "$A" %Y 981158400 || fail "the root's mtime is $(stat -c %Y "$A")"
chmod 755 "$B"
is "mtime after a chmod" 981158400 "$(stat -c %Y "$B")"
: >"$B/new"
[ "$(stat -c %Y "$B")" -gt 1000000000 ] || fail "a new name leaves the root's mtime"
mkdir "$STAGE/out"
touch -d '2001-02-03 UTC' "$STAGE/out"
tar -C "$STAGE/out" -cf - . | tar -C "$A" -xpf - || fail "tar cannot set the root's attributes"
is "mtime after tar" 981158400 "$(stat -c %Y "$A")"
rm "$A/new"
if [ "$(id -u)" = 0 ]; then
    chown 12:34 "$A"
    is "owner" 12:34 "$(stat -c %u:%g "$A")"
    wait_for 5 shows "$B" %u:%g 12:34 || fail "the root's owner is $(stat -c %u:%g "$B")"
    chown 0:0 "$A"
fi

say "statfs"
wait_for 15 sh -c "[ \$(stat -f -c %b '$A') -lt 200000000000 ]" ||
    fail "the size of the cluster does not show"
[ "$(stat -f -c %a "$A")" -gt 0 ] || fail "nothing is free"
[ "$(stat -f -c %a "$A")" -le "$(stat -f -c %b "$A")" ] || fail "more is free than there is"
is "longest name" 255 "$(stat -f -c %l "$A")"
is "type in df" fuse.shardfs "$(df --output=fstype "$A" | tail -n 1)"

cd /
unmount "$B" "$A"

if [ "$(id -u)" = 0 ]; then
    say "-o allow_other: modes are checked; a write by another takes suid and sgid away"
    chmod 711 "$STAGE"
    mount_on "$A" -o allow_other
    chmod 755 "$A"
    tool=$A/d/tool
    echo x >"$tool"
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "$1"; }
    for write in "echo y >>$tool" "echo y >$tool" "echo y | dd of=$tool conv=notrunc 2>/dev/null" \
        "truncate -s 1 $tool"; do
        chmod 6777 "$tool"
        as_nobody "$write"
        is "mode after '$write'" 777 "$(mode_of "$tool")"
    done
    chmod 6777 "$tool"
    echo z >>"$tool"
    is "mode after a write by root" 6777 "$(mode_of "$tool")"
    chmod 600 "$tool"
    is "reading what one may not" "Permission denied" "$(as_nobody "cat $tool" 2>&1 | sed 's/.*: //')"
    is "writing where one may not" "Permission denied" \
        "$(as_nobody "mkdir $A/d/mine" 2>&1 | sed 's/.*: //')"
    chmod 777 "$A/d"
    as_nobody "mkdir $A/d/mine"
    is "its owner" 65534 "$(stat -c %u "$A/d/mine")"
    unmount "$A"
fi
