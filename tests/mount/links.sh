#!/bin/sh
# Several names of one file, from two mounts.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
mkdir "$A/d" "$A/e"

# names WANTED FILE...: each is a name of one file that has so many
names() {
    wanted=$1 inode=$(stat -c %i "$2")
    shift
    for name in "$@"; do
        [ "$name" != "$wanted" ] || continue
        is "links and inode of $name" "$wanted $inode" "$(stat -c '%h %i' "$name")"
    done
}

say "ln: from the root, from below, across"
for file in file d/file; do
    echo text >"$A/$file"
    chmod 640 "$A/$file"
    touch -d '2001-02-03 UTC' "$A/$file"
    inode=$(stat -c %i "$A/$file")
    names 1 "$A/$file" "$B/$file"
    ln "$A/$file" "$A/$file.2"
    names 2 "$A/$file" "$A/$file.2" "$B/$file" "$B/$file.2"
    is "the inode stays" "$inode" "$(stat -c %i "$B/$file.2")"
    is "mode and mtime stay" "640 981158400" "$(stat -c '%a %Y' "$B/$file.2")"
    ln "$B/$file.2" "$B/e/third"
    ln "$B/e/third" "$B/fourth"
    names 4 "$A/$file" "$A/$file.2" "$A/e/third" "$A/fourth"
    is "what is read" "text text text text" \
        "$(cat "$B/$file" "$B/$file.2" "$B/e/third" "$B/fourth" | paste -sd ' ')"
    echo more >>"$A/e/third"
    is "what is read" "text more" "$(paste -sd ' ' <"$B/$file")"
    setfattr -n user.a -v 1 "$A/fourth" 2>/dev/null || say "(no xattrs here)"
    chmod 600 "$B/$file.2"
    names 4 "$A/$file" "$A/$file.2" "$A/e/third" "$A/fourth"
    is "mode" 600 "$(mode_of "$A/e/third")"
    rm "$A/$file" "$A/fourth"
    names 2 "$B/$file.2" "$B/e/third"
    rm "$B/e/third"
    names 1 "$A/$file.2"
    is "what is read" "text more" "$(paste -sd ' ' <"$B/$file.2")"
    is "entries" "$(ls -A "$A/d" | wc -l)" "$(shardctl stat d | sed -n 's/^entries *//p')"
    rm "$A/$file.2"
    call ENOENT stat "$B/$file.2"
done

say "symlinks and fifos have names, too"
ln -s target "$A/symlink"
ln -P "$A/symlink" "$A/d/symlink"
is "where it leads" target "$(readlink "$B/d/symlink")"
names 2 "$A/symlink" "$B/d/symlink"
mkfifo "$A/d/fifo"
ln "$A/d/fifo" "$A/fifo"
is "types in a listing" "fifo p symlink l" "$(cd "$B/d" && find . -mindepth 1 -printf '%P %y\n' | sort | paste -sd ' ')"
rm "$A/symlink" "$A/d/symlink" "$A/fifo" "$A/d/fifo"

say "a long file"
head -c 3000000 /dev/urandom >"$STAGE/long"
cp "$STAGE/long" "$A/d/long"
exec 3<>"$B/d/long"
ln "$A/d/long" "$A/long"
same "$STAGE/long" "$B/long"
printf end >&3
printf end | dd of="$STAGE/long" conv=notrunc 2>/dev/null
same "$STAGE/long" "$A/long"
exec 3<&-
truncate -s 1500000 "$A/long" "$STAGE/long"
rm "$A/d/long"
same "$STAGE/long" "$B/long"
rm "$B/long"

say "a file that is open goes on after it was linked, by any mount"
echo one >"$A/d/open"
exec 3<"$B/d/open" 4>>"$A/d/open" 5<>"$B/d/open"
ln "$A/d/open" "$A/open"
echo two >&4
is "what is read" "one two" "$(paste -sd ' ' <&3)"
echo ONE >&5
rm "$B/d/open"
echo three >&4
is "what is read" "ONE two three" "$(paste -sd ' ' <"$A/open")"
is "its links" 1 "$(stat -L -c %h /proc/self/fd/4)"
exec 3<&- 4>&- 5<&-
rm "$A/open"

say "and after it was renamed"
mkdir "$A/d/from" "$A/to"
echo one >"$A/d/from/moved"
exec 3<>"$A/d/from/moved"
for name in to/moved moved d/from/moved d/moved; do
    mv "$B/$(cd "$B" && find . -name moved)" "$B/$name"
    is "what is read as $name" one "$(cat /proc/self/fd/3)"
    is "its links" 1 "$(stat -L -c %h /proc/self/fd/3)"
done
ln "$B/d/moved" "$B/linked"
mv "$B/linked" "$B/to/linked"
mv "$B/d/moved" "$B/moved"
echo two >&3
is "what was written" two "$(cat "$B/to/linked")"
exec 3<&-
rm "$A/moved" "$A/to/linked"
rmdir "$A/d/from" "$A/to"

say "a file that loses its last name to this mount goes on until it is closed"
for file in file d/file; do
    head -c 1500000 /dev/urandom >"$STAGE/kept"
    cp "$STAGE/kept" "$A/$file"
    exec 3<>"$A/$file" 4<"$B/$file"
    inode=$(stat -c %i "$A/$file")
    rm "$A/$file"
    call ENOENT stat "$B/$file"
    is "links and inode" "0 $inode" "$(stat -L -c '%h %i' /proc/self/fd/3)"
    printf begin >&3
    printf begin | dd of="$STAGE/kept" conv=notrunc 2>/dev/null
    same "$STAGE/kept" /proc/self/fd/3
    truncate -s 10 /proc/self/fd/3
    echo new >"$A/$file"
    is "another file of that name" new "$(cat "$B/$file")"
    is "the old one" 10 "$(stat -L -c %s /proc/self/fd/3)"
    rm "$A/$file"
    exec 3<&-
    is "the other mount's handle" "Stale file handle" "$(cat <&4 2>&1 | sed 's/.*: //')"
    exec 4<&-
done
: >"$A/target"
exec 3<>"$A/target"
echo kept >&3
echo other >"$A/d/other"
cp "$A/d/other" "$A/source"
mv "$A/source" "$A/target"
is "the file that was replaced" kept "$(cat /proc/self/fd/3)"
is "the one that replaced it" other "$(cat "$A/target")"
exec 3<&-
rm "$A/target" "$A/d/other"
wait_for 60 grep -qx "orphans 0" "$A/.shardfs/stats"

say "shardctl"
echo plain >"$A/plain"
ln "$A/plain" "$A/d/plain"
is "get" plain "$(shardctl get plain)$(true)"
shardctl put plain new
is "after put" new "$(cat "$A/d/plain")"
shardctl append d/plain er
is "after append" newer "$(cat "$A/plain")"
is "names" 2 "$(shardctl stat plain | sed -n 's/^names *//p')"
shardctl del plain
names 1 "$A/d/plain"
is "after del" newer "$(shardctl get d/plain)"
shardctl del d/plain
call ENOENT stat "$B/d/plain"

say "the clerk, which knows no names, goes on with the file"
echo one >"$A/color"
ln "$A/color" "$A/d/color"
inode=$(stat -c %i "$A/color")
is "get" one "$(mount_key get color)"
echo two | mount_key put color
echo three | mount_key append color
is "what is read" "two three" "$(paste -sd ' ' <"$B/d/color")"
head -c 2500000 /dev/urandom >"$STAGE/color"
mount_key put color <"$STAGE/color"
same "$STAGE/color" "$B/d/color"
mount_key get color | cmp - "$STAGE/color"
echo replaced | mount_key replace color
is "what is read" replaced "$(cat "$B/d/color")"
refused 1 "reference" mount_key delete color
refused 1 "reference" mount_key delete_listed color
refused 1 "reference" mount_key transact_put color
refused 1 "reference" mount_key transact_delete color
is "what is read" replaced "$(cat "$B/d/color")"
refused 1 "directory" mount_key delete_listed d
refused 1 "directory" mount_key transact_put d
refused 1 "directory" mount_key transact_delete d
names 2 "$A/color" "$B/d/color"
is "the inode stays" "$inode" "$(stat -c %i "$A/color")"
rm "$B/d/color" "$B/color"
refused 1 "no such key" mount_key get color
echo fresh | mount_key put color
names 1 "$A/color"
mount_key delete_listed color
call ENOENT stat "$B/color"

say "cp -al, and a change that breaks no other name"
mkdir -p "$A/tree/sub"
for i in 1 2 3 4 5 6 7 8; do
    echo $i >"$A/tree/$i"
    echo sub$i >"$A/tree/sub/$i"
done
cp -al "$A/tree" "$A/copy"
diff -r "$B/tree" "$B/copy"
is "links in both" 2 "$(find "$B/tree" "$B/copy" -type f -printf '%n\n' | sort -u)"
sed -i s/3/three/ "$B/copy/3"
is "after sed -i" "3 three" "$(cat "$A/tree/3" "$A/copy/3" | paste -sd ' ')"
names 1 "$A/tree/3"
rm -r "$A/copy"
is "links of what stays" 1 "$(find "$B/tree" -type f -printf '%n\n' | sort -u)"
rm -r "$B/tree"

say "threads link, unlink and count one file's names at once"
echo x >"$A/e/one"
mount_probe link_race "$A/e/one" 300
names 1 "$B/e/one"
rm "$A/e/one"

say "many link and unlink the same names at once"
echo x >"$A/e/one"
for dir in "$A" "$B"; do
    (
        for i in $(seq 40); do
            ln "$dir/e/one" "$dir/e/two" 2>/dev/null || true
            ln "$dir/e/two" "$dir/three" 2>/dev/null || true
            rm -f "$dir/e/two" "$dir/three" 2>/dev/null || true
        done
    ) &
    workers="${workers-} $!"
done
for worker in $workers; do
    wait "$worker"
done
rm -f "$A/e/two" "$A/three"
names 1 "$A/e/one" "$B/e/one"
rm "$A/e/one"
rmdir "$B/e"

assert_fsck_clean
unmount "$B" "$A"
