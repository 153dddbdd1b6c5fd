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

/* The process that asked first in this name; 0: nobody knows. */
static uint32_t noted_process(const struct mount *mount, const struct lock_name *name)
{
    const struct lock_owner *owner;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (is_same(&owner->name, name))
            return owner->name.pid;
    }
    return 0;
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

bool locks_is_noted(const struct mount *mount, const struct lock_name *name)
{
    const struct lock_owner *owner;
    DL_FOREACH(mount->locks.owners, owner)
    {
        if (is_same(&owner->name, name))
            return true;
    }
    return false;
}

uint64_t locks_new_handle(struct mount *mount)
{
    return ++mount->locks.opens;
}

/* -- requests ------------------------------------------------------------------------------ */

static void on_given_back(struct tree_lock *lock, int status);

static bool gives_back(const struct lock_wait *wait)
{
    return wait->lock.on_done == on_given_back;
}

static void on_limit(struct env_timer *timer)
{
    struct lock_wait *wait = container_of(timer, struct lock_wait, limit);
    struct request *r = wait->r;
    if (!r || tree_lock_is_queued(&wait->lock) || locks_end_unsent(wait, SF_TIMEOUT))
        return;
    fuse_req_interrupt_func(r->fuse, NULL, NULL);
    request_fail(r, SF_UNKNOWN);
    tree_lock_leave(&wait->lock);
}

void locks_limit(struct lock_wait *wait)
{
    const struct mount_options *options = wait->mount->options;
    if (!options->hard && !env_timer_is_armed(&wait->limit))
        env_timer_start_ms(&wait->limit, (uint64_t)options->timeo_s * 1000);
}

struct lock_wait *locks_wait_new(struct mount *mount, struct request *r)
{
    struct lock_wait *wait = sf_calloc(1, sizeof *wait);
    wait->mount = mount;
    wait->r = r;
    if (r)
        r->slot = &wait->r;
    env_timer_init(mount->env, &wait->limit, on_limit);
    DL_APPEND(mount->locks.waits, wait);
    return wait;
}

static struct request *take_request(struct lock_wait *wait)
{
    struct request *r = wait->r;
    env_timer_stop(&wait->limit);
    DL_DELETE(wait->mount->locks.waits, wait);
    free(wait);
    if (!r)
        return NULL;
    r->slot = NULL;
    r->interrupted = false;
    return r;
}

struct request *locks_wait_end(struct lock_wait *wait)
{
    struct request *r = take_request(wait);
    if (r)
        fuse_req_interrupt_func(r->fuse, NULL, NULL);
    return r;
}

bool locks_end_unsent(struct lock_wait *wait, int status)
{
    if (gives_back(wait) || tree_lock_was_sent(&wait->lock))
        return false;
    tree_lock_drop(&wait->lock);
    request_fail(take_request(wait), status);
    return true;
}

/* A shared lock may be had in exchange for an exclusive one. */
static bool may_give_back(const struct lock_wait *wait)
{
    return !wait->lock.test && wait->lock.type != KV_LOCK_EXCLUSIVE;
}

static bool is_loose(const struct mount *mount, const struct lock_name *name)
{
    const struct lock_loose *loose;
    DL_FOREACH(mount->locks.loose, loose)
    {
        if (loose->ino == name->ino || (loose->pid != 0 && loose->pid == name->pid))
            return true;
    }
    return false;
}

bool locks_must_wait(const struct lock_wait *wait)
{
    const struct lock_wait *other;
    if (may_give_back(wait) && is_loose(wait->mount, &wait->name))
        return true;
    if (gives_back(wait))
        return false;
    DL_FOREACH(wait->mount->locks.waits, other)
    {
        bool unheard = other->submitted && !other->r && !other->lock.test;
        if (other != wait && is_same(&other->name, &wait->name) && (unheard || gives_back(other)))
            return true;
    }
    return false;
}

void locks_go_on(struct mount *mount)
{
    struct lock_wait *wait, *next;
    DL_FOREACH_SAFE(mount->locks.waits, wait, next)
    {
        void (*go_on)(struct lock_wait * wait) = wait->go_on;
        if (!go_on || locks_must_wait(wait))
            continue;
        wait->go_on = NULL;
        if (wait->r || gives_back(wait))
            go_on(wait);
        else
            (void)locks_wait_end(wait);
    }
}

/* -- giving back --------------------------------------------------------------------------- */

static void on_given_back(struct tree_lock *lock, int status)
{
    struct lock_wait *wait = container_of(lock, struct lock_wait, lock);
    void (*then)(struct request * r) = wait->then;
    uint64_t ino = lock->ino;
    struct mount *mount = wait->mount;
    if (status == SF_UNKNOWN) {
        tree_lock_submit(mount->tree, lock);
        return;
    }
    struct request *r = locks_wait_end(wait);
    if (status != SF_OK && status != SF_FENCED)
        log_error("mount", "locks on inode %llu were not given back: %s", (unsigned long long)ino,
                  sf_error_text(status));
    if (r)
        then(r);
    locks_go_on(mount);
}

/* Only who is being killed does not wait: the request is looked at again (request.c). */
static void on_flush_interrupt(fuse_req_t fuse, void *data)
{
    struct lock_wait *wait = data;
    (void)fuse;
    request_watch(wait->r);
}

static void send_back(struct lock_wait *wait)
{
    tree_lock_submit(wait->mount->tree, &wait->lock);
    wait->submitted = true;
}

struct lock_wait *locks_give_back(struct mount *mount, struct request *r,
                                  const struct lock_name *name, uint64_t first, uint64_t last)
{
    struct lock_wait *wait = locks_wait_new(mount, r);
    wait->name = *name;
    wait->lock = (struct tree_lock){.on_done = on_given_back,
                                    .ino = name->ino,
                                    .flock = name->flock,
                                    .patient = true,
                                    .type = KV_LOCK_NONE,
                                    .owner = name->owner,
                                    .first = first,
                                    .last = last};
    if (locks_must_wait(wait))
        wait->go_on = send_back;
    else
        send_back(wait);
    return wait;
}

void locks_flush(struct request *r, uint64_t owner, void (*then)(struct request *r))
{
    struct mount *mount = r->mount;
    struct lock_name name = {.ino = r->call.place.ino, .owner = owner};
    name.pid = noted_process(mount, &name);
    if (!locks_forget(mount, &name)) {
        then(r);
        return;
    }
    struct lock_wait *wait = locks_give_back(mount, r, &name, 0, TREE_LOCK_LAST);
    wait->then = then;
    locks_limit(wait);
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

/* -- what was given up --------------------------------------------------------------------- */

static bool changes(enum tree_kind kind)
{
    return kind != TREE_LOOKUP && kind != TREE_GETATTR && kind != TREE_GETXATTR &&
           kind != TREE_READLINK && kind != TREE_READ && kind != TREE_SEEK &&
           kind != TREE_READDIR && kind != TREE_STATFS;
}

/* What others gave up meanwhile is taken for its own, too. */
void locks_note_loose(const struct request *r)
{
    struct mount *mount = r->mount;
    uint64_t number = tree_unsettled(mount->tree);
    if (number <= r->unsettled || !changes(r->call.kind))
        return;
    struct lock_loose *loose = sf_calloc(1, sizeof *loose);
    loose->ino = r->call.place.ino;
    loose->pid = caller_process(r->fuse);
    loose->removing = r->removing;
    loose->number = number;
    DL_APPEND(mount->locks.loose, loose);
}

bool locks_may_remove(const struct mount *mount, uint64_t ino)
{
    const struct lock_loose *loose;
    DL_FOREACH(mount->locks.loose, loose)
    {
        if (loose->removing == ino)
            return true;
    }
    return false;
}

static void forget_loose(struct mount *mount, struct lock_loose *loose)
{
    DL_DELETE(mount->locks.loose, loose);
    free(loose);
}

static void on_settled(void *ctx)
{
    struct mount *mount = ctx;
    struct lock_loose *loose, *next;
    DL_FOREACH_SAFE(mount->locks.loose, loose, next)
    {
        if (!tree_is_settled(mount->tree, loose->number))
            continue;
        nodes_removal_begins(&mount->nodes, loose->removing); /* as if it had taken until now */
        nodes_removal_ends(&mount->nodes, loose->removing, env_now_ns(mount->env));
        forget_loose(mount, loose);
    }
    requests_settled(mount);
    locks_go_on(mount);
}

/* -- losing -------------------------------------------------------------------------------- */

/* Of the file whose lock was lost, by anybody; of every file by the process that lost it: what it
 * locks may stand for others. */
bool locks_refuse(const struct request *r, enum tree_kind kind)
{
    const struct locks *locks = &r->mount->locks;
    const struct lock_owner *owner;
    if (locks->lost == 0 || !changes(kind) || kind == TREE_FSYNC)
        return false;
    uint32_t pid = caller_process(r->fuse);
    DL_FOREACH(locks->owners, owner)
    {
        if (owner->lost &&
            (owner->name.ino == r->call.place.ino || (pid != 0 && owner->name.pid == pid)))
            return true;
    }
    return false;
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
        locks_note_loose(r); /* a shard that does not know of the fence yet may execute it */
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
    tree_watch_settled(mount->tree, on_settled, mount);
}

/* Those that wait have no requests any more. */
void locks_stop(struct mount *mount)
{
    tree_watch_locks(mount->tree, NULL, NULL);
    tree_watch_settled(mount->tree, NULL, NULL);
    while (mount->locks.waits) {
        tree_lock_drop(&mount->locks.waits->lock);
        (void)locks_wait_end(mount->locks.waits);
    }
    while (mount->locks.owners)
        forget(mount, mount->locks.owners);
    while (mount->locks.loose)
        forget_loose(mount, mount->locks.loose);
}
