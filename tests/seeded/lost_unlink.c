/* An unlink now and then is answered, and not done. */
#include <unistd.h>

#include "seeded/seeded.h"

SEEDED_WRAP(unlinkat);

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    static _Thread_local unsigned calls;
    if (flags == 0 && ++calls % 16 == 0 && faccessat(dir, name, F_OK, 0) == 0)
        return 0;
    return __real_unlinkat(dir, name, flags);
}
