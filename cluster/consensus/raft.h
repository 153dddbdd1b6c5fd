/* raft: the Raft engine. Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus
 * Algorithm" (2014), and Ongaro's dissertation (2014), whose sections the files name.
 *
 *   raft.c              construction, the dispatch of messages, terms and roles, ticks, updates
 *   raft_election.c     pre-votes and votes (sections 3.4, 3.6.1, 9.6)
 *   raft_append.c       the follower's side of replication (section 3.5)
 *   raft_replication.c  the leader's side: proposals, flow control, commitment (section 3.6.2)
 *   raft_heartbeat.c    heartbeats, and the quorum that a leader has to hear (section 6.2)
 *   raft_read.c         read barriers (section 6.4, ReadIndex); read_queue.c: those that wait
 *   raft_snapshot.c     followers that are behind the log (chapter 5)
 *   raft_transfer.c     handing leadership over (section 3.10)
 *   raft_log.c          what the rules ask of the log; entry_log.c: the log itself
 *   raft_check.c        the invariants below, asserted after every event
 *   progress.c          a leader's view of a follower, with inflights.c
 *   election_timer.c    randomised time-outs
 *
 * Roles, and the functions that change them
 *
 *                  election time-out          quorum of pre-votes           quorum of votes
 *    FOLLOWER -----------------------> PRE_CANDIDATE ------------> CANDIDATE ------------> LEADER
 *      |  ^   raft_become_pre_candidate   |    raft_become_candidate  ^ | raft_become_leader  |
 *      |  |                               |                           | |                     |
 *      |  +---- raft_become_follower: a higher term, a leader of this term, a lost election, -+
 *      |        or (leader) no quorum heard for an election time-out  |
 *      +--------------------------------------------------------------+
 *                    TIMEOUT_NOW: told by the leader to campaign at once
 *
 * Invariants
 *  R1   The log is valid (entry_log.h, L1 to L4), its terms never fall, and none is above the
 *       current term.
 *  R2   A candidate and a leader have voted for themselves.
 *  R3   role is LEADER exactly where leader is self; a candidate knows no leader.
 *  R4   The election time-out lies in [election_ticks, 2 election_ticks).
 *  R5   Leader: every follower's progress is valid (progress.h, P1 to P4), and its match is at most
 *       last.
 *  R6   Leader: nothing is committed by counting but entries of the own term, and the own log
 * counts up to persisted only. So commit never exceeds what a majority has durably, once an entry
 *       of the own term is committed.
 *  R7   Only a leader has reads waiting, and their queue is valid (read_queue.h).
 *  R8   uncommitted_bytes is the sum of the own term's payloads above commit; 0 unless leader.
 *  R9   transferee is 0 unless leader, and is never self.
 *  R10  While a snapshot is being installed this replica does not lead, appends nothing and lists
 *       nothing as committed.
 *
 * Durability. Every message but a leader's (APPEND, HEARTBEAT, TIMEOUT_NOW, SNAPSHOT) waits for the
 * sync of what it rests on. A HEARTBEAT_REPLY rests on the term alone, so it waits only while that
 * is not yet durable: reads need not wait for the disk that is busy with entries. */
#ifndef CONSENSUS_RAFT_H
#define CONSENSUS_RAFT_H

#include "consensus/election_timer.h"
#include "consensus/engine.h"
#include "consensus/entry_log.h"
#include "consensus/outbox.h"
#include "consensus/progress.h"
#include "consensus/read_queue.h"

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

enum raft_ballot { BALLOT_NONE, BALLOT_GRANTED, BALLOT_REFUSED };

struct raft {
    struct consensus base;

    /* Constant. */
    replica_id self;
    size_t peer_count;
    uint32_t election_ticks, heartbeat_ticks;

    /* What has to be durable: the hard state, and whether the WAL has been given it. */
    struct hard_state hard;
    bool hard_changed;  /* since the last update */
    uint64_t hard_mark; /* mark of the update that gave out its last change */

    enum raft_role role;
    replica_id leader;           /* 0: unknown */
    struct election_timer timer; /* a leader was heard, a vote granted, a role taken */
    enum raft_ballot ballots[SF_REPLICAS_MAX]; /* candidates: by position in peers */

    struct entry_log log;
    struct progress
        peers[SF_REPLICAS_MAX]; /* by position in the configuration; self included, whose
                                   progress is the log's and of which only id is used */

    /* Leader. */
    uint32_t heartbeat_elapsed_ticks;
    size_t uncommitted_bytes;
    struct read_queue reads;
    replica_id transferee; /* leadership goes to this peer; 0: none */
    uint32_t transfer_elapsed_ticks;

    uint64_t installing_index; /* follower: a snapshot is being put in place; 0: none */

    struct outbox outbox;
    struct { /* what the last update said */
        bool leads;
        replica_id leader;
        uint64_t term;
    } told;
};

/* -- raft.c ---------------------------------------------------------------------------------- */

void raft_become_follower(struct raft *r, uint64_t term, replica_id leader);
void raft_become_pre_candidate(struct raft *r);
void raft_become_candidate(struct raft *r);
void raft_become_leader(struct raft *r);

struct progress *raft_peer(struct raft *r, replica_id id); /* NULL: no member, or self */
bool raft_is_self(const struct raft *r, const struct progress *p);
size_t raft_quorum(const struct raft *r);
/* A majority's value where values of the others are given by `of` and `own` is this replica's. */
uint64_t raft_quorum_reached(const struct raft *r, uint64_t own,
                             uint64_t (*of)(const struct progress *p));
/* Sends: from is filled in, and the current term where msg->term is 0. Takes msg's entries. */
void raft_send(struct raft *r, struct consensus_msg msg);
/* A message of the current term from its leader: this replica follows it. False where the message
 * cannot be true (this replica leads the term itself). */
bool raft_follow(struct raft *r, replica_id leader);
bool raft_hard_state_is_durable(const struct raft *r);

/* -- raft_election.c ------------------------------------------------------------------------- */

void raft_maybe_count_own_vote(struct raft *r); /* once it is durable */
void raft_campaign(struct raft *r);             /* asks for pre-votes first */
void raft_campaign_transferred(struct raft *r); /* the leader said so: votes at once */
bool raft_is_bound_to_leader(const struct raft *r, const struct consensus_msg *msg);
void raft_step_pre_vote(struct raft *r, const struct consensus_msg *msg);
void raft_step_pre_vote_reply(struct raft *r, const struct consensus_msg *msg);
void raft_step_vote(struct raft *r, const struct consensus_msg *msg);
void raft_step_vote_reply(struct raft *r, const struct consensus_msg *msg);

/* -- raft_append.c --------------------------------------------------------------------------- */

void raft_step_append(struct raft *r, const struct consensus_msg *msg);

/* -- raft_replication.c ---------------------------------------------------------------------- */

int raft_propose(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term);
void raft_step_append_reply(struct raft *r, const struct consensus_msg *msg);
void raft_accepted(struct raft *r, struct progress *p, uint64_t index);
/* A heartbeat was answered: what has not moved for a heartbeat's time may be lost. */
void raft_recover_lost(struct raft *r, struct progress *p);
void raft_maybe_commit(struct raft *r);
bool raft_replication_is_due(const struct raft *r); /* would raft_replicate send? */
void raft_replicate(struct raft *r);                /* sends what may be sent now */
void raft_connection_lost(struct consensus *c, replica_id peer);

/* -- raft_heartbeat.c ------------------------------------------------------------------------ */

void raft_broadcast_heartbeat(struct raft *r);
void raft_tick_leader(struct raft *r);
void raft_step_heartbeat(struct raft *r, const struct consensus_msg *msg);
void raft_step_heartbeat_reply(struct raft *r, const struct consensus_msg *msg);

/* -- raft_read.c ----------------------------------------------------------------------------- */

void raft_read(struct consensus *c, uint64_t id);
bool raft_read_round_is_due(const struct raft *r);
void raft_maybe_begin_read_round(struct raft *r);
void raft_round_answered(struct raft *r, struct progress *p, uint64_t round);

/* -- raft_snapshot.c ------------------------------------------------------------------------- */

/* What `p` needs is compacted away: asks the caller for a snapshot, once the peer is there. */
void raft_want_snapshot(struct raft *r, struct progress *p);
bool raft_snapshot_is_wanted(const struct raft *r, const struct progress *p);
void raft_step_snapshot(struct raft *r, const struct consensus_msg *msg);
void raft_step_snapshot_reply(struct raft *r, const struct consensus_msg *msg);
int raft_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index, uint64_t term,
                      struct consensus_msg *msg);
void raft_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok);
bool raft_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term);
void raft_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term);

/* -- raft_transfer.c ------------------------------------------------------------------------- */

int raft_transfer(struct consensus *c, replica_id peer);
void raft_maybe_finish_transfer(struct raft *r, const struct progress *p); /* p caught up? */
void raft_tick_transfer(struct raft *r);
void raft_step_timeout_now(struct raft *r, const struct consensus_msg *msg);

/* -- raft_check.c ---------------------------------------------------------------------------- */

void raft_check(const struct raft *r); /* asserts R1 to R10; O(entries above commit) */

struct raft *raft_of(struct consensus *c);
const struct raft *raft_of_const(const struct consensus *c);

#endif
