/* Attributes of a moment ago: what a cache would answer. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "seeded/seeded.h"

SEEDED_WRAP(fstat);

int __wrap_fstat(int fd, struct stat *out)
{
    static _Thread_local struct stat last;
    struct stat now;
    int status = __real_fstat(fd, &now);
    if (status != 0)
        return status;
    *out = last.st_ino == now.st_ino ? last : now;
    last = now;
    return 0;
}
