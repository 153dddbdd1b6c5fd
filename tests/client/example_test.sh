#!/bin/sh
# An example runs, and says in one line what is wrong where it cannot.
#   example_test.sh PROGRAM ARGUMENTS...      with a bad address among them
set -u
example=$1
shift
fail() {
    echo "example_test: $1" >&2
    exit 1
}

"$example" > /dev/null 2>&1
test $? -eq 2 || fail "without arguments it should end with 2"
said=$("$example" "$@" 2>&1)
test $? -eq 1 || fail "a bad address should end with 1"
case $said in
*HOST:PORT*) ;;
*) fail "it said: $said" ;;
esac
test "$(printf '%s\n' "$said" | wc -l)" -eq 1 || fail "it should say one line, not: $said"
