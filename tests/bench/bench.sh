#!/bin/sh
# The benchmark: a local cluster of 1 and of 3 replicas, and a mount on it, beside the local disk.
#
#   sh tests/run.sh bench [--plain] [--seconds S] [--files N] [--tree N] [--mib N] [--dir DIR]
#
# --files: of 100 bytes each, in one directory; --tree: files of a tree that is unpacked, committed
# and removed. What the mount has answered is on a majority of disks, what the local disk has answered
# is in memory: only git, write_seq and the sync wait for the disk there.
# --plain prints lines of `name value unit`; else a table. Everything runs on this one machine: all
# replicas share its disk and its cores.
set -eu

build=$1
shift
plain=no seconds=5 files=5000 tree=3000 mib=256 dir=""
while [ $# -gt 0 ]; do
    case "$1" in
    --plain) plain=yes ;;
    --seconds | --files | --tree | --mib | --dir)
        [ $# -ge 2 ] || { echo "bench.sh: $1 needs a value" >&2; exit 2; }
        case "$1" in
        --seconds) seconds=$2 ;;
        --files) files=$2 ;;
        --tree) tree=$2 ;;
        --mib) mib=$2 ;;
        --dir) dir=$2 ;;
        esac
        shift
        ;;
    *)
        echo "usage: sh tests/run.sh bench [--plain] [--seconds S] [--files N] [--tree N] [--mib N] [--dir DIR]" >&2
        exit 2
        ;;
    esac
    shift
done
PATH=$build/bin:$build/tests-bin:$PATH
base=${dir:-${TMPDIR:-/tmp}}
work=$(mktemp -d "$base/shardfs-bench.XXXXXX")
results=$work/results

clean() {
    for dir in "$work"/mnt*; do
        fusermount3 -uz "$dir" 2>/dev/null || true
    done
    for d in "$work"/cluster-*; do
        [ -f "$d/cluster" ] && shardctl down --dir "$d" >/dev/null 2>&1
    done
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

note() { # NAME VALUE UNIT
    echo "$1 $2 $3" >>"$results"
    [ "$plain" = no ] || echo "$1 $2 $3"
}
progress() { [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2; }
hwm() { # PID -> MiB
    awk '/^VmHWM/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"
}

# timed NAME COMMAND...: how long it takes
timed() {
    name=$1
    shift
    start=$(date +%s%N)
    "$@" >"$work/timed.log" 2>&1 || { cat "$work/timed.log" >&2; exit 1; }
    note "$name" "$(echo "$start $(date +%s%N)" | awk '{printf "%.2f", ($2 - $1) / 1e9}')" s
}

# A tree of so many files of some KiB in directories of 30, as a tar file.
make_tree() {
    mkdir "$work/tree"
    i=0
    while [ $i -lt "$tree" ]; do
        [ $((i % 30)) != 0 ] || mkdir "$work/tree/d$((i / 30))"
        seq $i $((i + 50 + i % 1000)) >"$work/tree/d$((i / 30))/file$i"
        i=$((i + 1))
    done
    tar -C "$work" -cf "$work/tree.tar" tree
}

commit_all() {
    git -C "$1" -c init.defaultBranch=trunk init -q
    git -C "$1" add .
    git -C "$1" -c user.name=bench -c user.email=bench@localhost -c gc.auto=0 commit -q -m all
}

# in_directory DIR PREFIX: what programs do in DIR
in_directory() {
    fsbench "$1" "$files" "$mib" >"$work/fs.txt"
    while read -r name value unit; do
        note "$2.$name" "$value" "$unit"
    done <"$work/fs.txt"
    timed "$2.untar" tar -C "$1" -xf "$work/tree.tar"
    timed "$2.git" commit_all "$1/tree"
    timed "$2.rm" rm -rf "$1/tree"
}

set -- $(syncbench "$work")
note sync_p50 "$1" us
note sync_p99 "$2" us

for replicas in 1 3; do
    cluster=$work/cluster-$replicas
    progress "starting $replicas replicas"
    shardctl up --dir "$cluster" --groups 1 --replicas $replicas >/dev/null
    . "$cluster/env"
    PATH=$build/bin:$build/tests-bin:$PATH
    for op in put get; do
        for inflight in 1 16 64 256; do
            progress "$replicas replicas: $op, $inflight in flight"
            set -- $(kvbench --masters "$SHARDFS_MASTERS" --op $op --inflight $inflight --seconds "$seconds")
            note "$op.r$replicas.n$inflight" "$1" ops/s
            note "$op.r$replicas.n$inflight.p50" "$2" us
            note "$op.r$replicas.n$inflight.p99" "$3" us
        done
    done
    [ $replicas = 3 ] || shardctl down --dir "$cluster" >/dev/null
done

mount_on() { # DIR: sets mounted_pid
    mkdir "$1"
    shardfs "$SHARDFS_MASTERS" "$1" -f 2>"$1.log" &
    mounted_pid=$!
    tries=0
    until grep -q " $1 fuse.shardfs " /proc/mounts; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { cat "$1.log" >&2; exit 1; }
        sleep 0.05
    done
}
progress "mounting"
mount_on "$work/mnt"
mount_pid=$mounted_pid
progress "files in the mount"
make_tree
in_directory "$work/mnt" fs
note mount_hwm "$(hwm "$mount_pid")" MiB
progress "appends"
for n in 2 3 4; do
    mount_on "$work/mnt$n"
done
append_row() { # NAME LINES FILE: lines of 100 bytes, from one mount and from four
    cp "$work/base" "$work/mnt/$3"
    note "$1.m1" "$(appendbench "$2" 100 "$work/mnt/$3")" lines/s
    note "$1.m4" "$(appendbench "$2" 100 "$work/mnt/$3" "$work/mnt2/$3" "$work/mnt3/$3" \
        "$work/mnt4/$3")" lines/s
}
: >"$work/base"
append_row append 1000 short
head -c 1500000 /dev/zero >"$work/base"
append_row append_long 300 long
progress "files on the local disk"
mkdir "$work/local"
in_directory "$work/local" local
most=0
for file in "$work"/cluster-3/run/group-*.pid; do
    mib=$(hwm "$(cat "$file")")
    most=$(echo "$mib $most" | awk '{print ($1 > $2) ? $1 : $2}')
done
note shardkv_hwm "$most" MiB
progress ""
[ "$plain" = no ] || exit 0

awk '
{ value[$1] = $2; unit[$1] = $3 }
END {
    printf "device: 4 KiB write and fdatasync takes %s us (p50), %s us (p99)\n\n",
        value["sync_p50"], value["sync_p99"]
    printf "%-8s %-9s %12s %10s %10s   %12s %10s %10s\n", "", "in flight", "1 replica", "p50 us",
        "p99 us", "3 replicas", "p50 us", "p99 us"
    split("put get", ops, " "); split("1 16 64 256", counts, " ")
    for (o = 1; o <= 2; o++) for (c = 1; c <= 4; c++) {
        a = ops[o] ".r1.n" counts[c]; b = ops[o] ".r3.n" counts[c]
        printf "%-8s %-9s %8s ops/s %10s %10s   %8s ops/s %10s %10s\n", ops[o], counts[c],
            value[a], value[a ".p50"], value[a ".p99"], value[b], value[b ".p50"], value[b ".p99"]
    }
    printf "\n%-32s %-18s %s\n", "in the mount, 3 replicas:", "", "on the local disk:"
    count = split("create stat list read rename unlink write_seq read_seq untar git rm", fs, " ")
    for (f = 1; f <= count; f++) printf "  %-12s %10s %-8s %20s %s\n", fs[f], value["fs." fs[f]],
        unit["fs." fs[f]], value["local." fs[f]], unit["local." fs[f]]
    printf "\nappends of 100 bytes to one file, one after the other in each mount:\n"
    printf "  %-18s %8s lines/s from 1 mount, %8s from 4\n", "up to 1 MiB", value["append.m1"],
        value["append.m4"]
    printf "  %-18s %8s lines/s from 1 mount, %8s from 4\n", "behind 1 MiB",
        value["append_long.m1"], value["append_long.m4"]
    printf "\npeak memory: shardkv %s MiB, mount %s MiB\n", value["shardkv_hwm"], value["mount_hwm"]
}' "$results"
