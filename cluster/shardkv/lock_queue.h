/* lock_queue: who waits for locks of a shard, at its leader, before anything is proposed.
 *
 *   ASIDE --add--> WAITING --take--> PROPOSED (a PREPARE) --remove--> ASIDE
 *                     \----take----> ASIDE    (all others)
 *   ASIDE --add--> HELD ------------------------------------remove--> ASIDE
 *
 *  Q1  A queue is in the order of tickets, which are drawn when requests come in; who is put back
 *      because its entry met a lock stands where it stood.
 *  Q2  Who is WAITING conflicts with a lock that is held or with somebody before it, as of the last
 *      look. A PREPARE stays in the queue while it is PROPOSED: it is about to hold locks.
 *  Q3  At most LOCK_WAITERS_MAX are WAITING or HELD in a shard, those put back aside.
 *  Q4  HELD is a hold (pending_holds.c), in the place of the read that took it: it keeps those from
 *      its key who came later. Who passes it has its ticket.
 *
 * Reads wait for locks that are held, for nobody in the queue.
 */
#ifndef SHARDKV_LOCK_QUEUE_H
#define SHARDKV_LOCK_QUEUE_H

#include "shardkv/txn_table.h"

#define LOCK_WAITERS_MAX 1024u
#define LOCK_WAIT_MS 10000u

enum waiter_state { WAITER_ASIDE, WAITER_WAITING, WAITER_PROPOSED, WAITER_HELD };

/* In its owner's storage; all-zero but for ticket, shard and set is one that stands ASIDE. */
struct waiter {
    struct waiter *prev, *next;
    enum waiter_state state;
    uint64_t ticket;
    uint32_t shard; /* whose locks it waits for */
    struct lock_set set;
    bool stays; /* a PREPARE: PROPOSED once it is taken */
    bool reads;
};

/* The queues of one group's shards. */
struct lock_queues {
    struct lock_queue *queues; /* by shard: those in which somebody is */
};

/* Must it wait, as things are? */
SF_MUST_CHECK bool lock_queue_blocks(const struct lock_queues *queues,
                                     const struct txn_table *table, const struct waiter *waiter);
/* Is somebody WAITING or HELD before it whom it conflicts with? */
SF_MUST_CHECK bool lock_queue_is_out_of_turn(const struct lock_queues *queues,
                                             const struct waiter *waiter);
SF_MUST_CHECK bool lock_queue_is_full(const struct lock_queues *queues, uint32_t shard);
bool lock_queue_is_empty(const struct lock_queues *queues, uint32_t shard);
/* From ASIDE into its place: WAITING, HELD or (it stays) PROPOSED. */
void lock_queue_add(struct lock_queues *queues, struct waiter *waiter, enum waiter_state state);
void lock_queue_remove(struct lock_queues *queues, struct waiter *waiter); /* also from ASIDE */
/* The first who is WAITING and need not any more, taken; NULL: nobody. */
struct waiter *lock_queue_take(struct lock_queues *queues, const struct txn_table *table,
                               uint32_t shard);

#endif
