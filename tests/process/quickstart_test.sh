#!/bin/sh
# mount-examples/quickstart.sh as its user runs it, but for building: first time, again, after the
# death of some servers, after --stop. Under `guarded`, which cleans up.
set -eu

fail() {
    printf 'FAILED: %s\n' "$*"
    exit 1
}
[ -w /dev/fuse ] || {
    echo "skipped: there is no /dev/fuse to be used"
    exit 77
}
dir="$SHARDFS_SCRATCH/quick start"
quickstart() {
    sh "$SHARDFS_SOURCE/mount-examples/quickstart.sh" "$@" --dir "$dir" >out 2>&1 ||
        fail "quickstart.sh $*: $(cat out)"
}
says() { grep -q -- "$1" out || fail "it does not say '$1': $(cat out)"; }
cd "$SHARDFS_SCRATCH"
export SHARDFS_BUILD

refused() { # WHAT IT SAYS, OPTIONS
    says=$1
    shift
    status=0
    sh "$SHARDFS_SOURCE/mount-examples/quickstart.sh" "$@" >out 2>&1 || status=$?
    [ "$status $(wc -l <out)" = "2 1" ] || fail "quickstart.sh $*: status $status: $(cat out)"
    says "$says"
}
refused "no option '--frob'" --frob
refused '--dir needs a value' --dir
refused '--dir is empty' --dir=
refused "--engine is raft or paxos, not 'zab'" --engine zab --dir "$dir"
sh "$SHARDFS_SOURCE/mount-examples/quickstart.sh" --help | grep -q -- '--stop' || fail "no --help"
[ ! -e "$dir" ] || fail "a refused command line made $dir"

quickstart
says '9 servers run, 9 of them started now'
says 'shardctl get hello-mount'
says '64 shards are served'
says "quickstart.sh --stop --dir '$dir'"
echo green >"$dir/mnt/color"
mkdir "$dir/mnt/docs"
cp "$SHARDFS_SOURCE/README.md" "$dir/mnt/docs/"

quickstart
says '0 of them started now'
says 'it is mounted already'

for server in master-2 group-100-1 group-101-3; do
    kill -9 "$(cat "$dir/run/$server.pid")"
done
echo "still here" >"$dir/mnt/docs/note"
quickstart
says '3 of them started now'

quickstart --stop
says '9 servers stopped'
[ -z "$(ls "$dir/mnt")" ] || fail "the mount is there after --stop"
if pgrep -f -- "--dir $dir/" >pids; then
    fail "after --stop these run: $(cat pids)"
fi

quickstart
says '9 of them started now'
[ "$(cat "$dir/mnt/color")" = green ] || fail "color is $(cat "$dir/mnt/color")"
[ "$(cat "$dir/mnt/docs/note")" = "still here" ] || fail "note is lost"
cmp "$SHARDFS_SOURCE/README.md" "$dir/mnt/docs/README.md" || fail "README.md is another"
# shellcheck disable=SC1091  # written by shardctl up
(. "$dir/env" && [ "$(shardctl get color)" = green ]) || fail "DIR/env does not serve a shell"
quickstart --stop

dir=$SHARDFS_SCRATCH/paxos
quickstart --engine paxos
says '64 shards are served'
[ "$(grep -c ' paxos ' out)" = 9 ] || fail "not all are on paxos: $(cat out)"
[ "$(cat "$dir/mnt/hello-command")" = "hello from the command line" ] || fail "no hello"
if sh "$SHARDFS_SOURCE/mount-examples/quickstart.sh" --engine raft --dir "$dir" >out 2>&1; then
    fail "another engine: $(cat out)"
fi
says 'made with paxos, which stays'
quickstart --stop

if sh "$SHARDFS_SOURCE/mount-examples/quickstart.sh" --stop --dir "$SHARDFS_SCRATCH" >out 2>&1; then
    fail "--stop where nothing is"
fi
says 'there is no cluster in'
echo "started, found, repaired, stopped, started again"
