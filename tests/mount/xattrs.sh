#!/bin/sh
# Extended attributes; attributes that are old, damaged or of a newer version.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
cd "$A"
mkdir d
echo x >file
echo y >d/file
shardctl put plain value # by a clerk: it has no attributes

value() { mount_probe xattr "$1" "$2"; }
names() { mount_probe xattrs "$1" | paste -sd ' '; }

say "set, get, list, remove, as both mounts see them"
for name in file plain d d/file .; do
    is "the list of $name" "" "$(names "$B/$name")"
    call ENODATA getxattr $name user.one 100
    call OK createxattr $name user.one 3
    is "user.one of $name" xxx "$(value "$B/$name" user.one)"
    call EEXIST createxattr "$B/$name" user.one 3
    call OK replacexattr "$B/$name" user.one 0
    is "user.one of $name" "" "$(value $name user.one)"
    call ENODATA replacexattr $name user.two 1
    mount_probe set_xattr $name user.two "a value"
    is "the list of $name" "user.one user.two" "$(names "$B/$name")"
    chmod 700 $name
    is "user.two of $name after a chmod" "a value" "$(value "$B/$name" user.two)"
    call ERANGE getxattr $name user.two 6
    call OK getxattr $name user.two 7
    call ERANGE listxattr $name 17
    call OK listxattr $name 18
    call OK removexattr $name user.one
    call ENODATA removexattr $name user.one
    is "the list of $name" "user.two" "$(names "$B/$name")"
done
is "the bytes" "x y value" "$(cat file d/file plain | paste -sd ' ')"
mv d/file d/renamed
is "after a rename" "a value" "$(value "$B/d/renamed" user.two)"
cp -a d/renamed copy
is "of a copy" "a value" "$(value copy user.two)"
shardctl put file new
is "after a Put by a clerk" "a value" "$(value file user.two)"

say "times"
touch -d '2001-02-03 UTC' file
mtime=$(stat -c %.9Y file) ctime=$(stat -c %.9Z file)
call OK setxattr file user.three 1
is "mtime" "$mtime" "$(stat -c %.9Y "$B/file")"
[ "$ctime" != "$(stat -c %.9Z "$B/file")" ] || fail "setxattr leaves the ctime"

say "names and sizes"
call EOPNOTSUPP setxattr file system.posix_acl_access 4
call EOPNOTSUPP setxattr file nothing.one 1
call EOPNOTSUPP getxattr file nothing.one 1
call EINVAL setxattr file user. 1
long=user.$(printf '%0250d' 0)
call OK setxattr file "$long" 5
is "a name of 255 bytes" xxxxx "$(value "$B/file" "$long")"
call ERANGE setxattr file "${long}0" 5
call OK removexattr file "$long"
call E2BIG setxattr file user.big 4097
call E2BIG setxattr file user.big 65537
call ENOSPC setxattr file user.big 4090
call OK setxattr d user.big 3900
call ENOSPC setxattr d user.more 200
call OK setxattr d user.big 3800
call OK setxattr d user.more 100
is "how much it is" 3800 "$(value "$B/d" user.big | wc -c)"
for i in 1 2 3 4 5 6 7 8 9; do
    call OK setxattr copy user.$i 10
done
is "the list" "user.1 user.2 user.3 user.4 user.5 user.6 user.7 user.8 user.9 user.two" \
    "$(names "$B/copy")"
ln -s file link
call EPERM setxattr link user.one 1
call ENODATA getxattr link user.one 1

say "facts that can be read"
for name in file d d/renamed; do
    [ $name = d ] || # shardctl shows where its entry is
        is "shard and group of $name" \
            "$(shardctl stat $name | sed -n 's/^shard *\([0-9]*\), of group \([0-9]*\)$/\1 \2/p')" \
            "$(value $name user.shardfs.shard) $(value $name user.shardfs.group)"
    is "version of $name" "$(shardctl stat $name | sed -n 's/^version *//p')" \
        "$(value $name user.shardfs.version)"
    call ENODATA getxattr $name user.shardfs.nothing 9
    call EPERM setxattr $name user.shardfs.shard 1
    call EPERM removexattr $name user.shardfs.shard
done
is "shard of a directory, where its entries are" "$(value d/renamed user.shardfs.shard)" \
    "$(value d user.shardfs.shard)"
call ENODATA getxattr . user.shardfs.shard 9
names file | grep -q shardfs && fail "facts are listed"

if [ "$(id -u)" = 0 ]; then
    say "trusted.*, security.*"
    call OK setxattr file trusted.one 3
    call OK setxattr file security.one 3
    is "the list" "security.one trusted.one user.three user.two" "$(names "$B/file")"
    call OK setxattr link trusted.of_link 3
    is "of a symlink" "xxx" "$(value "$B/link" trusted.of_link)"
    is "its target" file "$(readlink link)"
    without() { setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$@"; }
    is "the list without CAP_SYS_ADMIN" "security.one user.three user.two" \
        "$(without mount_probe xattrs file | paste -sd ' ')"
    is "trusted.one" ENODATA "$(without mount_probe call getxattr file trusted.one 9)"
    is "trusted.one" EPERM "$(without mount_probe call setxattr file trusted.one 9)"

    say "a write takes the capability away"
    for change in 'echo y >>file' 'echo y >file' 'truncate -s 9 file' 'chown 1 file' \
        'echo y | dd of=file conv=notrunc 2>/dev/null'; do
        mount_probe capability file
        names "$B/file" | grep -q capability || fail "no capability"
        eval "$change"
        names "$B/file" | grep -q capability && fail "'$change' leaves the capability"
    done
    call OK getxattr file user.two 9
fi

say "attributes that this version cannot read"
cd "$A"
mkdir b b/dir
b=$(stat -c %i b)
for what in damaged newer; do
    echo $what >$what
    echo $what >b/$what
done
echo well >well
echo well >b/well
exec 3<>b/damaged
# version, flags, mode 0100644 ...
long=00000000000000000000000000000000000000000000000000000000
mount_record damaged 0100a4810000
mount_record newer 0300a4810000$long
mount_record --entry "$b/damaged" 0100a4810000
mount_record --entry "$b/newer" 0300a4810000$long
mount_record old 0100a4810000$long # version 1, 34 bytes
for what in damaged newer b/damaged b/newer; do
    for mount in "$A" "$B"; do
        bad=$mount/$what
        for operation in "stat" "open" "open_write" "create" "mkdir" "readlink" "unlink" "rmdir" \
            "rename $mount/well" "rename $mount/b/dir" "rename_exchange $mount/well" "link $mount/well"; do
            # shellcheck disable=SC2086
            call EUCLEAN $operation "$bad"
        done
        call EUCLEAN truncate "$bad" 0
        call EUCLEAN chmod "$bad" 600
        call EUCLEAN utimens "$bad" 5
        call EUCLEAN setxattr "$bad" user.one 1
        call EUCLEAN getxattr "$bad" user.one 9
        call EUCLEAN rename "$bad" "$mount/another"
        call EUCLEAN rename_exchange "$bad" "$mount/well"
        call EUCLEAN link "$bad" "$mount/another"
    done
    case $what in b/*) directory=$b ;; *) directory=1 ;; esac
    for log in "$STAGE/mount-1.log" "$STAGE/mount-2.log"; do
        grep -q "'${what#b/}' in directory $directory: the attributes are damaged or of a newer" "$log" ||
            fail "the log does not name $what: $(cat "$log")"
    done
done
is "of one that is open" "Structure needs cleaning" "$(stat -L /proc/self/fd/3 2>&1 | sed 's/.*: //')"
exec 3<&-

say "the rest goes on working"
call OK stat old
is "one of version 1" "644 0" "$(stat -c '%a %u' old)"
call OK setxattr old user.one 1
is "what is there" "b copy d damaged file link newer old plain well" "$(ls | paste -sd ' ')"
is "what is below" "damaged dir newer well" "$(ls b | paste -sd ' ')"
is "the others" "well well" "$(cat well b/well | paste -sd ' ')"
unmount "$B"
mount_on "$B" -o attr_timeout=1,entry_timeout=1 # its listings bring attributes along
is "what cannot be listed with attributes" "damaged newer" \
    "$(ls -l "$B/b" 2>&1 >/dev/null | sed "s/.*\/\(.*\)': Structure needs cleaning/\1/" | paste -sd ' ')"
is "all others" "dir well" "$(ls -l "$B/b" 2>/dev/null | sed -n 's/.*[0-9] //p' | grep -v ' ' | paste -sd ' ')"
call OK rename b moved
rm -r moved 2>"$STAGE/err" && fail "rm -r removes what it cannot see"
is "what is left" "damaged newer" "$(ls moved | paste -sd ' ')"
call ENOTEMPTY rmdir moved
is "as bytes" damaged "$(shardctl get --key damaged)"
shardctl del --key damaged
call ENOENT stat damaged

say "a name of several lines is one in the log"
odd=$(printf 'two\n2026-11-20T17:00:00.000Z ERROR mount: lines\\')
mount_record "$odd" 0100a4810000
call EUCLEAN stat "$odd"
grep -qF "'two\\x0a2026-11-20T17:00:00.000Z ERROR mount: lines\\x5c' in directory 1: " "$STAGE/mount-1.log" ||
    fail "the log does not name it: $(tail -n 2 "$STAGE/mount-1.log")"
shardctl del --key -- "$odd"

say "a file of two names, whose own record is damaged and then mended"
ln well second
inode=$(stat -c %i well)
mount_record --inode "$inode" 0100a4810000
for name in well second; do
    call EUCLEAN stat "$A/$name"
    call EUCLEAN open "$B/$name"
    call EUCLEAN unlink "$A/$name"
    grep -q "'$name' in directory 1: the attributes are damaged" "$STAGE/mount-1.log" ||
        fail "the log does not name $name"
done
shardctl stat well 2>/dev/null && fail "shardctl can read it"
mount_record --inode "$inode" 0100a4810000000000000000000002000000$(printf '%032d' 0)
is "the file" "well 2" "$(cat "$B/second") $(stat -c %h second)"
rm well
is "the file" "well 1" "$(cat second) $(stat -c %h second)"

cd /
unmount "$B" "$A"
