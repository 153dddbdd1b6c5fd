/* worker: does operations in one mount, records what they saw, and walks the whole tree. */
#ifndef TESTS_DIRX_WORKER_H
#define TESTS_DIRX_WORKER_H

#include <stdatomic.h>

#include "dirx/model.h"

#define WORKER_EVENTS_MAX (4u * OPS_MAX + 4u) /* an operation is four events at most */

enum op_kind {
    OP_CREATE,      /* O_EXCL, and write */
    OP_OPEN_CREATE, /* and write */
    OP_READ,        /* open and read by name */
    OP_WRITE,       /* open and write by name */
    OP_KEEP,        /* open, and read when the round ends */
    OP_STAT,
    OP_MKDIR,
    OP_SYMLINK,
    OP_READLINK,
    OP_UNLINK,
    OP_RMDIR,
    OP_LINK,
    OP_RENAME,
    OP_LIST,
};

struct op {
    enum op_kind kind;
    uint8_t dir, name, dir2, name2;
    uint8_t number; /* of what it makes, in the model */
    unsigned flags; /* of renameat2 */
    uint32_t token; /* what it writes; not 0 */
    bool pauses;    /* lets others run before it */
};

struct worker {
    unsigned number, mount;
    const char *path; /* of the base */
    const struct rules *rules;
    atomic_uint_fast64_t *clock; /* all workers' */
    int dirs[DIRS_MAX];          /* open directories, as the last walk found them; or -1 */
    int kept;                    /* an open file or -1 */
    uint64_t kept_ino;
    struct event events[WORKER_EVENTS_MAX];
    unsigned event_count;
    struct tree *walked; /* by the last walk; owned */
    char wrong[300];     /* what is wrong without any model; "": nothing */
};

void worker_init(struct worker *worker);
void worker_deinit(struct worker *worker);
void worker_do(struct worker *worker, const struct op *op);
/* The round ends: reads what was kept open. */
void worker_finish(struct worker *worker);
/* When nobody changes the tree. Every directory's own number and its parent's, every link count and
 * type must be right; no directory may be met twice. */
void worker_walk(struct worker *worker);

#endif
