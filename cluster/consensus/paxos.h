/* paxos: the Paxos engine. A replicated log in which each index is an instance of Paxos and one
 * ballot covers all of them: phase 1 once for the open-ended rest of the log, then one round of
 * phase 2 an entry, many of them in flight.
 * Source: Lamport, "The Part-Time Parliament" (1998), section 3.1, and "Paxos Made Simple" (2001);
 * Chandra, Griesemer and Redstone, "Paxos Made Live" (2007), for snapshots and restarts.
 *
 *   paxos.c             construction, the dispatch of messages, roles, ticks, updates
 *   paxos_takeover.c    becoming the proposer: the canvass, phase 1, what has to be proposed again
 *   paxos_acceptor.c    the acceptor's side: promises and acceptances
 *   paxos_proposer.c    the proposer's side: proposals, flow control, what is chosen
 *   paxos_heartbeat.c   heartbeats, and the quorum that a proposer has to hear
 *   paxos_read.c        read barriers
 *   paxos_snapshot.c    replicas that are behind the log
 *   paxos_transfer.c    handing the role of proposer over
 *   paxos_check.c       the invariants below, asserted after every event
 *   acceptor.c          ballots, promises, the choice of a value: shared with cluster/paxos
 *   entry_log.c, progress.c, inflights.c, read_queue.c, election_timer.c: shared with Raft
 *
 * In the words of consensus.h: term is the ballot, the leader is the proposer, committed is chosen
 * (and known to be), an entry's term is the ballot in which it was accepted here.
 *
 * Roles, and the functions that change them
 *
 *               time-out              quorum would promise           quorum promised
 *    FOLLOWER -----------> CANVASSER ---------------------> PREPARER ----------------> PROPOSER
 *      |  ^  paxos_canvass           paxos_prepare           ^ |    paxos_become_proposer |
 *      |  +------------------------------------------------ | +--------------------------+
 *      |     paxos_become_follower: a higher ballot, its proposer, refusals by a majority,
 *      |     or (proposer) no quorum heard for an election time-out
 *      +-----------------------------------------------------+
 *              TIMEOUT_NOW: the proposer hands its role over
 *
 * Invariants. A1 to A4 are in acceptor.h.
 *  X1  The log is valid (entry_log.h, L1 to L4), and no entry's ballot is above the promise.
 *  X2  Every entry of the log is an acceptance in the ballot that it names, and no acceptance is
 *      forgotten: only one of a higher ballot takes its place, and only what is chosen sinks below
 *      the floor (the log's base). The log is never cut at its end.
 *  X3  commit <= reach <= last. Each entry in (commit, reach] was accepted in the promised ballot,
 *      the one after reach was not. At or below commit stand chosen values, whatever their ballots.
 *  X4  Instance i is accepted in ballot b only if everything below it is known to be chosen or
 *      accepted in b: i <= reach + 1. So logs have no holes, and one number says how far this
 *      acceptor is in the ballot.
 *  X5  A promise is given only if all acceptances above what its proposer knows to be chosen can be
 *      told: not from below the floor. Whoever asks from there is told that it is forgotten.
 *  X6  Preparer and proposer: the promise is of their own ballot (A3). The proposer is the leader
 *      it knows; canvasser and preparer know none.
 *  X7  Proposer: reach = last. In its ballot it proposes at an instance what phase 1 found there
 *      (A4), up to `inherited`; beyond that what it is given, each instance once.
 *  X8  Proposer: every peer's progress is valid (progress.h, P1 to P4). match: what the peer holds
 *      up to there is durable, and chosen or accepted in this ballot.
 *  X9  Proposer: nothing above what phase 1 began with is chosen but what a majority has by match,
 *      the own log counting up to persisted.
 *  X10 Only a proposer has reads waiting; their queue is valid (read_queue.h).
 *  X11 uncommitted_bytes is the sum of the payloads above commit; 0 unless proposer.
 *  X12 transferee is 0 unless proposer, and is never self.
 *  X13 While a snapshot is being installed this replica does not propose, accepts nothing and lists
 *      nothing as committed.
 *
 * Why nothing chosen is lost. Let v be chosen at i in ballot b: a majority accepted (i, b, v). Let
 * b' > b be the next ballot whose proposer is promised by a majority. The two share an acceptor,
 * which accepted before it promised (A2). By X2 it then still held v at i, accepted in b, unless i
 * was below its floor; in that case it promised only to one who knew i as chosen (X5), and what is
 * chosen stays in that one's log or snapshot. So b' learned of (b, v); what it learned of a higher
 * ballot is v too, by the same argument for the ballots between; so it proposes v (A4).
 *
 * Why X2 forbids what Raft does. A new proposer's log may be shorter than an acceptor's: phase 1
 * hears a majority only. In Raft the tail that the leader lacks is known not to be committed, for
 * the leader's log admits the others'. Here the tail may be the only trace, besides one on a
 * replica that is down, of a value that is chosen, as long as the new proposer's own acceptances
 * are on no majority. So the tail stays, until the instance is accepted in a higher ballot. The
 * same holds when a snapshot arrives: above its index the log stays.
 *
 * What commit says to others. "Chosen up to c" is understood by a log that has the chosen values
 * there. An ACCEPT says it to the receiver's reach. A HEARTBEAT says it up to the receiver's match,
 * and that may be above the reach of one that has restarted and forgotten what it knew as chosen:
 * what it had still stands (X2, X8). A PREPARE and an ACCEPT also say it by (index, ballot), the
 * ballot in which the sender holds an entry that it knows as chosen: one who holds an entry of that
 * ballot there has the chosen values up to index. So who restarts needs no snapshot of what it has,
 * even if its store lags behind the others' floors.
 *
 * Why that is so. If a replica knows i as chosen and holds it in ballot b, every instance up to i was
 * chosen in b or before: when it first knew that, it was told so by b's proposer about what it had
 * accepted in b, or was that proposer itself, or took over a snapshot or another one's word for the
 * very same (i, b). So at each of them b and all later ballots propose the chosen value (A4). Whoever
 * has accepted i in b then had below it what it knew as chosen or had accepted in b (X4), and what it
 * has accepted there since is of later ballots.
 *
 * Durability. Every message but a proposer's (ACCEPT, HEARTBEAT, TIMEOUT_NOW, SNAPSHOT) and the
 * canvass waits for the sync of what it rests on. A HEARTBEAT_REPLY rests on the promise alone, so
 * it waits only while that is not yet durable. */
#ifndef CONSENSUS_PAXOS_H
#define CONSENSUS_PAXOS_H

#include "consensus/acceptor.h"
#include "consensus/election_timer.h"
#include "consensus/engine.h"
#include "consensus/entry_log.h"
#include "consensus/outbox.h"
#include "consensus/progress.h"
#include "consensus/read_queue.h"

enum paxos_role { PAXOS_FOLLOWER, PAXOS_CANVASSER, PAXOS_PREPARER, PAXOS_PROPOSER };

enum paxos_answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

/* What a peer has answered to the canvass or to PREPARE. */
struct paxos_promise {
    enum paxos_answer answer; /* of a preparer: YES when the last page is here */
    uint64_t heard;           /* its acceptances up to this index are here */
    uint64_t commit;          /* what it knew as chosen */
};

/* The way to a ballot of one's own. */
struct paxos_takeover {
    uint64_t ballot;
    uint64_t from; /* phase 1 is about the instances above this, all below is chosen */
    bool transfer; /* the old proposer asked for it */
    uint32_t elapsed_ticks;
    struct paxos_promise promises[SF_REPLICAS_MAX]; /* by position in peers; self included */
    struct proposal *found; /* owned; of instance from + 1 + i; those of all who answered */
    size_t found_count, found_cap;
};

struct paxos {
    struct consensus base;

    /* Constant. */
    replica_id self;
    size_t peer_count;
    uint32_t election_ticks, heartbeat_ticks;

    /* What has to be durable besides the log: the promise, and whether the WAL has been given it.
     */
    struct acceptor acceptor;
    bool promise_changed;  /* since the last update */
    uint64_t promise_mark; /* mark of the update that gave out its last change */

    enum paxos_role role;
    replica_id leader;     /* the proposer; 0: unknown */
    uint64_t ballot_heard; /* the highest one heard of; the next own one is above it */
    struct election_timer timer;
    struct paxos_takeover takeover; /* of canvasser and preparer */

    struct entry_log log;
    uint64_t reach;                         /* X3 */
    struct progress peers[SF_REPLICAS_MAX]; /* by position in the configuration; self included,
                                               of which only id is used */

    /* Proposer. */
    uint64_t inherited; /* up to here its instances have what phase 1 found */
    bool has_proposed;  /* something of its own */
    uint32_t heartbeat_elapsed_ticks;
    size_t uncommitted_bytes;
    struct read_queue reads;
    replica_id transferee; /* the role goes to this peer; 0: none */
    uint32_t transfer_elapsed_ticks;

    uint64_t installing_index; /* a snapshot is being put in place; 0: none */

    struct outbox outbox;
    struct { /* what the last update said */
        bool leads;
        replica_id leader;
        uint64_t term;
    } told;
};

/* -- paxos.c --------------------------------------------------------------------------------- */

struct paxos *paxos_of(struct consensus *c);
const struct paxos *paxos_of_const(const struct consensus *c);

/* Changes the role; what the old one had is over. leader: 0 where none is known. */
void paxos_enter_role(struct paxos *x, enum paxos_role role, replica_id leader);
void paxos_become_follower(struct paxos *x, replica_id leader);
/* Promises a higher ballot. */
void paxos_promise(struct paxos *x, uint64_t ballot);
bool paxos_promise_is_durable(const struct paxos *x);
/* The ballot of the entry at index, where that is known to be chosen and not forgotten; else 0. */
uint64_t paxos_chosen_in(const struct paxos *x, uint64_t index);
/* commit has risen, or entries came: reach follows. */
void paxos_extend_reach(struct paxos *x);
/* Someone speaks of a higher ballot than ours: whoever is on the way or proposes stops. */
void paxos_hear_ballot(struct paxos *x, uint64_t ballot);
/* A message of the proposer of a ballot at or above the promise: it is promised and followed. */
void paxos_follow(struct paxos *x, const struct consensus_msg *msg);

struct progress *paxos_peer(struct paxos *x, replica_id id); /* NULL: no member, or self */
size_t paxos_position(const struct paxos *x, replica_id id); /* in peers, of a member */
bool paxos_is_self(const struct paxos *x, const struct progress *p);
size_t paxos_quorum(const struct paxos *x);
/* A majority's value where values of the others are given by `of` and `own` is this replica's. */
uint64_t paxos_quorum_reached(const struct paxos *x, uint64_t own,
                              uint64_t (*of)(const struct progress *p));
/* Sends: from is filled in, and the promised ballot where msg->term is 0. Takes msg's entries. */
void paxos_send(struct paxos *x, struct consensus_msg msg);

/* -- paxos_takeover.c ------------------------------------------------------------------------ */

void paxos_canvass(struct paxos *x); /* asks who would promise, without disturbing anyone */
void paxos_prepare(struct paxos *x, bool transfer);
void paxos_maybe_count_own_promise(struct paxos *x); /* once it is durable */
void paxos_takeover_clear(struct paxos *x);
void paxos_tick_takeover(struct paxos *x);
void paxos_step_pre_vote_reply(struct paxos *x, const struct consensus_msg *msg);
void paxos_step_promise(struct paxos *x, const struct consensus_msg *msg);

/* -- paxos_acceptor.c ------------------------------------------------------------------------ */

/* Whoever hears a proposer takes no part in take-overs, unless that proposer itself asks. */
bool paxos_is_bound(const struct paxos *x, const struct consensus_msg *msg);
void paxos_step_pre_vote(struct paxos *x, const struct consensus_msg *msg);
void paxos_step_prepare(struct paxos *x, const struct consensus_msg *msg);
void paxos_step_accept(struct paxos *x, const struct consensus_msg *msg);
/* Accepts a value in the promised ballot at reach + 1. Takes a reference of its own. */
void paxos_accept(struct paxos *x, struct payload *value);

/* -- paxos_proposer.c ------------------------------------------------------------------------ */

void paxos_become_proposer(struct paxos *x); /* a quorum's promises are complete */
int paxos_propose(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term);
void paxos_step_accepted(struct paxos *x, const struct consensus_msg *msg);
void paxos_peer_has(struct paxos *x, struct progress *p, uint64_t index);
/* A heartbeat was answered: what has not moved for a heartbeat's time may be lost. */
void paxos_recover_lost(struct paxos *x, struct progress *p);
void paxos_maybe_choose(struct paxos *x);
bool paxos_accept_is_due(const struct paxos *x); /* would paxos_send_accepts send? */
void paxos_send_accepts(struct paxos *x);        /* sends what may be sent now */
void paxos_connection_lost(struct consensus *c, replica_id peer);

/* -- paxos_heartbeat.c ----------------------------------------------------------------------- */

void paxos_broadcast_heartbeat(struct paxos *x);
void paxos_tick_proposer(struct paxos *x);
void paxos_step_heartbeat(struct paxos *x, const struct consensus_msg *msg);
void paxos_step_heartbeat_reply(struct paxos *x, const struct consensus_msg *msg);

/* -- paxos_read.c ---------------------------------------------------------------------------- */

void paxos_read(struct consensus *c, uint64_t id);
bool paxos_read_round_is_due(const struct paxos *x);
void paxos_maybe_begin_read_round(struct paxos *x);
void paxos_round_answered(struct paxos *x, struct progress *p, uint64_t round);

/* -- paxos_snapshot.c ------------------------------------------------------------------------ */

/* What `p` needs is compacted away: asks the caller for a snapshot, once the peer is there. */
void paxos_want_snapshot(struct paxos *x, struct progress *p);
bool paxos_snapshot_is_wanted(const struct paxos *x, const struct progress *p);
void paxos_step_snapshot(struct paxos *x, const struct consensus_msg *msg);
void paxos_step_snapshot_reply(struct paxos *x, const struct consensus_msg *msg);
int paxos_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index, uint64_t term,
                       struct consensus_msg *msg);
void paxos_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok);
bool paxos_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term);
void paxos_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term);

/* -- paxos_transfer.c ------------------------------------------------------------------------ */

int paxos_transfer(struct consensus *c, replica_id peer);
void paxos_maybe_finish_transfer(struct paxos *x, const struct progress *p); /* p caught up? */
void paxos_tick_transfer(struct paxos *x);
void paxos_step_timeout_now(struct paxos *x, const struct consensus_msg *msg);

/* -- paxos_check.c --------------------------------------------------------------------------- */

void paxos_check(const struct paxos *x); /* asserts X1, X3, X6 to X13; O(entries above commit) */

#endif
