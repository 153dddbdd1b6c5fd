/* check_repair: a minitransaction that mends what is wrong, while it is made, and what is told of it.
 *
 *     struct repair r = {.check = check};
 *     repair_say_name(check, seen), text_add          the text of the finding
 *     repair_unchanged, repair_change and so on       the parts
 *     repair_mend(&r, status, wrong, how)             done, if that is asked, and told; r is spent
 *
 *   check_repair.c            this, and /lost+found
 *   check_repair_directory.c  a directory
 *   check_repair_inode.c      a file's inode
 *   check_repair_damage.c     what cannot be read
 *   check_repair_subject.c    which of them
 *
 * Every part is about what was seen, in the version that was seen: where that is another by now
 * nothing is done, and the subject is looked at again.
 */
#ifndef TREE_CHECK_REPAIR_H
#define TREE_CHECK_REPAIR_H

#include "tree/check_inside.h"

#define REPAIR_PARTS_MAX 12u
#define REPAIR_NAMES_MAX 24u /* of a file that are checked once more; further ones are not */
#define RESCUED_MODE 0700u   /* of a directory whose record is made anew, and of /lost+found */

/* A minitransaction, and what its operations point to. All-zero but for `check`. */
struct repair {
    struct check *check;
    struct kv_op checks[REPAIR_NAMES_MAX + 4], ops[REPAIR_PARTS_MAX];
    size_t check_count, op_count;
    struct key keys[REPAIR_PARTS_MAX];
    size_t key_count;
    struct buffer attr;
    uint8_t slots[16], id[8], reference[REFERENCE_BYTES_MAX];
};

/* -- telling ------------------------------------------------------------------------------- */

struct slice repair_key_of(const struct check *check, const struct sighting *seen);
/* Begin the text of a finding. */
void repair_say_name(struct check *check, const struct sighting *seen);
void repair_say_subject(struct check *check, const char *what, uint64_t id);

/* -- parts --------------------------------------------------------------------------------- */

struct key *repair_key(struct repair *r); /* unset, for the caller to fill in; lasts as r */
struct key *repair_own_key(struct repair *r, uint64_t id); /* of a directory's own record */
/* One operation, one check more, all else zero; keys and data are lent until repair_mend. */
struct kv_op *repair_op(struct repair *r, enum kv_kind kind, enum kv_space space, struct slice key);
struct kv_op *repair_check(struct repair *r, enum kv_space space, struct slice key);
struct kv_op *repair_own(struct repair *r, enum kv_kind kind, uint64_t id);
/* An operation on what was seen; that it is unchanged; that a file's names are. */
struct kv_op *repair_change(struct repair *r, enum kv_kind kind, const struct sighting *seen);
void repair_unchanged(struct repair *r, const struct sighting *seen);
void repair_unchanged_names(struct repair *r, const struct sighting *names, size_t n);
/* That what is at the key, if there is something, stays as it is now: *stat, or all zero. Blocking.
 * An error: it cannot be read. */
SF_MUST_CHECK int repair_stays(struct repair *r, const struct key *key, struct kv_stat *stat);
/* An entry goes; the directory that it is in counts that. */
void repair_take_entry(struct repair *r, const struct sighting *entry, int subdirectories);
/* The operation's record gets these attributes. SF_NO_SPACE. */
SF_MUST_CHECK int repair_set_attr(struct repair *r, struct kv_op *op, const struct attr *attr);
/* A directory's own record, made anew; found: its entries and subdirectories. SF_NO_SPACE. */
SF_MUST_CHECK int repair_put_own(struct repair *r, uint64_t id, uint64_t parent,
                                 const uint64_t found[2]);

/* check->lost is known from here on. Blocking; SF_NOT_DIRECTORY, or why it cannot be made. */
SF_MUST_CHECK int repair_find_lost(struct check *check);
/* An entry of /lost+found by the subject's number; the caller fills in its data. */
struct kv_op *repair_put_lost(struct repair *r, uint64_t id, enum record_kind kind);
void repair_put_lost_directory(struct repair *r, uint64_t id);

/* -- the end ------------------------------------------------------------------------------- */

/* Does it, blocking: its status. */
SF_MUST_CHECK int repair_transact(struct repair *r);
/* status: of that, or why it could not be made. Tells of it; what has changed meanwhile is looked at
 * again. */
void repair_conclude(struct repair *r, int status, enum check_wrong wrong, const char *how);
/* Both, if all so far was SF_OK and repair was asked for. */
void repair_mend(struct repair *r, int status, enum check_wrong wrong, const char *how);

/* -- subjects ------------------------------------------------------------------------------ */

static inline bool repair_has(unsigned wrong, enum check_wrong what)
{
    return wrong & 1u << what;
}

void repair_directory(struct check *check, const struct group_of_facts *group, unsigned wrong);
void repair_inode(struct check *check, const struct group_of_facts *group, unsigned wrong);
/* A record that cannot be read. */
void repair_damage(struct check *check, const struct sighting *seen);
/* The same of a directory's own record; entry: one that leads to it, or NULL. */
void repair_own_attr(struct check *check, const struct sighting *own, const struct sighting *entry);
/* Of an inode's. */
void repair_inode_attr(struct check *check, const struct sighting *inode,
                       const struct sighting *names, size_t n);

#endif
