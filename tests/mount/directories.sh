#!/bin/sh
# Directories: names that move, listings while names come and go, seeking, removal.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both

say "3,000 names"
mkdir "$A/d"
mount_probe fill "$A/d" 3000
is "names" 3000 "$(ls "$B/d" | wc -l)"
is "find" 3000 "$(find "$B/d" -type f | wc -l)"
is "size of the directory" 3000 "$(size_of "$B/d")"

say "files that grow while they are listed with attributes that may be kept"
unmount "$B"
mount_on "$B" -o attr_timeout=1,entry_timeout=1
mount_probe listed "$B/d"
is "names" 3000 "$(ls -l "$B/d" | grep -c name)"
is "names" 3000 "$(ls -l "$B/d" | grep -c name)"
unmount "$B"
mount_on "$B"

say "places in a listing"
mount_probe seek "$A/d"

say "listings while others come and go"
mount_probe stable "$B/d" 3 &
listing=$!
i=0
while kill -0 $listing 2>/dev/null; do
    : >"$A/d/a$i"
    mv "$A/d/a$i" "$A/d/zz$i"
    rm "$A/d/zz$i"
    i=$((i + 1))
done
wait $listing || fail "a listing was wrong"

say "removing while reading, and removal by two at once"
mount_probe drain "$A/d"
mount_probe fill "$A/d" 300
rm -rf "$A/d" &
one=$!
rm -rf "$B/d" || true # the other may have been first
wait $one || true
rm -rf "$A/d"
call ENOENT stat "$B/d"

say "files and directories move across directories, and keep what they are"
ino_of() { stat -c %i "$1"; }
links_of() { stat -c %h "$1"; }
mkdir "$A/p" "$A/q" "$A/p/sub" "$A/p/sub/deep"
echo one >"$A/p/f"
echo two >"$A/p/sub/deep/f"
file=$(ino_of "$A/p/f") sub=$(ino_of "$A/p/sub")
written=$(stat -c %.9Y "$A/p/sub")
is "size of p" 2 "$(size_of "$B/p")"
is "links of p" 3 "$(links_of "$B/p")"
call OK rename "$A/p/f" "$A/q/g"
call ENOENT stat "$B/p/f"
is "the file" one "$(cat "$B/q/g")"
is "its inode" "$file" "$(ino_of "$B/q/g")"
call OK rename "$A/p/sub" "$A/q/sub"
is "the directory" two "$(cat "$B/q/sub/deep/f")"
is "its inode" "$sub" "$(ino_of "$B/q/sub")"
is "its time of change" "$written" "$(stat -c %.9Y "$B/q/sub")"
is "size of p" 0 "$(size_of "$B/p")"
is "links of p" 2 "$(links_of "$B/p")"
is "size of q" 2 "$(size_of "$B/q")"
is "links of q" 3 "$(links_of "$B/q")"
for at in "$A" "$B"; do
    is "what is above it" "$(ino_of "$A/q")" "$(ino_of "$at/q/sub/..")"
    is "what a listing says of it" "$(ino_of "$A/q")" \
        "$(cd "$at/q/sub" && mount_probe dots .)"
done

say "to the root and back"
call OK rename "$A/q/g" "$A/g"
call OK rename "$B/q/sub" "$B/sub"
is "the file" one "$(cat "$B/g")"
is "the directory" two "$(cat "$A/sub/deep/f")"
is "size of q" 0 "$(size_of "$A/q")"
is "what is above it" 1 "$(ino_of "$A/sub/..")"
is "what a listing says of it" 1 "$(mount_probe dots "$A/sub")"
call OK rename "$B/sub" "$B/p/sub"
call OK rename "$B/g" "$B/p/f"

say "the parents' times change, the file's own stays"
before=$(stat -c %.9Y "$A/p") after=$(stat -c %.9Y "$A/q") own=$(stat -c %.9Y "$A/p/f")
changed=$(stat -c %.9Z "$A/p/f")
call OK rename "$A/p/f" "$A/q/f"
[ "$(stat -c %.9Y "$B/p")" != "$before" ] || fail "the old parent's time stays"
[ "$(stat -c %.9Y "$B/q")" != "$after" ] || fail "the new parent's time stays"
is "the file's time of change" "$own" "$(stat -c %.9Y "$B/q/f")"
[ "$(stat -c %.9Z "$B/q/f")" != "$changed" ] || fail "the file's ctime stays"

say "over what is there"
echo three >"$A/p/f"
call OK rename "$B/q/f" "$B/p/f"
is "the target" one "$(cat "$A/p/f")"
is "size of p" 2 "$(size_of "$A/p")"
mkdir "$A/q/sub"
call OK rename "$B/p/sub" "$B/q/sub"
is "the target" two "$(cat "$A/q/sub/deep/f")"
is "its inode" "$sub" "$(ino_of "$A/q/sub")"
is "links of q" 3 "$(links_of "$A/q")"
mkdir "$A/p/sub"
call ENOTEMPTY rename "$A/p/sub" "$A/q/sub"

say "exchange"
call OK rename_exchange "$A/p/f" "$A/q/sub"
is "the file" one "$(cat "$B/q/sub")"
is "the directory" two "$(cat "$B/p/f/deep/f")"
is "inode of the file" "$file" "$(ino_of "$B/q/sub")"
is "inode of the directory" "$sub" "$(ino_of "$B/p/f")"
is "links of p and q" "4 2" "$(links_of "$B/p") $(links_of "$B/q")"
is "what is above it" "$(ino_of "$A/p")" "$(ino_of "$B/p/f/..")"
echo more >>"$A/q/sub"
is "the file" "one
more" "$(cat "$B/q/sub")"

say "one that another mount moved into its own subtree's way"
mkdir -p "$A/x/y" "$A/z"
(cd "$A/x/y" && call OK rename "$B/z" "$B/x/y/z" && call EINVAL rename "$B/x" "$B/x/y/z/x")
call EINVAL rename "$A/x" "$A/x/y/z/x"
is "what is there" "x x/y x/y/z" "$(cd "$A" && echo $(find x | sort))"

say "open files and a working directory stay what they are"
(
    cd "$A/x/y/z"
    echo begun >f
    exec 8>>f
    call OK rename "$A/x/y" "$A/p/y"
    echo ended >&8
    is "the file" "begun
ended" "$(cat f)"
    is "by its new name" "begun
ended" "$(cat "$B/p/y/z/f")"
)

assert_fsck_clean
unmount "$B" "$A"
