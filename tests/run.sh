#!/bin/sh
# Builds shardfs and runs its tests. Installs what is missing first (Debian; root or sudo).
#
#   sh tests/run.sh                     everything, as CI does
#   sh tests/run.sh unit|sim|suites|process|mount|fuzz [more ctest options]
#                                       one kind of test (ctest's labels)
#   sh tests/run.sh sim [--seeds N] [--seed FIRST] [--minutes M]
#                                       the swarm and every storm over N seeds, from FIRST on,
#                                       or over as many as M minutes have room for
#   sh tests/run.sh suites [--seeds N] [--seed FIRST] [--engine raft|paxos]
#                                       every case of the test suites, over 20 seeds
#   sh tests/run.sh bench [options]     the benchmark (see tests/bench)
# Options before the kind:
#   --sanitize   build with the address and undefined-behaviour sanitizers
#   --build DIR  build there (default .build/tests, .build/sanitize)
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '\n== %s\n' "$*"; }
usage() {
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

sanitize="" build=""
while [ $# -gt 0 ]; do
    case "$1" in
    --sanitize) sanitize="address,undefined" ;;
    --build)
        [ $# -ge 2 ] || usage
        build=$2
        shift
        ;;
    --help | -h)
        (usage) 2>&1 || exit 0
        ;;
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

make_build() { # DIR SANITIZERS [TARGET]
    say "build in ${1#"$here"/}${2:+ with sanitizers $2}"
    cmake -S "$here" -B "$1" -G Ninja -DSHARDFS_SANITIZE="$2" >"$1.log" 2>&1 || {
        cat "$1.log" >&2
        exit 1
    }
    # ninja prints a line a step; only a failure is worth the reader's time.
    ninja -C "$1" "${3-all}" >"$1.log" 2>&1 || {
        tail -n 60 "$1.log" >&2
        exit 1
    }
    tail -n 1 "$1.log"
}

run_ctest() { # DIR, then ctest options
    dir=$1
    shift
    ctest --test-dir "$dir" --output-on-failure --no-tests=error --timeout 600 \
        --resource-spec-file "$clusters" "$@"
}

# Simulations find in the environment how many seeds to run, and from which on, and they have time for
# as many.
run_seeds() { # COUNT FIRST, then ctest options
    left=$1 first=$2
    shift 2
    while [ "$left" -gt 0 ]; do
        count=$((left < 200 ? left : 200))
        say "tests: sim, seeds $first to $((first + count - 1))"
        SHARDFS_SIM_SEEDS=$count SHARDFS_SIM_SEED=$first run_ctest "$build" -j "$jobs" -L '^sim$' \
            --timeout $((600 + 20 * count)) "$@"
        left=$((left - count))
        first=$((first + count))
    done
}

is_number() {
    case "$1" in
    "" | *[!0-9]*) return 1 ;;
    esac
}

# Whole clusters with all that can go wrong; prints which rare places were reached.
run_swarm() { # options: see tests/swarm/swarm_test.c
    say "tests: swarm $*"
    "$build/tests-bin/swarm_test" --jobs "$jobs" "$@"
}

# The swarm for half of the time, then storms over fresh seeds until it is over.
run_minutes() { # MINUTES FIRST, then ctest options
    end=$(($(date +%s) + 60 * $1)) half=$((($1 + 1) / 2)) first=$2
    shift 2
    run_swarm --seeds 1 --seed "$first" --minutes "$half"
    while [ "$(date +%s)" -lt "$end" ]; do
        run_seeds 10 "$first" "$@"
        first=$((first + 10))
    done
}

run_sim() { # [--seeds N] [--seed FIRST] [--minutes M], ctest options
    seeds="" seed="" minutes=""
    while [ $# -gt 0 ]; do
        case "$1" in
        --seeds) seeds=${2-} ;;
        --seed) seed=${2-} ;;
        --minutes) minutes=${2-} ;;
        *) break ;;
        esac
        is_number "${2-}" || usage
        shift 2
    done
    # None at all would be a pass that says nothing.
    [ "${seeds:-1}" -gt 0 ] && [ "${minutes:-1}" -gt 0 ] || usage
    if [ -n "$minutes" ]; then
        run_minutes "$minutes" "${seed:-1}" "$@"
    elif [ -n "$seeds" ] || [ -n "$seed" ]; then
        run_swarm --seeds "${seeds:-1}" --seed "${seed:-1}"
        run_seeds "${seeds:-1}" "${seed:-1}" "$@"
    else
        say "tests: sim"
        run_ctest "$build" -j "$jobs" -L '^(sim|swarm)$' "$@"
    fi
}

# ENGINE:PROGRAM for each that the options (those of the programs) leave something to run on, those
# that take longest first.
suite_jobs() {
    bin=$build/tests-bin
    printf '%s\n' "$bin/suite_kvraft" "$bin/suite_kvpaxos" "$bin/suite_shardkv" "$bin"/suite_* |
        awk '!seen[$0]++' |
        while read -r program; do
            for engine in $("$program" --engines "$@"); do
                printf '%s:%s\n' "$engine" "$program"
            done
        done
}

# A line for each case and engine. The options are the programs' own: see tests/suites/suite.h.
run_suites() {
    say "tests: suites"
    "$build/tests-bin/suite_raft" --engines "$@" >"$build/suite_jobs" || exit 2
    suite_jobs "$@" >"$build/suite_jobs"
    if [ ! -s "$build/suite_jobs" ]; then
        echo "there is no such case" >&2
        return 1
    fi
    # shellcheck disable=SC2016  # expanded by that shell
    xargs -d '\n' -P "$jobs" -I{} sh -c \
        'job=$1; shift; exec "${job#*:}" "$@" --engine "${job%%:*}"' sh {} "$@" <"$build/suite_jobs"
}

# Each part runs, whatever became of those before it.
run_all() { # ctest options
    failed=""
    say "tests: all but the swarm"
    run_ctest "$build" -j "$together" -LE swarm "$@" || failed="$failed, tests"
    # The same seeds everywhere: what passed on one machine passes on the next.
    run_swarm --seeds 200 || failed="$failed, swarm"
    if [ -z "$sanitize" ]; then
        make_build "$here/.build/sanitize" "address,undefined" unit_and_sim
        say "unit tests and one seed under the sanitizers"
        # That a seed is one run, and what a long history comes to, was seen above.
        SHARDFS_SIM_SEEDS=1 run_ctest "$here/.build/sanitize" -j "$jobs" -L 'unit|sim|swarm|fuzz' \
            -E 'same_run|_twice|value_steps_test_paxos|cases_test|swarm_long' "$@" ||
            failed="$failed, sanitizers"
    fi
    [ -n "$failed" ] || { say "everything passed" && return; }
    say "FAILED: ${failed#, } (see above)"
    return 1
}

mkdir -p "$here/.build"
if [ -n "$sanitize" ]; then
    build=${build:-$here/.build/sanitize}
else
    build=${build:-$here/.build/tests}
fi
jobs=$(nproc)
# Of tests with clusters of real processes, a dozen each, four at a time (see CMakeLists.txt): they wait as
# much as they compute. Beside them there is room for one that computes, or more on more processors.
crowd=$((jobs < 2 ? 2 : 4)) together=$((jobs + crowd))
clusters=$here/.build/clusters.json
seq -s , "$crowd" | sed 's/[0-9]\{1,\}/{"id":"&"}/g
    s/.*/{"version":{"major":1,"minor":0},"local":[{"clusters":[&]}]}/' >"$clusters"
export ASAN_OPTIONS="${ASAN_OPTIONS-abort_on_error=0:detect_leaks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS-print_stacktrace=1}"

make_build "$build" "$sanitize"

case "$kind" in
all) run_all "$@" ;;
sim) run_sim "$@" ;;
suites) run_suites "$@" ;;
bench) exec sh "$here/tests/bench/bench.sh" "$build" "$@" ;;
process | mount)
    say "tests: $kind"
    run_ctest "$build" -j "$together" -L "^$kind\$" "$@"
    ;;
*)
    say "tests: $kind"
    run_ctest "$build" -j "$jobs" -L "^$kind\$" "$@"
    ;;
esac
