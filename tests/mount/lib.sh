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

# -- mounts -------------------------------------------------------------------------------------

is_mounted() { # DIR
    grep -q " $1 fuse.shardfs " /proc/mounts
}

# mount_on DIR [OPTIONS]: makes DIR where it is missing. The process stays in the foreground, so that
# its pid is known.
mounts=0
mount_on() {
    where=$1
    shift
    mkdir -p "$where"
    mounts=$((mounts + 1))
    shardfs -f "$SHARDFS_MASTERS" "$where" "$@" 2>"$STAGE/mount-$mounts.log" &
    echo $! >"$where.pid"
    wait_for 20 is_mounted_or_over "$where" || fail "$where was not mounted"
    is_mounted "$where" || fail "$where was not mounted"
    stat "$where" >/dev/null || fail "$where does not answer"
}

pid_of() { cat "$1.pid"; } # DIR

is_mounted_or_over() { # DIR
    is_mounted "$1" || ! kill -0 "$(pid_of "$1")" 2>/dev/null
}

mount_both() { # [OPTIONS]
    mount_on "$A" "$@"
    mount_on "$B" "$@"
}

# unmount DIR...: the processes must end well (with a sanitizer: without a leak)
unmount() {
    for where in "$@"; do
        fusermount3 -u "$where" || fail "$where cannot be unmounted"
        ended "$where"
    done
}

ended() { # DIR: of a mount that was told to end
    status=0
    wait "$(pid_of "$1")" || status=$?
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
