#!/bin/sh
# From a bare Debian to a mounted directory that a real cluster keeps:
#
#   sh mount-examples/quickstart.sh [--dir DIR] [--engine raft|paxos]
#                                                        start (or find what runs) and mount
#   sh mount-examples/quickstart.sh --stop [--dir DIR]   unmount and stop; the data stays
#
# 3 shardmasters and 2 groups of 3 shardkv replicas, separate processes on 127.0.0.1, with their data
# on disk under DIR. The mount is DIR/mnt; DIR/env is a file to source for the command line.
# --engine: what a new cluster's groups agree by (default raft).
# Without --dir: $XDG_STATE_HOME/shardfs, else ~/.local/state/shardfs.
# SHARDFS_BUILD names a build that is there: then nothing is installed or built.
set -eu

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=${SHARDFS_BUILD:-$source_dir/.build/quickstart}
dir=${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/shardfs
engine=""
stop=no

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'quickstart.sh: %s\n' "$*" >&2
    exit 1
}
quote() { # a path, as a shell takes it
    case "$1" in
    *[!A-Za-z0-9/._-]*) printf "'%s'" "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}
refuse() { # what is wrong with the command line
    printf 'quickstart.sh: %s; see sh mount-examples/quickstart.sh --help\n' "$*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case "$1" in
    --dir | --engine)
        [ $# -ge 2 ] || refuse "$1 needs a value"
        option=$1 value=$2
        shift
        ;;
    --dir=* | --engine=*) option=${1%%=*} value=${1#*=} ;;
    --stop)
        stop=yes
        shift
        continue
        ;;
    -h | --help)
        sed -n '2,13s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) refuse "there is no option '$1'" ;;
    esac
    shift
    case "$option=$value" in
    --dir=?*) dir=$value ;;
    --engine=raft | --engine=paxos) engine=$value ;;
    --engine=*) refuse "--engine is raft or paxos, not '$value'" ;;
    *) refuse "--dir is empty" ;;
    esac
done

# As /proc/mounts shows it: a blank as \040, a backslash as \134.
is_mounted() { # DIR
    wanted=$(printf '%s' "$1" | sed 's/\\/\\134/g; s/ /\\040/g')
    while read -r _ where type _; do
        [ "$where" = "$wanted" ] && [ "$type" = fuse.shardfs ] && return 0
    done </proc/mounts
    return 1
}

unmount() { # DIR
    fusermount3 -u "$1" 2>/dev/null || umount "$1" 2>/dev/null || {
        say "$1 is in use: it goes when the last program leaves it"
        fusermount3 -uz "$1"
    }
}

dev_fuse() { # what is wrong with it, if that is easily seen
    if ! [ -e /dev/fuse ]; then
        printf ': there is no /dev/fuse (modprobe fuse; in a container, --device /dev/fuse)'
    elif ! [ -r /dev/fuse ] || ! [ -w /dev/fuse ]; then
        printf ': you may not use /dev/fuse (as root: chmod 666 /dev/fuse)'
    fi
}

if [ "$stop" = yes ]; then
    [ -f "$dir/cluster" ] || fail "there is no cluster in $dir"
    dir=$(cd "$dir" && pwd -P)
    if is_mounted "$dir/mnt"; then
        step "unmounting $dir/mnt"
        unmount "$dir/mnt"
    fi
    step "stopping the servers"
    # shellcheck disable=SC1091  # written by shardctl up
    . "$dir/env"
    shardctl down --dir "$dir"
    say "Start it again with: sh mount-examples/quickstart.sh --dir $(quote "$dir")"
    exit 0
fi

build() {
    step "packages"
    sh "$source_dir/mount-examples/packages.sh" build
    say "all there"

    step "building in $build_dir (a minute or two, the first time)"
    mkdir -p "$build_dir"
    log=$build_dir/build.log
    {
        cmake -S "$source_dir" -B "$build_dir" -G Ninja -DSHARDFS_TESTS=OFF &&
            ninja -C "$build_dir"
    } >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        fail "the build failed; all of it is in $log"
    }
    say "done: $build_dir/bin"
}
[ -n "${SHARDFS_BUILD-}" ] || build

step "starting 3 shardmasters and 2 groups of 3 replicas in $dir"
"$build_dir/bin/shardctl" up --dir "$dir" ${engine:+--engine "$engine"}
dir=$(cd "$dir" && pwd -P)
# shellcheck disable=SC1091  # written by shardctl up
. "$dir/env"

step "mounting at $dir/mnt"
if is_mounted "$dir/mnt" && ! stat "$dir/mnt" >/dev/null 2>&1; then
    say "a mount whose process died is there: unmounting it"
    unmount "$dir/mnt"
fi
mkdir -p "$dir/mnt" 2>/dev/null || true
if is_mounted "$dir/mnt"; then
    say "it is mounted already"
else
    shardfs "$SHARDFS_MASTERS" "$dir/mnt" ||
        fail "the cluster runs in $dir, but is not mounted$(dev_fuse)"
    say "mounted"
fi

step "the same keys from both sides"
show() {
    printf '  $ %s\n' "$*"
    sh -c "$*" | sed 's/^/  /'
}
cd "$dir"
show "echo 'hello from the mount' > mnt/hello-mount"
show "shardctl get hello-mount"
show "shardctl put hello-command 'hello from the command line'"
show "cat mnt/hello-command; echo"
[ "$(shardctl get hello-mount)" = "hello from the mount" ] ||
    fail "the key 'hello-mount' does not read back"
[ "$(cat mnt/hello-command)" = "hello from the command line" ] ||
    fail "the file 'hello-command' does not read back"
step "the cluster"
shardctl status

cat <<END

The mount is       $dir/mnt
The command line   . $(quote "$dir/env")      then: shardctl --help
To stop            sh mount-examples/quickstart.sh --stop --dir $(quote "$dir")
                   (the data stays; start again with the same --dir)
END
