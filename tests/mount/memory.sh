#!/bin/sh
# The mount's peak memory stays below 100 MiB, whatever passes through it.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
mkdir "$A/d"

peak_kib() { awk '/^VmHWM/ {print $2}' "/proc/$(pid_of "$A")/status"; }

say "a file of 512 MiB out and back, mapped reads, many requests, many names"
dd if=/dev/zero of="$A/d/big" bs=1M count=512 2>/dev/null
say "written: $(peak_kib) KiB"
is "bytes" 536870912 "$(wc -c <"$A/d/big")"
say "read: $(peak_kib) KiB"
for part in 1 2 3 4 5 6 7 8; do
    dd if="$A/d/big" of=/dev/null bs=1M count=32 skip=$((part * 40)) 2>/dev/null &
    dd if=/dev/zero of="$A/d/part$part" bs=1M count=8 2>/dev/null &
    last=$!
done
wait $last
say "eight readers and writers: $(peak_kib) KiB"
mount_probe many "$A/d" 300
mount_probe fill "$A/d" 3000
find "$A/d" -type f >/dev/null
say "many names: $(peak_kib) KiB"
[ "$(peak_kib)" -lt 102400 ] || [ -n "${SHARDFS_SANITIZED-}" ] || fail "peak: $(peak_kib) KiB"
for child in $(jobs -p); do
    [ "$child" = "$(pid_of "$A")" ] || wait "$child" || fail "a reader or writer failed"
done
unmount "$A"
