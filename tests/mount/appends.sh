#!/bin/sh
# Eight writers on four mounts append lines to one file, short and long, while one replica after the
# other is killed, so also whoever leads: every line is there once, whole, in its writer's order.
#
#   appends.sh [--lines N] [OPTIONS of shardctl up]
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

lines=80
if [ "${1-}" = --lines ]; then
    lines=$2
    shift 2
fi
cluster_up "$@"
mounts_of_it="$A $B $STAGE/c $STAGE/d"
for dir in $mounts_of_it; do
    mount_on "$dir"
done
mkdir "$A/below"

# append_all FILE: eight writers, and a kill in between
append_all() {
    writers=""
    for dir in $mounts_of_it; do
        for tag in one two; do
            mount_probe append "$dir/$1" "${dir##*/}-$tag" "$lines" &
            writers="$writers $!"
        done
    done
    sleep 0.3
    for replica in 1 2 3; do
        kill -9 "$(server_pid group-100-$replica)" "$(server_pid group-101-$replica)"
        sleep 0.7
        start_again "each group's replica $replica"
        sleep 0.3
    done
    for writer in $writers; do
        wait "$writer" || fail "a writer failed"
    done
}

# check_lines FILE BYTES: behind so many bytes
check_lines() {
    tail -c +$(($2 + 1)) "$B/$1" >"$STAGE/lines"
    is "lines of $1" $((8 * lines)) "$(wc -l <"$STAGE/lines")"
    for dir in $mounts_of_it; do
        for tag in one two; do
            grep "^${dir##*/}-$tag " "$STAGE/lines" >"$STAGE/own" || fail "no line of $dir"
            rm -f "$STAGE/model"
            mount_probe append "$STAGE/model" "${dir##*/}-$tag" "$lines"
            same "$STAGE/model" "$STAGE/own"
        done
    done
}

say "a file in the root, from nothing on"
append_all log
check_lines log 0
head -c 1500000 /dev/zero >"$STAGE/base"
for file in long below/long; do
    say "$file, behind 1 MiB"
    cp "$STAGE/base" "$A/$file"
    append_all $file
    check_lines $file 1500000
done
# shellcheck disable=SC2086  # a list of directories
unmount $mounts_of_it
