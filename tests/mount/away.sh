#!/bin/sh
# The cluster is out of reach: operations end, the mount stays usable, and it comes back by itself.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A" -o timeo=3
mount_on "$B" -o hard
mkdir "$A/d"
echo before >"$B/d/file" # by the mount that will append: its session in that shard is open then
echo before >"$B/d/killed"
echo before >"$A/key"

each_server() { # SIGNAL
    for name in $(server_names); do
        kill "-$1" "$(server_pid "$name")"
    done
}

# within SECONDS COMMAND...: it ends in that time, whatever it says
within() {
    seconds=$1 from=$(date +%s)
    shift
    "$@" >"$STAGE/out" 2>&1 || true
    [ $(($(date +%s) - from)) -le "$seconds" ] || fail "'$*' took more than $seconds s"
}

ends_within() { # SECONDS PID
    wait_for "$1" sh -c "! kill -0 $2 2>/dev/null" || fail "process $2 hangs after $1 s"
}

# interrupted NAME WAY PATH: begins it; it goes on when the servers are frozen, and $STAGE/WAY is there
interrupted() {
    mount_probe interrupted "$2" "$3" "$STAGE/$2" >"$STAGE/$1" 2>&1 &
    eval "$1=\$!"
}

say "while the cluster answers, no signal of its own disturbs a program"
mount_probe alarmed "$A/d" 20

say "frozen servers: what only reads ends by a signal"
rm -f "$STAGE/read" "$STAGE/stat" "$STAGE/list" "$STAGE/append"
interrupted soft_read read "$A/key"
interrupted hard_read read "$B/key"
interrupted hard_stat stat "$B/d/file"
interrupted hard_list list "$B"
interrupted hard_below list "$B/d"
interrupted soft_append append "$A/key"
interrupted hard_append append "$B/d/file"
interrupted killed_append append "$B/d/killed"
sleep 0.5
each_server STOP
: >"$STAGE/read" >"$STAGE/stat" >"$STAGE/list"
for name in soft_read hard_read hard_stat hard_list hard_below; do
    eval "ends_within 5 \$$name"
    is "$name" EINTR "$(cat "$STAGE/$name")"
done

say "a change that was sent waits for its answer, or for the time limit, or for kill -9"
: >"$STAGE/append"
sleep 0.5
kill -0 $soft_append && kill -0 $hard_append ||
    fail "an append that was sent did not wait: $(cat "$STAGE/soft_append" "$STAGE/hard_append")"
kill -9 $killed_append
ends_within 2 $killed_append
ends_within 5 $soft_append
is "an append that nobody answers in time" ETIMEDOUT "$(cat "$STAGE/soft_append")"
kill -0 $hard_append || fail "the append of a hard mount did not wait: $(cat "$STAGE/hard_append")"
each_server CONT
ends_within 10 $hard_append
is "an append that is answered" OK "$(cat "$STAGE/hard_append")"
is "what it appended, once" "before x" "$(tr "\n" " " <"$B/d/file" | sed "s/ $//")"

say "no server at all"
exec 3<"$A/d/file" 4>>"$A/d/other"
each_server KILL
within 1 stat "$A"
within 1 df "$A"
call OK stat "$A"
within 1 stat "$B"
calls=0
timed_out() { # OPERATION...: begun at once, all together
    calls=$((calls + 1))
    mount_probe call "$@" >"$STAGE/call$calls" 2>&1 &
    eval "call$calls=\$!"
}
timed_out stat "$A/key"
timed_out open "$A/d/file"
timed_out open_directory "$A/d"
timed_out mkdir "$A/new"
timed_out create "$A/d/new"
timed_out unlink "$A/key"
timed_out rename "$A/key" "$A/other"
timed_out chmod "$A/key" 600
timed_out truncate "$A/d/file" 0
ls "$A" >"$STAGE/ls" 2>&1 &
listing=$!
# The kernel lets one change at a time into a directory, and each waits for its own time limit.
for i in $(seq 1 $calls); do
    eval "ends_within 20 \$call$i"
    is "call $i" ETIMEDOUT "$(cat "$STAGE/call$i")"
done
ends_within 20 $listing
grep -q "timed out" "$STAGE/ls" || fail "ls: $(cat "$STAGE/ls")"
within 5 sh -c 'echo x >&4'
exec 3<&-
exec 4>&-
cat "$B/key" >"$STAGE/waited" &
waits=$!

say "the cluster returns"
shardctl up --dir "$C" >/dev/null 2>&1
wait $waits || fail "the hard mount's read failed"
is "what the hard mount read" before "$(head -n 1 "$STAGE/waited")"
is "the soft mount" before "$(head -n 1 "$A/key")"
is "below" before "$(head -n 1 "$A/d/file")"
echo after >"$A/key"
is "written" after "$(cat "$B/key")"

say "unmounting without a cluster"
each_server KILL
cat "$B/key" >/dev/null 2>&1 &
waits=$!
within 2 fusermount3 -u "$A"
ended "$A"
kill -TERM "$(pid_of "$B")"
ended "$B"
ends_within 2 $waits
! is_mounted "$B" || fail "still mounted"
