/* wal: the write-ahead log of a process, shared by all replicas it hosts.
 *
 * Segmented and append-only, on env's files. What was appended since the last commit is written and
 * synced as one batch by wal_commit (group commit). The format stands in wal_record.h.
 *
 *  W1  A position (byte of the whole log, 64 bits) is never used twice, also across recycled
 *      segments; every record's checksum covers cluster, replica, position and content. Each
 *      opening begins a new segment, since nobody knows how far a torn batch had come.
 *  W2  Nothing counts as synced before its fdatasync returned; a failed write of what was promised
 *      or a failed sync ends the process (env_fatal), and is never retried.
 *  W3  Appending an entry at an index never removes entries; only wal_truncate and wal_reset do.
 *  W4  A segment is recycled only when every entry in it is below its replica's cut, truncated away
 *      or written again in a later segment, and the newest hard state of every replica stands
 *      later.
 *  W5  An invalid record below a position that a later record vouches for is damage: wal_open fails
 *      with SF_CORRUPT and names file and offset. Above it, it is a torn tail, which is cut.
 */
#ifndef STORAGE_WAL_H
#define STORAGE_WAL_H

#include "consensus/consensus.h"
#include "env/env.h"

struct wal;

struct wal_options {
    uint64_t cluster_hash; /* mixed into every checksum */
    size_t segment_bytes;  /* of a new log, 0: 16 MiB; simulations use tiny ones, >= 64 KiB. A log
                              that is there keeps its own. A longer record gets a longer one. */
    size_t segments_spare; /* recycled segments kept ready; 0: 4 */
    /* NULL, or: of that replica's log, entries up to which index are restored unloaded? */
    uint64_t (*unloaded_up_to)(void *ctx, uint64_t replica_key);
    void *ctx;
};

/* One replica's log as found at start. */
struct wal_restored {
    uint64_t replica_key;
    struct hard_state hard_state;
    uint64_t base_index, base_term; /* the log begins after this; 0, 0 at first */
    struct entry *entries;          /* contiguous after base_index; owned by the wal until taken */
    size_t entry_count;
};

/* Opens the log in `dir` (created where missing), replays it and repairs a torn tail. Blocks.
 * *why, where it fails, is a message naming file and offset, to be freed.
 * SF_CORRUPT, SF_MISMATCH (another cluster's, or a format unknown here), SF_IO, SF_NO_SPACE. */
SF_MUST_CHECK int wal_open(struct env *env, const char *dir, const struct wal_options *options,
                           struct wal **out, char **why);
void wal_close(struct wal *wal); /* what was not committed is lost */

/* The log of one replica found at open, or NULL. Until wal_restored_free. */
const struct wal_restored *wal_restored(const struct wal *wal, uint64_t replica_key);
void wal_restored_free(struct wal *wal); /* replay memory; the log itself stays */

/* Adding records. They are copied, and stand in memory until wal_commit. */
/* base < index <= last + 1. An entry that stands at the index already is replaced, those after it
 * stay (W3). */
void wal_append(struct wal *wal, uint64_t replica_key, const struct entry *entry);
void wal_hard_state(struct wal *wal, uint64_t replica_key, struct hard_state state);
void wal_truncate(struct wal *wal, uint64_t replica_key, uint64_t from_index); /* drop >= from */
/* The log of this replica is empty and begins after (index, term): a snapshot was installed. */
void wal_reset(struct wal *wal, uint64_t replica_key, uint64_t index, uint64_t term);
void wal_remove(struct wal *wal, uint64_t replica_key); /* the replica is no more */
/* Entries up to and including index are durable in the store: they need not be kept. Not a promise
 * to drop them: what still stands is found again at open, as long as it is contiguous. */
void wal_cut(struct wal *wal, uint64_t replica_key, uint64_t index, uint64_t term);

/* Reads the entry at an index again; *out: one reference, the caller's. Blocks. SF_NOT_FOUND: it is
 * not in the log. SF_BUSY: it is not synced, or just being written again. SF_CORRUPT, SF_IO: what is
 * still needed cannot be read. */
SF_MUST_CHECK int wal_read(struct wal *wal, uint64_t replica_key, uint64_t index,
                           struct payload **out);

/* Position after the last record appended so far (synced or not). */
uint64_t wal_position(const struct wal *wal);
uint64_t wal_synced(const struct wal *wal);
/* Writes and syncs all that was added; at most one sync is under way, what is added meanwhile goes
 * with the next, which starts by itself. on_synced (set once) fires with the new synced position.
 * SF_NO_SPACE from the device: nothing is acknowledged and it is tried again each second. */
void wal_commit(struct wal *wal);
void wal_on_synced(struct wal *wal, void (*on_synced)(void *ctx, uint64_t position), void *ctx);
bool wal_is_full(const struct wal *wal); /* the device refuses: stop admitting */
/* Bytes of log that entries above their cuts keep alive; the flusher's measure. */
uint64_t wal_live_bytes(const struct wal *wal);

#endif
