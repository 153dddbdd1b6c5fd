/* locks: what the programs of this mount may have locked, so that it is given back when it should
 * be, and known when it is lost.
 *
 * The kernel names owners: of a range lock (fcntl) the process's table of files, or, of an open file
 * description's (OFD), that; it does not say which. So an owner is noted with the open file through
 * which it asked. It may give the same name again as soon as the first to have it is gone. An owner of
 * flock is the open file, by its handle, which is unique.
 *
 *  M7  FLUSH of an owner gives back its range locks on the file, all of them, as POSIX says. RELEASE
 *      of an open file gives back what was asked for through it and is still noted: flock's and
 *      OFD locks. What is given back is tried until it is done; FLUSH waits for that, or the time
 *      limit.
 *      What an owner asks waits while something is under way that was asked in the same name, and
 *      that gives back, or that nobody waits for any more.
 *      What gives back, or may, waits until nothing comes any more of what was given up of his file's
 *      or his process's changes: who was killed in the middle of a write, or had it time out, may
 *      have it executed later.
 *  M8  A mount that was not heard of for a lease loses all its locks. From then on what it would
 *      change of a file that had one fails with EIO, until who had it gives it back or closes the
 *      file; what was under way fails, too.
 */
#ifndef MOUNT_LOCKS_H
#define MOUNT_LOCKS_H

#include "mount/request.h"
#include "tree/locks.h"

/* Who may have locks on a file, and how it came to them. */
struct lock_name {
    uint64_t ino;
    bool flock;
    uint64_t owner;  /* as the kernel names it; of flock: handle */
    uint64_t handle; /* of the open file through which it asked */
    uint32_t pid;    /* the process of who asked first */
};

struct lock_owner {
    struct lock_owner *prev, *next; /* in locks.owners */
    struct lock_name name;
    bool lost; /* M8 */
};

/* A change that was sent and then given up (M7, M11). */
struct lock_loose {
    struct lock_loose *prev, *next; /* in locks.loose */
    uint64_t ino;
    uint32_t pid;      /* 0: unknown */
    uint64_t removing; /* the inode that may lose a name by it; 0: none */
    uint64_t number;   /* tree_unsettled's */
};

/* A request about locks under way. It may outlive the kernel's, whose caller was killed. */
struct lock_wait {
    struct lock_wait *prev, *next; /* in locks.waits */
    struct mount *mount;
    struct request *r; /* NULL: it has ended */
    struct lock_name name;
    struct tree_lock lock;
    struct env_timer limit;                /* until it is done, or in the queue */
    void (*then)(struct request *r);       /* FLUSH: when it is given back */
    void (*go_on)(struct lock_wait *wait); /* it waits for what is under way (M7); else NULL */
    bool submitted;
};

void locks_start(struct mount *mount);
void locks_stop(struct mount *mount);

/* The handle of a file that is being opened. */
uint64_t locks_new_handle(struct mount *mount);
/* FLUSH by an owner: gives back its range locks, then calls `then`; at once where there are none.
 * The request may end meanwhile. */
void locks_flush(struct request *r, uint64_t owner, void (*then)(struct request *r));
/* RELEASE: gives back what is left of the open file, in the background. */
void locks_release(struct mount *mount, uint64_t handle);
/* M8: may it not be done any more what this request would have done? */
bool locks_refuse(const struct request *r, enum tree_kind kind);

/* A request has failed, or was given up: what was sent of it may be executed yet (M7). */
void locks_note_loose(const struct request *r);
/* May the inode lose a name by such a one? (M11) */
bool locks_may_remove(const struct mount *mount, uint64_t ino);

/* -- for handlers_locks.c ------------------------------------------------------------------- */

void locks_note(struct mount *mount, const struct lock_name *name);
/* Forgets all notes of the owner on the file. Had it any locks that are not lost? */
bool locks_forget(struct mount *mount, const struct lock_name *name);
/* Has this owner, or this process, locks of whatever file? */
bool locks_has_any(const struct mount *mount, const struct lock_name *name);
bool locks_is_lost(const struct mount *mount, const struct lock_name *name);
/* Is the owner noted, so that he gives back all when he closes the file? */
bool locks_is_noted(const struct mount *mount, const struct lock_name *name);
/* r: may be NULL. */
struct lock_wait *locks_wait_new(struct mount *mount, struct request *r);
/* Its request, which is the caller's from here on; NULL: it has ended. Frees wait. */
struct request *locks_wait_end(struct lock_wait *wait);
/* Arms its time limit, if it is not. */
void locks_limit(struct lock_wait *wait);
/* Ends its request, and with it wait, if nothing of it was sent. Not through locks_wait_end: libfuse
 * may hold the request. */
bool locks_end_unsent(struct lock_wait *wait, int status);
/* M7: must it wait? Then wait->go_on is called when it need not any more. */
bool locks_must_wait(const struct lock_wait *wait);
/* One has ended: those go on that waited for it. */
void locks_go_on(struct mount *mount);
/* Tried until it is done. */
struct lock_wait *locks_give_back(struct mount *mount, struct request *r,
                                  const struct lock_name *name, uint64_t first, uint64_t last);

#endif
