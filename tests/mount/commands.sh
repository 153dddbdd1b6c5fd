#!/bin/sh
# Everyday commands in the mount: cat, echo, cp, dd, find, tar, mv, rm, mkdir, git.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
cd "$A"

say "echo, cat, append"
echo blue >color
is "cat" blue "$(cat color)"
echo green >>color
is "cat after >>" "blue green" "$(tr '\n' ' ' <color | sed 's/ $//')"
: >color
is "size after truncation" 0 "$(size_of color)"
is "a missing file" "cat: none: No such file or directory" "$(cat none 2>&1 || true)"

say "cp, cmp, dd"
dd if=/dev/urandom of="$STAGE/noise" bs=1000 count=333 2>/dev/null
cp "$STAGE/noise" noise
same "$STAGE/noise" noise
cp -p noise again
is "cp -p keeps the time" "$(stat -c %Y noise)" "$(stat -c %Y again)"
dd if="$STAGE/noise" of=noise bs=777 skip=5 seek=9 count=7 conv=notrunc 2>/dev/null
cp "$STAGE/noise" "$STAGE/model"
dd if="$STAGE/noise" of="$STAGE/model" bs=777 skip=5 seek=9 count=7 conv=notrunc 2>/dev/null
same "$STAGE/model" noise

say "mkdir, find, tar: a tree of some hundred files out and back"
tree=$STAGE/tree
mkdir -p "$tree/deep/er/and/deeper" "$tree/empty"
for i in $(seq 1 30); do
    mkdir "$tree/d$i"
    for j in 1 2 3 4 5 6 7 8 9 10; do
        head -c $((i * j * 37)) "$STAGE/noise" >"$tree/d$i/file $j"
    done
done
cp "$STAGE/noise" "$tree/deep/er/and/deeper/noise"
chmod 600 "$tree/d7/file 3"
chmod 755 "$tree/d8/file 3"
tar --format=posix -C "$STAGE" -cf - tree | tar -xf -
diff -r "$tree" tree || fail "the tree differs"
(cd "$tree" && find . | sort) >"$STAGE/names"
(cd tree && find . | sort) | cmp - "$STAGE/names" || fail "find sees other names"
(cd "$tree" && find . -printf '%p %m %y %T@\n' | sort) >"$STAGE/details"
(cd tree && find . -printf '%p %m %y %T@\n' | sort) >"$STAGE/details.mount"
diff "$STAGE/details" "$STAGE/details.mount" | head -n 5 >"$STAGE/differ"
[ ! -s "$STAGE/differ" ] || fail "modes, types or times differ: $(cat "$STAGE/differ")"
tar -cf - tree | tar -C "$B" -xf -
diff -r "$tree" "$B/tree" || fail "the tree that came back differs"

say "mv within a directory, over a file, of a directory; across directories by copying"
mv tree/d1/"file 1" tree/d1/moved
[ ! -e tree/d1/"file 1" ] || fail "the old name is still there"
same "$tree/d1/file 1" tree/d1/moved
mv tree/d1/moved tree/d1/"file 2"
same "$tree/d1/file 1" tree/d1/"file 2"
mv tree/d2 tree/second
diff -r "$tree/d2" tree/second || fail "the directory that was moved differs"
mv tree/d3/"file 5" tree/d4/five
same "$tree/d3/file 5" tree/d4/five
[ ! -e tree/d3/"file 5" ] || fail "mv left the old file"
mv tree/d5 tree/second/
diff -r "$tree/d5" tree/second/d5 || fail "the directory that was copied differs"

say "git"
git -c init.defaultBranch=main init -q repository
(
    cd repository
    cp -r ../tree/d6 work
    git add .
    git -c user.name=a -c user.email=a@b commit -q -m first
    echo more >>work/"file 1"
    git -c user.name=a -c user.email=a@b commit -q -a -m second
    git fsck --strict
    is "commits" 2 "$(git rev-list --count HEAD)"
    git status --porcelain
) >"$STAGE/git.out" 2>&1 || fail "git: $(cat "$STAGE/git.out")"

say "programs that run and are made there"
cp "$(command -v cat)" copy_of_cat
is "a program in the mount" again "$(echo again | ./copy_of_cat)"
printf '#include <stdio.h>\nint main(void) { puts("made"); return 0; }\n' >made.c
cc -g -o made made.c
is "what was compiled" made "$(./made)"
rm copy_of_cat made made.c

say "rm -r"
rm -r tree repository
is "what is left" "again color noise" "$(echo *)"
rm again color noise
is "what is left" "" "$(ls -A)"

cd /
unmount "$A"
