/* getlk, setlk, flock.
 *
 * The happy path of a lock that has to wait: LOCK -> it stands in the cluster's queue -> granted ->
 * the reply. It can end by: a signal (it leaves the queue, EINTR, unless it was granted first), the
 * time limit while it is not in the queue (ETIMEDOUT), the mount's lease (EIO). Whoever is being
 * killed is answered at once; what he was granted all the same is given back. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "mount/locks.h"

static bool is_all(const struct tree_lock *lock)
{
    return lock->first == 0 && lock->last == TREE_LOCK_LAST;
}

/* -- ends ---------------------------------------------------------------------------------- */

/* Nobody waits for it any more. Whose owner is noted gives it back when he closes the file: to unlock
 * the range now could take what he had before. */
static void end_unheard(struct mount *mount, const struct lock_name *name,
                        const struct tree_lock *lock, int status)
{
    bool may_have = status == SF_OK || status == SF_UNKNOWN;
    if (may_have && lock->type != KV_LOCK_NONE && !locks_is_noted(mount, name))
        (void)locks_give_back(mount, NULL, name, lock->first, lock->last);
}

static void take_note(struct mount *mount, const struct lock_name *name,
                      const struct tree_lock *lock, int status)
{
    bool may_have = status == SF_OK || status == SF_UNKNOWN;
    if (may_have && lock->type != KV_LOCK_NONE)
        locks_note(mount, name);
    else if (status == SF_OK && is_all(lock))
        (void)locks_forget(mount, name);
}

static void on_locked(struct tree_lock *lock, int status)
{
    struct lock_wait *wait = container_of(lock, struct lock_wait, lock);
    struct mount *mount = wait->mount;
    struct lock_name name = wait->name;
    struct tree_lock done = *lock;
    struct request *r = locks_wait_end(wait);
    if (r) {
        take_note(mount, &name, &done, status);
        request_fail(r, status); /* SF_OK: errno 0, which is success */
    } else {
        end_unheard(mount, &name, &done, status);
    }
    locks_go_on(mount);
}

static short type_for_user(enum kv_lock_type type)
{
    if (type == KV_LOCK_NONE)
        return F_UNLCK;
    return type == KV_LOCK_SHARED ? F_RDLCK : F_WRLCK;
}

static void on_tested(struct tree_lock *lock, int status)
{
    struct lock_wait *wait = container_of(lock, struct lock_wait, lock);
    struct flock found = {.l_type = type_for_user(lock->type), .l_whence = SEEK_SET};
    if (lock->type != KV_LOCK_NONE) {
        found.l_start = (off_t)lock->first;
        found.l_len = lock->last == TREE_LOCK_LAST ? 0 : (off_t)(lock->last - lock->first + 1);
        found.l_pid = (pid_t)lock->pid;
    }
    struct request *r = locks_wait_end(wait);
    if (!r)
        return;
    if (status != SF_OK) {
        request_fail(r, status);
        return;
    }
    fuse_reply_lock(r->fuse, &found);
    request_end(r);
}

/* -- begins -------------------------------------------------------------------------------- */

/* Called by libfuse, as soon as the caller has a signal; perhaps before `may_submit` is through. */
static void on_interrupt(fuse_req_t fuse, void *data)
{
    struct lock_wait *wait = data;
    (void)fuse;
    if ((wait->submitted || wait->go_on) && locks_end_unsent(wait, SF_INTERRUPTED))
        return;
    if (wait->submitted)
        tree_lock_leave(&wait->lock);
    request_watch(wait->r);
}

/* A test takes nothing: it ends as what only reads does. */
static void on_test_interrupt(fuse_req_t fuse, void *data)
{
    (void)fuse;
    request_watch(data);
}

/* False: its caller has a signal already, and it has ended. */
static bool may_submit(struct lock_wait *wait)
{
    struct request *r = wait->r;
    fuse_req_interrupt_func(r->fuse, on_interrupt, wait);
    if (!r->interrupted)
        return true;
    request_fail(locks_wait_end(wait), SF_INTERRUPTED);
    return false;
}

static void submit(struct lock_wait *wait)
{
    tree_lock_submit(wait->mount->tree, &wait->lock);
    wait->submitted = true;
}

static struct lock_wait *begin(fuse_req_t fuse, fuse_ino_t node_id,
                               const struct fuse_file_info *file, bool flock)
{
    struct request *r = request_new(fuse);
    request_place(r, node_id);
    struct lock_wait *wait = locks_wait_new(r->mount, r);
    wait->name = (struct lock_name){.ino = r->call.place.ino,
                                    .flock = flock,
                                    .owner = flock ? file->fh : file->lock_owner,
                                    .handle = file->fh,
                                    .pid = caller_process(fuse)};
    wait->lock = (struct tree_lock){.on_done = on_locked,
                                    .ino = wait->name.ino,
                                    .flock = flock,
                                    .owner = wait->name.owner,
                                    .last = TREE_LOCK_LAST,
                                    .pid = wait->name.pid};
    return wait;
}

/* What was lost is given back by forgetting it, all at once, and nothing else can be had before. */
static void ask(struct lock_wait *wait)
{
    struct mount *mount = wait->mount;
    if (locks_is_lost(mount, &wait->name)) {
        bool unlocks = wait->lock.type == KV_LOCK_NONE;
        if (unlocks && is_all(&wait->lock))
            (void)locks_forget(mount, &wait->name);
        request_fail(locks_wait_end(wait), unlocks ? SF_OK : SF_FENCED);
        return;
    }
    if (!may_submit(wait))
        return;
    bool must_wait = locks_must_wait(wait);
    if (must_wait || wait->lock.waits)
        locks_limit(wait);
    if (must_wait) {
        wait->go_on = ask;
        return;
    }
    wait->lock.passes = locks_has_any(mount, &wait->name);
    wait->lock.patient = wait->lock.waits;
    submit(wait);
}

static void take_range(struct tree_lock *lock, const struct flock *asked)
{
    lock->type = asked->l_type == F_RDLCK   ? KV_LOCK_SHARED
                 : asked->l_type == F_WRLCK ? KV_LOCK_EXCLUSIVE
                                            : KV_LOCK_NONE;
    lock->first = (uint64_t)asked->l_start;
    if (asked->l_len > 0)
        lock->last = lock->first + (uint64_t)asked->l_len - 1;
}

static void handle_getlk(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         struct flock *asked)
{
    struct lock_wait *wait = begin(fuse, node_id, file, false);
    wait->lock.on_done = on_tested;
    wait->lock.test = true;
    take_range(&wait->lock, asked);
    fuse_req_interrupt_func(fuse, on_test_interrupt, wait->r);
    wait->r->only_asks = true;
    submit(wait);
}

static void handle_setlk(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         struct flock *asked, int waits)
{
    struct lock_wait *wait = begin(fuse, node_id, file, false);
    take_range(&wait->lock, asked);
    wait->lock.waits = waits && wait->lock.type != KV_LOCK_NONE;
    ask(wait);
}

static void handle_flock(fuse_req_t fuse, fuse_ino_t node_id, struct fuse_file_info *file,
                         int operation)
{
    struct lock_wait *wait = begin(fuse, node_id, file, true);
    if (operation & LOCK_SH)
        wait->lock.type = KV_LOCK_SHARED;
    else if (operation & LOCK_EX)
        wait->lock.type = KV_LOCK_EXCLUSIVE;
    wait->lock.waits = wait->lock.type != KV_LOCK_NONE && !(operation & LOCK_NB);
    ask(wait);
}

void handlers_locks(struct fuse_lowlevel_ops *ops)
{
    ops->getlk = handle_getlk;
    ops->setlk = handle_setlk;
    ops->flock = handle_flock;
}
