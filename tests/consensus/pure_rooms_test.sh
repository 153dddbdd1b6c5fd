#!/bin/sh
# The pure rooms do no I/O and read no clock: their libraries may name nothing outside the list below.
#   pure_rooms_test.sh LIBRARY...
set -eu

allowed='
bcmp memchr memcmp memcpy memmove memrchr memset strcasecmp strchr strcmp strlen strncmp strnlen strrchr
strtol strtoll strtoul strtoull snprintf vsnprintf qsort bsearch free
__memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk __stack_chk_fail
_GLOBAL_OFFSET_TABLE_ __errno_location __popcountdi2
sf_malloc sf_calloc sf_realloc sf_free sf_memdup sf_strdup sf_error_name sf_error_text
sf_assert_failed sf_assert_handler sf_assert_slow_enabled
'
# Families: the byte functions of env, msgpack-c, the sanitizers, coverage.
allowed_prefixes='slice_ buffer_ reader_ bytes_hash msgpack_ __asan_ __ubsan_ __tsan_ __gcov_ llvm_gcov'

is_allowed()
{
    for name in $allowed; do
        [ "$1" = "$name" ] && return 0
    done
    for prefix in $allowed_prefixes; do
        case $1 in "$prefix"*) return 0 ;; esac
    done
    return 1
}

[ $# -gt 0 ] || { echo "usage: $0 LIBRARY..." >&2; exit 2; }
status=0
own=$(nm --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u)
for library in "$@"; do
    used=$(nm --undefined-only "$library" | awk '$1 == "U" { print $2 }' | sort -u)
    [ -n "$used" ] || { echo "$library: cannot be read" >&2; exit 1; }
    for symbol in $(printf '%s\n' "$own" "$own" "$used" | sort | uniq -u); do
        if ! is_allowed "$symbol"; then
            echo "$library: uses $symbol, which a pure room may not" >&2
            status=1
        fi
    done
done
exit $status
