/* model: a small tree of names as it must be, and what system calls saw of it.
 *
 * The tree of one round: objects 0 to dirs - 1 are the directories that were there when the round
 * began, 0 is the base, and they alone are named by operations. What is made later has the number of the event that made
 * it, so that two orders of the same events lead to equal trees. A directory made in the round stays
 * empty in it.
 *
 * An event is what happened at one moment between the call and the return of a system call. Some
 * calls are two events, for a kernel looks a name up before it asks for more:
 *
 *   fstatat    NAME (which inode) and ATTR (of that inode)
 *   linkat     FROM (which file) and LINK (a further name for it, whatever the first one is by then)
 *
 * model_step decides whether an event fits: its error must be the one that the kernel gives on a
 * local file system, which looks up the two names of a linkat one after the other: where something
 * changed the tree meanwhile (`contended`), an error by either name alone is right. Several mounts
 * relax more, for what changes nothing:
 *
 *   - A kernel judges a rename, too, by names that it looked up one after the other. So EEXIST,
 *     EISDIR, ENOTDIR and ENOTEMPTY need only the target to be so at some moment, where something
 *     else changed the tree meanwhile. A rename of two names that it took for one file, because
 *     another mount moved it from the one to the other, is 0 and changes nothing (`idle`).
 *   - A kernel remembers where directories were. Where another mount has moved one, a rename may be
 *     EINVAL or ENOTEMPTY, and a look-up ELOOP, by what was true earlier in the round; and of two
 *     errors that are true, it may be the one that a local file system would not look for.
 *   - ESTALE: of a file whose last name another mount took away; in a directory that is gone; where
 *     something changed the tree meanwhile; and where a name leads to a directory that was moved, for
 *     a kernel that remembers it elsewhere must take locks that it may not wait for.
 */
#ifndef TESTS_DIRX_MODEL_H
#define TESTS_DIRX_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "linear/linear.h"

#define DIRS_MAX 8u
#define NAMES_MAX 6u
#define WORKERS_MAX 8u
#define OPS_MAX 8u /* of one worker in a round */
#define OBJECTS_MAX (DIRS_MAX + DIRS_MAX * NAMES_MAX + WORKERS_MAX * OPS_MAX)
#define NO_OBJECT 0xffu
#define NOBODY 0xffu /* no mount */

_Static_assert(OBJECTS_MAX < NO_OBJECT, "an object's number is a byte");

enum type { TYPE_NONE, TYPE_FILE, TYPE_SYMLINK, TYPE_DIRECTORY };

struct object {
    uint64_t ino;     /* 0: nobody has seen it yet */
    uint64_t content; /* what was written; 0: nothing. Of a symlink its target */
    uint64_t been;    /* bits (directory * NAMES_MAX + name) of the places it had in the round */
    uint8_t type;     /* of enum type; TYPE_NONE: not made */
    uint8_t gone_by;  /* the mount that took its last name away, or NOBODY */
};

struct tree {
    unsigned refs;
    uint8_t dirs, count;                /* count: objects in use */
    uint8_t from[WORKERS_MAX];          /* what the linkat of this worker has found, or NO_OBJECT */
    uint8_t been_below[DIRS_MAX];       /* bits of directories: above it at any time in the round */
    uint8_t entry[DIRS_MAX][NAMES_MAX]; /* object or NO_OBJECT */
    struct object objects[OBJECTS_MAX];
};

enum event_kind {
    EVENT_CREATE = 1, /* O_CREAT | O_EXCL */
    EVENT_OPEN_CREATE,
    EVENT_OPEN,
    EVENT_READ,  /* of an open file: content */
    EVENT_WRITE, /* of an open file: content */
    EVENT_NAME,
    EVENT_ATTR,
    EVENT_MKDIR,
    EVENT_SYMLINK,
    EVENT_READLINK,
    EVENT_UNLINK,
    EVENT_RMDIR,
    EVENT_FROM,
    EVENT_LINK,
    EVENT_RENAME,
    EVENT_LIST,
    EVENT_WALK, /* all of the tree */
};

struct seen_entry {
    uint64_t ino;
    enum type type; /* TYPE_NONE: the name is not there */
};

struct event {
    enum event_kind kind;
    uint8_t worker, mount;
    uint8_t number;                 /* of the object that it makes */
    uint8_t dir, name, dir2, name2; /* dir2, name2: the new ones of RENAME and LINK */
    unsigned flags;                 /* of renameat2 */
    bool contended;                 /* another worker changed the tree meanwhile */
    bool idle;                      /* it is taken as one that event_may_be_idle allows */
    uint64_t call, returned;        /* by a clock that never stands still */
    int error;                      /* 0 or an errno; the rest is valid where it is 0 */
    uint64_t ino;                   /* 0: unknown */
    uint64_t content;
    unsigned links;
    enum type type;
    uint64_t size;
    struct seen_entry list[NAMES_MAX];
    const struct tree *walked;
};

/* What is asked of the file system. */
struct rules {
    bool several;      /* mounts */
    bool base_is_root; /* of a mount: its link count and times are not exact */
};

struct tree *tree_new(void); /* the base alone; one reference, the caller's */
void tree_ref(struct tree *tree);
void tree_unref(struct tree *tree);
bool tree_equal(const struct tree *a, const struct tree *b);
uint64_t tree_hash(const struct tree *tree);
/* A new round begins in it: what it remembers of the last one is forgotten. */
void tree_begin(struct tree *tree);
/* How many names an object has; of a directory 2 and those of directories in it. */
unsigned tree_links(const struct tree *tree, unsigned object);

/* May it have answered 0 and done nothing? Then it is tried both ways. */
bool event_may_be_idle(const struct event *event, const struct rules *rules);

/* The tree after the event, with a reference for the caller (it may be `tree` itself); NULL where it
 * cannot have happened in `tree`. */
struct tree *model_step(struct tree *tree, const struct event *event, const struct rules *rules);

void event_describe(const struct event *event, struct buffer *out);
void tree_describe(const struct tree *tree, struct buffer *out);

#endif
