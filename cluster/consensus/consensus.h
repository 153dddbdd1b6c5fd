/* consensus: a replicated log as a pure state machine, behind one interface for every engine.
 *
 * An engine takes events (propose, read, step, tick, persisted, ...) and collects what has to be
 * done in an update, which the caller (cluster/replica) takes and carries out. It does no I/O,
 * reads no clock, draws no randomness but from its own seed, and adds no entry by itself.
 *
 * Ownership
 *   struct payload        counted; who keeps one calls payload_ref, who drops it payload_unref.
 *                         The log holds one reference an entry, an update one of its own for each
 *                         entry it lists, a message one for each entry it carries.
 *   struct consensus_msg  passed to _step: borrowed until return (the engine refs what it keeps).
 *                         In an update: owned by the update.
 *   struct consensus_update  filled by _take into the caller's storage; everything in it belongs to
 *                         the update until consensus_update_deinit.
 *
 * How a caller uses it (one turn):
 *   events...; while (consensus_has_update(c)) { consensus_take(c, &u); carry out u; deinit }
 * Carrying out, in this order:
 *   1. append to the WAL: hard state if changed, then truncation, then entries;
 *   2. send `messages` whose after_sync is false now, the others when what was appended in 1, and
 *      everything appended before, is synced;
 *   3. when synced: consensus_persisted(c, u.persist_mark);
 *   4. apply `committed` entries (only those that are synced in the own log: an engine lists
 *      an entry as committed only once it is persisted here), answer `reads`.
 *
 * Invariants of the interface
 *  C1  Nothing that rests on a record leaves before that record is synced, except a leader's
 *      entries to its followers. A leader counts itself only once its own entry is persisted.
 *  C2  Committed entries are listed once each, in order, without gaps, after the snapshot or
 *      compaction point, and never change.
 *  C3  A read that passes at index i was confirmed after it was asked for, and i is at least every
 *      index committed anywhere before it was asked for.
 *  C4  A leader's entries keep their order. What a leader had proposed when it was replaced is
 *      committed later or never: in Raft only together with all that it had proposed before, in
 *      Paxos each entry for itself. So no entry may rest on an earlier one that is not committed.
 *  C5  An engine never lists an update that depends on the order in which the caller handles
 *      messages of one update to different peers.
 *  C6  Of what an engine lists, messages alone may have payloads that are not in memory, of entries
 *      that were unloaded (consensus_unload) or restored so: the caller reads them in its WAL before
 *      it sends them, and where they are not there any more, drops the message. What is stepped has
 *      all its payloads.
 */
#ifndef CONSENSUS_CONSENSUS_H
#define CONSENSUS_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"
#include "env/bytes.h"
#include "shardfs/error.h"
#include "shardfs/limits.h"

/* The bytes of a log entry. Immutable once made; counted. */
struct payload {
    uint32_t references;
    uint32_t bytes;
    bool is_unloaded; /* of an entry that stands in the own WAL alone: no data */
    uint8_t data[];
};

struct payload *payload_new(struct slice bytes); /* copies; one reference, the caller's */
struct payload *payload_alloc(size_t bytes); /* unset content, to be filled before it is shared */
struct payload *payload_new_unloaded(size_t bytes);
struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload *payload);               /* NULL is allowed */
struct slice payload_slice(const struct payload *payload); /* of a loaded one */

/* Replicas of a group are numbered 1..SF_REPLICAS_MAX; 0 means none. */
typedef uint32_t replica_id;

struct entry {
    uint64_t index; /* >= 1 */
    uint64_t term;  /* Raft: term of the leader that made it. Paxos: ballot it was accepted in */
    struct payload *payload; /* never NULL; may have 0 bytes */
};

/* What must survive a restart besides the entries. */
struct hard_state {
    uint64_t term;   /* Raft: current term. Paxos: highest ballot promised */
    replica_id vote; /* Raft: who got this term's vote, 0 none. Paxos: owner of the ballot */
};

enum consensus_engine { CONSENSUS_RAFT = 1, CONSENSUS_PAXOS = 2 };

enum consensus_msg_type {
    MSG_PRE_VOTE = 1, /* would you vote for me in `term`? (my term is one less). Paxos: would you
                         promise ballot `term`, with your acceptances above index? */
    MSG_PRE_VOTE_REPLY,
    MSG_VOTE,
    MSG_VOTE_REPLY,
    MSG_APPEND,          /* entries after (index, log_term); commit; context = newest read round */
    MSG_APPEND_REPLY,    /* accepted: index = matched, context = read round, echoed; rejected:
                            (index, log_term) = where the logs may match, context = the rejected
                            message's index */
    MSG_HEARTBEAT,       /* commit (at most what the follower has); context = read round */
    MSG_HEARTBEAT_REPLY, /* context echoed */
    MSG_SNAPSHOT,        /* a chunk of a snapshot at (index, log_term) follows beside it */
    MSG_SNAPSHOT_REPLY,  /* the follower has all up to index, by this snapshot or without it */
    MSG_TIMEOUT_NOW,     /* leader transfer: campaign at once */
    /* Paxos alone. `term` is the ballot throughout. */
    MSG_PREPARE, /* phase 1a, for all instances above index; or the next page of an answer. (commit,
                     log_term): known to be chosen, and the ballot of the entry there */
    MSG_PROMISE, /* phase 1b: what was accepted above index, a page of it; context = index of the
                     last acceptance there is, commit = known to be chosen. Rejected: a higher
                     ballot was promised (term); or, in the ballot asked for, what is needed is
                     forgotten up to index */
    MSG_ACCEPT,  /* phase 2a: entries after (index, log_term: 0 where that is not known to be
                     chosen); commit; context = newest read round */
    MSG_ACCEPTED, /* phase 2b: everything up to index is accepted or known to be chosen, context =
                     read round, echoed; rejected: that is all there is, context = the rejected
                     message's index */
    MSG_TYPE_LIMIT
};

/* One type for all messages; fields that a type does not name are 0. */
struct consensus_msg {
    enum consensus_msg_type type;
    replica_id from, to;
    uint64_t term;     /* sender's term; of PRE_VOTE: the term it would campaign in */
    uint64_t index;    /* APPEND, ACCEPT, PROMISE: entry before the first; VOTE: last index; else
                          see above */
    uint64_t log_term; /* term of the entry at `index` */
    uint64_t commit;
    uint64_t context; /* read round; of a rejecting reply the rejected message's `index` */
    bool reject;
    bool transfer;   /* VOTE, PREPARE: part of a leader transfer, so leases do not refuse it */
    bool after_sync; /* in an update: wait for the sync (never on the wire) */
    struct entry *entries;
    size_t entry_count; /* <= CONSENSUS_BATCH_MAX */
};

#define CONSENSUS_BATCH_MAX 1024u            /* entries in one message */
#define CONSENSUS_BATCH_BYTES_MAX (2u << 20) /* their payload bytes, the first entry's aside */

void consensus_msg_deinit(struct consensus_msg *msg); /* unrefs and frees entries */

struct consensus_config {
    enum consensus_engine engine;
    replica_id self;
    replica_id peers[SF_REPLICAS_MAX]; /* all members, self included */
    size_t peer_count;                 /* 1..SF_REPLICAS_MAX */
    uint32_t election_ticks;           /* >= 3 heartbeat_ticks; time-outs are uniform in [e, 2e) */
    uint32_t heartbeat_ticks;          /* >= 1 */
    uint64_t seed;
    size_t inflight_max;       /* APPEND messages under way to one follower; 0: 256 */
    size_t inflight_bytes_max; /* their payload bytes, an entry's aside; 0: 8 MiB */
};

/* A read whose barrier has passed, or failed because this replica does not lead (any more). */
struct consensus_read {
    uint64_t id;    /* as given to consensus_read */
    uint64_t index; /* serve it when this index is applied; 0 where it failed */
    int status;     /* SF_OK or SF_NOT_LEADER */
};

struct consensus_update {
    bool hard_state_changed;
    struct hard_state hard_state;
    uint64_t truncate_from; /* 0: none; else drop entries >= this from the WAL first */
    struct entry *entries;  /* for the WAL, contiguous, beginning at most one after its last; where
                               it has an entry at an index, the new one takes that place and what
                               follows stays */
    size_t entry_count;
    uint64_t persist_mark; /* give back to consensus_persisted; 0: nothing to persist */
    struct consensus_msg *messages;
    size_t message_count;
    struct entry *committed; /* to apply, contiguous */
    size_t committed_count;
    struct consensus_read *reads;
    size_t read_count;
    replica_id *snapshot_wanted; /* leader: these peers need a snapshot; asked once each until
                                    consensus_snapshot_ended */
    size_t snapshot_wanted_count;
    /* follower: a MSG_SNAPSHOT with (index, term) came from the leader `from` and is newer than
     * what this replica has; the chunk that came beside it may be stored. 0: none. */
    struct {
        uint64_t index, term;
        replica_id from;
    } snapshot_offered;
    bool leadership_changed; /* lead/leader/term below differ from the last update */
    bool leads;
    replica_id leader; /* 0: unknown */
    uint64_t term;
};

void consensus_update_deinit(struct consensus_update *update);

/* A replica's durable beginnings, from its WAL. */
struct consensus_restore {
    struct hard_state hard_state;
    uint64_t base_index, base_term; /* the entry before the first of `entries` (snapshot or cut) */
    const struct entry *entries;    /* contiguous after base_index; refs are taken by the engine */
    size_t entry_count;
    uint64_t applied; /* >= base_index: committed entries are listed after this; up to here they
                         may be unloaded */
};

struct consensus; /* an engine's instance; the first member of each engine's own struct */

const char *consensus_engine_name(enum consensus_engine engine);
/* The engine of that name. False: there is none. */
bool consensus_engine_parse(const char *name, enum consensus_engine *out);
/* May consensus_new be asked for it? */
bool consensus_engine_is_built(enum consensus_engine engine);
/* When a snapshot at an index is installed, does what the WAL holds above that index stay? Raft:
 * no, it contradicts the snapshot. Paxos: yes, it was accepted, and no acceptance may be forgotten.
 */
bool consensus_engine_keeps_tail(enum consensus_engine engine);

/* config and restore are borrowed until return. restore may be NULL for a new replica. Never fails:
 * what cannot be true of `restore` is the caller's bug. */
struct consensus *consensus_new(const struct consensus_config *config,
                                const struct consensus_restore *restore);
void consensus_free(struct consensus *c);

/* Appends one entry to the log (payload: one reference taken, also on failure).
 * SF_NOT_LEADER; SF_OVERLOADED (more than 16 MiB proposed and not yet committed, or leadership is
 * being handed over: at most an election time-out). A leader's first entry is always taken. */
SF_MUST_CHECK int consensus_propose(struct consensus *c, struct payload *payload, uint64_t *index,
                                    uint64_t *term);
/* Asks for a read barrier; an update lists `id` when it has passed or failed. The caller must have
 * proposed an entry of its own term (a no-op); until that is committed the read waits. */
void consensus_read(struct consensus *c, uint64_t id);
void consensus_step(struct consensus *c, const struct consensus_msg *msg);
void consensus_tick(struct consensus *c);
void consensus_persisted(struct consensus *c, uint64_t persist_mark);
/* Forget entries up to and including index (<= applied); they are in the store. */
void consensus_compact(struct consensus *c, uint64_t index);
/* Let go of the payloads of entries up to and including index (<= applied): the WAL has them, for
 * followers that lag (C6). They are committed, so the index alone says which they are. */
void consensus_unload(struct consensus *c, uint64_t index);
/* Hint: a connection to `peer` broke, so what is under way to it may be lost. It is sent again once
 * the peer answers a heartbeat, without waiting for a time-out. */
void consensus_connection_lost(struct consensus *c, replica_id peer);
/* Leader: fills *msg with the MSG_SNAPSHOT that goes to `peer` beside a chunk of the snapshot at
 * (index, term). SF_NOT_LEADER: stop sending; *msg is untouched. */
SF_MUST_CHECK int consensus_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index,
                                         uint64_t term, struct consensus_msg *msg);
/* Leader: sending a snapshot at `index` to `peer` ended. ok: the follower confirmed it. Whoever
 * stops leading forgets all that it was sending, and need not call this. */
void consensus_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok);
/* Follower: all chunks are here, and the store is about to become the snapshot. False: the log has
 * reached it by other means meanwhile; drop the snapshot. True: until _installed the log takes no
 * entries (those it would acknowledge were lost when the WAL is reset) and lists none as committed.
 */
SF_MUST_CHECK bool consensus_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term);
/* Follower: the store now is the snapshot at (index, term), durably, and the WAL was made to begin
 * after it: reset, or cut at it where the engine keeps the tail and there is one. Its leader is
 * told by a MSG_SNAPSHOT_REPLY. */
void consensus_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term);
/* Leader: hand leadership to `peer`. SF_NOT_LEADER, SF_INVALID (no such peer). */
SF_MUST_CHECK int consensus_transfer(struct consensus *c, replica_id peer);

bool consensus_has_update(const struct consensus *c);
/* Moves everything collected so far into *update (its old content is not looked at). */
void consensus_take(struct consensus *c, struct consensus_update *update);

struct consensus_status {
    bool leads;
    replica_id leader;                             /* 0: unknown */
    uint64_t term, first, last, commit, persisted; /* indices; first: oldest entry still held */
    uint64_t listed;  /* entries up to here were in an update's `committed` */
    size_t log_bytes; /* payload bytes held in memory */
    /* Leader: how far each member is, by position in config.peers. */
    struct {
        replica_id id;
        uint64_t match;
        bool active, snapshot;
    } peers[SF_REPLICAS_MAX];
    size_t peer_count;
};

void consensus_status(const struct consensus *c, struct consensus_status *out);
/* The term of the entry at index. False where the log does not hold it (nor is it the base). */
bool consensus_term_at(const struct consensus *c, uint64_t index, uint64_t *term);

#endif
