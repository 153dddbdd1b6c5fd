#!/bin/sh
# System calls by operation and errno, in the root or below: as whoever runs this, and as an ordinary
# user.
#
#   conform.sh root|below [OPTIONS of shardctl up, as --engine paxos]
. "$(dirname "$0")/lib.sh"

where=$1
shift

cluster_up "$@"
user=
if [ "$(id -u)" = 0 ]; then
    user=65534
    chmod 711 "$STAGE"
    mount_on "$A" -o allow_other,default_permissions
    chmod 755 "$A"
else
    mount_on "$A" -o default_permissions
fi
D=$A
if [ "$where" = below ]; then
    D=$A/c
    mkdir "$D"
fi
# shellcheck disable=SC2086
mount_conform "$D" $user || fail "some calls do not give the errno that they should"
is "what is left" "" "$(ls -A "$D")"
assert_fsck_clean
unmount "$A"
