#!/bin/sh
# A public library shows what its header declares, all of it and nothing else.
#   exports_test.sh LIBRARY HEADER WORD       the word stands before each declaration
set -eu
library=$1 header=$2 word=$3
work=$(mktemp -d /tmp/shardfs-exports.XXXXXX)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 ~ /[TDBR]/ { print $3 }' |
    grep -v -e '^__asan' -e '^__odr_asan' -e '^__ubsan' -e '^__tsan' | sort > "$work/shown"
grep -v '^#define' "$header" | tr '\n' ' ' | grep -o "$word [^;(]*(" |
    sed 's/(//; s/.*[ *]\([a-z_]*\)$/\1/' | sort > "$work/declared"
test -s "$work/declared"
diff "$work/declared" "$work/shown"
