#!/bin/sh
# Programs that people use, in a mount, each compared with the same on a local disk.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
L=$STAGE/local
mkdir "$L" "$A/work"
W=$A/work
HOME=$STAGE
export HOME

# there NAME...: are these programs there? Else what needs them is passed over, aloud.
there() {
    for name in "$@"; do
        command -v "$name" >/dev/null || {
            say "(no $name here)"
            return 1
        }
    done
}

# what is in a tree, but for inode numbers and the sizes of directories
listing() { (cd "$1" && find . -printf '%P %y %m %U %G %l %s %T@\n' | sed '/ d /s/ [0-9]* [0-9.]*$//' | sort); }
same_tree() {
    listing "$1" >"$STAGE/tree.1"
    listing "$2" >"$STAGE/tree.2"
    diff "$STAGE/tree.1" "$STAGE/tree.2" || fail "the trees $1 and $2 differ"
    diff -r --no-dereference -x fifo "$1" "$2" || fail "the files of $1 and $2 differ"
}

project() { # DIR: a small project of C
    mkdir -p "$1/src"
    for i in 1 2 3 4 5 6 7 8; do
        printf 'int part%s(int x);\nint part%s(int x)\n{\n    return x + %s;\n}\n' $i $i $i >"$1/src/part$i.c"
    done
    cat >"$1/src/main.c" <<'END'
#include <stdio.h>
int part1(int x);
int part8(int x);
int main(void)
{
    printf("%d\n", part1(part8(10)));
    return 0;
}
END
    cat >"$1/Makefile" <<'END'
OBJECTS = $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))
program: $(OBJECTS)
	$(CC) -o $@ $^
build/%.o: src/%.c | build
	$(CC) -c -o $@ $<
build:
	mkdir -p $@
clean:
	rm -rf build program
END
    ln -s src/main.c "$1/main"
    mkfifo "$1/fifo"
    printf long >"$1/a file with spaces"
    chmod 4711 "$1/src/part1.c"
    touch -d '2001-02-03 04:05:06.789' "$1/src/part2.c"
    touch -d '1950-02-03 04:05:06.789' "$1/src/part3.c"
    touch -d '2100-02-03 04:05:06.789' "$1/src/part4.c"
    touch -h -d '2002-02-03' "$1/main"
    touch -d '2003-02-03' "$1/fifo" # rsync keeps whole seconds of what is no file
}

project "$L/project"

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
        is "what it says" 19 "$("$dir/program")"
        is "make again" "make: 'program' is up to date." "$(make -C "$dir" program | grep up)"
        make -s -C "$dir" clean
    done
fi

if there git; then
    say "git"
    git config --global user.name tester
    git config --global user.email tester@example.org
    git config --global init.defaultBranch trunk
    git config --global safe.directory '*'
    for dir in "$L/repo" "$W/repo"; do
        git init -q "$dir"
        (
            cd "$dir"
            GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
            export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
            for i in $(seq 1 30); do
                mkdir -p "dir$((i % 5))"
                seq 1 $((i * 50)) >"dir$((i % 5))/file$i"
            done
            ln -s dir1/file1 link
            git add .
            git commit -qm one
            for i in 1 2 3; do
                seq 1 $i >>dir1/file1
                git mv "dir2/file$((5 * i + 2))" "dir2/renamed$i"
                git commit -qam "change $i"
            done
            git checkout -q -b other HEAD~2
            echo other >only-here
            git add only-here
            git commit -qm other
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
    say "sqlite, with a rollback journal; locks by directory, for records cannot be locked yet"
    for dir in "$L" "$W"; do
        got=0
        for mode in delete truncate persist; do
            sqlite3 -vfs unix-dotfile "$dir/db" "pragma journal_mode=$mode; create table t$mode(a, b);
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

unmount "$A" "$mount_pid"
