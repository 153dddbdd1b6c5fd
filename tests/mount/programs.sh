#!/bin/sh
# Programs that people use, in a mount, each compared with the same on a local disk.
#
#   programs.sh [PARTS]: of the project of C; a repository has three times as many files
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/trees.sh"

cluster_up
mount_on "$A"
PARTS=${1-100}
local_project

if there tar; then
    say "tar in and out"
    tar -C "$L" --format=posix -cf "$L/project.tar" project
    tar -C "$W" -xpf "$L/project.tar"
    same_tree "$L/project" "$W/project"
    tar -C "$W" --format=posix -cf "$W/again.tar" project
    mkdir "$L/again"
    tar -C "$L/again" -xpf "$W/again.tar"
    same_tree "$L/project" "$L/again/project"
fi

say "cp -a, mv, rm -r"
cp -a "$L/project" "$W/copy"
same_tree "$L/project" "$W/copy"
cp -a "$W/copy" "$L/copy"
same_tree "$L/project" "$L/copy"
mv "$W/copy" "$W/moved"
same_tree "$L/project" "$W/moved"
rm -r "$W/moved"
is "what is left" "" "$(ls -d "$W"/moved "$W"/copy 2>/dev/null)"

if there rsync; then
    say "rsync both ways"
    rsync -aAX "$L/project/" "$W/synced/"
    same_tree "$L/project" "$W/synced"
    rsync -aAX --inplace "$W/synced/" "$L/synced/"
    same_tree "$L/project" "$L/synced"
    echo '# changed' >>"$L/project/Makefile"
    rsync -aAX --delete "$L/project/" "$W/synced/"
    same_tree "$L/project" "$W/synced"
fi

if there make cc; then
    say "make"
    for dir in "$L/project" "$W/project"; do
        touch "$dir"/src/part*.c # make has no years before 1970
        make -s -C "$dir" -j2
        is "what it says" $((11 + PARTS)) "$("$dir/program")"
        is "make again" "make: 'program' is up to date." "$(make -C "$dir" program | grep up)"
    done
    diff -r "$L/project/build" "$W/project/build" || fail "what was compiled differs"
    same "$L/project/program" "$W/project/program"
    make -s -C "$W/project" clean
    is "what is left" "" "$(ls -d "$W/project/build" "$W/project/program" 2>/dev/null)"
fi

if there git; then
    say "git"
    git_setup
    for dir in "$L/repo" "$W/repo"; do
        git_start "$dir" $((3 * PARTS))
        (
            cd "$dir"
            for i in 1 2 3; do
                seq 1 $i >>dir1/file1
                git mv "dir2/file$((20 * i + 2))" "dir3/renamed$i"
                git_commit "change $i" -a
            done
            git checkout -q -b other HEAD~2
            echo other >only-here
            git add only-here
            git_commit other
            GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' \
                git merge -q -m merged trunk
            git gc -q
            git fsck --strict 2>&1
            is "status" "" "$(git status --porcelain)"
        )
    done
    is "the commit" "$(git -C "$L/repo" rev-parse HEAD)" "$(git -C "$W/repo" rev-parse HEAD)"
    git clone -q "$W/repo" "$W/clone"
    git clone -q "$W/repo" "$L/clone"
    git clone -q "$L/repo" "$W/clone2"
    for clone in "$W/clone" "$L/clone" "$W/clone2"; do
        git -C "$clone" fsck --strict 2>&1
        is "the commit" "$(git -C "$L/repo" rev-parse HEAD)" "$(git -C "$clone" rev-parse HEAD)"
        is "status" "" "$(git -C "$clone" status --porcelain)"
    done
fi

if there vim; then
    say "vim"
    for dir in "$L" "$W"; do
        seq 1 100 >"$dir/text"
        chmod 640 "$dir/text"
        vim -u NONE -es -c '%s/5/five/g' -c 'wq' "$dir/text" </dev/null
    done
    same "$L/text" "$W/text"
    is "its mode" 640 "$(mode_of "$W/text")"
fi

if there sqlite3; then
    say "sqlite, with a rollback journal"
    for dir in "$L" "$W"; do
        got=0
        for mode in delete truncate persist; do
            sqlite3 "$dir/db" "pragma journal_mode=$mode; create table t$mode(a, b);
                begin; with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
                insert into t$mode select i, hex(i * i) from n; commit;
                begin; delete from t$mode; rollback;
                update t$mode set b = 'x' where a % 7 = 0; pragma integrity_check;
                select count(*), sum(a) from t$mode where b = 'x';" >>"$dir/db.out" 2>&1 || got=$?
        done
        echo "$got" >>"$dir/db.out"
    done
    same "$L/db.out" "$W/db.out"
fi

assert_fsck_clean
unmount "$A"
