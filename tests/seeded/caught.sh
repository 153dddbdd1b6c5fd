#!/bin/sh
# The program passes, and its twin with a bug does not: a check finds it, and says how to see it
# again.
#
#   sh caught.sh PROGRAM TWIN ARGUMENT...
set -eu

program=$1 twin=$2
shift 2
said=$(mktemp)
trap 'rm -f "$said"' EXIT
ulimit -c 0

if ! "$program" "$@" >"$said" 2>&1; then
    tail -n 20 "$said"
    echo "$program $* fails without a bug"
    exit 1
fi
if "$twin" "$@" >"$said" 2>&1; then
    echo "$twin $*: the bug is not found"
    exit 1
fi
if ! grep -A 9 -B 9 'again: ' "$said"; then
    tail -n 20 "$said"
    echo "$twin $*: it ended, and no check had failed"
    exit 1
fi
