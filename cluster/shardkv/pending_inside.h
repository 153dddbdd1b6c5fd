/* What pending*.c share: a request from when it comes in to when it is answered.
 *
 *   READING   replica_read is open; `request` is a copy
 *   WRITING   replica_propose is open
 *   PASSED    the leader of the group was asked in its place
 *   ROUTED    it named no group, and the router looks for who leads the one that serves the key
 *   WAITING   it is in a queue for locks (lock_queue.h); a read: `request` is a copy; a mutation:
 *             `kept` is its log entry
 *   RETRYING  it may not be refused and could not be proposed; `kept` is its log entry
 *
 *   PARKED    a LOCK_AWAIT whose request still waits; `request` is a copy
 *   DRAINING  a read with a hold, until what was proposed before is applied; `request` is a copy
 *
 *   READING -> WAITING -> (read at once)  READING -> PARKED     WRITING <-> WAITING     WRITING <-> RETRYING
 *   [WAITING ->] [DRAINING ->] READING    (with a hold)
 */
#ifndef SHARDKV_PENDING_INSIDE_H
#define SHARDKV_PENDING_INSIDE_H

#include "shardkv/service.h"

enum pending_state {
    PENDING_READING,
    PENDING_WRITING,
    PENDING_PASSED,
    PENDING_ROUTED,
    PENDING_WAITING,
    PENDING_RETRYING,
    PENDING_PARKED,
    PENDING_DRAINING
};

struct routed {
    struct router_call call;
    struct pending *pending;
};

struct pending {
    struct pending *prev, *next;
    struct shardkv *service;
    struct kv_machine *machine; /* NULL: ROUTED */
    struct rpc_request *rpc;
    enum pending_state state;
    uint32_t shard;
    size_t bytes; /* counted in the service */
    union {
        struct replica_read read;
        struct replica_proposal proposal;
        struct rpc_call call;
    } way;
    struct routed *routed;     /* ROUTED */
    struct kv_request request; /* READING, ROUTED: a copy of its own */
    struct buffer kept;        /* what its slices point into; or a log entry */
    struct unpacked unpacked;  /* ROUTED */
    bool is_of_txn;            /* it is never refused as OVERLOADED */
    struct kv_session session; /* of a mutation */
    uint64_t hold;             /* the number that it takes a hold by, or passes one by; 0: none */
    struct held *held;         /* DRAINING: under this one */
    uint64_t proposed;         /* WRITING: a ticket from when it was proposed */
    struct waiter waiter;      /* its place in a queue for locks */
    struct env_timer timer;    /* WAITING, PARKED: the end of it; RETRYING: the next try */
    uint64_t wait_until_ms;    /* of all its waiting; 0: it never waited */
};

/* -- pending.c ----------------------------------------------------------------------------- */

void pending_finish(struct pending *p, int status); /* answers, and frees */
/* Asks for the barrier of a read. Answers and frees where that is refused. */
void pending_ask(struct pending *p);
/* The barrier is passed and no lock is in the way: reads, answers, frees. */
void pending_read(struct pending *p);
/* Proposes p->kept. Answers and frees where that is refused. */
void pending_propose(struct pending *p);

/* -- pending_ranges.c ------------------------------------------------------------------------ */

/* A read of locks whose barrier is passed: answers and frees, or parks. */
void pending_read_ranges(struct pending *p);
/* A packed reply, taken. */
void pending_answer(struct pending *p, struct buffer *reply);

/* -- pending_holds.c ----------------------------------------------------------------------- */

/* A read with a hold that came in: reads once it has it. */
void pending_hold(struct pending *p);
/* It waited for its turn, which has come. */
void pending_hold_granted(struct pending *p);
/* The place of who passes what the number holds in the shard, which is that of the first one; 0: it
 * holds nothing there. */
uint64_t pending_hold_ticket(const struct kv_machine *machine, uint64_t number, uint32_t shard);
/* What was proposed by this ticket is applied, or never will be by this leader. */
void pending_hold_drain(struct kv_machine *machine, uint32_t shard, uint64_t proposed);
/* The number holds nothing in the shard any more. */
void pending_hold_end(struct kv_machine *machine, uint64_t number, uint32_t shard);
/* Nothing is held in the shard any more; those who drained are answered already. */
void pending_hold_end_shard(struct kv_machine *machine, uint32_t shard);
void pending_hold_end_all(struct kv_machine *machine);

/* -- pending_locks.c ----------------------------------------------------------------------- */

/* The transactions of a shard that is served; NULL where it is not, or they cannot be read (then
 * who applies the next entry here will say so). */
struct txn_table *pending_table(const struct kv_machine *machine, uint32_t shard);
/* For its locks, or its turn; its place is by its ticket. */
void pending_wait(struct pending *p);
/* A read whose barrier is passed: does it have to wait for locks? Then it does. */
SF_MUST_CHECK bool pending_read_waits(struct pending *p);
/* A mutation that was admitted: packs its entry into p->kept and proposes it, or waits. */
void pending_write(struct pending *p, const struct kv_request *request);
/* Its entry met a lock and had no effect: back to its place. */
void pending_put_back(struct pending *p, struct slice body);
/* It could not be proposed, and may not be refused. */
void pending_try_later(struct pending *p);

#endif
