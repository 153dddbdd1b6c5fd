#!/bin/sh
# Two mounts of one cluster see each other's changes at once.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
mkdir "$A/d"

say "a read, a stat and a look-up see every write that returned before they began"
mount_probe ping_pong "$A" "$B" 100
mount_probe ping_pong "$A/d" "$B/d" 100

say "the root's time, within a second or two"
before=$(stat -c %.9Y "$B")
: >"$A/new"
wait_for 5 sh -c "[ \$(stat -c %.9Y '$B') != $before ]" || fail "the root's mtime stays"
before=$(stat -c %.9Y "$B")
rm "$A/new"
wait_for 5 sh -c "[ \$(stat -c %.9Y '$B') != $before ]" || fail "the root's mtime stays"
sleep 1.1
is "the root's mtime" "$(stat -c %.9Y "$A" >/dev/null; sleep 0.2; stat -c %.9Y "$A")" \
    "$(stat -c %.9Y "$B" >/dev/null; sleep 0.2; stat -c %.9Y "$B")"

say "O_EXCL: one of four creates a name"
mount_probe excl_race "$A" "$B" 50
mount_probe excl_race "$A/d" "$B/d" 50

say "O_APPEND from both: every line whole, none lost, those of one writer in order"
for file in log d/log; do
    mount_probe append "$A/$file" one 300 &
    one=$!
    mount_probe append "$B/$file" two 300 &
    two=$!
    mount_probe append "$A/$file" three 300 &
    three=$!
    wait $one && wait $two && wait $three || fail "an append failed"
    is "lines" 900 "$(wc -l <"$A/$file")"
    for tag in one two three; do
        grep "^$tag " "$B/$file" >"$STAGE/lines"
        mount_probe append "$STAGE/model.$tag" $tag 300
        same "$STAGE/model.$tag" "$STAGE/lines"
        rm "$STAGE/model.$tag"
    done
done

say "appends beyond the first MiB"
dd if=/dev/zero of="$A/d/long" bs=1M count=2 2>/dev/null
mount_probe append "$A/d/long" one 150 &
one=$!
mount_probe append "$B/d/long" two 150 &
two=$!
wait $one && wait $two || fail "an append failed"
tail -c +2097153 "$B/d/long" >"$STAGE/tail"
is "lines" 300 "$(wc -l <"$STAGE/tail")"
for tag in one two; do
    grep "^$tag " "$STAGE/tail" >"$STAGE/lines"
    mount_probe append "$STAGE/model" $tag 150
    same "$STAGE/model" "$STAGE/lines"
    rm "$STAGE/model"
done

say "directories: what one removes the other can't use"
mkdir "$A/d/gone"
cd "$B/d/gone"
rmdir "$A/d/gone"
[ -z "$(ls 2>/dev/null)" ] || fail "a removed directory lists names"
call ENOENT stat "$B/d/gone"
got=$(mount_probe call create "$B/d/gone/new")
is "a name in a directory that is gone" ENOENT "$got"
got=$(mount_probe call create new)
[ "$got" = ENOENT ] || [ "$got" = ESTALE ] || fail "a create in a removed directory: $got"
cd /

say "directories: one that the other moved is not the one that was removed"
# A kernel that keeps names for a minute, and has the old directory of that name open.
mkdir "$STAGE/c" "$A/d/moving"
mount_on "$STAGE/c" -o entry_timeout=60
echo there >"$A/d/moving/file"
exec 3<"$STAGE/c/d/moving"
mv "$A/d/moving" "$A/d/moved"
mkdir "$A/d/moving"
call OK rmdir "$STAGE/c/d/moving"
is "the directory that was moved" file "$(ls "$STAGE/c/d/moved")"
call OK create "$STAGE/c/d/moved/more"
exec 3<&-
unmount "$STAGE/c"
is "what is in it" "file more" "$(ls "$A/d/moved" | paste -sd ' ')"
rm -r "$A/d/moved"

say "a file that the other mount replaced"
echo first >"$A/d/swap"
exec 3<"$A/d/swap"
echo second >"$B/d/other"
mv "$B/d/other" "$B/d/swap"
is "reading the old one" "Stale file handle" "$(cat <&3 2>&1 | sed 's/.*: //')"
exec 3<&-
is "reading the new one" second "$(cat "$A/d/swap")"

say "hundreds of requests at once"
mount_probe many "$A" 200
mount_probe many "$B/d" 200

assert_fsck_clean
unmount "$B" "$A"
