#!/bin/sh
# Builds shardfs and runs its tests. Installs what is missing first (Debian; root or sudo).
#
#   sh tests/run.sh                     everything, as CI does
#   sh tests/run.sh unit|sim|process|mount|fuzz [more ctest options]
#                                       one kind of test (ctest's labels)
#   sh tests/run.sh sim --seeds N [--seed FIRST]
#                                       every simulation over N seeds, from FIRST on
#   sh tests/run.sh bench [options]     the benchmark (see tests/bench)
# Options before the kind:
#   --sanitize   build with the address and undefined-behaviour sanitizers
#   --build DIR  build there (default .build/tests, .build/sanitize)
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '\n== %s\n' "$*"; }
usage() {
    sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

sanitize="" build="" seeds="" seed=""
while [ $# -gt 0 ]; do
    case "$1" in
    --sanitize) sanitize="address,undefined" ;;
    --build)
        [ $# -ge 2 ] || usage
        build=$2
        shift
        ;;
    --help | -h) usage ;;
    -*) usage ;;
    *) break ;;
    esac
    shift
done
kind=${1-all}
[ $# -eq 0 ] || shift
case "$kind" in
all | unit | sim | suites | process | mount | fuzz | bench) ;;
*) usage ;;
esac

say "packages"
sh "$here/mount-examples/packages.sh" test
echo "all there"

make_build() { # DIR SANITIZERS
    say "build in ${1#"$here"/}${2:+ with sanitizers $2}"
    cmake -S "$here" -B "$1" -G Ninja -DSHARDFS_SANITIZE="$2" >"$1.log" 2>&1 || {
        cat "$1.log" >&2
        exit 1
    }
    # ninja prints a line a step; only a failure is worth the reader's time.
    ninja -C "$1" >"$1.log" 2>&1 || {
        tail -n 60 "$1.log" >&2
        exit 1
    }
    tail -n 1 "$1.log"
}

run_ctest() { # DIR, then ctest options
    dir=$1
    shift
    ctest --test-dir "$dir" --output-on-failure --no-tests=error "$@"
}

mkdir -p "$here/.build"
if [ -n "$sanitize" ]; then
    build=${build:-$here/.build/sanitize}
else
    build=${build:-$here/.build/tests}
fi
export ASAN_OPTIONS="${ASAN_OPTIONS-abort_on_error=0:detect_leaks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1}"

make_build "$build" "$sanitize"

# Simulations read how many seeds to run, and from which on, from the environment.
if [ "$kind" = sim ]; then
    rest=""
    while [ $# -gt 0 ]; do
        case "$1" in
        --seeds | --seed)
            [ $# -ge 2 ] || usage
            [ "$1" = --seeds ] && seeds=$2 || seed=$2
            shift
            ;;
        *) rest="$rest $1" ;;
        esac
        shift
    done
    # shellcheck disable=SC2086  # a list of words
    set -- $rest
    [ -z "$seeds" ] || export SHARDFS_SIM_SEEDS="$seeds"
    [ -z "$seed" ] || export SHARDFS_SIM_SEED="$seed"
    # A long run is for the one who asked for it to end.
    [ -z "$seeds" ] || set -- --timeout 86400 "$@"
fi

case "$kind" in
bench)
    exec sh "$here/tests/bench/bench.sh" "$build" "$@"
    ;;
all)
    say "tests"
    run_ctest "$build" -j2 -LE 'process|mount' "$@"
    say "tests with real processes and mounts"
    run_ctest "$build" -L 'process|mount' "$@"
    if [ -z "$sanitize" ]; then
        make_build "$here/.build/sanitize" "address,undefined"
        say "unit tests and a few seeds under the sanitizers"
        SHARDFS_SIM_SEEDS=3 run_ctest "$here/.build/sanitize" -j2 -L 'unit|sim|fuzz'
    fi
    ;;
*)
    say "tests: $kind"
    run_ctest "$build" -L "^$kind\$" "$@"
    ;;
esac
