/* txn_parts: how a minitransaction is taken apart, a part for each shard, and how the parts'
 * answers become its own. */
#ifndef CLIENT_TXN_PARTS_H
#define CLIENT_TXN_PARTS_H

#include "client/txn.h"

struct txn_room;

struct txn_part {
    struct txn *txn;
    uint32_t shard;
    struct op slot;             /* its number in the session; Prepare goes by its router_call */
    struct kv_op *checks, *ops; /* copies, whose slices are the caller's */
    size_t check_count, op_count;
    uint8_t place[SF_MINI_OPS_MAX]; /* of each, checks first, within the whole */
    /* What it answered: a no, or the outcome. */
    struct buffer kept; /* packed */
    struct unpacked unpacked;
    struct kv_reply reply; /* of `kept`; valid where has_reply */
    bool has_reply;
    int refusal;       /* of a Prepare; SF_OK: none */
    bool is_uncertain; /* its no may come long after a commit that is forgotten */
    bool was_told;     /* it confirmed an abort, having been prepared */
};

enum txn_phase { TXN_WAITING, TXN_NUMBERING, TXN_VOTING, TXN_RESTING };

struct txn {
    struct op *op;
    struct txn_room *room;
    enum txn_phase phase;
    struct txn_part *parts; /* by shard */
    size_t count;
    struct kv_number numbers[SF_MINI_OPS_MAX];
    struct finish finish; /* VOTING */
    struct finish_part ends[SF_MINI_OPS_MAX];
    size_t numbered, sent; /* parts; those sent are the first ones */
    bool waits;            /* it is a retry, or has a hold */
    unsigned rounds;       /* retries so far */
    struct env_timer rest; /* RESTING */
    struct kv_reply replies[SF_MINI_OPS_MAX];
    struct txn *prev, *next; /* WAITING: in room->waiting */
};

void txn_parts_make(struct txn *txn, const struct kv_op *mini, const struct config *config);
void txn_parts_free(struct txn *txn);
void txn_part_reset(struct txn_part *part); /* for another round */
/* Keeps a copy of the reply, the latest. */
void txn_part_keep(struct txn_part *part, const struct kv_reply *reply);

/* All participants have confirmed: what to answer. SF_CONFLICT: nothing happened, and nothing but
 * other transactions, or bad luck, was in the way. SF_UNKNOWN, and *reply is not filled. Else reply
 * as of a MINI (proto/kv.h); borrowed from txn. */
int txn_verdict(struct txn *txn, struct kv_reply *reply);
/* Of an abort: is it certain that nothing happened, by what is known so far? */
bool txn_is_certain(const struct txn *txn);

#endif
