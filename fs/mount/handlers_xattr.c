/* setxattr, getxattr, listxattr, removexattr.
 *
 * user.*, trusted.* and security.* are kept in the record; who may set which, and on what, the
 * kernel checks. POSIX ACLs (system.*) are refused: nobody would obey them. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "env/memory.h"
#include "mount/request.h"

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* 0, or the errno for a name that is not kept here. */
static int check_name(const char *name)
{
    static const char *const kept[] = {"user.", "trusted.", "security."};
    if (strlen(name) > TREE_NAME_BYTES_MAX)
        return ERANGE;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (begins_with(name, kept[i]))
            return name[strlen(kept[i])] ? 0 : EINVAL;
    }
    return EOPNOTSUPP;
}

/* The errno for a name that is to be changed. */
static int check_change(const char *name)
{
    int error = check_name(name);
    return error == 0 && begins_with(name, TREE_XATTR_FACTS) ? EPERM : error;
}

/* A request about the attribute `name`. NULL: the reply, this error, was sent. */
static struct request *begin(fuse_req_t fuse, fuse_ino_t node_id, const char *name, int error)
{
    if (error != 0) {
        fuse_reply_err(fuse, error);
        return NULL;
    }
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    strcpy(r->to_name, name);
    r->call.xattr = slice_str(r->to_name);
    return r;
}

static void changed_then(struct request *r, int status)
{
    if (status == SF_OK)
        nodes_see(nodes_at(&r->mount->nodes, r->node_id), &r->call.inode);
    request_fail(r, status); /* SF_OK: errno 0, which is success */
}

static void handle_setxattr(fuse_req_t fuse, fuse_ino_t node_id, const char *name,
                            const char *value, size_t size, int flags)
{
    int error = check_change(name);
    if (error == 0 && size > SF_ATTR_BYTES_MAX)
        error = E2BIG;
    struct request *r = begin(fuse, node_id, name, error);
    if (!r)
        return;
    r->kept = sf_memdup(value, size);
    r->call.data = slice_of(r->kept, size);
    r->call.set = TREE_SET_XATTR;
    if (flags & XATTR_CREATE)
        r->call.xattr_must = TREE_XATTR_ABSENT;
    else if (flags & XATTR_REPLACE)
        r->call.xattr_must = TREE_XATTR_THERE;
    request_submit(r, TREE_SETATTR, changed_then);
}

static void handle_removexattr(fuse_req_t fuse, fuse_ino_t node_id, const char *name)
{
    struct request *r = begin(fuse, node_id, name, check_change(name));
    if (!r)
        return;
    r->call.set = TREE_REMOVE_XATTR;
    request_submit(r, TREE_SETATTR, changed_then);
}

/* Of size 0: how much it is. */
static void reply_bytes(struct request *r, struct slice bytes)
{
    if (r->size == 0)
        fuse_reply_xattr(r->fuse, bytes.n);
    else if (bytes.n > r->size)
        fuse_reply_err(r->fuse, ERANGE);
    else
        fuse_reply_buf(r->fuse, (const char *)bytes.p, bytes.n);
    request_end(r);
}

static void got_then(struct request *r, int status)
{
    if (status != SF_OK)
        request_fail(r, status);
    else
        reply_bytes(r, r->call.data);
}

static void handle_getxattr(fuse_req_t fuse, fuse_ino_t node_id, const char *name, size_t size)
{
    struct request *r = begin(fuse, node_id, name, check_name(name));
    if (!r)
        return;
    r->size = size;
    request_submit(r, TREE_GETXATTR, got_then);
}

/* Names of trusted.* are for those who may read them. */
static void add_visible(struct request *r, struct buffer *visible)
{
    struct slice names = r->call.data;
    bool asked = false, admin = false;
    for (size_t at = 0; at < names.n;) {
        const char *name = (const char *)names.p + at;
        size_t bytes = strlen(name) + 1;
        bool trusted = begins_with(name, "trusted.");
        if (trusted && !asked)
            admin = caller_is_admin(r->fuse);
        asked |= trusted;
        if (!trusted || admin)
            buffer_append(visible, name, bytes);
        at += bytes;
    }
}

static void listed_then(struct request *r, int status)
{
    struct buffer visible = {0};
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    add_visible(r, &visible);
    reply_bytes(r, buffer_slice(&visible));
    buffer_deinit(&visible);
}

static void handle_listxattr(fuse_req_t fuse, fuse_ino_t node_id, size_t size)
{
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    r->size = size;
    request_submit(r, TREE_GETXATTR, listed_then);
}

void handlers_xattr(struct fuse_lowlevel_ops *ops)
{
    ops->setxattr = handle_setxattr;
    ops->getxattr = handle_getxattr;
    ops->listxattr = handle_listxattr;
    ops->removexattr = handle_removexattr;
}
