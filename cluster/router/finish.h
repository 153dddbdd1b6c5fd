/* finish: brings a minitransaction over several shards to its end, whoever began it.
 *
 * The rules are shardkv/txn.h's. Votes are counted: all PREPARED is commit, one no is abort. Then
 * every participant that is PREPARED is told the outcome until it confirms, and when all have, they
 * are told to forget. Any number of finishers may do this at the same time, and stop at any point.
 *
 *   a participant:  UNKNOWN --vote, ask--> PREPARED --outcome--> CONFIRMED
 *                      \-------vote, ask: no, or finished by another---^
 *
 *  F1  The outcome is decided once, by what is known, and never against it.
 *  F2  A part has at most one call open: an ask while it is UNKNOWN, an outcome while it is
 *      PREPARED and the outcome decided.
 *  F3  forget is sent when every part is CONFIRMED.
 */
#ifndef ROUTER_FINISH_H
#define ROUTER_FINISH_H

#include "router/router.h"

/* -- forget -------------------------------------------------------------------------------- */

/* Tells participants to forget, in batches, and does not insist: leaders find what was missed. */
struct forgetter;
struct forgetter *forgetter_new(struct router *router); /* router outlives it */
void forgetter_add(struct forgetter *forgetter, const struct kv_number *number);
/* Sends what waits, once; nothing more is waited for. NULL is allowed. */
void forgetter_free(struct forgetter *forgetter);

/* -- one transaction ----------------------------------------------------------------------- */

enum finish_state { FINISH_UNKNOWN, FINISH_PREPARED, FINISH_CONFIRMED };
enum finish_decision { FINISH_UNDECIDED, FINISH_COMMIT, FINISH_ABORT };

struct finish;

struct finish_part {
    struct kv_number number; /* set before finish_init */
    enum finish_state state;
    struct finish *finish;
    struct router_call call; /* F2 */
    struct kv_op op;
    bool keeps; /* it may have a prepared record, which is to be forgotten */
};

struct finish {
    /* Every part is CONFIRMED. The finish is the owner's again. */
    void (*on_done)(struct finish *finish);
    /* A part answered the outcome (or an ask with COMMITTED); reply is borrowed until return. May
     * be NULL. */
    void (*on_answer)(struct finish *finish, size_t part, const struct kv_reply *reply);
    struct router *router;
    struct forgetter *forgetter;
    struct finish_part *parts; /* lent until on_done or finish_cancel, as the two above */
    size_t part_count;
    uint64_t try_ms; /* of one call; 0: as long as it takes. The next one follows by itself */
    /* its own, to be read */
    enum finish_decision decision;
    struct env_timer retry;
};

/* The fields above `decision` are set; all parts are UNKNOWN. Sends nothing. */
void finish_init(struct finish *finish, struct env *env);
/* What the owner learned by itself of a part that is UNKNOWN: PREPARED, COMMITTED or ABORTED (it
 * never will be prepared). on_done may fire in here. */
void finish_vote(struct finish *finish, size_t part, enum kv_fate fate);
/* Lets the part, if it is UNKNOWN and not asked yet, say what it knows. */
void finish_ask(struct finish *finish, size_t part);
void finish_cancel(struct finish *finish); /* on_done will not fire */

#endif
