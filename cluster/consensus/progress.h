/* progress: a leader's view of one follower.
 *
 *              accepted                      next entry is compacted away
 *      PROBE ------------> REPLICATE ------+
 *       ^ ^                    |           v
 *       | +---- rejected, -----+       SNAPSHOT
 *       |       connection lost            |
 *       +---- snapshot failed -------------+---- accepted ----> REPLICATE
 *
 * PROBE      the follower's log is not known to match: one APPEND at a time, then wait.
 * REPLICATE  it matches up to `match` and everything before `next` is on its way, never sent again
 *            unless it is rejected, or a heartbeat is answered and nothing has moved for a while.
 * SNAPSHOT   what it needs next is compacted away: wait for a snapshot to be installed.
 *
 * Invariants
 *  P1  match < next.
 *  P2  match never falls within a term: an index that was once accepted stays stored.
 *  P3  REPLICATE: the entries in (match, next) are exactly those in flight; next - 1 is the newest
 *      in flight, or match where nothing is. Otherwise nothing is in flight.
 *  P4  probing only in PROBE.
 */
#ifndef CONSENSUS_PROGRESS_H
#define CONSENSUS_PROGRESS_H

#include "consensus/consensus.h"
#include "consensus/inflights.h"

enum progress_state { PROGRESS_PROBE, PROGRESS_REPLICATE, PROGRESS_SNAPSHOT };

struct progress {
    replica_id id;
    enum progress_state state;
    uint64_t match;         /* highest index known to be stored durably by the follower */
    uint64_t next;          /* index of the next entry to send */
    bool probing;           /* an APPEND is under way and not answered */
    bool snapshot_busy;     /* the caller was asked for a snapshot and has not said that it ended */
    uint32_t stalled_ticks; /* since entries were sent with nothing under way, or match rose */
    uint32_t silent_ticks;  /* since it was last heard */
    uint64_t round;         /* newest read round that it answered */
    struct inflights inflights;
};

/* Forgets everything but the id: a new leader knows nothing, and first tries after `last`. */
void progress_reset(struct progress *p, uint64_t last);
/* Sends again from next on (above match), one message at a time. */
void progress_become_probe(struct progress *p, uint64_t next);
void progress_become_snapshot(struct progress *p);

/* May an APPEND with entries go out now, where the log ends at `last`? */
bool progress_is_due(const struct progress *p, uint64_t last);
/* An APPEND with the entries [next, next + count) has been sent. */
void progress_sent(struct progress *p, size_t count, size_t bytes);

/* The follower has everything up to `index`, durably. False: that was known (a late or doubled
 * reply), and nothing changed. */
bool progress_accepted(struct progress *p, uint64_t index);
/* It refused the APPEND whose entry before the first was `rejected`; its log may match up to
 * `hint`. False: a late or doubled refusal, nothing changed. */
bool progress_rejected(struct progress *p, uint64_t rejected, uint64_t hint);
void progress_tick(struct progress *p);

/* What quorums are asked of. */
uint64_t progress_match(const struct progress *p);
uint64_t progress_round(const struct progress *p);
bool progress_is_valid(const struct progress *p); /* P1, P3, P4 */

#endif
