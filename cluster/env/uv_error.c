#include <errno.h>

#include "env/uv_process.h"

int uv_error_translate(int uv_error)
{
    switch (uv_error) {
    case 0:
        return SF_OK;
    case UV_ENOENT:
    case UV_ENOTDIR:
        return SF_NOT_FOUND;
    case UV_EEXIST:
        return SF_EXISTS;
    case UV_ENOTEMPTY:
        return SF_NOT_EMPTY;
    case UV_EACCES:
    case UV_EPERM:
    case UV_EROFS:
    case UV_EBADF: /* a write to a file that was opened read-only */
        return SF_PERMISSION;
    case UV_EADDRINUSE:
        return SF_IN_USE;
    case UV_EADDRNOTAVAIL:
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_FAMILY:
    case UV_EAI_ADDRFAMILY:
        return SF_ADDRESS;
    case UV_ENOSPC:
        return SF_NO_SPACE;
    case UV_EISDIR:
    case UV_EINVAL:
    case UV_ENAMETOOLONG:
    case UV_ELOOP:
        return SF_INVALID;
    default:
#ifdef EDQUOT
        if (uv_error == -EDQUOT)
            return SF_NO_SPACE;
#endif
        return SF_IO;
    }
}

int uv_error_errno(void)
{
    return uv_error_translate(uv_translate_sys_error(errno));
}
