/* op: one tree call under way: what it waits for, and the storage its steps share.
 *
 * A step is a function that gets the answer to what the step before asked for, and either asks for
 * the next thing (op_send, op_value, op_new_id, op_later, a scan) or ends the call (op_finish).
 * Exactly one thing is waited for at a time; beside it one read may be under way for a step that
 * comes later (ahead.c).
 */
#ifndef TREE_OP_H
#define TREE_OP_H

#include "client/scan.h"
#include "tree/attr.h"
#include "tree/drop.h"
#include "tree/recent.h"
#include "tree/tree.h"

#define REFERENCE_BYTES_MAX (1u + KEY_BYTES_MAX) /* content of a reference */
/* A call that reads something and changes it by that begins again where another was faster. After so
 * many times it reads with a hold (proto/kv.h), and is overtaken no more. */
#define OP_HOLD_AFTER 3u
#define OP_RETRIES_MAX 100u /* more are a mistake of ours */

/* A minitransaction under construction: whoever has a part in it adds to it. Same keys may occur
 * again: operations are done in order. */
#define MINI_PARTS_MAX 12u
struct mini {
    struct kv_op checks[MINI_PARTS_MAX], ops[MINI_PARTS_MAX];
    size_t check_count, op_count;
};

struct op;
typedef void op_step(struct op *op, int status, const struct kv_reply *reply);
typedef void op_value_step(struct op *op, int status, const struct kv_stat *stat,
                           struct slice data);

enum op_waits { OP_NOTHING, OP_CLIENT, OP_VALUE, OP_ID, OP_TIMER, OP_AHEAD, OP_SCAN };

struct op {
    struct tree *tree;
    struct tree_call *call;
    struct op *prev, *next; /* in tree->ops */
    enum op_waits waits;
    bool changed;         /* an earlier step may have changed something */
    uint64_t deadline_ms; /* 0: none */
    unsigned retries;
    uint64_t hold; /* the number that its changes carry; 0: none */

    struct client_call client;
    struct value_call value;
    struct client_id id;
    struct ahead *ahead; /* NULL: none */
    struct env_timer timer;
    op_step *then; /* of client and timer */
    op_value_step *then_value;

    struct kv_op kv;   /* what is sent; a minitransaction points to checks and ops */
    struct mini *mini; /* NULL: not begun */
    struct key entry, to_entry,
        directory;         /* of place, of the target, of a directory's own record */
    struct key own, below; /* of a directory that is made or removed: its record, its entries */
    struct buffer attr;    /* of the record that is written */
    struct buffer xattrs;  /* SETATTR: the list that goes into it */
    uint8_t id_bytes[8];
    struct slice id_slice;
    uint64_t child;     /* id of the directory that is looked at, made or removed */
    struct buffer keep; /* READDIR of the root: the key to go on behind */
    struct kv_stat stat;
    uint64_t dangling, full;  /* op_dangles, op_stays_full: the version that was seen; 0: none */
    bool is_located;          /* op->entry is where an inode's own record leads (locate.c) ... */
    uint64_t located_version; /* ... of this version */
    bool is_resized;          /* SETATTR: the size is set already */
    bool has_recalled;        /* SETATTR: what was seen last is not tried again */
    struct key inode;         /* LINK: of the inode's own record ... */
    uint8_t reference[REFERENCE_BYTES_MAX]; /* ... and what leads to it */
    struct buffer type;                     /* LINK: attributes of a reference */
    struct location location;               /* LINK: of the file that it moves */
    struct scan_call scan;                  /* READDIR of the root */
    struct drop drop;                       /* of the name that goes */
    struct rename *rename;                  /* RENAME */
    int outcome;                            /* what to answer after a clean-up */
};

struct tree {
    struct env *env;
    struct client *client;
    struct tree_options options;
    struct op *ops;
    struct recent *recent;
    struct buffer answer;       /* what the call that ends just now answers with */
    struct root *root;          /* the root's own attributes (root.c) */
    struct orphan *orphans;     /* that this tree keeps (orphan.c) */
    void (*on_lost)(void *ctx); /* locks.h; NULL: nobody watches */
    void *lost_ctx;
    struct space_poll *space;               /* free space of the cluster (space.c) */
    char name_now[TREE_NAME_BYTES_MAX + 1]; /* of the call that ends just now: place_now */
};

/* -- keys.c -------------------------------------------------------------------------------- */

/* The key of the entry `name` in a directory. SF_NAME_TOO_LONG, SF_INVALID ("", a '/', a 0). */
SF_MUST_CHECK int key_of_entry(uint64_t directory, struct slice name, struct key *out);
void key_of_directory(uint64_t id, struct key *out);
/* The prefix of all entries of a directory below the root: 9 bytes. */
void key_of_entries(uint64_t id, struct key *out);
/* The one topology record (topology.c): no directory, and no shard, has an id of this tag. */
void key_of_topology(struct key *out);
/* The inode's own record of a file: where it lives once it has had several names, or a reference to
 * where it lives once it has moved (tree.h, T6). It is in the shard that issued the number. */
void key_of_inode(uint64_t ino, struct key *out);
bool key_inode(enum kv_space space, struct slice key, uint64_t *ino); /* is it one, and of whom? */
bool key_is_of_inode(const struct key *key);
/* The place that this key is: an entry, its name in `name`, or an inode's own record. */
struct tree_place key_place(const struct key *key, char name[TREE_NAME_BYTES_MAX + 1]);
/* What locks on a file are kept under, wherever its record is. */
void key_of_locks(uint64_t ino, bool flock, struct key *out);
struct slice key_slice(const struct key *key);
/* What a reference to this key has as content, in `bytes`. */
struct slice key_reference(const struct key *key, uint8_t bytes[REFERENCE_BYTES_MAX]);
/* The key that a reference leads to. SF_BAD_ATTR. */
SF_MUST_CHECK int key_of_reference(struct slice data, struct key *out);
/* The inode number in an entry that is a reference: it leads to that inode's own record.
 * SF_BAD_ATTR. */
SF_MUST_CHECK int key_inode_of_reference(struct slice data, uint64_t *ino);
/* The id in a directory entry's value. SF_BAD_ATTR. */
SF_MUST_CHECK int key_directory_id(struct slice data, uint64_t *id);

/* -- tree.c -------------------------------------------------------------------------------- */

/* A kv operation of this kind on this key, everything else zero. */
void op_kv(struct kv_op *kv, enum kv_kind kind, const struct key *key);
/* Sends op->kv. */
void op_send(struct op *op, op_step *then);
/* An empty op->mini. */
void op_mini_begin(struct op *op);
/* One check more, one operation more, as op_kv makes it; the caller fills in the rest. Keys, data
 * and attr are lent until the answer. */
struct kv_op *op_mini_check(struct op *op, const struct key *key);
struct kv_op *op_mini_add(struct op *op, enum kv_kind kind, const struct key *key);
/* The PUTs and DELETEs among these take a reference or a directory that they name, too
 * (KV_ANY_KIND). */
void op_take_any_kind(struct kv_op *ops, size_t count);
/* Sends op->mini; what it changes may be of any kind. */
void op_mini_send(struct op *op, op_step *then);
/* Of its answer, which is not SF_OK: the check or operation that failed. */
const struct kv_op *op_mini_failed(const struct op *op, const struct kv_reply *reply);
/* A PUT in op->mini that makes the record `stat` anew at `key`, with its bytes in the head, all its
 * extents, its inode number, and a later ctime, whatever clock the shard there goes by. What is there
 * now must be gone by an operation before it. */
struct kv_op *op_mini_put_moved(struct op *op, const struct key *key, const struct kv_stat *stat,
                                struct slice head);
/* A fresh op->value for the file at `key` that the call's place names, and no other. */
void op_value_begin(struct op *op);
/* A value operation on the record at `key`; the caller has filled in op->value's other fields. */
void op_value(struct op *op, enum value_kind kind, const struct key *key, op_value_step *then);
/* `then` gets the id as reply->ids_first. */
void op_new_id(struct op *op, op_step *then);
void op_later(struct op *op, uint64_t delay_ms, op_step *then);
void op_finish(struct op *op, int status);
/* Begins the call, or begins it again: its kind's function sends something, or the call ends. */
void op_start(struct op *op);
void op_drop(struct op *op); /* frees it unheard: its call was cancelled */
/* Counts a retry. False (and the call has ended with SF_BUSY) after too many. */
bool op_may_retry(struct op *op);
/* The number that it is to read by what it is about to change; 0: it need not hold that. */
uint64_t op_hold(struct op *op);
uint64_t op_left_ms(const struct op *op); /* for a timeout; 0: none; never 0 where there is one */
/* The entry of this version leads to a directory whose own record is not there, as was found a moment
 * later; or to one that has names in it. False the first time: the entry may have changed in that
 * moment, and is read again. Found again as it was, it had not. */
bool op_dangles(struct op *op, uint64_t version);
bool op_stays_full(struct op *op, uint64_t version);

/* What recent.h knows of it. */
bool op_recall(const struct op *op, const struct key *key, struct kv_stat *stat,
               struct slice *content);
/* A read of the record of `key`, with data. */
void op_stat(struct op *op, const struct key *key, op_step *then);
/* Of one that is changed by it: these two hold it after some tries. op_get_held: of a file, with its
 * bytes. */
void op_stat_held(struct op *op, const struct key *key, op_step *then);
void op_get_held(struct op *op, const struct key *key, op_step *then);
/* Where two keys are held, this one is held first (shardkv/pending_holds.c). */
bool op_holds_first(const struct op *op, const struct key *a, const struct key *b);
/* A read of the file at op->entry, its mtime brought up to date if this client left it behind. */
void op_file_stat(struct op *op, op_value_step *then);
/* The ADD to a directory's own record that counts entries and subdirectories. */
void op_count(struct kv_op *kv, const struct key *directory, int entries, int subdirectories);
/* Adds that to op->mini for the directory that the call's place is in, which must be there; the root
 * has no counts. Its key is op->directory. */
void op_count_above(struct op *op, int entries, int subdirectories);
/* For a file found in the root or below: its inode into call->inode. */
int op_file_inode(struct op *op, const struct kv_stat *stat);
/* The record of `kv`, a PUT or SET_ATTR, gets these attributes, which stay in op->attr.
 * SF_NO_SPACE. */
SF_MUST_CHECK int op_set_attr(struct op *op, struct kv_op *kv, const struct attr *attr);

/* -- ahead.c: the read of a later step ----------------------------------------------------------- */

/* Begins to read the record of `key`, with data, beside what is waited for. One at a time: the one
 * before is given up. */
void op_ahead(struct op *op, const struct key *key);
/* As op_stat; what op_ahead reads is taken, where it is this record. `then` may be called before this
 * returns, so a step that asks does nothing after it; the reply is there until the call ends. */
void op_stat_ahead(struct op *op, const struct key *key, op_step *then);
void ahead_free(struct ahead *ahead); /* NULL is allowed */

/* -- locate.c: where a file is ------------------------------------------------------------------ */

/* op->entry: the record of the file that the call's place names. SF_NAME_TOO_LONG, SF_INVALID. */
SF_MUST_CHECK int locate_begin(struct op *op);
/* The end of a call on that file; `status` is what a step answered that named the inode. If it says
 * that the file is elsewhere, the call is begun again there, and if it is nowhere, it ends with
 * SF_STALE_FILE. */
void locate_finish(struct op *op, int status);
bool locate_is_elsewhere(int status); /* does it say that? */

/* -- one function a kind: checks the call and sends its first request ----------------------- */

int lookup_start(struct op *op);
int getattr_start(struct op *op);
int setattr_start(struct op *op);
int getxattr_start(struct op *op);
int create_start(struct op *op);
int mkdir_start(struct op *op);
int unlink_start(struct op *op);
int link_start(struct op *op);
int rmdir_start(struct op *op);
int rename_start(struct op *op);
int readlink_start(struct op *op);
int read_start(struct op *op);
int write_start(struct op *op);
int append_start(struct op *op);
int allocate_start(struct op *op);
int seek_start(struct op *op);
int fsync_start(struct op *op);
int readdir_start(struct op *op);
int statfs_start(struct op *op);

/* Looks at what lives at op->entry (lookup.c): fills in call->inode and goes to op_finish. */
void lookup_entry(struct op *op);
/* directory.c: adds to op->mini what removes the directory `id` and its entry, of this version. It
 * fails with NOT_EMPTY. */
void remove_directory(struct op *op, const struct key *entry, uint64_t version, uint64_t id);

/* rename.c; NULL is allowed */
void rename_free(struct rename *rename);

/* orphan.c: files without a name belong to this client's sessions, which live as long as they are
 * used: so each is renewed from time to time, and at once when all sessions were lost. */
/* This client took the last name of a file away that is open, or perhaps did. */
void orphan_keep(struct tree *tree, uint64_t ino);
void orphans_init(struct tree *tree);
void orphans_deinit(struct tree *tree); /* they go when the sessions end */

/* space.c */
struct space_poll *space_poll_new(struct tree *tree);
void space_poll_free(struct space_poll *poll);
struct tree_space space_poll_now(const struct space_poll *poll);
const struct tree_member *space_poll_members(const struct space_poll *poll, size_t *count);

/* root.c */
struct root *root_new(struct tree *tree);
void root_free(struct root *root);
void root_inode(struct root *root, struct tree_inode *out);
uint64_t root_mtime_ns(const struct root *root); /* the one in force */
uint64_t root_names_ns(const struct root *root); /* the latest change of names; 0: none is known */
/* The root's own record is as this says, attributes included. SF_BAD_ATTR: nothing was learnt. */
int root_learn(struct root *root, const struct kv_stat *stat);
/* This client changed names of the root; the record's time, which may be older. */
void root_touched(struct root *root, uint64_t time_ns);
/* The names of some shards changed last at this time. */
void root_saw(struct root *root, uint64_t time_ns);

#endif
