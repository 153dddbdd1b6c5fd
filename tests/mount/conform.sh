#!/bin/sh
# System calls by operation and errno, below the root: as whoever runs this, and as an ordinary user.
#
#   conform.sh [OPTIONS of shardctl up, as --engine paxos]
. "$(dirname "$0")/lib.sh"

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
mkdir "$A/c"
# shellcheck disable=SC2086
mount_conform "$A/c" $user || fail "some calls do not give the errno that they should"
is "what is left" "" "$(ls -A "$A/c")"
unmount "$A" "$mount_pid"
