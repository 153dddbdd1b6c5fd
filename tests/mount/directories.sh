#!/bin/sh
# Large directories: listings while names come and go, seeking, removal.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
pid_a=$mount_pid
mount_on "$B"
pid_b=$mount_pid

say "3,000 names"
mkdir "$A/d"
mount_probe fill "$A/d" 3000
is "names" 3000 "$(ls "$B/d" | wc -l)"
is "find" 3000 "$(find "$B/d" -type f | wc -l)"
is "size of the directory" 3000 "$(size_of "$B/d")"

say "files that grow while they are listed with attributes that may be kept"
unmount "$B" "$pid_b"
mount_on "$B" -o attr_timeout=1,entry_timeout=1
pid_b=$mount_pid
mount_probe listed "$B/d"
is "names" 3000 "$(ls -l "$B/d" | grep -c name)"
is "names" 3000 "$(ls -l "$B/d" | grep -c name)"
unmount "$B" "$pid_b"
mount_on "$B"
pid_b=$mount_pid

say "places in a listing"
mount_probe seek "$A/d"

say "listings while others come and go"
mount_probe stable "$B/d" 3 &
listing=$!
i=0
while kill -0 $listing 2>/dev/null; do
    : >"$A/d/a$i"
    mv "$A/d/a$i" "$A/d/zz$i"
    rm "$A/d/zz$i"
    i=$((i + 1))
done
wait $listing || fail "a listing was wrong"

say "removing while reading, and removal by two at once"
mount_probe drain "$A/d"
mount_probe fill "$A/d" 300
rm -rf "$A/d" &
one=$!
rm -rf "$B/d" || true # the other may have been first
wait $one || true
rm -rf "$A/d"
call ENOENT stat "$B/d"

unmount "$B" "$pid_b"
unmount "$A" "$pid_a"
