#!/bin/sh
# libshardfs shows what shardfs/clerk.h declares, all of it and nothing else.
set -eu
library=$1
header=$(dirname "$0")/../../include/shardfs/clerk.h
work=$(mktemp -d /tmp/shardfs-exports.XXXXXX)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 ~ /[TDBR]/ { print $3 }' |
    grep -v -e '^__asan' -e '^__odr_asan' -e '^__ubsan' -e '^__tsan' | sort > "$work/shown"
grep -v '^#define' "$header" | tr '\n' ' ' | grep -o 'CLERK_API [^;(]*(' |
    sed 's/(//; s/.*[ *]\([a-z_]*\)$/\1/' | sort > "$work/declared"
test -s "$work/declared"
diff "$work/declared" "$work/shown"
