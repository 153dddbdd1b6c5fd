/* What the files of this room share.
 *
 *   client.c    struct client: life, level 1's entry points
 *   op.c        one operation of level 1 from submit to its end, or until it is settled
 *   txn.c       a minitransaction over several shards; txn_parts.c: its parts; txn_room.c: how
 *               many at a time
 *   session.c   the session of a shard: opening, numbers, the window, expiry
 *   hold.c      keys whose last mutation is not settled
 *   id_pool.c   blocks of fresh ids
 *   head_cache.c, tail.c   what is known of heads; arithmetic on tails
 *   value*.c, fan.c        level 2
 *   scan.c      names of all groups
 *   lock.c      locks on ranges; lease.c: the client's name, and what keeps its locks
 *   touch.c     lazy times of change
 *
 * Invariants of level 1:
 *  C1  on_done never fires inside client_submit or client_cancel.
 *  C2  A mutation has a sequence number exactly while it is in its session's `flight`, which is in
 *      the order of numbers; so the first of it is the first incomplete number.
 *  C3  A number leaves the flight only when no request under it can be executed any more: a group
 *      answered under it, it was never sent, or its session is gone.
 *  C4  While a number is settled in the background, its keys are held: no other mutation of them is
 *      sent.
 *  C5  A mutation is never sent under a second number unless its first one was sent once and the
 *      answer said that the session was unknown.
 */
#ifndef CLIENT_INNER_H
#define CLIENT_INNER_H

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "client/client.h"
#include "env/memory.h"

#define CLIENT_ID_BYTES 16u
#define SESSION_IDLE_MS_MAX (30u * 60u * 1000u)
#define SESSION_SWEEP_MS 60000u

struct lease;
struct lock_op;
struct session;
struct txn;
struct txn_part;
struct txn_room;

/* -- holds: keys with a mutation that is being settled --------------------------------------- */

struct hold {
    struct buffer key;  /* one byte space, then the key */
    unsigned count;     /* mutations that are being settled; > 0 */
    struct op *waiters; /* mutations that wait for it */
    UT_hash_handle hh;
};

/* The hold that a mutation has to wait for; NULL: none. */
struct hold *hold_find(struct client *client, const struct kv_op *op);
/* Holds every key that the mutation changes. *holds: an array (free it) to give back. */
void hold_take(struct client *client, const struct kv_op *op, struct hold ***holds, size_t *count);
/* Gives them back and frees the array; waiters begin again. */
void hold_give(struct client *client, struct hold **holds, size_t count);
void hold_free_all(struct client *client); /* their waiters are gone already */

/* -- operations ------------------------------------------------------------------------------ */

/*  STARTING -> READING                      a read
 *  STARTING -> [HELD ->] QUEUED -> SENT     a mutation
 *  SENT     -> QUEUED                       its session was unknown, and it was sent once
 *  STARTING -> [HELD ->] TXN                a minitransaction over several shards (txn.h)
 *  SENT     -> SETTLING                     the caller has its answer; nobody knows the outcome
 *  any      -> FAILING                      on_done from the timer
 */
enum op_state {
    OP_STARTING, /* waits for the first Config; in client->starting */
    OP_READING,  /* router_call is open */
    OP_HELD,     /* in hold->waiters */
    OP_QUEUED,   /* in session->queue */
    OP_SENT,     /* in session->flight, router_call is open */
    OP_SETTLING, /* in session->flight, router_call (an ABANDON) is open or the timer runs */
    OP_FAILING,  /* in no list; the timer runs */
    OP_TXN,      /* in no list; `txn` has it. Without a call: being settled, with holds */
};

struct op {
    struct client *client;
    struct client_call *call; /* NULL: the caller is gone */
    enum op_state state;
    uint32_t shard;
    struct hold *hold;       /* HELD */
    struct session *session; /* QUEUED, SENT, SETTLING */
    uint64_t sequence;       /* SENT, SETTLING */
    uint64_t deadline_ms;    /* 0: none */
    int failure;             /* FAILING */
    uint64_t epoch;          /* client->epoch, when it was submitted */
    struct router_call router_call;
    struct env_timer timer; /* the deadline until it is SENT, or of a TXN; the next try when
                               SETTLING */
    struct hold **holds;    /* SETTLING: what it holds */
    size_t hold_count;
    uint64_t unsettled;             /* client_unsettled's number, when it was given up; else 0 */
    struct txn *txn;                /* TXN; else NULL */
    struct txn_part *part;          /* it is a participant's number and nothing else; else NULL */
    struct op *prev, *next;         /* in the list of its state */
    struct op *all_prev, *all_next; /* in client->ops */
};

/* Goes on from STARTING or HELD, or with a new session: finds the place to wait in, or sends. */
void op_begin(struct op *op);
/* The session gave it a number. */
void op_transmit(struct op *op);
/* Ends what was never sent, later, with `status`. It is in no list. */
void op_fail(struct op *op, int status);
/* The one place that answers. The operation is in no list but client->ops; it is freed. */
void op_answer(struct op *op, int status, const struct kv_reply *reply);
/* A TXN: answers its caller now, and lets it end in the background. */
void op_answer_early(struct op *op, int status);
/* It ended there. */
void op_end_settled(struct op *op);
void op_free_all(struct client *client); /* on_done of what is open will not fire */

/* -- sessions -------------------------------------------------------------------------------- */

struct session {
    struct client *client;
    uint32_t shard;
    uint8_t id[CLIENT_ID_BYTES]; /* random, for this opening alone */
    uint64_t number;             /* 0: not open yet */
    uint64_t next_sequence;
    uint64_t used_ms;
    struct op *flight;            /* numbered, by number */
    struct op *queue;             /* wait for the opening or for room in the window */
    struct router_call open_call; /* SESSION_OPEN */
    bool current;                 /* takes new operations: it is the one in the table */
    struct session *prev, *next;  /* all sessions, those that are not current too */
    UT_hash_handle hh;
};

/* Puts an operation that is in no list into the queue of its shard's session, and sends if it may.
 */
void session_enqueue(struct client *client, struct op *op);
void session_unqueue(struct op *op); /* takes it out of the queue again */
/* Its number is finished. May free the session. */
void session_leave(struct op *op);
/* The cluster does not know it (any more): later operations get a new one. */
void session_expire(struct session *session);
uint64_t session_first_incomplete(const struct session *session);
void session_sweep(struct client *client); /* drops those unused for long */
/* The client has a new name: nothing more goes out in sessions of the old one, and what waits for
 * them fails with FENCED. */
void session_fence_all(struct client *client);
void session_free_all(struct client *client);

/* -- ids ------------------------------------------------------------------------------------- */

#define ID_BLOCK_MIN 64u
#define ID_BLOCK_MAX 1024u

struct id_pool {
    struct client *client;
    uint64_t next, left;     /* ids next .. next + left - 1 are ours and unused */
    uint64_t block;          /* size of the next block to ask for */
    uint64_t round;          /* blocks that were refused so far */
    struct client_id *queue; /* requests, in order of arrival and so of `round` */
    struct client_call call; /* NEW_IDS */
    struct kv_op op;
    uint8_t key[8]; /* a random tag: picks the shard whose counter it is */
    bool asks;      /* call is open */
    struct env_timer timer;
};
void id_pool_init(struct id_pool *pool, struct client *client);
void id_pool_deinit(struct id_pool *pool);

/* -- the client ------------------------------------------------------------------------------ */

struct value_op;
struct scan_op;
struct head_cache;
struct touch;
void value_free_all(struct client *client);
void lock_free_all(struct client *client);

struct client {
    struct env *env;
    struct router *router;
    struct op *ops; /* all of level 1 */
    struct op *starting;
    struct router_waiter waiter; /* for the first Config */
    struct session *sessions;    /* all */
    struct session *current;     /* by shard */
    unsigned window;             /* numbers open in a session; 1..SF_SESSION_OPEN_MAX */
    struct hold *holds;          /* by key */
    struct env_timer sweep;      /* runs while there are sessions */
    struct id_pool ids;
    struct forgetter *forgetter;
    struct txn_room *txn_rooms; /* by groups */
    struct head_cache *heads;
    struct touch *touches;   /* by key */
    struct value_op *values; /* all of level 2 */
    struct scan_op *scans;   /* all */
    /* lock.h */
    uint64_t holder;   /* its name, with which its sessions' ids begin; never 0 */
    uint64_t epoch;    /* names that it had before */
    uint64_t tickets;  /* drawn by requests for locks */
    uint64_t lease_ms; /* as a server said last */
    struct lease *leases;
    struct env_timer renewal; /* runs while there are leases */
    struct lock_op *locks;    /* requests under way */
    size_t lock_count;
    void (*on_fenced)(void *ctx); /* may be NULL */
    void *fence_ctx;
    uint64_t given_up;             /* operations, so far */
    size_t unsettled_count;        /* of them */
    void (*on_settled)(void *ctx); /* may be NULL */
    void *settled_ctx;
};

#endif
