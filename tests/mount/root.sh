#!/bin/sh
# The root: one listing of all groups' keys, also while they come and go.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both

say "1,500 keys"
mount_probe fill "$A" 1500
is "names" 1500 "$(ls "$B" | wc -l)"
is "as shardctl lists them" "$(shardctl ls | sort | sha256sum)" "$(ls "$B" | LC_ALL=C sort | sha256sum)"
mount_probe stable "$B" 2 &
listing=$!
while kill -0 $listing 2>/dev/null; do
    : >"$A/came"
    rm "$A/came"
done
wait $listing || fail "a listing of the root was wrong"
mount_probe drain "$A"
is "names" 0 "$(ls -A "$B" | wc -l)"

unmount "$B" "$A"
