/* A rename in two steps: for a moment the name that it replaces is not there. */
#include <stdio.h>
#include <sched.h>
#include <unistd.h>

#include "seeded/seeded.h"

SEEDED_WRAP(renameat2);

int __wrap_renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    if (flags == 0 && __real_renameat2(from, old, to, new, RENAME_NOREPLACE) == 0)
        return 0;
    if (flags == 0 && faccessat(from, old, F_OK, 0) == 0 && unlinkat(to, new, 0) == 0)
        (void)sched_yield();
    return __real_renameat2(from, old, to, new, flags);
}
