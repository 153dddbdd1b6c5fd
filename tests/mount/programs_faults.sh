#!/bin/sh
# git, rsync, tar and make while leaders are killed and shards move, each compared with the same on a
# local disk; and all the while sqlite writes from two mounts to one database.
#
#   programs_faults.sh [PARTS]
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
. "$(dirname "$0")/trees.sh"

cluster_up
mount_both
PARTS=${1-40}
local_project
touch "$L"/project/src/part*.c # make has no years before 1970

disturb &
disturbing=$!

insert() { # DIR WHO: rows, each of which is a transaction
    for i in $(seq 1 40); do
        sqlite3 -cmd ".timeout 100000" "$1/db" "insert into t values('$2', $i, hex(randomblob(1000)));" ||
            return 1
    done
}
if there sqlite3; then
    sqlite3 "$A/db" "create table t(who, n, bytes);" || fail "sqlite3 makes no table"
    insert "$A" a &
    one=$!
    insert "$B" b &
    two=$!
fi

say "tar"
tar -C "$L" --format=posix -cf - project | tar -C "$W" -xpf -
same_tree "$L/project" "$W/project"

if there rsync; then
    say "rsync"
    rsync -a "$L/project/" "$W/synced/"
    same_tree "$L/project" "$W/synced"
    rm "$L/project/src/part9.c"
    rsync -a --delete "$W/synced/" "$L/project/"
    same_tree "$L/project" "$W/synced"
fi

if there make cc; then
    say "make"
    make -s -C "$L/project"
    make -s -C "$W/project"
    diff -r "$L/project/build" "$W/project/build" || fail "what was compiled differs"
    is "what it says" $((11 + PARTS)) "$("$W/project/program")"
fi

if there git; then
    say "git"
    git_setup
    git_start "$L/repo" $((3 * PARTS))
    git_start "$W/repo" $((3 * PARTS))
    is "the commit" "$(git -C "$L/repo" rev-parse HEAD)" "$(git -C "$W/repo" rev-parse HEAD)"
    git clone -q "$W/repo" "$W/clone"
    git -C "$W/clone" gc -q
    git -C "$W/clone" fsck --strict 2>&1
    is "status" "" "$(git -C "$W/clone" status --porcelain)"
    diff -r --no-dereference -x .git "$L/repo" "$W/clone" || fail "the files of the clone differ"
fi

if there sqlite3; then
    say "sqlite on two mounts at once"
    wait $one && wait $two || fail "an insert failed"
    for mount in "$A" "$B"; do
        is "rows" "a|40|820 b|40|820" "$(sqlite3 "$mount/db" \
            'select who, count(distinct n), sum(n) from t group by who order by who' | paste -sd ' ')"
        is "integrity_check" ok "$(sqlite3 "$mount/db" 'pragma integrity_check')"
    done
fi

say "rm -rf"
rm -rf "$W"
call ENOENT stat "$W"

calm $disturbing
assert_fsck_clean
unmount "$B" "$A"
