/* kv: the operations of shardkv, as they stand in a request, in a log entry and in a reply.
 *
 * One struct for all operations; kv_op_pack/kv_op_unpack are the one codec, used on the wire and in
 * log entries. Which fields an operation uses is the table at enum kv_kind. Slices are borrowed
 * from what was decoded.
 */
#ifndef PROTO_KV_H
#define PROTO_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "placement/placement.h"
#include "proto/pack.h"

enum kv_space {
    KV_PLAIN = 0,    /* users' keys, any bytes */
    KV_INTERNAL = 1, /* keys of the client's own making: 8 bytes tag (their route), then anything */
};

/* The bytes of a reference are the key to go on with: a byte for its space, then the key. */
enum record_kind { RECORD_VALUE = 1, RECORD_REFERENCE = 2, RECORD_DIRECTORY = 3 };

/* From extent `first_extent` on (numbered from 1: the head is extent 0), up to the next entry's,
 * the bytes stand under this data id. Sorted, first_extent strictly increasing. */
struct kv_tail {
    uint64_t first_extent;
    uint64_t data_id;
};

/* What is known of a record besides its bytes. */
struct kv_stat {
    enum record_kind kind;
    uint64_t version;  /* id of the entry that changed it last (time-only changes included) */
    uint64_t created;  /* id at its creation; the inode number */
    uint64_t mtime_ns; /* as shown: the one set by SET_ATTR if any, else that of the last change */
    uint64_t ctime_ns; /* of the last change of any kind */
    uint64_t length;   /* of the whole value, extents included */
    struct kv_tail tail[SF_TAIL_MAX];
    size_t tail_count;
    struct slice attr; /* opaque, <= SF_ATTR_BYTES_MAX; empty in replies to mutations */
};

enum kv_pre_kind { KV_PRE_NONE, KV_PRE_ABSENT, KV_PRE_EXISTS, KV_PRE_VERSION, KV_PRE_CREATED };

struct kv_pre {
    enum kv_pre_kind kind;
    uint64_t id; /* of VERSION and CREATED */
};

/*  kind           fields used besides space, key, pre        reply besides status and stat
 *  GET            -                                          data: the head's bytes; partial
 *  GET_RANGE      offset, length                             data: bytes within the head
 *  STAT           -                                          stat with attr; data of a reference
 *                                                            or directory entry
 *  SCAN           key = prefix, data = after, length =       entries (names without the
 *                 limit, shards (all these at once; else     prefix), more
 *                 that of the prefix, which has a tag then)
 *  PUT            data; opt. length (whole value), tail,     stat
 *                 attr, created, mtime, after,
 *                 record_kind, intent
 *  APPEND         data                                       stat; old_length; data = old value
 *                                                            where KV_WANT_OLD
 *  PUT_HASH       data                                       data: old value
 *  SET_RANGE      offset, data (within                       stat
 *                 SF_VALUE_BYTES_MAX); creates the key
 *                 unless pre says otherwise
 *  SET_LENGTH     length; opt. tail; KV_LENGTH_MAX           stat; old_length
 *  PUNCH_RANGE    offset, length: zeros, length unchanged    stat
 *  SET_ATTR       opt. attr, mtime, after                    stat
 *  ADD            adds                                       stat
 *  DELETE         -                                          stat of what was deleted
 *  TAKE           only within MINI                           stat
 *  NEW_IDS        length = count (1..4096)                   ids_first
 *  INTENT         ids_first = data id                        -
 *  SESSION_OPEN   data = client id (16 bytes)                session
 *  SESSION_CLOSE  -                                          -
 *  ABANDON        length = sequence number                   the completion record's reply
 *  MINI           checks, ops (all of one shard)             replies, one for each op; their data
 *                                                            together <= SF_VALUE_BYTES_MAX
 *
 *  hold: a number that its caller draws at random, for reading a key and changing it by what was
 *  read while others change it all the time (shardkv/pending_holds.c). It changes nothing that an
 *  answer says, only when it comes.
 *  GET, STAT              waits until those have changed the key who came before, and keeps others
 *                         from changing it for up to KV_HOLD_MS
 *  PUT .. DELETE, MINI,   passes what this number holds in the shard, and ends it
 *  PREPARE
 *
 *  A minitransaction over several shards (shardkv/txn.h): each shard is a participant, named by a
 *  session of that shard and a number in it.
 *  PREPARE        checks, ops (of one participant); numbers  fate; status of a no, replies, failed
 *                 = all participants, by shard; KV_WAITS     as MINI's
 *  OUTCOME        numbers = one of this shard; KV_COMMITS    fate; of a commit: what MINI answers
 *  FORGET         numbers = some of this shard               -
 *  ASK            numbers = one of this shard                fate. What was not prepared so far
 *                                                            will not be from here on
 *
 *  Locks on ranges of an internal key (shardkv/range.h). data = a struct kv_lock:
 *  LOCK           what is asked for                          old_length: how many locks and places
 *                                                            in queues its holder has in the shard;
 *                                                            ids_first: length of a lease in ms;
 *                                                            QUEUED: it waits, under its ticket
 *  LOCK_CANCEL    holder and ticket of what waits            the same; NOT_FOUND: it does not wait
 *  LOCK_TEST      what would be asked for                    data: a lock in the way, if any
 *  LOCK_AWAIT     holder and ticket                          when it waits no more; QUEUED: it
 *                                                            still does, after KV_AWAIT_MS
 *  Of a client as a whole. ids_first = its holder; no key:
 *  RENEW          -                                          as LOCK's
 *  FENCE          -                                          -: nothing that it sent before is
 *                                                            executed here from now on
 *  RELEASE        -                                          -: its locks are gone. Only after FENCE
 *                                                            in every shard
 */
enum kv_kind {
    KV_GET = 1,
    KV_GET_RANGE,
    KV_STAT,
    KV_SCAN,
    KV_PUT,
    KV_APPEND,
    KV_PUT_HASH,
    KV_SET_RANGE,
    KV_SET_LENGTH,
    KV_PUNCH_RANGE,
    KV_SET_ATTR,
    KV_ADD,
    KV_DELETE,
    KV_TAKE,
    KV_NEW_IDS = 16, /* 15 is of no kind; logs hold these numbers */
    KV_INTENT,
    KV_SESSION_OPEN,
    KV_SESSION_CLOSE,
    KV_ABANDON,
    KV_MINI,
    KV_PREPARE,
    KV_OUTCOME,
    KV_FORGET,
    KV_ASK,
    KV_LOCK,
    KV_LOCK_CANCEL,
    KV_LOCK_TEST,
    KV_LOCK_AWAIT,
    KV_RENEW,
    KV_FENCE,
    KV_RELEASE,
    KV_KIND_LIMIT
};

enum kv_flags {
    KV_WANT_OLD = 1,       /* APPEND: return the old value */
    KV_HAS_ATTR = 2,       /* attr is given (it may be empty); else it is kept */
    KV_HAS_TAIL = 4,       /* tail is given, the new one */
    KV_HAS_CREATED = 8,    /* PUT: the record carries this `created` (a move) */
    KV_HAS_MTIME = 16,     /* mtime_ns is shown until the next change */
    KV_HAS_LENGTH = 32,    /* PUT: length of the whole value (more than data where a tail is) */
    KV_LENGTH_MAX = 64,    /* SET_LENGTH: length = max(present, given) */
    KV_IF_TAIL = 128,      /* the present tail must equal if_tail, else PRECONDITION with stat */
    KV_HAS_INTENT = 256,   /* PUT: consumes the intent `ids_first`, else INTENT_GONE; INTENT: it
                              must be there already, else INTENT_GONE */
    KV_PREFIX_EMPTY = 512, /* a check of MINI: no key of this prefix exists, else NOT_EMPTY */
    /* a check of MINI: 8-byte slot `offset` of the value is 0, else NOT_EMPTY */
    KV_IF_SLOT_ZERO = 1024,
    KV_WAITS = 2048,   /* PREPARE: queues for its locks; without it a lock makes it vote no */
    KV_COMMITS = 4096, /* OUTCOME: commit, else abort */
    KV_REFUSED = 8192, /* PREPARE: votes no, CONFLICT. A leader sets it, for who came out of turn */
    KV_UNNAMED =
        16384, /* SCAN of one of `shards`: intents and trash (shardkv/trash.h), no records */
    /* PUT, SET_ATTR: the record goes with the session that asks, at the latest; a SET_ATTR of nothing
     * else changes nothing else. DELETE: of such a record */
    KV_OWNED = 32768,
    /* PUT, DELETE: where pre is VERSION or CREATED, of a reference or a directory, too: by who knows
     * what hangs on it, as the file system does. Without it they are IS_REFERENCE, IS_DIRECTORY. */
    KV_ANY_KIND = 65536,
};

/* ADD: the value is an array of 64-bit little-endian slots (absent: 0); each commutes. */
struct kv_add {
    uint32_t slot; /* 0..31 */
    bool is_max;   /* slot = max(slot, value), unsigned; else slot += (int64) value */
    uint64_t value;
};
#define KV_ADDS_MAX 8u
#define KV_SLOTS_MAX 32u    /* slots of a record of counters */
#define KV_IDS_MAX 4096u    /* ids of one NEW_IDS */
#define KV_CLIENT_BYTES 16u /* a client's random id */
/* Keys, data and attr of a MINI together: as a log entry it shares a message with others. */
#define KV_MINI_BYTES_MAX (4u << 20)
#define KV_NUMBERS_MAX 64u         /* of one FORGET */
#define KV_AWAIT_MS 10000u         /* so long a LOCK_AWAIT is not answered */
#define KV_HOLD_MS 500u            /* so long a hold stands at the most */
#define KV_SHARD_OF_KEY UINT32_MAX /* kv_target.shard: to be computed from the key */

/* A participant of a transaction: a number of a session, which is used for nothing else. */
struct kv_number {
    uint32_t shard;
    uint64_t session;
    uint64_t sequence;         /* from 1 */
    uint64_t first_incomplete; /* of the session, when the client sent this; <= sequence */
};

enum kv_lock_type { KV_LOCK_NONE, KV_LOCK_SHARED, KV_LOCK_EXCLUSIVE };

enum kv_lock_flags {
    KV_LOCK_WAITS = 1, /* it queues where it cannot be had; else LOCK_HELD */
    /* Its owner holds locks already, of whatever: it stands behind holders, not behind those who
     * wait, or fairness would make circles that locks alone do not. */
    KV_LOCK_PASSES = 2,
    /* As flock(2) has it: where it is to become another type and that cannot be at once, what its
     * owner had is given back first. DEADLOCK is not looked for. */
    KV_LOCK_CONVERTS = 4,
};

/* A lock on bytes first..last of a key, or one that is asked for. */
struct kv_lock {
    enum kv_lock_type type; /* NONE: to be unlocked */
    unsigned flags;
    uint64_t holder;      /* the client: the first 8 bytes of its sessions' ids; not 0 */
    uint64_t owner;       /* who, within the client; locks of one owner do not conflict */
    uint64_t ticket;      /* a number of the holder's for this request alone */
    uint64_t first, last; /* first <= last */
    uint32_t pid;         /* shown by LOCK_TEST */
};
#define KV_LOCK_BYTES 46u

struct kv_op {
    enum kv_kind kind;
    enum kv_space space;
    unsigned flags;
    enum record_kind record_kind; /* PUT; 0 counts as RECORD_VALUE */
    struct slice key;
    struct kv_pre pre;
    struct slice data;
    struct slice attr;
    uint64_t offset, length;
    uint64_t created, mtime_ns, ids_first;
    /* PUT, SET_ATTR: the record's ctime becomes later than this, whatever the clock of its group
     * says: that of the record it was moved from, which another group may have had. */
    uint64_t after_ns;
    struct kv_tail tail[SF_TAIL_MAX];
    size_t tail_count;
    struct kv_tail if_tail[SF_TAIL_MAX];
    size_t if_tail_count;
    struct kv_add adds[KV_ADDS_MAX];
    size_t add_count;
    const uint32_t *shards; /* SCAN */
    size_t shard_count;
    const struct kv_op *checks, *ops; /* MINI, PREPARE; their kind is KV_STAT for checks */
    size_t check_count, op_count;     /* together <= SF_MINI_OPS_MAX */
    const struct kv_number *numbers;  /* PREPARE, OUTCOME, FORGET, ASK */
    size_t number_count;
    uint64_t hold; /* 0: none; not within a MINI */
};

/* Where a request goes. */
struct kv_target {
    group_id gid;
    uint64_t group_identity; /* group_identity() of the addresses that the client believes in */
    uint32_t shard;
    bool forward; /* a replica that does not lead passes it on to its leader */
};

/* The session part of a mutating request (SESSION_OPEN has none: all 0). */
struct kv_session {
    uint64_t session;
    uint64_t sequence;         /* from 1 */
    uint64_t first_incomplete; /* every number below it is finished for the client */
};

struct kv_request {
    struct kv_target target;
    struct kv_session session;
    struct kv_op op;
};

/* Of a SCAN. With KV_UNNAMED name and data are kv_unnamed_unpack's, and stat is empty. */
struct kv_entry {
    struct slice name;
    struct kv_stat stat;
    struct slice data; /* of references and directory entries; else empty */
};

/* Extents that no record names, or not yet: first .. end - 1, and where `open` those from `end` on.
 * An intent is about all of its data id. */
struct kv_unnamed {
    uint64_t data_id, first, end;
    bool open;
};
/* The data of an entry. SF_PROTOCOL. */
SF_MUST_CHECK int kv_unnamed_unpack(struct slice data, struct kv_unnamed *out);
void kv_unnamed_pack(struct buffer *b, const struct kv_unnamed *unnamed);

/* What has become of a transaction at a participant. */
enum kv_fate {
    KV_FATE_NONE,     /* says nothing of it: a refusal without a trace */
    KV_FATE_PREPARED, /* voted yes; the outcome is awaited */
    KV_FATE_COMMITTED,
    KV_FATE_ABORTED, /* voted no, for ever; or was told so */
};

struct kv_reply {
    int status; /* SF_* */
    struct kv_stat stat;
    struct slice data;
    bool partial; /* GET: the value goes on in extents */
    uint64_t old_length;
    uint64_t ids_first; /* SCAN with KV_UNNAMED: counter of the shard's next id; it moves with every
                         * change of a record */
    uint64_t session;
    const struct kv_entry *entries;
    size_t entry_count;
    bool more;                      /* SCAN: there are further names */
    const struct kv_reply *replies; /* MINI; on failure: one, of the check or op that failed */
    size_t reply_count;
    uint64_t failed; /* MINI: position of what failed (checks first, then ops) */
    enum kv_fate fate;
    /* NOT_LEADER: where the leader is thought to be, "" if unknown. WRONG_GROUP: the newest Config
     * number this group knows. */
    char leader[SF_ADDRESS_BYTES_MAX];
    uint64_t config_num;
};

/* The key that a reference with these bytes leads to; it points into them. False: they are none. */
SF_MUST_CHECK bool kv_reference(struct slice bytes, enum kv_space *space, struct slice *key);

/* "kv.get" ... ; NULL for a number that is no kind. */
const char *kv_method_name(enum kv_kind kind);
bool kv_kind_of_method(struct slice method, enum kv_kind *out);
bool kv_is_read(enum kv_kind kind);      /* GET, GET_RANGE, STAT, SCAN, LOCK_TEST, LOCK_AWAIT */
bool kv_is_lock(enum kv_kind kind);      /* the four that carry a struct kv_lock */
bool kv_may_hold(enum kv_kind kind);     /* those that `hold` means something to */
bool kv_is_of_holder(enum kv_kind kind); /* RENEW, FENCE, RELEASE: they have no session */
/* PREPARE, OUTCOME, FORGET, ASK: what a transaction over shards needs to come to its end. */
bool kv_is_of_txn(enum kv_kind kind);

/* Limits and shape of one operation, as a client and a server check it alike before anything else
 * (key length, value and attr length, tail order, offsets, flags of another kind, a mini's
 * nesting). SF_OK, SF_TOO_BIG, SF_INVALID; *what (may be NULL) is a static text that names the
 * field. */
SF_MUST_CHECK int kv_op_check(const struct kv_op *op, const char **what);
/* The shard that the operation's key (or a mini's first key) belongs to; of a SCAN with `shards`, the
 * first of these. Only after kv_op_check; 0 for a kind that is about numbers. */
uint32_t kv_op_shard(const struct kv_op *op, enum routing routing, uint32_t shard_count);

/* The internal key of an extent (>= 1) of a long value: tag, data id, extent, big-endian. The tag
 * is a hash of the two others, so that extents spread over the shards. */
#define KV_EXTENT_KEY_BYTES 24u
void kv_extent_key(uint64_t data_id, uint64_t extent, uint8_t out[KV_EXTENT_KEY_BYTES]);

/* On the wire and in log entries. What is packed is canonical: the same operation gives the same
 * bytes; a field that is zero or empty costs nothing. Decoding checks form and counts, and nothing
 * that kv_op_check does; it allocates the arrays of a MINI or a SCAN (and `numbers`), which *_free releases
 * (all-zero is allowed; where decoding failed, it is all-zero). Slices point into the bytes that
 * were unpacked. SF_PROTOCOL.
 *
 *  operation  [kind, fields, key, ...]: `fields` is a set of bits that says what follows, in order:
 *      1 (nothing follows: the key is internal)   2 flags          4 pre.kind, pre.id
 *      8 record_kind     16 data      32 attr     64 offset        128 length     256 created
 *      512 mtime_ns      1024 ids_first           2048 tail        4096 if_tail
 *      8192 adds: [slot, is_max, value, slot, ...]                 16384 shards: [shard, ...]
 *      32768 checks: [operation, ...]             65536 ops: [operation, ...]
 *      131072 numbers: [shard, session, sequence, first incomplete, shard, ...]
 *      262144 after_ns                524288 hold
 *  request    [gid, group identity, shard, forward, session, sequence, first incomplete,
 *      operation], or, of GET and STAT, [key]: a plain key, any group (gid 0, forward,
 *      KV_SHARD_OF_KEY)
 *  reply      [status, data, fields, ...]:
 *      1 (partial)       2 (more)     4 stat      8 old_length     16 ids_first   32 session
 *      64 entries: [name, stat, data, name, ...]  128 replies: [reply, ...]       256 failed
 *      512 leader        1024 config_num           2048 fate
 *  stat       [kind, version, created, mtime_ns, ctime_ns, length, tail, attr]; left out where kind
 *      is 0
 *  tail       one byte string, {u64 first_extent, u64 data_id} big-endian for each entry: a page of
 *      a SCAN stays within the objects that one message may have
 */
void kv_op_pack(struct buffer *b, const struct kv_op *op);
/* A lock, little-endian: u8 type, u8 flags, u64 holder, owner, ticket, first, last, u32 pid. */
void kv_lock_pack(struct buffer *b, const struct kv_lock *lock);
SF_MUST_CHECK int kv_lock_unpack(struct slice bytes, struct kv_lock *lock); /* SF_INVALID */
SF_MUST_CHECK int kv_op_unpack(struct cursor *c, struct kv_op *op);
void kv_op_free(struct kv_op *op);
/* The params array of a request; its kind travels as the method's name too. */
void kv_request_pack(struct buffer *b, const struct kv_request *request);
SF_MUST_CHECK int kv_request_unpack(const msgpack_object *params, enum kv_kind kind,
                                    struct kv_request *request);
void kv_request_free(struct kv_request *request);
void kv_reply_pack(struct buffer *b, const struct kv_reply *reply);
SF_MUST_CHECK int kv_reply_unpack(const msgpack_object *result, struct kv_reply *reply);
void kv_reply_free(struct kv_reply *reply);

#endif
