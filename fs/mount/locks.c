#include "mount/locks.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "env/log.h"
#include "env/memory.h"

/* -- owners -------------------------------------------------------------------------------- */

static bool is_same(const struct lock_name *a, const struct lock_name *b)
{
    return a->ino == b->ino && a->owner == b->owner && a->flock == b->flock;
}

void locks_note(struct mount *mount, const struct lock_name *name)
{
    struct lock_owner *owner;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (is_same(&owner->name, name) && owner->name.handle == name->handle)
            return;
    }
    owner = sf_calloc(1, sizeof *owner);
    owner->name = *name;
    DL_APPEND(mount->locks.owners, owner);
}

static void forget(struct mount *mount, struct lock_owner *owner)
{
    mount->locks.lost -= owner->lost;
    DL_DELETE(mount->locks.owners, owner);
    free(owner);
}

bool locks_forget(struct mount *mount, const struct lock_name *name)
{
    struct lock_owner *owner, *next;
    bool had = false;
    DL_FOREACH_SAFE(mount->locks.owners, owner, next)
    {
        if (!is_same(&owner->name, name))
            continue;
        had = had || !owner->lost;
        forget(mount, owner);
    }
    return had;
}

bool locks_has_any(const struct mount *mount, const struct lock_name *name)
{
    const struct lock_owner *owner;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (owner->name.owner == name->owner || owner->name.pid == name->pid)
            return true;
    }
    return false;
}

bool locks_are_lost(const struct mount *mount, uint64_t ino)
{
    const struct lock_owner *owner;
    if (mount->locks.lost == 0)
        return false;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (owner->lost && owner->name.ino == ino)
            return true;
    }
    return false;
}

bool locks_is_lost(const struct mount *mount, const struct lock_name *name)
{
    const struct lock_owner *owner;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (owner->lost && is_same(&owner->name, name))
            return true;
    }
    return false;
}

uint64_t locks_new_handle(struct mount *mount)
{
    return ++mount->locks.opens;
}

/* -- requests ------------------------------------------------------------------------------ */

struct lock_wait *locks_wait_new(struct mount *mount, struct request *r)
{
    struct lock_wait *wait = sf_calloc(1, sizeof *wait);
    wait->mount = mount;
    wait->r = r;
    if (r)
        r->slot = &wait->r;
    DL_APPEND(mount->locks.waits, wait);
    return wait;
}

/* Its request, which is the caller's from here on; NULL: it has ended. */
struct request *locks_wait_end(struct lock_wait *wait)
{
    struct request *r = wait->r;
    env_timer_stop(&wait->limit);
    DL_DELETE(wait->mount->locks.waits, wait);
    free(wait);
    if (!r)
        return NULL;
    r->slot = NULL;
    r->interrupted = false;
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    return r;
}

/* -- giving back --------------------------------------------------------------------------- */

static void on_given_back(struct tree_lock *lock, int status)
{
    struct lock_wait *wait = container_of(lock, struct lock_wait, lock);
    void (*then)(struct request * r) = wait->then;
    uint64_t ino = lock->ino;
    struct request *r = locks_wait_end(wait);
    if (status != SF_OK && status != SF_FENCED)
        log_error("mount", "locks on inode %llu were not given back: %s", (unsigned long long)ino,
                  sf_error_text(status));
    if (r)
        then(r);
}

static void on_limit(struct env_timer *timer)
{
    struct lock_wait *wait = container_of(timer, struct lock_wait, limit);
    struct request *r = wait->r;
    if (!r)
        return;
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    request_fail(r, SF_TIMEOUT);
}

/* Only who is being killed does not wait: the request is looked at again (request.c). */
static void on_flush_interrupt(fuse_req_t fuse, void *data)
{
    struct lock_wait *wait = data;
    (void)fuse;
    request_watch(wait->r);
}

struct lock_wait *locks_give_back(struct mount *mount, struct request *r,
                                  const struct lock_name *name, uint64_t first, uint64_t last)
{
    struct lock_wait *wait = locks_wait_new(mount, r);
    wait->lock = (struct tree_lock){.on_done = on_given_back,
                                    .ino = name->ino,
                                    .flock = name->flock,
                                    .patient = true,
                                    .type = KV_LOCK_NONE,
                                    .owner = name->owner,
                                    .first = first,
                                    .last = last};
    tree_lock_submit(mount->tree, &wait->lock);
    return wait;
}

void locks_flush(struct request *r, uint64_t owner, void (*then)(struct request *r))
{
    struct mount *mount = r->mount;
    struct lock_name name = {.ino = r->call.place.ino, .owner = owner};
    if (!locks_forget(mount, &name)) {
        then(r);
        return;
    }
    struct lock_wait *wait = locks_give_back(mount, r, &name, 0, TREE_LOCK_LAST);
    wait->then = then;
    env_timer_init(mount->env, &wait->limit, on_limit);
    if (!mount->options->hard)
        env_timer_start_ms(&wait->limit, mount->options->timeo_s * 1000u);
    fuse_req_interrupt_func(r->fuse, on_flush_interrupt, wait);
}

void locks_release(struct mount *mount, uint64_t handle)
{
    struct lock_owner *owner, *next;
    DL_FOREACH_SAFE(mount->locks.owners, owner, next)
    {
        if (owner->name.handle != handle)
            continue;
        if (!owner->lost)
            (void)locks_give_back(mount, NULL, &owner->name, 0, TREE_LOCK_LAST);
        forget(mount, owner);
    }
}

/* -- losing -------------------------------------------------------------------------------- */

static bool changes(enum tree_kind kind)
{
    return kind != TREE_LOOKUP && kind != TREE_GETATTR && kind != TREE_GETXATTR &&
           kind != TREE_READLINK && kind != TREE_READ && kind != TREE_SEEK &&
           kind != TREE_READDIR && kind != TREE_STATFS;
}

/* What has several steps might go on under the mount's new name. */
static void fail_changes(struct mount *mount)
{
    struct request *r, *next;
    DL_FOREACH_SAFE(mount->requests, r, next)
    {
        if (!r->submitted || !changes(r->call.kind))
            continue;
        fuse_req_interrupt_func(r->fuse, NULL, NULL);
        tree_cancel(&r->call);
        request_fail(r, SF_FENCED);
    }
}

static void on_lost(void *ctx)
{
    struct mount *mount = ctx;
    struct lock_owner *owner;
    log_error("mount", "this mount was not heard of for too long, and has lost its locks on files");
    DL_FOREACH(mount->locks.owners, owner)
    {
        mount->locks.lost += !owner->lost;
        owner->lost = true;
    }
    fail_changes(mount);
}

void locks_start(struct mount *mount)
{
    tree_watch_locks(mount->tree, on_lost, mount);
}

/* Those that wait have no requests any more. */
void locks_stop(struct mount *mount)
{
    tree_watch_locks(mount->tree, NULL, NULL);
    while (mount->locks.waits) {
        tree_lock_drop(&mount->locks.waits->lock);
        (void)locks_wait_end(mount->locks.waits);
    }
    while (mount->locks.owners)
        forget(mount, mount->locks.owners);
}
