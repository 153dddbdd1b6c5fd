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
# Not paxos.h: what it declares is in the tree's own library alone, not in libshardfs.
for header in clerk.h error.h limits.h; do
    is_there "$to$prefix/include/shardfs/$header"
done
is_there "$lib/libshardfs.so"

cd "$to"
find . -not -type d | sed "s,^\.,,; s,^$prefix/,," | while read -r file; do
    case "$file" in
    bin/shardctl | bin/shardfs | bin/shardkv | bin/shardmaster) ;;
    /sbin/mount.fuse.shardfs | include/shardfs/clerk.h) ;;
    include/shardfs/error.h | include/shardfs/limits.h) ;;
    lib*/libshardfs.so | lib*/libshardfs.so.* | lib*/pkgconfig/shardfs.pc) ;;
    *) fail "$file is installed, and should not be" ;;
    esac
done

# The library shows its own names and no others.
nm -D --defined-only "$lib/libshardfs.so" | awk '$2 != "A" {print $3}' |
    grep -v '^clerk_' >"$SHARDFS_SCRATCH/names" &&
    fail "libshardfs.so shows $(head -n 3 "$SHARDFS_SCRATCH/names")"

# -- a stranger's program

export PKG_CONFIG_SYSROOT_DIR="$to" PKG_CONFIG_PATH="$lib/pkgconfig"
[ "$(pkg-config --modversion shardfs)" = "$("$to$prefix/bin/shardctl" --version | cut -d' ' -f2)" ] ||
    fail "shardfs.pc has another version than the programs"
cd "$SHARDFS_SCRATCH"
for header in "$to$prefix"/include/shardfs/*.h; do
    printf '#include <shardfs/%s>\nint alone;\n' "$(basename "$header")" >alone.c
    # shellcheck disable=SC2046  # a list of words
    "$SHARDFS_CC" -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only alone.c \
        $(pkg-config --cflags shardfs) || fail "$header does not compile alone"
done
[ -z "$SHARDFS_SANITIZE" ] || exit 0 # the library wants the sanitizer's own first
# shellcheck disable=SC2046
"$SHARDFS_CC" "$SHARDFS_SOURCE/mount-examples/clerk_example.c" -o stranger \
    $(pkg-config --cflags --libs shardfs) || fail "the stranger's program does not compile"

# -- on a cluster of what was installed

PATH=$to$prefix/bin:$PATH
shardctl up --dir cluster --groups 1 >/dev/null
# shellcheck disable=SC1091  # written by shardctl up
. cluster/env
for visit in 1 2 3; do
    LD_LIBRARY_PATH=$lib ./stranger "$SHARDFS_MASTERS" >out
    grep -q "^visit $visit, $((60 * visit)) bytes of greetings$" out || fail "it says $(cat out)"
done
[ "$(shardctl get visits)" = 3 ] || fail "shardctl sees $(shardctl get visits) visits"
ps -o args= -p "$(cat cluster/run/group-100-1.pid)" | grep -q "^$to$prefix/bin/shardkv " ||
    fail "up runs other programs than those beside it"
shardctl down --dir cluster >/dev/null
echo "installed, compiled, run"
