#!/bin/sh
# Programs in two mounts of one cluster at a time: what one makes the other uses.
#
#   programs_mounts.sh [PARTS]
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trees.sh"

cluster_up
mount_both
PARTS=${1-60}
local_project
touch "$L"/project/src/part*.c # make has no years before 1970

if there tar make cc; then
    say "unpacked in one, built in the other, run in the first"
    tar -C "$L" --format=posix -cf - project | tar -C "$A/work" -xpf -
    same_tree "$L/project" "$B/work/project"
    make -s -C "$L/project" -j2
    make -s -C "$B/work/project" -j2
    is "what it says" $((11 + PARTS)) "$("$A/work/project/program")"
    diff -r "$L/project/build" "$A/work/project/build" || fail "what was compiled differs"
    same "$L/project/program" "$A/work/project/program"
    echo >>"$A/work/project/src/part7.c"
    echo >>"$L/project/src/part7.c"
    make -s -C "$L/project"
    is "what is built again" 2 "$(make -C "$B/work/project" | grep -c -e ' -o ')"
    diff -r "$L/project/build" "$A/work/project/build" || fail "what was compiled again differs"
fi

if there rsync; then
    say "rsync into one, out of the other"
    rsync -a "$L/project/" "$A/work/synced/"
    same_tree "$L/project" "$B/work/synced"
    rm "$B/work/synced/src/part9.c"
    echo new >"$B/work/synced/new"
    rsync -a --delete "$B/work/synced/" "$L/back/"
    same_tree "$L/back" "$A/work/synced"
    rsync -a --delete "$L/project/" "$A/work/synced/"
    same_tree "$L/project" "$B/work/synced"
fi

if there git; then
    say "git: commits from both in turns"
    git_setup
    git_start "$L/repo" $((3 * PARTS))
    git_start "$A/work/repo" $((3 * PARTS))
    for i in 1 2 3 4; do
        [ $((i % 2)) = 0 ] && mount=$A || mount=$B
        for dir in "$L/repo" "$mount/work/repo"; do
            (
                cd "$dir"
                seq 1 $i >>dir1/file1
                git mv "dir2/file$((20 * i + 2))" "dir3/renamed$i"
                git_commit "change $i" -a
                is "status" "" "$(git status --porcelain)"
            )
        done
    done
    is "the commit" "$(git -C "$L/repo" rev-parse HEAD)" "$(git -C "$A/work/repo" rev-parse HEAD)"
    git -C "$B/work/repo" gc -q
    git -C "$A/work/repo" fsck --strict 2>&1
    git clone -q "$A/work/repo" "$B/work/clone"
    is "the commit" "$(git -C "$L/repo" rev-parse HEAD)" "$(git -C "$A/work/clone" rev-parse HEAD)"
    is "status" "" "$(git -C "$A/work/clone" status --porcelain)"
    diff -r --no-dereference -x .git "$L/repo" "$A/work/clone" || fail "the files of the clone differ"
fi

say "rm -rf in one"
rm -rf "$A/work"
call ENOENT stat "$B/work"
is "what is left" "" "$(ls -A "$B")"

unmount "$B" "$A"
