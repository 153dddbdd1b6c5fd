#!/bin/sh
# The stage itself: whatever a test does, nothing of it is left, and a hang is a failure in time.
. "$(dirname "$0")/lib.sh"

# left_nothing: no process knows a stage below this one, and nothing is mounted there
left_nothing() {
    for process in /proc/[0-9]*; do
        ! { tr '\0' '\n' <"$process/environ"; } 2>/dev/null | grep -q "^STAGE=$STAGE/" ||
            fail "process ${process#/proc/} is left"
    done
    ! grep -q " $STAGE/" /proc/mounts || fail "a mount is left"
    [ -z "$(ls -d "$STAGE"/shardfs-mount.* 2>/dev/null)" ] || fail "a directory is left"
}

# staged SECONDS SCRIPT: its status
staged() {
    got=0
    TMPDIR=$STAGE mount_stage --seconds "$1" sh -c "$2" >"$STAGE/out" 2>"$STAGE/err" || got=$?
    left_nothing
}

say "its status is the script's"
staged 10 'exit 0'
is "status" 0 "$got"
staged 10 'exit 7'
is "status" 7 "$got"
staged 10 'kill -9 $$'
is "status" 1 "$got"

say "orphans in sessions of their own end with it"
staged 10 'setsid sh -c "sleep 1000 & sleep 1000" & sleep 0.3; exit 0'
is "status" 0 "$got"

say "a script that takes too long"
staged 1 'trap "" TERM; sleep 1000'
is "status" 1 "$got"
grep -q "takes too long" "$STAGE/err" || fail "it does not say so"

say "SIGTERM"
TMPDIR=$STAGE mount_stage --seconds 100 sh -c 'sleep 1000' 2>/dev/null &
nested=$!
sleep 0.5
kill -TERM $nested
got=0
wait $nested || got=$?
is "status" 1 "$got"
left_nothing

say "a mount that hangs: shardfs is frozen, a program waits in it"
cat >"$STAGE/hang.sh" <<END
. "$(dirname "$0")/lib.sh"
cluster_up
mount_on "\$A"
echo x >"\$A/key"
kill -STOP "\$(pid_of "\$A")"
cat "\$A/key"
END
staged 8 "sh '$STAGE/hang.sh'"
is "status" 1 "$got"

if [ "$(id -u)" = 0 ]; then
    say "without /dev/fuse a test fails, and says why"
    got=0
    unshare -m --propagation private sh -c \
        "mount -t tmpfs none /dev && '$SHARDFS_TOOLS/mount_stage' /bin/true" 2>"$STAGE/err" || got=$?
    is "status" 1 "$got"
    grep -q "/dev/fuse: mount tests need it" "$STAGE/err" || fail "it says $(cat "$STAGE/err")"
fi
