/* txn: a minitransaction over several shards, from submit to its end: the client's side of
 * shardkv/txn.h.
 *
 * The happy path is: room beside others (txn_room.h) -> a number in the session of each shard -> Prepare to all of them at once -> all
 * vote yes -> the outcome to all -> all have applied it -> the caller is answered, and the
 * participants are told to forget, some time later. It can fail by:
 *   - a no: the others are told to abort, and the caller gets its reason. Where that is only that
 *     somebody holds a key (CONFLICT), that a leader lost patience (ABANDONED) or that a session was
 *     dropped, nothing happened, and it is done again: under new numbers, in the order of shards,
 *     queueing for locks
 *   - a refusal without a trace: that participant is asked, which makes a no of it
 *   - the deadline, or a cancel: the caller is answered (UNKNOWN, or what is certain), who has not
 *     answered is asked, and the end is awaited in the background, with the keys held
 *
 *   [WAITING ->] NUMBERING -> VOTING -> (finish.h ends it) -> done | RESTING -> NUMBERING
 *
 *  N1  Every participant's number stays in its session's flight until the end: what the outcome
 *      answers is kept there for us.
 *  N2  Numbers are asked for in all sessions within one turn, so that two transactions stand in the
 *      same order in any two queues.
 *  N3  Retrying, or with a hold (proto/kv.h), Prepares are sent one after the other in ascending
 *      order of shards: who waits for a lock of a shard holds locks of lower shards alone.
 *  N4  A participant to which nothing was sent will never be prepared: its number is used for
 *      nothing else.
 *
 * Why nobody waits for ever, however small the window is: who waits for a number holds no lock, as
 * nothing of it was sent; what it waits for was enqueued before it (N2), so the oldest waits for none
 * but those that have all their numbers. Those wait for locks alone, of higher shards than the ones
 * they hold (N3); and what waits for a lock without being prepared anywhere holds none. That needs
 * servers to take every number that a client gives out: would one refuse a Prepare for its window,
 * then a transaction with locks waited for a number, and two clients could make a circle (one's
 * write waits for a lock of the other's transaction, whose Prepare waits behind the other's write,
 * and the same the other way round), which no leader could end, as an ASK were refused like that too.
 * So the server's window is a constant, and no client's is larger.
 */
#ifndef CLIENT_TXN_H
#define CLIENT_TXN_H

#include "client/inner.h"
#include "router/finish.h"

enum txn_place {
    TXN_ONE_SHARD, /* *shard: which */
    TXN_MANY_SHARDS,
    TXN_NOT_SUPPORTED, /* a prefix of plain keys stands in all shards */
};
/* Where a MINI has to go. */
enum txn_place txn_place_of(const struct kv_op *mini, const struct config *config, uint32_t *shard);

/* Takes over op, which is in no list; its call is open. Answers through op_answer. */
void txn_begin(struct op *op);
/* op_transmit of a participant's own op. */
void txn_numbered(struct op *slot);
/* The deadline. */
void txn_expire(struct op *op);
/* Has anything been sent that could have an effect? */
bool txn_was_sent(const struct txn *txn);
/* The call is gone (op->call is NULL, holds are taken): ends it in the background. */
void txn_settle(struct op *op);
/* NULL is allowed. Gives its numbers back where `leave`. */
void txn_free(struct txn *txn, bool leave);

#endif
