/* drop: how a name goes, whoever takes it away: unlink, or a rename that replaces it.
 *
 *     drop_look(op, &entry, then)      reads what lives at a name
 *     then: op_mini_begin(op), drop_name(op, &op->drop), the caller's own parts, op_mini_send
 *
 * Nothing of that may have changed in between, or the minitransaction fails with SF_PRECONDITION:
 * then the caller tells drop_failed, and begins again with drop_look. A reference, and whatever is kept,
 * is named by the version that was read; a file that goes with its only name by its inode number, so
 * that nobody who writes it is in the way. A name may be put at the same key behind drop_name; the
 * counts of the directory are the caller's.
 *
 *   what lives there                 what goes
 *   a file that never moved          the entry, with its data
 *   one that moved                   the entry, and the record that says where it is
 *   one of several names             the entry; the file's record has one name less
 *   the last of several              the entry and the file's record, with its data
 *   a reference to no record         the entry (a damage that only fsck should ever see)
 *
 * A file that the caller has open is kept when its last name goes: as an orphan, in its inode's own
 * record, with no link. tree_closed removes it, if that is still so.
 */
#ifndef TREE_DROP_H
#define TREE_DROP_H

#include "env/bytes.h"
#include "tree/attr.h"

struct op;

/* The key of a record, and which space it is in. */
#define KEY_BYTES_MAX TREE_KEY_BYTES_MAX
struct key {
    enum kv_space space;
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n;
};

/* Whether a file that lives at its only name has a record that says where that is (T6): as its
 * attributes say, unless what relied on that has failed. All-zero before. */
struct location {
    bool is_in_doubt;          /* it is the other way round */
    const struct kv_op *tried; /* the part of op->mini that relies on it; NULL: none */
};

bool location_is_there(const struct location *location, bool has_moved);
/* This part of the minitransaction failed. Where it was the one that relies on it, it is in doubt now
 * if it was not before, and the other way round. */
void location_failed(struct location *location, const struct kv_op *part);

/* What was read. All-zero before; drop_deinit after. */
struct drop {
    struct key entry;
    struct kv_stat stat; /* of the entry; without attr */
    uint64_t ino;        /* of the file; of a directory its id */
    bool has_moved;      /* it lives at this name, and its attributes say that it has moved */
    struct location location;
    bool is_open;     /* it is kept with no name */
    bool is_recalled; /* nothing was read: it is as it was seen last, if it still is */
    struct key inode; /* of its inode's record */
    uint64_t version; /* of that, where the entry is a reference; 0: there is none */
    struct attr attr; /* of a file; its xattrs stand in `bytes` */
    struct buffer
        bytes;         /* the file's attr; of one that is open and lives at this name also `head` */
    struct slice head; /* the bytes of its record */
    struct buffer written;
    void (*then)(struct op *op, int status);
};

/* Reads the name at `entry` (op_stat_ahead), and of a reference what it leads to, into op->drop. `then`: SF_OK
 * (drop.stat.kind says what it is; directories are for others to drop), SF_NOT_FOUND, SF_BAD_ATTR,
 * or why it cannot be read. */
void drop_look(struct op *op, const struct key *entry, void (*then)(struct op *op, int status));
/* The same without reading: what was seen there last. False: not known, a directory, or a file that
 * is open. Only where all of it goes into a minitransaction; if that fails, it has to be looked at. */
bool drop_recall(struct op *op, const struct key *entry);
/* Adds to op->mini what takes the file's name away: at most three operations and a check.
 * call->orphan: the file that is kept, if so. */
void drop_name(struct op *op, struct drop *drop);
/* The minitransaction failed with SF_PRECONDITION: it is begun again. */
void drop_failed(struct op *op, const struct kv_reply *reply);
void drop_deinit(struct drop *drop);

#endif
