# What every mount test starts with:  . "$(dirname "$0")/lib.sh"
#
# Run by mount_stage, which makes STAGE and ends what is left. From the environment:
#   SHARDFS_BIN     the directory of shardctl, shardmaster, shardkv and shardfs
#   SHARDFS_TOOLS   the directory of mount_probe and shardfs_fsx
set -eu

PATH=$SHARDFS_TOOLS:$SHARDFS_BIN:$PATH
A=$STAGE/a B=$STAGE/b # where tests mount
C=$STAGE/cluster
mkdir "$A" "$B"

say() { printf '%s\n' "== $*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# is WHAT WANTED GOT
is() {
    [ "$2" = "$3" ] || fail "$1: should be '$2', is '$3'"
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

# refused STATUS TEXT COMMAND...: it must end with this status and say one line that holds TEXT
refused() {
    wanted=$1 text=$2 got=0
    shift 2
    "$@" >"$STAGE/out" 2>"$STAGE/err" || got=$?
    is "status of '$*' ($(cat "$STAGE/err"))" "$wanted" "$got"
    is "lines said by '$*' ($(cat "$STAGE/err"))" 1 "$(wc -l <"$STAGE/err")"
    grep -q -e "$text" "$STAGE/err" || fail "'$*' says '$(cat "$STAGE/err")', not '$text'"
}

# -- the cluster --------------------------------------------------------------------------------

cluster_up() {
    shardctl up --dir "$C" "$@" >"$STAGE/up.out" 2>"$STAGE/up.log" || fail "no cluster"
    # shellcheck disable=SC1091
    . "$C/env"
    PATH=$SHARDFS_TOOLS:$SHARDFS_BIN:$PATH
}

# short_leases SECONDS: of the servers that cluster_up starts, which stand beside shardctl
short_leases() {
    mkdir "$STAGE/bin"
    cp "$SHARDFS_BIN/shardctl" "$SHARDFS_BIN/shardmaster" "$STAGE/bin/"
    printf '#!/bin/sh\nexec "%s/shardkv" "$@" --lease %d\n' "$SHARDFS_BIN" "$1" >"$STAGE/bin/shardkv"
    chmod +x "$STAGE/bin/shardkv"
    SHARDFS_BIN=$STAGE/bin:$SHARDFS_BIN
    PATH=$STAGE/bin:$PATH
}

# server_pid NAME, as master-1 or group-100-2
server_pid() { cat "$C/run/$1.pid"; }

server_names() {
    for file in "$C"/run/*.pid; do
        basename "$file" .pid
    done
}

join_line() { # GID: its addresses, from the servers' command lines
    tr '\0' '\n' <"/proc/$(server_pid "group-$1-1")/cmdline" | sed -n '/^--peers$/{n;s/,/ /g;p;}'
}

# disturb: until STAGE/stop is there, replicas are killed one after another and started again, so also
# whoever leads, and shards change between the groups 100 and 101. STAGE/disturbed: how often.
disturb() {
    times=0
    echo 0 >"$STAGE/disturbed"
    until [ -e "$STAGE/stop" ]; do
        victim=$(echo "group-100-1 group-101-1 master-1 group-100-2 group-101-2 master-2 group-100-3
            group-101-3 master-3" | xargs -n 1 | sed -n "$((times % 9 + 1))p")
        for shard in 1 17 33 49; do
            shardctl --timeout 30 move $((shard + times % 15)) $((100 + times % 2)) >/dev/null ||
                fail "shard $((shard + times % 15)) does not move"
        done
        kill -9 "$(server_pid "$victim")"
        sleep 1.5
        shardctl up --dir "$C" >/dev/null 2>&1 || fail "$victim cannot be started again"
        sleep 1
        times=$((times + 1))
        echo $times >"$STAGE/disturbed"
    done
}

# -- mounts -------------------------------------------------------------------------------------

is_mounted() { # DIR
    grep -q " $1 fuse.shardfs " /proc/mounts
}

mounts=0
# mount_on DIR [OPTIONS]: sets mount_pid. It stays in the foreground, so that its pid is known.
mount_on() {
    where=$1
    shift
    mounts=$((mounts + 1))
    shardfs -f "$SHARDFS_MASTERS" "$where" "$@" 2>"$STAGE/mount-$mounts.log" &
    mount_pid=$!
    wait_for 20 is_mounted_or_over "$where" || fail "$where was not mounted"
    is_mounted "$where" || fail "$where was not mounted"
    stat "$where" >/dev/null || fail "$where does not answer"
}

is_mounted_or_over() {
    is_mounted "$1" || ! kill -0 "$mount_pid" 2>/dev/null
}

# unmount DIR PID: the process must end well (with a sanitizer: without a leak)
unmount() {
    fusermount3 -u "$1" || fail "$1 cannot be unmounted"
    ended "$2"
}

ended() { # PID
    status=0
    wait "$1" || status=$?
    is "exit status of shardfs" 0 "$status"
}

# At the end of whatever was done to it: all of the file system fits together.
assert_fsck_clean() {
    shardctl fsck >"$STAGE/fsck.out" 2>&1 || fail "fsck: status $?: $(cat "$STAGE/fsck.out")"
}

# -- looking ------------------------------------------------------------------------------------

mode_of() { stat -c %a "$1"; }
size_of() { stat -c %s "$1"; }
sum_of() { sha256sum <"$1"; }
same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }

# call WANTED OPERATION...: one system call and its errno ("OK" for success)
call() {
    wanted=$1
    shift
    is "mount_probe call $*" "$wanted" "$(mount_probe call "$@")"
}
