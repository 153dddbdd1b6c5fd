/* inside: what the files of this room share: struct host, struct replica and their parts.
 *
 * A replica owns: its engine, its machine, its queues. The host owns: replicas, WAL, rpc, directory
 * lock. The store is lent by who made the host.
 *
 * Invariants
 *  R1  The store's content is the state after exactly the entry that its applied record names, or
 *      after an installed snapshot at it. With what is in `batch` it is the state after
 *      applied.index (and after the head, where that is staged).
 *  R2  queue holds the committed entries after applied.index, contiguous.
 *  R3  Nothing is applied while `install` is past RECEIVING or while `needs` is not 0.
 *  R4  An entry is taken to the machine once: when the batch cannot be written yet, it waits as it
 *      is, and nothing is added to it.
 *  R5  A message with after_sync, and consensus_persisted, are held until the WAL is synced up to
 *      the position that it had when their update was taken.
 *  R6  The log is cut only at or below the applied index that a crash would find in the store, and
 *      never above what the engine was told to forget: the rest is read there when it is sent.
 *  R7  The store is in the new generation only after all of that generation is durable.
 */
#ifndef REPLICA_INSIDE_H
#define REPLICA_INSIDE_H

#include "replica/applied.h"
#include "replica/identity.h"
#include "replica/replica.h"

#define APPLY_QUEUE_BYTES_MAX (8u << 20)  /* above it a leader admits nothing */
#define REPLICA_BODY_BYTES_MAX (4u << 20) /* of one entry: it must fit in a message with others */
#define ENTRY_OVERHEAD_BYTES 64u          /* what an entry costs in the log beside its payload */
#define RETRY_BUSY_MS 5u
#define RETRY_NO_SPACE_MS 1000u

struct host;
struct snapshot_send;

/* Another member of the group. */
struct peer {
    replica_id id;
    const char *address;
    rpc_peer back; /* the connection its last message came by */
    bool has_back;
    uint64_t low_until_ns;      /* it said that its disk is nearly full; believed until then */
    uint64_t needs;             /* it asks for a snapshot at this index or later; 0: no */
    struct snapshot_send *send; /* under way, or NULL */
};

/* What waits for a sync: R5. */
struct held_messages {
    struct held_messages *prev, *next;
    uint64_t position;              /* of the WAL */
    uint64_t persist_mark;          /* 0: none */
    struct consensus_msg *messages; /* owned */
    size_t message_count;
};

/* Committed entries that are not applied yet: a ring. */
struct apply_queue {
    struct entry *ring; /* each holds a reference of its payload */
    size_t head, count, cap;
    size_t bytes;
};

/* How large the log was at an index: for cutting by bytes. */
struct log_sample {
    uint64_t index, term;
    uint64_t bytes; /* applied so far since the start, payloads and overhead */
};

/* Someone who waits for a flush that begins after it asked. */
struct flush_waiter {
    void (*on_flushed)(struct flush_waiter *waiter);
    struct flush_waiter *prev, *next;
    bool queued;
    bool begun; /* the flush that runs began after it asked */
};

/* The states of a snapshot that comes in; see snapshot_install.c. */
enum install_state {
    INSTALL_IDLE,
    INSTALL_RECEIVING,
    INSTALL_FLUSHING, /* the new generation is written, not durable */
    INSTALL_FLIPPING, /* the flip waits to be written */
    INSTALL_SETTLING, /* the flip is written, not durable */
};

/* A chunk that came and was neither stored nor refused. */
struct install_chunk {
    struct rpc_request *request; /* NULL: no chunk waits */
    replica_id from;
    uint64_t msg_term, index, term, time_ns;
    uint64_t sequence; /* from 0 */
    bool last;
    struct buffer pairs; /* u32 key length, key, u32 value length, value; ... */
};

struct install {
    enum install_state state;
    replica_id from;
    uint64_t msg_term;             /* of the leader that sends it */
    uint64_t index, term, time_ns; /* of the snapshot */
    uint64_t next_sequence;
    bool last;        /* the batch below is of the last chunk */
    bool log_is_ours; /* consensus_snapshot_begin said so: the log is to be reset */
    struct install_chunk chunk;
    bool offered;                /* the engine wants the chunk */
    struct rpc_request *request; /* to be answered when the batch is written, or all is done */
    struct store_batch *batch;   /* not yet taken by the store, or NULL */
    struct env_timer retry;
    struct flush_waiter waiter;
};

struct replica {
    struct host *host;
    struct replica *next;
    struct machine *machine; /* owned */
    struct consensus *consensus;

    struct identity_replica identity; /* who it is; key, group, self, engine, shards, routing */
    uint64_t likeness;                /* hash of what all members must agree on */
    uint64_t group_identity;
    struct peer peers[SF_REPLICAS_MAX]; /* the others */
    size_t peer_count;

    struct space space;
    struct applied applied; /* R1 */
    uint64_t durable;       /* applied index that a crash would leave, as of the last flush */
    uint64_t unloaded;      /* entries up to here are not in memory; <= applied.index */
    uint64_t compacted;     /* the engine's log begins after this; <= unloaded */
    uint64_t cut;           /* the log on disk begins after this; <= durable, <= compacted */
    uint64_t needs;         /* the log begins after this, which is above applied; 0: it does not */

    bool leads;            /* as the engine said last */
    bool announced;        /* the machine was told that it leads */
    uint64_t yield_due_ns; /* when leader_yield tries; 0: no need */
    bool noop_wanted;      /* the no-op of this term is still to be proposed */
    uint64_t noop_index;
    uint64_t term;
    replica_id leader;
    uint64_t log_time_ns; /* at least the time of every entry in the log */

    struct held_messages *held;
    struct apply_queue queue;
    struct store_batch *batch; /* what is applied and not yet written: R1, R4 */
    bool unwritten;            /* it stands for entries, though it may be empty */
    struct applied staged;     /* the newest of them */
    bool head_staged;          /* that is queue's head, which is not finished */
    bool head_waits;           /* the newest may wait in the batch */
    int stalled;               /* why it could not be written: SF_BUSY, SF_NO_SPACE; else SF_OK */
    struct buffer reply;       /* of the machine to the newest */
    struct env_timer apply_timer; /* the next turn comes at once */
    struct env_timer write_timer; /* armed while `unwritten`: the batch is due, or tried again */

    struct replica_proposal *proposals; /* open, by index */
    size_t proposal_count;
    struct replica_read *reads;  /* asked (id not 0) before not asked; by id */
    struct replica_read *passed; /* barrier passed, wait for applied */
    uint64_t read_id;

    struct log_sample *samples; /* by index */
    size_t sample_count, sample_cap;
    uint64_t looked_at;     /* index of the newest one when the log in memory was looked at last */
    uint64_t sampled_bytes; /* applied so far since the start */

    struct install install;
};

/* A flush on another thread. Outlives the host where that is freed first. */
struct flush_job {
    struct env_work work;
    struct host *host; /* NULL: the host is gone */
    struct store *store;
    int status;
};

struct flusher {
    struct env_timer timer;
    struct flush_job *job; /* running, or NULL */
    struct flush_waiter *waiters;
    bool wanted;            /* another one when this one ends */
    bool waking;            /* the waiters of one that ended are being called */
    bool full;              /* the last one met a full device */
    uint64_t live_bytes;    /* of the WAL after the last one */
    uint64_t applied_total; /* entries applied by all replicas when the last one began that was of
                               all of them */
};

struct host {
    struct env *env;
    struct host_options options; /* its strings are owned; defaults filled in */
    struct env_lock *lock;
    struct wal *wal;
    struct rpc *rpc;
    struct identity identity; /* as the directory's file says */
    struct replica *replicas; /* in order of adding */
    struct env_hook hook;
    struct env_timer tick, space_timer;
    struct flusher flusher;
    struct env_timer commit_timer; /* armed: the log is committed when the turn is over */
    bool sent_entries;             /* of a leader, since the last commit */
    uint64_t committed_position;   /* of the WAL when it was committed last */
    uint64_t applied_total;        /* entries applied by all replicas */
    uint64_t started_ns;
    uint64_t free_bytes, total_bytes; /* of the disk, as last seen */
    uint64_t refused;                 /* messages of a wrong group, or that could not be decoded */
    bool low;                         /* free_bytes < reserve */
    bool started;
    bool dead; /* env_fatal was called: nothing more is done */
};

/* -- host.c -------------------------------------------------------------------------------- */

void host_fatal(struct host *host, const char *format, ...) SF_PRINTF(2, 3);
struct replica *host_find_message(struct host *host, group_id gid, uint64_t likeness, uint64_t from,
                                  uint64_t to);
/* A new message to show; to be freed. */
char *host_text(const char *format, ...) SF_PRINTF(1, 2);

/* -- replica.c ----------------------------------------------------------------------------- */

SF_MUST_CHECK int replica_new(struct host *host, const struct identity_replica *identity,
                              struct machine *machine, struct replica **out, char **why);
void replica_free(struct replica *r);
/* Too many entries are in memory, because the store cannot keep up or cannot be flushed. */
bool replica_is_behind(const struct replica *r);
/* Takes every update of the engine and carries it out; true if there was one. */
bool replica_step(struct replica *r);
void replica_synced(struct replica *r, uint64_t position);
struct peer *replica_peer(struct replica *r, replica_id id); /* NULL: no other member */
void replica_tick(struct replica *r);

/* -- replica_restore.c --------------------------------------------------------------------- */

/* What the engine begins with, from the WAL and the applied record. Sets applied, space, needs,
 * cut. restore->entries belongs to the WAL's replay memory. */
SF_MUST_CHECK int restore_read(struct replica *r, struct consensus_restore *restore, char **why);
/* The log, which ends at `last`, is made to begin after the applied record, that of an installed
 * snapshot. True: what is above it stays. */
bool restore_begin_log(struct replica *r, uint64_t last);
/* Drops what an unfinished or replaced snapshot left in the store. */
void restore_drop_leftovers(struct replica *r);

/* -- replica_leader.c ---------------------------------------------------------------------- */

void leader_note(struct replica *r, const struct consensus_update *update);
/* A payload of the log: times of later proposals must be above its own. */
void leader_note_time(struct replica *r, const struct payload *payload);
void leader_propose_noop(struct replica *r);
void leader_announce(struct replica *r); /* tells the machine, if it is time */
void leader_applied(struct replica *r, const struct entry *entry); /* its proposal is done */
void leader_skip_to(struct replica *r, uint64_t index); /* applied by a snapshot: proposals end */
/* The disk of this process is full, or below its reserve. */
bool replica_disk_is_low(const struct replica *r);
/* Leader that cannot apply (`needs`, a full disk): hands the lead to a follower that can. Each
 * tick. */
void leader_yield(struct replica *r);

/* -- replica_apply.c ----------------------------------------------------------------------- */

void apply_init(struct replica *r);
void apply_push(struct replica *r, const struct entry *entries, size_t count);
/* Applies what can be applied, at most *budget bytes, which it lowers. */
void apply_run(struct replica *r, size_t *budget);
void apply_skip_to(struct replica *r, uint64_t index); /* drops what is at or below it */
/* Forgets what is not written: another state takes the place of this one. */
void apply_drop_batch(struct replica *r);
void apply_deinit(struct replica *r);

/* -- replica_read.c ------------------------------------------------------------------------ */

void reads_ask(struct replica *r);
void reads_note(struct replica *r, const struct consensus_read *reads, size_t count);
void reads_fail(struct replica *r); /* those whose barrier has not passed */
void reads_serve(struct replica *r);

/* -- replica_transport.c ------------------------------------------------------------------- */

void transport_register(struct host *host);
void transport_send(struct replica *r, const struct consensus_msg *msg);
rpc_peer transport_way(struct replica *r, const struct peer *peer); /* 0: none */
/* Keeps the messages of an update that wait for the sync, and its mark; moves them out of it. */
void held_add(struct replica *r, struct consensus_update *update);
void held_release(struct replica *r, uint64_t position);
void held_deinit(struct replica *r);

/* -- snapshot_send.c ----------------------------------------------------------------------- */

void snapshot_send_wanted(struct replica *r, replica_id id);
void snapshot_send_needed(struct replica *r); /* begins for peers that asked on their own */
void snapshot_send_stop_all(struct replica *r);
/* Lowest index of a snapshot under way; UINT64_MAX: none. */
uint64_t snapshot_send_floor(const struct replica *r);

/* -- snapshot_install.c -------------------------------------------------------------------- */

void install_init(struct replica *r);
void install_register(struct host *host);
void install_offered(struct replica *r, uint64_t index, uint64_t term, replica_id from);
void install_turn(struct replica *r); /* stores or refuses the chunk that came */
bool install_holds_apply(const struct replica *r);
void install_deinit(struct replica *r);

/* -- flush.c ------------------------------------------------------------------------------- */

void flush_init(struct host *host);
void flush_deinit(struct host *host);
/* waiter: NULL or one whose on_flushed fires after a flush that began after this call. */
void flush_request(struct host *host, struct flush_waiter *waiter);
void flush_forget(struct host *host, struct flush_waiter *waiter);
/* Lets go of what is not needed of the logs in memory; asks for a flush when that on disk grew
 * enough. */
void flush_turn(struct host *host);
void flush_sample(struct replica *r, const struct entry *entry);
/* The log begins after what is applied; or, at the start, as it was found. */
void flush_restart_samples(struct replica *r);
void flush_begin_samples(struct replica *r, const struct consensus_restore *log);

/* -- status.c ------------------------------------------------------------------------------ */

void status_register(struct host *host);

#endif
