/* txn: one participant's side of a minitransaction over several shards (Aguilera et al., Sinfonia,
 * SOSP 2007; numbers and completion records after Lee et al., RIFL, SOSP 2015).
 *
 * A transaction is the list of its participants, each a shard, a session of that shard and a number
 * in it. Whoever decides only counts votes: all yes is commit, one no is abort, and both are facts
 * in participants' logs. So there is no coordinator to lose: the client does it, or, when it is
 * slow, the leader of any participant (router/finish.h does it for both), or all of them at once.
 *
 * Fates of a number at its participant, and the entries that change them
 *
 *             +--[prepare, yes]--> PREPARED --[outcome, commit]--> COMMITTED --+
 *             |                        |                                       |--[forget]--> none
 *    none ----+                        +------[outcome, abort]---> ABORTED ----+
 *             |
 *             +--[prepare, no; ask]------------------------------> none, with a no on record
 *
 *                none                 PREPARED         COMMITTED, ABORTED
 *    prepare     by its completion    yes, again       the fate
 *                record, if any;
 *                no, where STALE or
 *                SESSION_EXPIRED;
 *                else it votes
 *    outcome     confirmed            carried out      confirmed
 *    ask         by its completion    the fate         the fate
 *                record, if any;
 *                no, as above; else
 *                a no is recorded
 *    forget      confirmed            confirmed        the prepared record goes
 *
 * "Confirmed" changes nothing.
 *
 * Invariants
 *  T1  What is PREPARED has a prepared record (keys.h 'p', 'q'), which holds the participants and
 *      its own checks and operations, and stands outside the session: the session may go, and its
 *      first incomplete number may pass. It is looked up before the session is.
 *  T2  A vote is for ever. After a yes the number is PREPARED until an outcome is applied. After a
 *      no it never will be: there is a completion record, or the first incomplete number has passed
 *      it, or its session is unknown, and session numbers do not come again.
 *  T3  A commit is told only by who saw all participants PREPARED or one COMMITTED; an abort only
 *      by who saw a no or an ABORTED. By T2 nobody sees both of one transaction.
 *  T4  What is PREPARED holds the locks (lock_set.h) of its checks and operations, nothing else
 *      holds any, and no entry that conflicts with them has an effect. So at the outcome its
 *      operations succeed as they did, tried and taken back, at the vote.
 *  T5  Locks are a function of the prepared records of the copy: txn_table.h rebuilds them.
 *  T6  The completion record of a number that is voted on is the vote, then the outcome, as long as
 *      the session keeps it. forget leaves it.
 *  T7  forget is told only when every participant has confirmed the outcome. So whoever is PREPARED
 *      finds what it needs at the others.
 *  T8  Intents that a prepared Put names belong to nobody else: its session's end leaves them. An
 *      abort gives them back, or makes trash of them where the session is gone.
 *
 * Why a late message does no harm: a Prepare after the end meets T6 or T2. An outcome or an ask
 * after the end changes nothing but perhaps the record of a no. A Prepare that comes between the
 * abort and the forget of its transaction, to a participant that had not voted, may find nothing
 * there and vote yes; it is stale after a while, and asks one that logged the no (T2).
 */
#ifndef SHARDKV_TXN_H
#define SHARDKV_TXN_H

#include "shardkv/access.h"
#include "shardkv/request.h"

/* Each of them applies one entry; access->txns is set. answer: a completion (completion.h). */

/* PREPARE. Besides fates: SF_LOCKED (it waits, and met a lock), SF_SESSIONS_FULL, SF_INVALID (it is
 * none of its own participants), which leave no trace. A vote of no has the status of the part that
 * failed, or SF_CONFLICT where it met a lock. */
void txn_prepare(struct access *access, const struct request *request, struct buffer *answer);
/* OUTCOME. fate NONE: there is nothing under this number. */
void txn_outcome(struct access *access, const struct kv_op *op, struct buffer *answer);
void txn_ask(struct access *access, const struct kv_op *op, struct buffer *answer);
void txn_forget(struct access *access, const struct kv_op *op, struct buffer *answer);

/* Does the operation, of any kind, meet a lock? */
bool txn_is_locked(const struct access *access, const struct kv_op *op);

#endif
