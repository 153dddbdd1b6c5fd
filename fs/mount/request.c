#include "mount/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"
#include "mount/locks.h"

#define SMALL_FILE_BYTES (128u << 10)
#define DYING_CHECK_MS 200u /* the kernel says nothing when a second signal comes */
/* A file system on a disk never says EINTR to who has a timer or children, so few programs expect it
 * of stat or open: only where the cluster does not answer, not where a group finds a new leader. */
#define SIGNAL_PATIENCE_MS 2000u

static void give_up(struct request *r)
{
    tree_cancel(&r->call);
    if (r->submitted)
        locks_note_loose(r);
    request_fail(r, SF_INTERRUPTED);
}

/* Called by libfuse, which holds the request: so its interrupt function must not be set here. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
    struct request *r = data;
    if (r->submitted && caller_is_dying(fuse)) {
        give_up(r);
        return;
    }
    request_watch(r);
}

static void look_after(struct mount *mount)
{
    if (!env_timer_is_armed(&mount->dying_check))
        env_timer_start_ms(&mount->dying_check, DYING_CHECK_MS);
}

void request_watch(struct request *r)
{
    r->interrupted = true;
    if (r->interrupted_ms == 0) /* else the signal came in an earlier step */
        r->interrupted_ms = env_now_ms(r->mount->env);
    look_after(r->mount);
}

void request_interrupt(struct request *r)
{
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    give_up(r);
}

/* Nothing is lost if it ends now, and its caller may want to do something else. */
static bool has_waited_enough(const struct request *r)
{
    bool may_end = r->only_asks || r->parked || (r->submitted && !tree_call_was_sent(&r->call));
    return may_end && env_now_ms(r->mount->env) - r->interrupted_ms >= SIGNAL_PATIENCE_MS;
}

static bool is_parked_too_long(const struct request *r)
{
    return r->parked && r->parked_until_ms != 0 && env_now_ms(r->mount->env) >= r->parked_until_ms;
}

static void end_parked(struct request *r)
{
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    request_fail(r, SF_TIMEOUT);
}

static void check_dying(struct env_timer *timer)
{
    struct mount *mount = container_of(timer, struct mount, dying_check);
    struct request *r, *next;
    bool more = false;
    DL_FOREACH_SAFE(mount->requests, r, next)
    {
        if (r->interrupted && (has_waited_enough(r) || caller_is_dying(r->fuse)))
            request_interrupt(r);
        else if (is_parked_too_long(r))
            end_parked(r);
        else
            more = more || r->interrupted || r->parked;
    }
    if (more)
        env_timer_start_ms(timer, DYING_CHECK_MS);
}

struct request *request_new(fuse_req_t fuse)
{
    struct request *r = sf_calloc(1, sizeof *r);
    const struct fuse_ctx *ctx = fuse_req_ctx(fuse);
    r->mount = fuse_req_userdata(fuse);
    r->fuse = fuse;
    r->call.uid = ctx->uid;
    r->call.gid = ctx->gid;
    DL_APPEND(r->mount->requests, r);
    return r;
}

void request_removes(struct request *r, uint64_t ino)
{
    struct nodes *nodes = &r->mount->nodes;
    if (ino == r->removing)
        return;
    if (r->removing != 0)
        nodes_removal_ends(nodes, r->removing, env_now_ns(r->mount->env));
    r->removing = ino;
    if (ino != 0)
        nodes_removal_begins(nodes, ino);
}

void request_close_node(struct mount *mount, struct node *node)
{
    if (--node->opens == 0)
        tree_closed(mount->tree, node->ino);
}

void request_end(struct request *r)
{
    request_removes(r, 0);
    if (r->opening)
        request_close_node(r->mount, r->opening);
    DL_DELETE(r->mount->requests, r);
    if (r->slot)
        *r->slot = NULL;
    free(r->kept);
    free(r);
}

/* A line of the log stays one, whatever its name has. */
static const char *one_line(const char *name, char to[4 * TREE_NAME_BYTES_MAX + 1])
{
    char *end = to;
    for (; *name; name++) {
        if ((unsigned char)*name < ' ' || *name == 127 || *name == '\\')
            end += snprintf(end, 5, "\\x%02x", (unsigned)(unsigned char)*name);
        else
            *end++ = *name;
    }
    *end = 0;
    return to;
}

void request_fail(struct request *r, int status)
{
    char name[4 * TREE_NAME_BYTES_MAX + 1];
    int error = mount_errno(status);
    if (error == EUCLEAN || error == EIO || error == EPROTO)
        log_error("mount", "'%s' in directory %llu: %s", one_line(r->name, name),
                  (unsigned long long)r->call.place.directory, sf_error_text(status));
    fuse_reply_err(r->fuse, error);
    request_end(r);
}

void requests_init(struct mount *mount)
{
    env_timer_init(mount->env, &mount->dying_check, check_dying);
}

void requests_abort(struct mount *mount)
{
    env_timer_stop(&mount->dying_check);
    while (mount->requests) {
        struct request *r = mount->requests;
        fuse_req_interrupt_func(r->fuse, NULL, NULL);
        tree_cancel(&r->call);
        fuse_reply_err(r->fuse, ENOTCONN);
        request_end(r);
    }
}

void request_place(struct request *r, fuse_ino_t node_id)
{
    const struct node *node = nodes_at(&r->mount->nodes, node_id);
    r->node_id = node_id;
    r->call.place = nodes_place(node);
    memcpy(r->name, node->name, r->call.place.name.n + 1);
    r->call.place.name.p = (const uint8_t *)r->name;
}

bool request_entry(struct request *r, fuse_ino_t directory, const char *name)
{
    const struct node *node = nodes_at(&r->mount->nodes, directory);
    if (strlen(name) > TREE_NAME_BYTES_MAX) {
        request_fail(r, SF_NAME_TOO_LONG);
        return false;
    }
    strcpy(r->name, name);
    r->node_id = directory;
    r->call.place = (struct tree_place){.directory = node->ino, .name = slice_str(r->name)};
    return true;
}

void request_inherit(struct request *r, fuse_ino_t directory)
{
    struct node *node = nodes_at(&r->mount->nodes, directory);
    struct tree_inode root;
    if (node->ino == TREE_ROOT) { /* the kernel need not have asked for it */
        tree_root_inode(r->mount->tree, &root);
        nodes_see(node, &root);
    }
    if (!node->gives_group)
        return;
    r->call.gid = node->gid;
    if (S_ISDIR(r->call.mode))
        r->call.mode |= S_ISGID;
}

static void count(struct mount_stats *stats, const struct tree_call *call, int status)
{
    bool writes = call->kind == TREE_WRITE || call->kind == TREE_APPEND;
    stats->calls[call->kind]++;
    stats->errors[call->kind] += status != SF_OK;
    if (status == SF_OK && writes)
        stats->written_bytes += call->data.n;
    if (status == SF_OK && call->kind == TREE_READ)
        stats->read_bytes += call->data.n;
}

/* The file was found elsewhere than its node says. */
static void note_move(struct request *r)
{
    const struct tree_place *now = &r->call.place_now;
    struct node_place place = {.directory = now->directory,
                               .name = now->name,
                               .asked = r->asked,
                               .is_apart = now->is_apart};
    nodes_moved(&r->mount->nodes, now->ino, &place);
}

static void on_tree_done(struct tree_call *call, int status)
{
    struct request *r = container_of(call, struct request, call);
    count(&r->mount->stats, call, status);
    if (call->has_moved)
        note_move(r);
    if (status != SF_OK)
        locks_note_loose(r);
    /* From here on an interrupt comes too late. */
    r->submitted = r->interrupted = false;
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    r->then(r, status);
}

void request_submit(struct request *r, enum tree_kind kind,
                    void (*then)(struct request *r, int status))
{
    r->call.kind = kind;
    r->call.on_done = on_tree_done;
    r->then = then;
    if (locks_refuse(r, kind)) {
        request_fail(r, SF_FENCED);
        return;
    }
    r->unsettled = tree_unsettled(r->mount->tree);
    r->asked = ++r->mount->nodes.sent;
    fuse_req_interrupt_func(r->fuse, on_interrupt, r); /* calls it at once if it came already */
    tree_submit(r->mount->tree, &r->call);
    r->submitted = true;
}

bool request_is_still_there(const struct request *r, const struct node *node)
{
    return nodes_is_still_there(node, r->asked) && !locks_may_remove(r->mount, node->ino);
}

static void park(struct request *r)
{
    const struct mount *mount = r->mount;
    uint64_t limit_ms = (uint64_t)mount->options->timeo_s * 1000;
    r->parked = true;
    r->parked_until_ms = mount->options->hard ? 0 : env_now_ms(mount->env) + limit_ms;
    look_after(r->mount);
    fuse_req_interrupt_func(r->fuse, on_interrupt, r);
}

void request_look_again(struct request *r, void (*then)(struct request *r, int status))
{
    r->then = then;
    if (locks_may_remove(r->mount, r->call.place.ino))
        park(r);
    else
        request_submit(r, TREE_GETATTR, then);
}

void requests_settled(struct mount *mount)
{
    struct request *r, *next;
    DL_FOREACH_SAFE(mount->requests, r, next)
    {
        if (!r->parked || locks_may_remove(mount, r->call.place.ino))
            continue;
        r->parked = r->interrupted = false;
        request_submit(r, TREE_GETATTR, r->then);
    }
}

static struct timespec time_of(uint64_t time_ns)
{
    int64_t ns = (int64_t)time_ns, seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        seconds--;
        rest += 1000000000;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

/* What programs read and write at once: a whole extent, unless the file is a small one. */
static blksize_t usual_bytes(const struct tree_inode *inode)
{
    bool is_large = S_ISREG(inode->mode) && (inode->size == 0 || inode->size > SMALL_FILE_BYTES);
    return is_large ? SF_EXTENT_BYTES : SMALL_FILE_BYTES;
}

void request_stat(const struct mount *mount, const struct tree_inode *inode, struct stat *out)
{
    const struct mount_options *o = mount->options;
    memset(out, 0, sizeof *out);
    out->st_ino = inode->ino;
    out->st_mode = inode->mode;
    out->st_nlink = inode->links;
    out->st_rdev = inode->device;
    out->st_uid = o->set_uid ? o->uid : inode->uid;
    out->st_gid = o->set_gid ? o->gid : inode->gid;
    if (o->set_umask)
        out->st_mode = (inode->mode & (uint32_t)S_IFMT) | (0777 & ~o->umask);
    out->st_size = (off_t)inode->size;
    out->st_blksize = usual_bytes(inode);
    uint64_t stored = S_ISREG(inode->mode) ? inode->stored : 0;
    out->st_blocks = (blkcnt_t)((stored + 511) / 512);
    out->st_atim = time_of(inode->atime_ns);
    out->st_mtim = time_of(inode->mtime_ns);
    out->st_ctim = time_of(inode->ctime_ns);
}

/* When an UNLINK or RENAME is answered the kernel takes one from its own count of the file's links,
 * also where the count that it had read is the one without that name; and it refuses to LINK a file
 * that has none left (vfs_link: ENOENT), without asking. So what a look-up shows meanwhile is one
 * more. Nobody else sees that: without attr_timeout, stat(2) asks with GETATTR. */
static bool is_counted_off(const struct mount *mount, const struct node *node)
{
    return node->is_apart && mount->options->attr_timeout_s <= 0 &&
           nodes_loses_name(node, env_now_ns(mount->env));
}

struct node *request_make_entry(struct request *r, const struct tree_inode *inode,
                                uint64_t directory, struct slice name, struct fuse_entry_param *out)
{
    struct mount *mount = r->mount;
    struct node_place place = {
        .directory = directory, .name = name, .asked = r->asked, .is_apart = inode->is_apart};
    struct node *node = nodes_remember(&mount->nodes, inode, &place);
    memset(out, 0, sizeof *out);
    out->ino = nodes_id(&mount->nodes, node);
    out->attr_timeout = mount->options->attr_timeout_s;
    out->entry_timeout = mount->options->entry_timeout_s;
    request_stat(mount, inode, &out->attr);
    out->attr.st_nlink += is_counted_off(mount, node);
    return node;
}

/* A GETATTR shows the number to its caller, so it has to be right; but the last one must not become
 * the kernel's own count, which it does not where the inode was invalidated after the question. */
void request_reply_attr(struct request *r, const struct tree_inode *inode)
{
    struct mount *mount = r->mount;
    struct stat stat;
    request_stat(mount, inode, &stat);
    if (inode->links == 1 && is_counted_off(mount, nodes_at(&mount->nodes, r->node_id)))
        fuse_lowlevel_notify_inval_inode(mount->session, r->node_id, -1, 0);
    fuse_reply_attr(r->fuse, &stat, mount->options->attr_timeout_s);
    request_end(r);
}

void request_reply_entry(struct request *r, const struct tree_inode *inode)
{
    struct fuse_entry_param entry;
    struct node *node =
        request_make_entry(r, inode, r->call.place.directory, r->call.place.name, &entry);
    if (fuse_reply_entry(r->fuse, &entry) != 0)
        nodes_forget(&r->mount->nodes, node, 1);
    request_end(r);
}
