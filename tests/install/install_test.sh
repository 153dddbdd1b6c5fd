#!/bin/sh
# Installs into a directory, looks at every file, builds a stranger's program against what is there,
# and runs it on a cluster of the installed programs. Under `guarded`, which cleans up.
set -eu

to=$SHARDFS_SCRATCH/to
fail() {
    printf 'FAILED: %s\n' "$*"
    exit 1
}

DESTDIR=$to "$SHARDFS_CMAKE" --install "$SHARDFS_BUILD" >"$SHARDFS_SCRATCH/install.log" ||
    fail "cmake --install: $(cat "$SHARDFS_SCRATCH/install.log")"

# -- every file, by its place below the prefix

pc=$(find "$to" -name shardfs.pc)
[ -n "$pc" ] || fail "no shardfs.pc"
lib=$(dirname "$(dirname "$pc")")
prefix=$SHARDFS_PREFIX
is_there() { [ -e "$1" ] || fail "$1 is missing"; }
is_program() { [ -x "$1" ] || fail "$1 is no program"; }

for program in shardctl shardfs shardkv shardmaster; do
    is_program "$to$prefix/bin/$program"
    "$to$prefix/bin/$program" --version | grep -q "^$program [0-9]" || fail "$program --version"
    "$to$prefix/bin/$program" --help | grep -qi '^usage:' || fail "$program --help"
done
is_program "$to/sbin/mount.fuse.shardfs"
for header in clerk.h error.h limits.h paxos.h; do
    is_there "$to$prefix/include/shardfs/$header"
done
for name in shardfs shardfs-paxos; do
    is_there "$lib/lib$name.so"
    is_there "$lib/pkgconfig/$name.pc"
done

cd "$to"
find . -not -type d | sed "s,^\.,,; s,^$prefix/,," | while read -r file; do
    case "$file" in
    bin/shardctl | bin/shardfs | bin/shardkv | bin/shardmaster) ;;
    /sbin/mount.fuse.shardfs) ;;
    include/shardfs/clerk.h | include/shardfs/paxos.h) ;;
    include/shardfs/error.h | include/shardfs/limits.h) ;;
    lib*/libshardfs.so | lib*/libshardfs.so.* | lib*/pkgconfig/shardfs.pc) ;;
    lib*/libshardfs-paxos.so | lib*/libshardfs-paxos.so.*) ;;
    lib*/pkgconfig/shardfs-paxos.pc) ;;
    *) fail "$file is installed, and should not be" ;;
    esac
done

# Each library shows its own names and no others.
shows_only() { # LIBRARY PREFIX
    nm -D --defined-only "$lib/$1" | awk '$2 != "A" {print $3}' |
        grep -v "^$2" >"$SHARDFS_SCRATCH/names" &&
        fail "$1 shows $(head -n 3 "$SHARDFS_SCRATCH/names")"
    return 0
}
shows_only libshardfs.so clerk_
shows_only libshardfs-paxos.so paxos_

# -- a stranger's programs

export PKG_CONFIG_SYSROOT_DIR="$to" PKG_CONFIG_PATH="$lib/pkgconfig"
version=$("$to$prefix/bin/shardctl" --version | cut -d' ' -f2)
for name in shardfs shardfs-paxos; do
    [ "$(pkg-config --modversion "$name")" = "$version" ] ||
        fail "$name.pc has another version than the programs"
done
cd "$SHARDFS_SCRATCH"
for header in "$to$prefix"/include/shardfs/*.h; do
    printf '#include <shardfs/%s>\nint alone;\n' "$(basename "$header")" >alone.c
    # shellcheck disable=SC2046  # a list of words
    "$SHARDFS_CC" -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only alone.c \
        $(pkg-config --cflags shardfs) || fail "$header does not compile alone"
done
[ -z "$SHARDFS_SANITIZE" ] || exit 0 # the library wants the sanitizer's own first
compile() { # SOURCE LIBRARY
    # shellcheck disable=SC2046
    "$SHARDFS_CC" -Wall -Wextra -Werror "$1" -o "$(basename "$1" .c)" \
        $(pkg-config --cflags --libs "$2") || fail "$1 does not compile"
}
compile "$SHARDFS_SOURCE/mount-examples/clerk_example.c" shardfs
compile "$SHARDFS_SOURCE/mount-examples/paxos_example.c" shardfs-paxos
# The program in each header's first comment.
for header in clerk paxos; do
    sed -n '/^ \*     #include/,/^ \*     }$/s/^ \* *//p' \
        "$to$prefix/include/shardfs/$header.h" >"first_$header.c"
    grep -q 'int main' "first_$header.c" || fail "$header.h begins with no program"
done
compile first_clerk.c shardfs
compile first_paxos.c shardfs-paxos

# -- on a cluster of what was installed

PATH=$to$prefix/bin:$PATH
shardctl up --dir cluster --groups 1 >/dev/null
# shellcheck disable=SC1091  # written by shardctl up
. cluster/env
for visit in 1 2 3; do
    LD_LIBRARY_PATH=$lib ./clerk_example "$SHARDFS_MASTERS" >out
    grep -q "^visit $visit, $((60 * visit)) bytes of greetings$" out || fail "it says $(cat out)"
done
[ "$(shardctl get visits)" = 3 ] || fail "shardctl sees $(shardctl get visits) visits"
ps -o args= -p "$(cat cluster/run/group-100-1.pid)" | grep -q "^$to$prefix/bin/shardkv " ||
    fail "up runs other programs than those beside it"
shardctl down --dir cluster >/dev/null

# -- three peers of the other library, at the addresses that the masters had

lines() { cat "$1" 2>/dev/null | wc -l; }
wait_for_lines() { # COUNT
    for i in 0 1 2; do
        while [ "$(lines "out$i")" -lt "$1" ]; do
            kill -0 "$(cat "pid$i")" || fail "peer $i ended: $(cat "err$i")"
            sleep 0.1
        done
    done
}
peer() { # NUMBER [create]; its input is fifo NUMBER
    LD_LIBRARY_PATH=$lib ./paxos_example "$SHARDFS_MASTERS" "$1" "kept$1" ${2+"$2"} \
        <"fifo$1" >>"out$1" 2>"err$1" &
    echo $! >"pid$1"
}
for i in 0 1 2; do
    mkfifo "fifo$i"
    peer "$i" create
done
exec 3>fifo0 4>fifo1 5>fifo2
for i in 1 2 3 4 5; do
    echo "line $i" >&3
    echo "line $i" >&4
    echo "line $i" >&5
done
wait_for_lines 15
cmp out0 out1 && cmp out1 out2 || fail "the peers print different lines"
[ "$(grep -c '^2: line [1-5]$' out0)" -eq 5 ] || fail "lines of peer 2 are not in $(cat out0)"
# One is killed, misses a line, comes back and learns it.
kill -9 "$(cat pid2)"
wait "$(cat pid2)" || :
exec 5>&-
echo "without the third" >&3
while [ "$(lines out1)" -lt 16 ]; do sleep 0.1; done
peer 2
exec 5>fifo2
while ! grep -q 'without the third' out2; do sleep 0.1; done
exec 3>&- 4>&- 5>&-
for i in 0 1 2; do
    wait "$(cat "pid$i")" || fail "peer $i: $(cat "err$i")"
done
echo "installed, compiled, run"
