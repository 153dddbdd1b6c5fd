/* The one place where our errors become errno. */
#include <errno.h>

#include "mount/mount.h"

#define ERRNO_LIST(X)                                                                              \
    X(NOT_FOUND, ENOENT)                                                                           \
    X(EXISTS, EEXIST)                                                                              \
    X(STALE_FILE, ESTALE)                                                                          \
    X(GONE, ESTALE)                                                                                \
    X(PRECONDITION, ESTALE)                                                                        \
    X(IS_DIRECTORY, EISDIR)                                                                        \
    X(NOT_DIRECTORY, ENOTDIR)                                                                      \
    X(NOT_EMPTY, ENOTEMPTY)                                                                        \
    X(LINKS, ELOOP)                                                                                \
    X(MANY_NAMES, EMLINK)                                                                          \
    X(NO_XATTR, ENODATA)                                                                           \
    X(NAME_TOO_LONG, ENAMETOOLONG)                                                                 \
    X(FILE_TOO_BIG, EFBIG)                                                                         \
    X(NO_SPACE, ENOSPC)                                                                            \
    X(PERMISSION, EACCES)                                                                          \
    X(TOO_BIG, EINVAL)                                                                             \
    X(INVALID, EINVAL)                                                                             \
    X(ADDRESS, EINVAL)                                                                             \
    X(UNSUPPORTED, EOPNOTSUPP)                                                                     \
    X(NO_METHOD, EOPNOTSUPP)                                                                       \
    X(IS_REFERENCE, EOPNOTSUPP)                                                                    \
    X(INTERRUPTED, EINTR)                                                                          \
    X(CANCELLED, EINTR)                                                                            \
    X(ABANDONED, EINTR)                                                                            \
    X(TIMEOUT, ETIMEDOUT)                                                                          \
    X(UNKNOWN, ETIMEDOUT)                                                                          \
    X(UNREACHABLE, ETIMEDOUT)                                                                      \
    X(CLOSED, ETIMEDOUT)                                                                           \
    X(BUSY, EBUSY)                                                                                 \
    X(OVERLOADED, EBUSY)                                                                           \
    X(LOCKED, EBUSY)                                                                               \
    X(CONFLICT, EBUSY)                                                                             \
    X(NOT_YET, EBUSY)                                                                              \
    X(IN_USE, EBUSY)                                                                               \
    X(SESSIONS_FULL, EBUSY)                                                                        \
    X(LOCK_HELD, EAGAIN)                                                                           \
    X(DEADLOCK, EDEADLK)                                                                           \
    X(LOCKS_FULL, ENOLCK)                                                                          \
    X(FENCED, EIO) /* what this mount may do under a lock that it lost */                          \
    X(BAD_ATTR, EUCLEAN)                                                                           \
    X(CORRUPT, EUCLEAN)                                                                            \
    X(WRONG_GROUP, ENXIO)                                                                          \
    X(NOT_LEADER, ENXIO)                                                                           \
    X(NO_GROUP, ENXIO)                                                                             \
    X(NO_SHARD, ENXIO)                                                                             \
    X(GROUP_EXISTS, ENXIO)                                                                         \
    X(MISMATCH, ENXIO)                                                                             \
    X(QUEUED, EPROTO)                                                                              \
    X(STALE, EPROTO)                                                                               \
    X(SESSION_EXPIRED, EPROTO)                                                                     \
    X(INTENT_GONE, EPROTO)                                                                         \
    X(PROTOCOL, EPROTO)                                                                            \
    X(IO, EIO)

int mount_errno(int status)
{
    if (status == SF_OK)
        return 0;
    switch ((enum sf_error)status) {
#define X(name, error)                                                                             \
    case SF_##name:                                                                                \
        return error;
        ERRNO_LIST(X) /* one that is missing there is a warning */
#undef X
    }
    return EIO;
}
