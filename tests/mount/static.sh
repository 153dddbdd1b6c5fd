#!/bin/sh
# The mount on a ring of servers without shardmasters, one of which is killed.
. "$(dirname "$0")/lib.sh"

cluster_up --static --servers 4 --replicas 3
is "shardmasters" 0 "$(shardctl status --json | jq "[.replicas[] | select(.gid == 0)] | length")"

say "two mounts, one of which is told of one server only"
mount_on "$A"
all=$SHARDFS_MASTERS
SHARDFS_MASTERS=${all##*,}
mount_on "$B"
SHARDFS_MASTERS=$all

fill() { # DIR NUMBER: of files, in all shards
    mkdir "$1"
    dd if=/dev/urandom of="$STAGE/long" bs=1000 count=3000 status=none
    cp "$STAGE/long" "$1/long"
    for i in $(seq "$2"); do
        echo "file $i" >"$1/$i"
        echo "more of $i" >>"$1/$i"
    done
}

check() { # DIR NUMBER
    same "$STAGE/long" "$1/long"
    for i in $(seq "$2"); do
        is "$1/$i" "file $i more of $i" "$(paste -sd ' ' "$1/$i")"
    done
}

fill "$A/before" 20
check "$B/before" 20
echo blue >"$A/color"
is "by shardctl" blue "$(shardctl get color)"
shardctl append --old color green >"$STAGE/old"
is "the old value" blue "$(cat "$STAGE/old")"
is "in the mount" "blue green" "$(paste -sd ' ' "$B/color")"

for server in 1 3; do
    say "kill -9 of server-$server"
    kill -9 "$(server_pid "server-$server")"
    dd if=/dev/urandom of="$STAGE/part" bs=1000 count=1200 status=none
    dd if="$STAGE/part" of="$B/before/long" bs=1000 seek=900 conv=notrunc status=none
    dd if="$STAGE/part" of="$STAGE/long" bs=1000 seek=900 conv=notrunc status=none
    check "$A/before" 20
    fill "$B/after-$server" 20
    check "$A/after-$server" 20
    cp "$STAGE/long" "$A/before/long"
    shardctl up --dir "$C" >"$STAGE/up.out" 2>&1 || fail "up: $(cat "$STAGE/up.out")"
    grep -q '4 servers run, 1 of them started now' "$STAGE/up.out" || fail "$(cat "$STAGE/up.out")"
done

say "stopped and started again"
unmount "$A" "$B"
shardctl down --dir "$C" >/dev/null
shardctl up --dir "$C" >/dev/null
mount_on "$A"
check "$A/before" 20
check "$A/after-3" 20
is "what stands in the root" "after-1 after-3 before color" "$(ls "$A" | paste -sd ' ')"
unmount "$A"
