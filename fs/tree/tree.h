/* tree: names, paths, inodes and directories over the client, without FUSE.
 *
 * Files directly under the root are the plain keys. Everything else is internal:
 *
 *   record                  space     key                            kind       content
 *   file in the root        plain     the key (tree_key_of_name)     VALUE      its data; of a
 *                                                                               symlink its target
 *   directory in the root   plain     the key                        DIRECTORY  its id
 *   file below              internal  directory's id, 'e', name      VALUE      the same
 *   name of a file that     as a      as a file's                    REFERENCE  the key of the
 *   has had several         file's                                              inode's own record
 *   such a file itself      internal  shard, 'i', inode number       VALUE      its data
 *   where a file is that    internal  shard, 'i', inode number       REFERENCE  the key of its name
 *   has one name, and moved
 *   directory below         internal  directory's id, 'e', name      DIRECTORY  its id
 *   a directory's own       internal  its id, 'd'                    DIRECTORY  counts
 *   the root's own          internal  1, 'd'                         DIRECTORY  nothing; if it was set
 *   the topology            internal  "topology"                     VALUE      nothing: its version
 *                                                                               counts
 *
 * An id in a key is 8 bytes, big-endian: the key's tag, so that a directory's own record and all
 * its entries live in one shard. The shard in a key is its number, which stands in the upper 16 bits
 * of each id that it issued, again as a tag of 8 bytes: so the record of an inode is where its file
 * was made, and a file that is renamed within its directory stays in one shard.
 *
 * An id as content is a u64, little-endian; a key as content is a byte for its space, then its
 * bytes. The counts are slots: 0 the entries, 1 those that are directories. Records of files and
 * directories' own have attributes (attr.h); entries of directories have none.
 *
 *  T1  A file's inode number is its record's `created`; a directory's is its id; the root's is 1.
 *  T2  A directory's entry and its own record are made, and go, in one minitransaction: an entry
 *      without its record is damage (SF_CORRUPT), and nothing is made or left in a directory that
 *      is gone.
 *  T3  Counts change by Add alone, in the minitransaction that changes the entry; so whatever is made
 *      below the root needs the directory's own record.
 *  T4  An operation on an open file names its inode (precondition CREATED), so that it never
 *      touches another file that took the name.
 *  T5  A directory is in the one that its own record says, and on a way to the root. It comes under
 *      another one in a minitransaction that checks and changes the topology record (topology.c).
 *  T6  A file that has one name and has not had several lives at that name. If that is not the one
 *      it was made with, or was not once, its attributes say so (flag 2) and its inode's record
 *      is a REFERENCE to the name, whose `created` is the inode number too; both are written in the
 *      minitransaction that moves the file, and the record goes with the file. A file that has had
 *      several names lives in its inode's record for good; its attributes count the names, all
 *      of which are references. It goes with the last.
 *
 *  T7  An orphan is a file without a name that the mount which took the last one away has open. It
 *      lives in its inode-tagged record, with 0 links, which belongs to the mount's session in that
 *      shard (KV_OWNED): it goes with that, should tree_closed never come. Nothing else is ever
 *      owned or removed so: the record is read first, and that version alone is changed.
 *
 * All calls are asynchronous on the client's loop: on_done fires exactly once and never before
 * return, unless cancelled. Errors are SF_*; fs/mount translates them to errno.
 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include "client/client.h"

#define TREE_ROOT 1ull /* the root's id and inode number */
#define TREE_NAME_BYTES_MAX 255u
#define TREE_TARGET_BYTES_MAX 4095u /* of a symlink */
#define TREE_LINKS_MAX 40u          /* symlinks on the way of one path */

#define TREE_RENEW_MS 600000u /* well below the hour after which a session is dropped */

struct tree;

struct tree_options {
    uint32_t uid, gid;   /* owner of files whose record has no attr */
    uint64_t timeout_ms; /* of each operation; 0: none ("hard") */
    uint64_t renew_ms;   /* orphans are renewed so often; 0: TREE_RENEW_MS */
    struct rpc *rpc;     /* for the free space of the groups; NULL: STATFS stays unknown */
};

struct tree *tree_new(struct env *env, struct client *client, const struct tree_options *options);
/* Learns the root's mode and owner. on_open fires later, also where the cluster does not answer in
 * some seconds: until it does the root is the mounting user's alone. Before any other call. */
void tree_open(struct tree *tree, void (*on_open)(void *ctx), void *ctx);
void tree_free(struct tree *tree);

/* -- what is known of the cluster, from memory ---------------------------------------------- */

/* NULL before the first answer of the masters. Until the next turn of the loop. */
const struct config *tree_config(const struct tree *tree);

/* A replica as the last round of questions saw it; a round takes some seconds. */
struct tree_member {
    group_id gid;
    char address[SF_ADDRESS_BYTES_MAX];
    bool answered; /* only then the rest is known */
    bool leads;    /* its group ... */
    uint64_t term; /* ... in this one */
    uint64_t total_bytes, free_bytes;
};
/* count: how many. Until the next turn of the loop. */
const struct tree_member *tree_members(const struct tree *tree, size_t *count);

/* -- names of the root --------------------------------------------------------------------- */

/* The name in the mount of a plain key, with its escapes and a terminating 0. False: the key is
 * empty or its name would exceed 255 bytes, so the mount does not show it. */
bool tree_name_of_key(struct slice key, char name[TREE_NAME_BYTES_MAX + 1]);
/* The key of a name; `key` holds at least TREE_NAME_BYTES_MAX bytes. SF_NAME_TOO_LONG, SF_INVALID.
 */
SF_MUST_CHECK int tree_key_of_name(struct slice name, uint8_t *key, size_t *bytes);

/* -- inodes -------------------------------------------------------------------------------- */

struct tree_inode {
    uint64_t ino;
    uint32_t mode; /* type and permission bits, as S_IFREG | 0644 */
    uint32_t uid, gid;
    bool has_capability; /* a file that runs with privileges: xattr security.capability */
    uint32_t links;  /* of a directory: 2 + subdirectories; of the root 1, they are not counted */
    uint32_t device; /* of a device node, as the kernel's 32-bit number */
    uint64_t parent; /* of a directory: the id of the one above it */
    uint64_t size;
    uint64_t stored; /* of a file: no more bytes than these take room; known without a look */
    bool is_apart;   /* LOOKUP, GETATTR, LINK: a file that has had several names */
    uint64_t version;
    uint64_t atime_ns, mtime_ns, ctime_ns; /* since 1970, as two's complement of a signed number */
};

/* Where an inode is found. For a directory other than the root the entry may be unset (name.n = 0)
 * where the caller does not know it. */
struct tree_place {
    uint64_t directory; /* id of the directory that holds the entry */
    struct slice name;  /* of the entry; lent as long as the call */
    uint64_t ino;       /* 0: whichever lives there */
    bool is_directory;  /* GETATTR, SETATTR: `ino` is a directory's id, which is all it takes */
    bool is_apart; /* of a file: it lives in its inode's own record (T6); `ino` is all it takes */
};

/* Names of one file: more are SF_MANY_NAMES. */
#define TREE_NAMES_MAX 65000u

/* kind      uses                                  result, in the call
 *
 * LOOKUP    place.directory, place.name, guess    inode
 * GETATTR   place                                 inode
 * SETATTR   place, set, new values, bare          inode (not if bare). NO_SPACE: the extended
 *                                                 attributes do not fit
 * GETXATTR  place, xattr (empty: all names)       data: the value, or the names, each with a 0
 *                                                 behind it. NO_XATTR
 * CREATE    place without ino, mode, uid, gid,    inode, created (false: it was there, and not
 *           exclusive, device, data               exclusive). mode with a type: a symlink (data is
 *                                                 its target), a device, fifo or socket; without
 *                                                 one: a regular file
 * MKDIR     place without ino, mode, uid, gid     inode
 * UNLINK    place; ino may be 0, is_open          orphan
 * LINK      place of a file -> to_directory,      inode. EXISTS; MANY_NAMES
 *           to_name
 * RMDIR     place; ino may be 0                   inode.ino alone
 * RENAME    place -> to_directory, to_name,       inode.ino alone (0: both are names of one file, and
 *           no_replace, exchange, ino and         stay), target_ino. INVALID: a directory would come
 *           to_ino may be 0                       under itself
 * READLINK  place                                 data: the target. INVALID: it is no symlink
 * READ      place, offset, length                 data, short only at the end
 * WRITE     place, offset, data                   inode, without attributes
 * APPEND    place, data                           inode, without attributes; old_length
 * ALLOCATE  place, offset, length, allocate       -
 * SEEK      place, offset, seek_hole              offset: of what was found; VALUE_FOUND_NONE
 * FSYNC     place                                 (brings a lazy mtime up to date)
 * READDIR   place (a directory), after,           on_entry for each, with attributes (of a
 *           length = most names                   directory, and of a file that has had several
 *                                                 names: ino and type alone, version 0); end, or
 *                                                 at least one entry
 * STATFS    -                                     space
 *
 * What names a file by its inode (a place with `ino`) is done wherever that file is now; has_moved
 * and place_now say where that was. SF_STALE_FILE: the file is gone; or a name of UNLINK, RMDIR or
 * RENAME does not lead to the inode that the call names.
 */
enum tree_kind {
    TREE_LOOKUP = 1,
    TREE_GETATTR,
    TREE_SETATTR,
    TREE_GETXATTR,
    TREE_CREATE,
    TREE_MKDIR,
    TREE_UNLINK,
    TREE_LINK,
    TREE_RMDIR,
    TREE_RENAME,
    TREE_READLINK,
    TREE_READ,
    TREE_WRITE,
    TREE_APPEND,
    TREE_ALLOCATE,
    TREE_SEEK,
    TREE_FSYNC,
    TREE_READDIR,
    TREE_STATFS,
    TREE_KIND_LIMIT
};

enum tree_set {
    TREE_SET_MODE = 1,
    TREE_SET_OWNER = 2, /* uid and gid; UINT32_MAX keeps one */
    TREE_SET_SIZE = 4,
    TREE_SET_ATIME = 8,
    TREE_SET_MTIME = 16,
    TREE_DROP_PRIVILEGES = 32, /* of the mode: set-user-id, and set-group-id if it runs as such */
    TREE_DROP_CAPABILITY = 64, /* the xattr security.capability, if there is one */
    TREE_SET_XATTR = 128,      /* `xattr` := data, as xattr_must says */
    TREE_REMOVE_XATTR = 256,   /* `xattr`. NO_XATTR: there is none */
};

/* What becomes of the range; NO_SPACE where the cluster is known to have less room than the file
 * would grow. None is set aside. */
enum tree_allocate {
    TREE_ALLOCATE_ZERO = 1,      /* its bytes become zeros; else they stay */
    TREE_ALLOCATE_KEEP_SIZE = 2, /* else the file reaches to its end at least */
};

/* What must be so before an extended attribute is set; else EXISTS or NO_XATTR. */
enum tree_xattr_must { TREE_XATTR_ANY, TREE_XATTR_ABSENT, TREE_XATTR_THERE };

/* Facts that can be read as extended attributes of files and directories, and are not in the list:
 * the shard of the record, the group that serves it, its version. Each as decimal text. */
#define TREE_XATTR_FACTS "user.shardfs."
#define TREE_XATTR_CAPABILITY "security.capability"

struct tree_space {
    uint64_t total_bytes, free_bytes; /* of the groups, summed */
    bool known;                       /* false: the cluster did not answer yet; never waits */
};
/* A group has as much room as its fullest replica. A disk with replicas of several groups of the
 * Config gives each of them an even part. Not known where none of its members answered. */
struct tree_space tree_group_space(const struct config *config, group_id gid,
                                   const struct tree_member *members, size_t count);
/* Of several that lead a group, for each was asked at another moment, the one of the latest term does. */
void tree_one_leader(struct tree_member *members, size_t count);
void tree_space_add(struct tree_space *sum, const struct tree_space *part);

struct tree_call {
    void (*on_done)(struct tree_call *call, int status);
    /* READDIR: one entry; name and its bytes are borrowed until return. False: no room, stop before
     * it. Called within the callback chain of on_done, before it. */
    bool (*on_entry)(struct tree_call *call, struct slice name, const struct tree_inode *inode);
    /* UNLINK, RENAME: does the caller have this file open? NULL: nothing. Then it is kept when its
     * last name goes, with no link, until tree_closed. Called while the call is under way. */
    bool (*is_open)(struct tree_call *call, uint64_t ino);
    enum tree_kind kind;
    struct tree_place place;
    uint64_t guess; /* LOOKUP: the directory that was there last, which saves time; 0: none */
    uint64_t to_directory; /* RENAME, LINK */
    struct slice to_name;
    bool no_replace, exchange; /* RENAME: not both */
    uint64_t to_ino;           /* RENAME: the inode that has to be there; 0: any, or none */
    bool exclusive;
    unsigned set;       /* SETATTR: enum tree_set */
    struct slice xattr; /* its name, 1..255 bytes; lent */
    enum tree_xattr_must xattr_must;
    bool bare; /* SETATTR: nobody looks at the inode */
    uint32_t mode, uid, gid, device;
    uint64_t atime_ns, mtime_ns, size;
    uint64_t offset, length;
    unsigned allocate;  /* ALLOCATE: enum tree_allocate */
    bool seek_hole;     /* SEEK: the next hole; else the next data */
    struct slice after; /* READDIR: the last name that was delivered; empty: from the start */
    /* WRITE, APPEND, CREATE, SETATTR: lent; READ, READLINK, GETXATTR: out, borrowed until on_done
     * returns */
    struct slice data;
    /* out */
    struct tree_inode inode;
    uint64_t target_ino; /* RENAME: of what lived at the target; 0: nothing did */
    uint64_t old_length;
    bool created, end;
    uint64_t orphan;             /* the file that has no name any more and was kept; 0: none */
    bool has_moved;              /* the file is not where `place` says, but at place_now */
    struct tree_place place_now; /* its name is borrowed until on_done returns */
    struct tree_space space;
    void *ctx;   /* the caller's */
    void *state; /* the tree's own */
};

/* The root's, from memory, as GETATTR answers it. */
void tree_root_inode(struct tree *tree, struct tree_inode *out);

void tree_submit(struct tree *tree, struct tree_call *call);
/* on_done will not fire. Whether a mutation happened stays unknown to the caller; the client
 * settles it in the background before a later mutation of the same key. */
void tree_cancel(struct tree_call *call);
bool tree_call_was_sent(const struct tree_call *call); /* a mutation of it may have left */

/* Nobody has the file open any more: if it is an orphan of this tree, it goes, in the background and
 * however often that must be tried. */
void tree_closed(struct tree *tree, uint64_t ino);
size_t tree_orphan_count(const struct tree *tree); /* those included that it only may have */

/* -- paths ("docs/a.txt", as shardctl names things) ----------------------------------------- */

/* Walks `path` (names separated by '/', a leading one allowed) down to the directory that holds its
 * last name, and looks that up. Symlinks on the way are followed, absolute ones from the root; one
 * that the path ends with is the result where no_follow is set and no '/' is behind it.
 *   make_parents   missing directories are made
 *   on_done: SF_OK with place (its name points into `path` or the walk itself) and inode;
 *   place.name.n = 0 for the root and where the path ends with "." or "..". SF_NOT_FOUND with place
 *   where only the last name is missing (then place.ino = 0); with place.name.n = 0 where a parent
 *   is missing. SF_LINKS after more than TREE_LINKS_MAX symlinks, SF_NAME_TOO_LONG where the path
 *   grows beyond TREE_PATH_BYTES_MAX with them. */
#define TREE_PATH_BYTES_MAX 8192u
struct tree_walk {
    void (*on_done)(struct tree_walk *walk, int status);
    struct slice path; /* lent */
    bool make_parents, no_follow;
    uint32_t mode, uid, gid; /* of directories that are made */
    struct tree_place place; /* out */
    struct tree_inode inode; /* out */
    void *ctx;               /* the caller's */
    struct tree_call call;   /* the tree's own */
    struct tree *tree;
    struct slice rest;                 /* of the path: what is not resolved yet */
    unsigned links;                    /* followed so far */
    uint8_t text[TREE_PATH_BYTES_MAX]; /* `rest`, once a symlink was followed */
};
void tree_walk(struct tree *tree, struct tree_walk *walk);
/* The record of a file's place, for operations that the tree does not have (a Put of the whole
 * value). key: TREE_KEY_BYTES_MAX bytes. SF_NAME_TOO_LONG, SF_INVALID. */
#define TREE_KEY_BYTES_MAX (9u + TREE_NAME_BYTES_MAX)
SF_MUST_CHECK int tree_record_key(const struct tree_place *place, enum kv_space *space,
                                  uint8_t *key, size_t *bytes);

#endif
