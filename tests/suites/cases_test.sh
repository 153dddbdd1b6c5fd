#!/bin/sh
# No case gets lost: the suites' programs list the cases that stand in cases.txt, each with its
# engines, and these are 117.
#
#   sh cases_test.sh DIRECTORY-OF-PROGRAMS
set -eu

expected=$(dirname "$0")/cases.txt
listed=$(mktemp)
trap 'rm -f "$listed"' EXIT
for program in "$1"/suite_*; do
    "$program" --list
done | sort >"$listed"
sort "$expected" | diff - "$listed"
count=$(uniq "$listed" | wc -l)
[ "$count" -eq 117 ] || {
    echo "$count different cases in place of 117"
    exit 1
}
