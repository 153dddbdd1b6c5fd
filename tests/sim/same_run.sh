#!/bin/sh
# The same seed gives the same run, event for event: two times in one process, in another process,
# whose memory the system lays out in another way, and in one whose memory is full of other bytes.
#
#   same_run.sh PROGRAM [--seeds N] [...]
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

hashes() { # FILE: "SEED HASH", a line a run
    sed -n 's/^seed \([0-9]*\):.* hash \([0-9a-f]*\)$/\1 \2/p' "$1"
}

"$@" --twice >"$dir/twice"
"$@" >"$dir/other"
MALLOC_PERTURB_=165 MALLOC_TOP_PAD_=1234567 "$@" >"$dir/filled"
for run in twice other filled; do
    hashes "$dir/$run" >"$dir/$run.hashes"
done
uniq -d "$dir/twice.hashes" >"$dir/pairs"
[ -s "$dir/pairs" ]
for run in other filled; do
    diff "$dir/pairs" "$dir/$run.hashes"
done
cat "$dir/pairs"
