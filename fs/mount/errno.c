/* The one place where our errors become errno. */
#include <errno.h>

#include "mount/mount.h"

int mount_errno(int status)
{
    if (status == SF_OK)
        return 0;
    switch ((enum sf_error)status) {
    case SF_NOT_FOUND:
        return ENOENT;
    case SF_EXISTS:
        return EEXIST;
    case SF_STALE_FILE:
    case SF_GONE:
        return ESTALE;
    case SF_IS_DIRECTORY:
        return EISDIR;
    case SF_NOT_DIRECTORY:
        return ENOTDIR;
    case SF_NOT_EMPTY:
        return ENOTEMPTY;
    case SF_LINKS:
        return ELOOP;
    case SF_NO_XATTR:
        return ENODATA;
    case SF_NAME_TOO_LONG:
        return ENAMETOOLONG;
    case SF_FILE_TOO_BIG:
        return EFBIG;
    case SF_TOO_BIG:
    case SF_INVALID:
    case SF_ADDRESS:
        return EINVAL;
    case SF_MANY_NAMES:
        return EMLINK;
    case SF_UNSUPPORTED:
    case SF_NO_METHOD:
    case SF_IS_REFERENCE:
        return EOPNOTSUPP;
    case SF_NO_SPACE:
        return ENOSPC;
    case SF_PERMISSION:
        return EACCES;
    case SF_INTERRUPTED:
    case SF_CANCELLED:
    case SF_ABANDONED:
        return EINTR;
    case SF_TIMEOUT:
    case SF_UNKNOWN:
    case SF_UNREACHABLE:
    case SF_CLOSED:
        return ETIMEDOUT;
    case SF_BUSY:
    case SF_OVERLOADED:
    case SF_LOCKED:
    case SF_CONFLICT:
    case SF_NOT_YET:
    case SF_IN_USE:
    case SF_SESSIONS_FULL:
        return EBUSY;
    case SF_LOCK_HELD:
        return EAGAIN;
    case SF_DEADLOCK:
        return EDEADLK;
    case SF_LOCKS_FULL:
        return ENOLCK;
    case SF_FENCED: /* what this mount may do under a lock that it lost */
        return EIO;
    case SF_BAD_ATTR:
    case SF_CORRUPT:
        return EUCLEAN;
    case SF_PRECONDITION:
        return ESTALE;
    case SF_WRONG_GROUP:
    case SF_NOT_LEADER:
    case SF_NO_GROUP:
    case SF_NO_SHARD:
    case SF_GROUP_EXISTS:
    case SF_MISMATCH:
        return ENXIO;
    case SF_QUEUED:
    case SF_STALE:
    case SF_SESSION_EXPIRED:
    case SF_INTENT_GONE:
    case SF_PROTOCOL:
        return EPROTO;
    case SF_IO:
        return EIO;
    }
    return EIO;
}
