#!/bin/sh
# Installs the Debian packages that shardfs needs and that are missing here.
#   sh packages.sh build   what building and mounting need
#   sh packages.sh test    that, and what the tests use
# Works as root, or with sudo. Says what it installs; says nothing where nothing is missing.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libfuse3-dev fuse3 libmsgpack-dev
       librocksdb-dev libxxhash-dev uthash-dev"
tests="libcmocka-dev procps jq git make rsync"

case "${1-}" in
build) wanted=$build ;;
test) wanted="$build $tests" ;;
*)
    echo "usage: sh packages.sh build|test" >&2
    exit 2
    ;;
esac

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "packages.sh: these packages are missing, and installing them needs root or sudo:$missing" >&2
    exit 1
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
    if ! $as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "packages.sh: '$*' failed" >&2
        exit 1
    fi
}
run apt-get update
# shellcheck disable=SC2086  # a list of words
run apt-get install -y --no-install-recommends $missing
