# What tests with whole trees of files share:  . "$(dirname "$0")/trees.sh", after lib.sh
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

# project DIR COUNT: one of C with so many parts; its program says 11 + COUNT
project() {
    mkdir -p "$1/src"
    for i in $(seq 1 "$2"); do
        printf '#include "all.h"\nint part%s(int x)\n{\n    return x + %s;\n}\n' "$i" "$i" >"$1/src/part$i.c"
        printf 'int part%s(int x);\n' "$i"
    done >"$1/src/all.h"
    cat >"$1/src/main.c" <<END
#include <stdio.h>
#include "all.h"
int main(void)
{
    printf("%d\n", part1(part$2(10)));
    return 0;
}
END
    cat >"$1/Makefile" <<'END'
OBJECTS = $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))
program: $(sort $(OBJECTS))
	$(CC) -o $@ $^
build/%.o: src/%.c src/all.h | build
	$(CC) -c -o $@ $<
build:
	mkdir -p $@
clean:
	rm -rf build program
END
}

# odd_files DIR: names, modes, times and kinds that a copy has to keep
odd_files() {
    ln -s src/main.c "$1/main"
    mkfifo "$1/fifo"
    printf long >"$1/a file with spaces"
    chmod 4711 "$1/src/part1.c"
    touch -d '2001-02-03 04:05:06.789' "$1/src/part2.c"
    touch -d '1950-02-03 04:05:06.789' "$1/src/part3.c"
    touch -d '2100-02-03 04:05:06.789' "$1/src/part4.c"
    touch -h -d '2002-02-03' "$1/main"
    touch -d '2003-02-03' "$1/fifo" # rsync leaves a time that differs by less than a second
}

# A project of PARTS parts on the local disk, and a directory to work on it in the mount.
L=$STAGE/local W=$A/work
local_project() {
    mkdir "$L" "$W"
    project "$L/project" "$PARTS"
    odd_files "$L/project"
}

git_setup() {
    git config --global user.name tester
    git config --global user.email tester@example.org
    git config --global init.defaultBranch trunk
    git config --global safe.directory '*'
    git config --global gc.auto 0
}

# git_start DIR COUNT: a repository of so many files, and one commit. Times are fixed, so that the
# same commits have the same names everywhere.
git_start() {
    git init -q "$1"
    (
        cd "$1"
        for i in $(seq 1 "$2"); do
            mkdir -p "dir$((i % 20))"
            seq 1 $((i * 5)) >"dir$((i % 20))/file$i"
        done
        ln -s dir1/file1 link
        git add .
        git_commit one
    )
}

# In a repository: git_commit MESSAGE [OPTIONS]
git_commit() {
    GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' \
        git commit -q -m "$@"
}
