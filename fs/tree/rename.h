/* rename: what RENAME has found out about its two names, shared by its files.
 *
 *   rename.c       reads both names, decides, begins again where something changed meanwhile
 *   topology.c     a directory comes under another one: no loop may come of it
 *   rename_mini.c  the minitransaction
 */
#ifndef TREE_RENAME_H
#define TREE_RENAME_H

#include "tree/op.h"

/* One of the two names, and what lives there. */
struct rename_side {
    uint64_t directory; /* that the name is in */
    struct key entry;
    bool is_there;       /* only then: */
    struct kv_stat stat; /* its attr is in `bytes` */
    struct buffer bytes; /* attr, then data (of a file: where it moves) */
    uint64_t ino;

    /* A directory that comes under another one: */
    uint64_t own_version; /* of its own record */
    struct attr own_attr; /* its xattrs are in `xattrs` */
    struct buffer xattrs;
    struct location location; /* of a file that lives at its name */

    /* What the minitransaction points to: */
    struct key counted, own, inode;
    struct buffer attr; /* the new attributes of the file, or of the directory's own record */
    uint8_t reference[REFERENCE_BYTES_MAX];
};

/* Is `above` on the way from directory `at` to the root? Then it may not come under `at`. */
struct rename_climb {
    uint64_t start, above;
};

struct rename {
    struct rename_side from, to;
    unsigned settled;          /* sides whose lazy mtime was brought up to date */
    bool has_topology;         /* it was read, and is changed: */
    uint64_t topology_version; /* 0: there is none yet */
    struct key topology;
    struct rename_climb climbs[2];
    size_t climb_count, climb_at; /* those that are done */
    uint64_t at;                  /* of the present one */
    unsigned steps;
    op_step *then;               /* when they are done */
    const struct kv_op *arrival; /* counts the directory that the name goes to; NULL: the root */
    struct rename_side *busy;    /* its file was written after it was read, last time; NULL: none */
};

bool rename_is_directory(const struct rename_side *side);
bool rename_stays_in_directory(const struct rename *rename);
struct slice rename_attr(const struct rename_side *side);

/* Reads the topology record and what is above; `then` gets SF_OK, or SF_INVALID (a loop would come
 * of it), SF_NOT_FOUND (a directory is gone), SF_BUSY (it changed meanwhile: all again), or why not. */
void topology_begin(struct op *op, op_step *then);
/* Adds to op->mini that the topology is as it was read, and is another from then on. */
void topology_change(struct op *op);

/* Makes op->mini of what was found. SF_BAD_ATTR, SF_NO_SPACE: of attributes that cannot be written. */
SF_MUST_CHECK int rename_make(struct op *op);

#endif
