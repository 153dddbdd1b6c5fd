#!/bin/sh
# shardctl fsck: of a mounted file system and of one that is not, while others work, of damage that is
# made on purpose (each kind of it is in tests/tree/check_test.c), and where it cannot look.
. "$(dirname "$0")/lib.sh"

# exits STATUS TEXT COMMAND...: it must end with this status and print TEXT
exits() {
    wanted=$1 text=$2 got=0
    shift 2
    "$@" >"$STAGE/out" 2>"$STAGE/err" || got=$?
    is "status of '$*' ($(cat "$STAGE/out" "$STAGE/err"))" "$wanted" "$got"
    grep -q -e "$text" "$STAGE/out" || fail "'$*' prints '$(cat "$STAGE/out")', not '$text'"
}

cluster_up
script -qec 'shardctl fsck' /dev/null </dev/null >"$STAGE/out"
grep -q 'look 1: [0-9]* of 64 shards, 0 records' "$STAGE/out" || fail "progress: $(cat "$STAGE/out")"
tail -n 1 "$STAGE/out" | grep -q "$(printf '\r\033')"'\[K0 directories, .*: clean' ||
    fail "it does not end with the summary: $(cat "$STAGE/out")"
exits 0 '^0 directories, 0 files, 0 extents in 64 shards: clean$' shardctl fsck
mount_on "$A"
cd "$A"

say "a file system of all kinds of files"
mkdir -p docs/deep/er empty
echo blue >color
echo text >docs/text
ln -s text docs/link
mkfifo docs/fifo
dd if=/dev/urandom of=docs/deep/long bs=1000 count=3333 status=none
truncate -s 20M docs/sparse
mv docs/deep/long docs/deep/er.long
mv docs/text docs/moved
(cd docs && seq 300 | xargs touch)
rm docs/7
ln docs/sparse another
ln docs/sparse docs/third
exec 3>gone
rm gone
exits 0 '^4 directories, 305 files, 3 names of those that have several, 1 deleted ones that somebody '\
'has open, or had, 3 extents in 64 shards: clean$' shardctl fsck
exec 3>&-
rm another docs/third
exits 0 'clean' shardctl fsck --repair

say "damage, found, repaired, and gone"
number=$(stat -c %i docs)
mount_record --delete docs
exits 4 "^directory $number: nothing leads to it$" shardctl fsck
grep -q ': 1 errors (repair: ' "$STAGE/out" || fail "the summary: $(cat "$STAGE/out")"
exits 1 "^directory $number: nothing leads to it; it came to /lost+found$" shardctl fsck --repair
grep -q ': 1 errors, 1 repaired, 0 left' "$STAGE/out" || fail "the summary: $(cat "$STAGE/out")"
is "what is in it" text "$(cat "lost+found/#$number/moved")"
is "mode of /lost+found" 700 "$(mode_of lost+found)"
mkdir "lost+found/#$number/more"
assert_fsck_clean
mv "lost+found/#$number" lost+found/docs
mount_record --delete empty
exits 1 'it was removed' shardctl fsck --repair
assert_fsck_clean

say "attributes that nobody can read: told, the rest goes on working, and repaired if not newer"
mount_record damaged 0100a4810000
mount_record newer 0300a4810000
exits 4 "^'/damaged': its attributes are damaged$" shardctl fsck
grep -q "^'/newer': its attributes are of a newer version$" "$STAGE/out" ||
    fail "newer attributes: $(cat "$STAGE/out")"
call EUCLEAN stat "$A/damaged"
is "the rest" blue "$(cat color)"
mkdir broken
number=$(stat -c %i broken)
echo inside >broken/file
mount_record --directory "$number" 01ff
call EUCLEAN stat "$A/broken"
call EUCLEAN mkdir "$A/broken/sub"
is "names beside it" broken "$(echo bro*)"
grep -q "'broken' in directory 1: the attributes are damaged" "$STAGE/mount-1.log" ||
    fail "the log does not name the directory: $(cat "$STAGE/mount-1.log")"
refused 1 "broken: the attributes are damaged" shardctl ls broken
owner="owner $(id -u), group $(id -g)"
exits 4 "^directory $number: its attributes are damaged; now it has mode 0700, $owner$" shardctl fsck --repair
grep -q "^'/damaged': its attributes are damaged; now it has mode 0600, $owner$" "$STAGE/out" ||
    fail "the damaged file: $(cat "$STAGE/out")"
grep -q "^'/newer': its attributes are of a newer version; left alone" "$STAGE/out" ||
    fail "newer attributes: $(cat "$STAGE/out")"
is "what was in it" inside "$(cat broken/file)"
rm -r broken damaged
shardctl del --key newer
assert_fsck_clean

say "names in findings: one line each, whatever they are"
strange=$(printf 'a\nb\033\302\205\377\303\251')
mount_record "$strange" 01
exits 4 "^'/a\\\\nb\\\\033\\\\302\\\\205\\\\377é': its attributes are damaged$" shardctl fsck
mount_record "$(printf '%0255d' 7)" 01
exits 4 "^'/0*7': its attributes are damaged$" shardctl fsck
exits 1 "damaged; now it has mode 0600" shardctl fsck --repair
rm "$strange" ./0*7
assert_fsck_clean

say "while others create, rename and remove: nothing is found"
work() { # NAME
    while [ ! -e "$STAGE/enough" ]; do
        mkdir -p "$1/a/b" "$1/c"
        echo "$1" >"$1/a/file"
        mv "$1/a/file" "$1/a/renamed"
        mv "$1/a" "$1/c" 2>/dev/null || :
        dd if=/dev/zero of="$1/long" bs=1M count=3 status=none
        mv "$1/long" "$1.long"
        truncate -s 1500K "$1.long"
        rm -r "$1" "$1.long"
    done
}
work one &
workers=$!
work two &
workers="$workers $!"
for _ in 1 2 3 4 5; do
    got=0
    shardctl fsck >"$STAGE/out" 2>&1 || got=$?
    is "status among others ($(cat "$STAGE/out"))" 0 "$got"
done
: >"$STAGE/enough"
# shellcheck disable=SC2086
wait $workers
assert_fsck_clean

say "not mounted"
cd /
unmount "$A"
assert_fsck_clean

say "where it cannot look"
refused 2 "one argument too many" shardctl fsck /
refused 2 "'ls' does not take --repair" shardctl ls --repair
refused 8 "no shardmaster answers" shardctl --masters 127.0.0.1:1 fsck
kill -9 "$(server_pid group-101-1)" "$(server_pid group-101-2)"
refused 8 "not all could be looked at" shardctl --timeout 2 fsck
