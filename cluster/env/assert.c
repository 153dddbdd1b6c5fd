#include "env/assert.h"

#include <stdio.h>
#include <stdlib.h>

static void print_and_abort(const char *condition, const char *file, int line)
{
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

void (*sf_assert_handler)(const char *condition, const char *file, int line) = print_and_abort;

bool sf_assert_slow_enabled = false;

__attribute__((constructor)) static void take_environment(void)
{
    sf_assert_slow_enabled = getenv("SHARDFS_SLOW_CHECKS") != NULL;
}

_Noreturn void sf_assert_failed(const char *condition, const char *file, int line)
{
    sf_assert_handler(condition, file, line);
    abort();
}
