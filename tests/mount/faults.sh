# What tests under faults share:  . "$(dirname "$0")/faults.sh", after lib.sh
#
# What works meanwhile, and who disturbs it, go on until STAGE/stop is there.

start_again() { # WHO was killed
    shardctl up --dir "$C" >/dev/null 2>&1 || fail "$1 cannot be started again"
}

# disturb: replicas are killed one after another and started again, so also whoever leads, and shards
# change between the groups 100 and 101. STAGE/disturbed: how often.
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
        start_again "$victim"
        sleep 1
        times=$((times + 1))
        echo $times >"$STAGE/disturbed"
    done
}

# calm PID: ends it, which must have been at work
calm() {
    : >"$STAGE/stop"
    wait "$1" || fail "a server could not be started again, or a shard not be moved"
    say "$(cat "$STAGE/disturbed") times disturbed"
    [ "$(cat "$STAGE/disturbed")" -gt 2 ] || fail "hardly disturbed"
}

# fsx_on FIRST OPTIONS...: runs of the tester, with one seed after the other. Sets fsx_pids.
fsx_on() {
    fsx_runs "$@" &
    fsx_pids="${fsx_pids-} $!"
}

fsx_runs() {
    first=$1 seed=$1
    shift
    until [ -e "$STAGE/stop" ]; do
        shardfs_fsx --seed "$seed" "$@" >>"$STAGE/fsx-$first.out" 2>&1 ||
            fail "$(tail -n 50 "$STAGE/fsx-$first.out")"
        seed=$((seed + 1))
    done
}

fsx_goes_on() {
    for pid in $fsx_pids; do
        kill -0 "$pid" || fail "a tester stopped: see above"
    done
}

fsx_end() {
    : >"$STAGE/stop"
    for pid in $fsx_pids; do
        wait "$pid" || fail "a tester failed: see above"
    done
    say "$(cat "$STAGE"/fsx-*.out | grep -c 'all bytes right') runs of the tester"
}
