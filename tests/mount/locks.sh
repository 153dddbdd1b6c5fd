#!/bin/sh
# Locks of programs on two mounts of one cluster: fcntl(2), open file descriptions, flock(2).
. "$(dirname "$0")/lib.sh"

short_leases 3
cluster_up
mount_both

# -- processes that lock: x and z on A, y on B --------------------------------------------------
#
# One ends when its standard input does: nobody else may inherit that.

start() { # NAME FILE
    rm -f "$STAGE/$1.in" "$STAGE/$1.out"
    mkfifo "$STAGE/$1.in" "$STAGE/$1.out"
    mount_probe locks "$2" <"$STAGE/$1.in" >"$STAGE/$1.out" 3>&- 4<&- 5>&- 6<&- 7>&- 8<&- &
    eval "pid_$1=\$!"
    case $1 in
    x) exec 3>"$STAGE/x.in" 4<"$STAGE/x.out" ;;
    y) exec 5>"$STAGE/y.in" 6<"$STAGE/y.out" ;;
    z) exec 7>"$STAGE/z.in" 8<"$STAGE/z.out" ;;
    esac
}

tell() { # NAME LINE
    case $1 in
    x) echo "$2" >&3 ;;
    y) echo "$2" >&5 ;;
    z) echo "$2" >&7 ;;
    esac
}

hear() { # NAME: into $answer
    answer=
    case $1 in
    x) read -r answer <&4 ;;
    y) read -r answer <&6 ;;
    z) read -r answer <&8 ;;
    esac || fail "$1 has ended"
}

answers() { # NAME WANTED
    hear "$1"
    is "what $1 hears of its lock" "$2" "$answer"
}

does() { # NAME WANTED LINE
    tell "$1" "$3"
    hear "$1"
    is "$1: $3" "$2" "$answer"
}

end() { # NAME
    case $1 in
    x) exec 3>&- 4<&- ;;
    y) exec 5>&- 6<&- ;;
    z) exec 7>&- 8<&- ;;
    esac
}

groups() { # SIGNAL
    for name in $(server_names | grep group); do
        kill "-$1" "$(server_pid "$name")"
    done
}

waits() { # NAME LINE: it is in the queue when another asks
    tell "$1" "$2"
    sleep 0.3
}

say "ranges exclude each other, within a mount and between mounts"
start x "$A/file"
start y "$B/file"
start z "$A/file"
does x OK "posix write 0 10"
does y EAGAIN "posix read 5 1"
does z EAGAIN "posix write 9 0"
does y OK "posix write 10 5"
does z OK "posix read 20 1"
does y OK "posix read 20 1"
does z "write 0 10 $pid_x" "posix-test read 0 0"
does y "write 0 10 0" "posix-test read 0 10" # of another mount: no process of ours
does x free "posix-test write 0 10"
does x OK "posix unlock 3 2"
does y OK "posix write 3 2"
does x EAGAIN "posix write 3 1"

say "who waits gets it in order, from the other mount, too"
does x OK "posix unlock 0 0"
does y OK "posix unlock 0 0"
does z OK "posix unlock 0 0"
does x OK "posix write 0 0"
waits y "posix-wait write 0 0"
waits z "posix-wait read 0 0"
does x OK "posix unlock 0 0"
answers y OK
does x EAGAIN "posix read 0 1"
does y OK "posix unlock 0 0"
answers z OK
does z OK "posix unlock 0 0"

say "a signal ends waiting; then it stands in nobody's way"
does x OK "posix write 0 1"
does y OK "alarm none"
does y EINTR "posix-wait write 0 1"
does x OK "posix unlock 0 1"
does z OK "posix write 0 1"
does z OK "posix unlock 0 1"

say "a circle is EDEADLK"
does x OK "posix write 0 1"
does y OK "posix write 1 1"
waits x "posix-wait write 1 1"
does y EDEADLK "posix-wait write 0 1"
does y OK "posix unlock 1 1"
answers x OK
does x OK "posix unlock 0 0"

say "any close gives back POSIX locks, and leaves those of the open file"
does x OK "posix write 0 1"
does x OK "ofd write 5 1"
does x OK "open x"
does x OK "close x"
does y OK "posix write 0 1"
does y EAGAIN "posix write 5 1"
does y EAGAIN "ofd write 5 1"
waits y "ofd-wait write 5 1"
end x
answers y OK
does y OK "ofd unlock 0 0"
does y OK "posix unlock 0 0"

say "flock, beside and apart from ranges"
start x "$A/file"
does x OK "flock shared"
does y OK "flock shared"
does y EAGAIN "flock exclusive" # and what it had is given back, as flock(2) has it
does x OK "flock exclusive"
does y EAGAIN "flock shared"
does y OK "posix write 0 0"
does y OK "posix unlock 0 0"
waits y "flock-wait exclusive"
does x OK "flock unlock"
answers y OK
does y OK "flock unlock"
flock "$A/file" sh -c "flock -n '$B/file' true && exit 7 || exit 0" || fail "flock(1) of both"
flock "$A/file" sleep 1 &
sleep 0.3
flock -w 20 "$B/file" true || fail "flock(1) did not get it in time"
wait $!

say "a process that is killed has no locks, also while it waits"
does x OK "posix write 0 0"
does x OK "flock exclusive"
waits z "posix-wait write 0 0"
waits y "posix-wait write 0 0"
kill -9 "$pid_z"
end z
kill -9 "$pid_x"
end x
answers y OK
does y OK "flock-wait exclusive"
does y OK "posix unlock 0 0"
does y OK "flock unlock"

say "a file's locks go with it where it is renamed, and over a leader's death"
start x "$A/file"
does x OK "posix write 0 0"
waits y "posix-wait write 0 0"
mkdir "$B/d"
mv "$B/file" "$B/d/moved"
start z "$B/d/moved"
does z EAGAIN "posix read 0 0"
for name in $(server_names | grep group); do
    pid=$(server_pid "$name")
    kill -9 "$pid"
    wait_for 10 sh -c "! kill -0 $pid 2>/dev/null || grep -q '^State:.Z' /proc/$pid/status" ||
        fail "$name does not end"
done
shardctl up --dir "$C" >&2 3>&- 4<&- 5>&- 6<&- 7>&- 8<&- || fail "the cluster does not come up again"
does z EAGAIN "posix read 0 0"
does x OK "posix unlock 0 0"
answers y OK
does y OK "posix unlock 0 0"
end z

say "who is killed while the cluster is away ends, and is granted nothing after that"
start z "$B/d/moved"
groups STOP
tell z "posix-wait write 0 0"
sleep 0.5
kill -9 "$pid_z"
wait_for 10 sh -c "! kill -0 $pid_z 2>/dev/null" || wait_for 1 grep -q "^State:.Z" "/proc/$pid_z/status" ||
    fail "a killed process waits for the cluster"
end z
groups CONT
does x OK "posix-wait write 0 0"
does x OK "posix unlock 0 0"

say "the lock of who is killed in the middle of a write stays until nothing of that comes any more"
truncate -s 0 "$A/large"
number=$(($(stat -c %i "$A/large") >> 48)) # the shard of its locks
shardctl move "$number" 100 >/dev/null
dd if=/dev/zero of="$A/large" bs=1M count=16 2>/dev/null
server_of_101=$(server_names | grep group-101)
[ -n "$server_of_101" ] || fail "there is no second group"
for name in $server_of_101; do
    kill -STOP "$(server_pid "$name")"
done
flock -F "$A/large" dd if=/dev/urandom of="$A/large" bs=1M count=16 conv=notrunc \
    2>/dev/null 3>&- 4<&- 5>&- 6<&- 7>&- 8<&- &
killed=$!
sleep 1 # it writes what is in group 100, and no more
flock -n "$B/large" true && fail "it has no lock"
kill -9 $killed
wait_for 10 sh -c "! kill -0 $killed 2>/dev/null || grep -q '^State:.Z' /proc/$killed/status" ||
    fail "a killed process waits for its write"
sleep 0.5
flock -n "$B/large" true && fail "it was given back, and what was written comes after that"
for name in $server_of_101; do
    kill -CONT "$(server_pid "$name")"
done
flock -w 20 "$B/large" true || fail "it is not given back"

say "a mount that sleeps past its lease has lost its locks, and writes nothing under them"
does x OK "posix-wait write 0 0" # what the killed one had asked for may be on its way back yet
does x OK "put first"
waits y "posix-wait write 0 0"
kill -STOP "$(pid_of "$A")"
answers y OK
does y OK "put other"
kill -CONT "$(pid_of "$A")"
does x EIO "put late!"
does x EIO "make $A/journal" # nor what it may have locked the file for
: >"$A/other" || fail "others may not make files any more"
(: >"$A/d/moved") 2>/dev/null && fail "the file was cut"
(: >>"$A/d/moved") || fail "the file cannot be opened"
is "the file" other "$(cat "$B/d/moved")"
does x EIO "posix write 0 0"
does x OK "posix unlock 3 2" # of a part: the rest is still lost
does x EIO "put late!"
is "the file" other "$(cat "$B/d/moved")"
does x OK "posix unlock 0 0"
does x EAGAIN "posix write 0 0"
does y OK "posix unlock 0 0"
does x OK "posix write 0 0"
does x OK "put again"
is "the file" again "$(cat "$B/d/moved")"

say "those of a mount that is killed go to others, after its lease"
waits y "posix-wait write 0 0"
kill -9 "$(pid_of "$A")"
end x
answers y OK
wait_for 5 umount "$A" || fail "the dead mount cannot be unmounted"
wait "$(pid_of "$A")" 2>/dev/null || true
end y

say "a lock whose outcome nobody knew in time is nobody's, when who asked was killed"
mount_on "$A" -o timeo=2
start x "$A/d/moved"
start z "$A/d/moved"
start y "$B/d/moved"
does x OK "posix write 9 1" # so there is a session
does x OK "posix unlock 9 1"
groups STOP
tell x "posix write 0 0"
sleep 0.5
kill -9 "$pid_x"
end x
sleep 2.5

say "a signal ends what cannot be sent yet"
does z OK "alarm none"
does z EINTR "posix-wait write 0 0"
groups CONT
does y OK "posix-wait write 0 0"
end y
end z
wait "$pid_z"
unmount "$A"

if command -v sqlite3 >/dev/null; then
    say "sqlite on two mounts at once, with a rollback journal"
    mount_on "$A"
    sqlite3 "$A/db" "create table t(who, n);" || fail "sqlite3 makes no table"
    insert() { # DIR WHO
        i=0
        while [ $i -lt 25 ]; do
            sqlite3 -cmd ".timeout 60000" "$1/db" "insert into t values('$2', $i);" || return 1
            i=$((i + 1))
        done
    }
    insert "$A" a & one=$!
    insert "$B" b & two=$!
    insert "$A" c & three=$!
    wait $one && wait $two && wait $three || fail "an insert failed"
    is "rows" 75 "$(sqlite3 "$B/db" 'select count(*) from t')"
    is "different rows" 75 "$(sqlite3 "$A/db" 'select count(*) from (select distinct who, n from t)')"
    is "integrity_check" ok "$(sqlite3 "$A/db" 'pragma integrity_check')"

    say "sqlite with a write-ahead log, within one mount"
    is "journal_mode" wal "$(sqlite3 "$A/wal" 'pragma journal_mode=wal')"
    sqlite3 "$A/wal" "create table t(who, n);" || fail "sqlite3 makes no table"
    for who in a b; do
        i=0
        while [ $i -lt 10 ]; do
            echo "insert into t values('$who', $i);"
            i=$((i + 1))
        done | sqlite3 -cmd ".timeout 60000" "$A/wal" &
        eval "wal_$who=\$!"
    done
    wait "$wal_a" && wait "$wal_b" || fail "an insert failed"
    is "rows" 20 "$(sqlite3 "$A/wal" 'select count(*) from t')"
    is "integrity_check" ok "$(sqlite3 "$A/wal" 'pragma integrity_check')"
    unmount "$A"
fi
unmount "$B"
