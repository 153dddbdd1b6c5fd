#!/bin/sh
# Symlinks, fifos, sockets, devices; directories that pass on their group.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
cd "$A"
mkdir d d/e
echo root >file
echo below >d/file

say "symlinks in the root and below, as both mounts see them"
for name in link d/link; do
    ln -s file $name
    is "target of $name" file "$(readlink "$B/$name")"
    is "type and mode of $name" "symbolic link 777 4" "$(stat -c '%F %a %s' "$B/$name")"
    call EEXIST symlink other $name
    call EEXIST mkdir $name
    call EINVAL readlink "${name%link}file"
done
is "what it leads to" root "$(cat link)"
is "what it leads to" below "$(cat d/link)"
ln -s d dir
is "below a linked directory" below "$(cat "$B/dir/link")"
call ENOTDIR rmdir dir
echo more >>d/link
is "a write through it" "below
more" "$(cat d/file)"
mv d/link d/renamed
is "target after a rename" file "$(readlink d/renamed)"
rm d/renamed
is "the file stays" "below" "$(head -n 1 d/file)"
ln -s nowhere dangling
call ENOENT open dangling
echo made >dangling
is "what was made through it" made "$(cat nowhere)"
chown -h 0:0 link 2>/dev/null || [ "$(id -u)" != 0 ] || fail "chown -h"
touch -h -d '2001-02-03 UTC' link
is "its mtime" 981158400 "$(stat -c %Y "$B/link")"
is "its target" file "$(readlink link)"

say "long targets, odd ones, loops"
long=$(printf '%04095d' 0)
ln -s "$long" long
is "a target of 4095 bytes" "$long" "$(readlink "$B/long")"
call ENAMETOOLONG symlink "1$long" longer
call ENOENT symlink "" empty
call ENAMETOOLONG open long
odd=$(printf 'a\001\377\n/')
ln -s "$odd" odd
is "an odd target" "$odd" "$(readlink odd)"
ln -s loop2 loop1
ln -s loop1 loop2
call ELOOP open loop1
call ELOOP stat loop1/x
call ELOOP open_nofollow link
call OK unlink loop1

say "shardctl follows them"
ln -s "../../d/./e/../file" d/e/winding
ln -s /d/e absolute
ln -s loop3 loop3
ln -s d/e/new d/fresh
ln -s ../.. d/e/up
is "get of a symlink" root "$(shardctl get link)"
is "get through two" "below
more" "$(shardctl get absolute/winding)"
is "get by way of the root" root "$(shardctl get d/e/up/file)"
is "ls of a symlink" "new
up
winding" "$(: >d/e/new && shardctl ls absolute)"
is "what ls -l calls it" l "$(shardctl ls -l | sed -n 's/^\(.\).* link$/\1/p')"
ln d/file d/again
is "what ls -l knows of a directory and of further names" "$(stat -c '0%a %s' d/again d/e)" \
    "$(shardctl ls -l d | sed -n 's/^.* \(0[0-7]*\) *\([0-9]*\) .* \(again\|e\)$/\1 \2/p')"
rm d/again
is "what stat calls it" "symlink file" \
    "$(shardctl stat link | sed -n 's/^type *//p;s/^leads to *//p' | paste -sd ' ')"
shardctl put d/e/../../x y 2>/dev/null && fail "dots in a name of the command line"
shardctl put absolute/put there
is "put through a symlink" there "$(cat d/e/put)"
shardctl put dangling again
is "put to where it leads" again "$(cat nowhere)"
refused 1 "symbolic links" shardctl get loop3
shardctl del link
is "what is deleted is the link" "root no" "$(cat file) $([ -L link ] && echo yes || echo no)"

say "what a clerk puts under a symlink's key is its target"
ln -s file other
printf d/file | mount_key put other
is "its target" d/file "$(readlink other)"
printf '' | mount_key put other
call EUCLEAN readlink other
rm other

say "nodes"
for where in "" d/; do
    mkfifo -m 640 "${where}fifo"
    is "a fifo" "fifo 640 0" "$(stat -c '%F %a %s' "$B/${where}fifo")"
    (echo through >"${where}fifo") &
    is "what goes through it" through "$(cat "${where}fifo")"
    call OK mksock "${where}sock"
    is "a socket" socket "$(stat -c %F "$B/${where}sock")"
    call ENXIO open "${where}sock"
    if [ "$(id -u)" = 0 ]; then
        mknod "${where}char" c 1 3
        is "a device" "character special file 1 3" "$(stat -c '%F %t %T' "$B/${where}char")"
        mknod "${where}block" b 4095 1048575
        is "a device" "block special file fff fffff" "$(stat -c '%F %t %T' "$B/${where}block")"
        chmod 600 "${where}char"
        is "a device after chmod" "600 1 3" "$(stat -c '%a %t %T' "$B/${where}char")"
        call EACCES open "${where}char" # nodev
    else
        call EPERM mkdev "${where}char"
    fi
    call EEXIST mkfifo "${where}fifo"
done
is "types in a listing" "p" "$(find d -name fifo -printf %y)"

say "a fifo that is open outlives its name"
for where in "" d/; do
    mkfifo "${where}pipe"
    exec 3<>"${where}pipe"
    rm "${where}pipe"
    is "one without a name" "fifo 0" "$(stat -L -c '%F %h' /dev/fd/3)"
    chmod 600 /dev/fd/3
    is "its mode" 600 "$(stat -L -c %a /dev/fd/3)"
    mkfifo "${where}pipe"
    exec 4<>"${where}pipe"
    mv -T "${where}sock" "${where}pipe"
    is "one that was replaced" "fifo 0" "$(stat -L -c '%F %h' /dev/fd/4)"
    mv -T "${where}pipe" "${where}sock"
    for line in first second; do
        echo $line >&3
        echo $line >&4
        read -r got <&3
        is "what goes through it" $line "$got"
        read -r got <&4
        is "what goes through it" $line "$got"
    done
    exec 3>&- 4>&-
done
wait_for 60 grep -qx "orphans 0" "$A/.shardfs/stats" || fail "closed fifos are kept"

say "directories that pass on their group"
mkdir plain shared
if [ "$(id -u)" = 0 ]; then
    chown 0:77 shared
    group=77
else
    group=$(id -g)
fi
chmod 2775 shared
mkdir shared/dir shared/dir/dir plain/dir
: >shared/file
: >shared/dir/file
ln -s x shared/link
mkfifo shared/fifo
for name in dir dir/dir file dir/file link fifo; do
    is "group of $name" $group "$(stat -c %g "$B/shared/$name")"
done
is "mode of a directory below" 2755 "$(mode_of "$B/shared/dir/dir")"
is "mode of a file below" 644 "$(mode_of "$B/shared/file")"
is "mode elsewhere" 755 "$(mode_of "$B/plain/dir")"
is "group elsewhere" "$(id -g)" "$(stat -c %g "$B/plain/dir")"
if [ "$(id -u)" = 0 ]; then
    chown 0:55 "$A"
    chmod 2755 "$A"
    mkdir below
    is "below a root that does so" "2755 55" "$(stat -c '%a %g' below)"
fi

cd /
unmount "$B" "$A"
