#!/bin/sh
# Whatever is wrong on the command line gets one line, and nothing is mounted.
. "$(dirname "$0")/lib.sh"

cluster_up
M=$SHARDFS_MASTERS
: >"$STAGE/file"
mkdir "$STAGE/full"
: >"$STAGE/full/x"

say "mount points"
for how in "" -f; do
    refused 1 "there is no such directory" shardfs "$M" "$STAGE/none" $how
    refused 1 "not a directory" shardfs "$M" "$STAGE/file" $how
    refused 1 "not empty" shardfs "$M" "$STAGE/full" $how
done

say "arguments"
refused 2 "usage" shardfs
refused 2 "usage" shardfs "$M" "$A" more
refused 2 "'-z'" shardfs "$M" "$A" -z
refused 2 "'--nothing'" shardfs "$M" "$A" --nothing
refused 2 "'-o'" shardfs "$M" "$A" -o
(
    unset SHARDFS_MASTERS
    refused 2 "SHARDFS_MASTERS" shardfs "$A"
)

say "addresses"
for wrong in nonsense 127.0.0.1 127.0.0.1: :7000 127.0.0.1:99999 127.0.0.1:x \
    "$M," ",$M" "$M,,$M" "127.0.0.1:1;127.0.0.1:2"; do
    refused 2 "HOST:PORT" shardfs "$wrong" "$A"
done

say "options"
refused 2 "'nosuch'" shardfs "$M" "$A" -o nosuch
refused 2 "'nosuch'" shardfs "$M" "$A" -o ro,nosuch,rw
for wrong in timeo timeo= timeo=x timeo=-1 timeo=1x timeo=99999999999 ro=1 uid= uid=-1 uid=root \
    umask=9 umask=7777777 attr_timeout=-1 attr_timeout=soon entry_timeout= max_background=0 \
    max_background=70000 fsname= fsname; do
    refused 2 "'$wrong'" shardfs "$M" "$A" -o "$wrong"
done

say "who is at the other end"
kv=$(shardctl query --json | tr -d '\n' | sed 's/.*"groups"[^[]*\[[^[]*\[ *"\([^"]*\)".*/\1/')
refused 1 "$kv" shardfs "$kv" "$A"
refused 1 "no shardmaster answers" shardfs 127.0.0.1:1,127.0.0.1:2 "$A" -f
refused 1 "no shardmaster answers" shardfs 127.0.0.1:1 "$A"

say "what is asked for is said"
shardfs --help | grep -q 'timeo=SECONDS' || fail "no help"
is "the version" "shardfs" "$(shardfs --version | cut -d' ' -f1)"

for dir in "$A" "$B" "$STAGE/full"; do
    ! is_mounted "$dir" || fail "$dir is mounted"
done
