/* What the files of this room share.
 *
 * Invariants:
 *  R1  on_done of a call never fires inside router_send or router_master_send: replies come from
 *      rpc's callbacks, failures go through the call's timer.
 *  R2  A call is in its router's list exactly while it is open, and has exactly one thing that will
 *      wake it: its rpc call, its timer, or the fetch of a Config (then perhaps also the timer, as
 *      its deadline).
 *  R3  The Config is only ever replaced by one of a higher number.
 *  R4  At most one fetch is under way; whoever needs a newer Config waits for that one.
 */
#ifndef ROUTER_INNER_H
#define ROUTER_INNER_H

#include <uthash.h>
#include <utlist.h>

#include "env/memory.h"
#include "router/router.h"

/* What is remembered of a group besides its place in the Config. */
struct route {
    group_id gid;
    uint64_t identity; /* of its addresses in the Config `config_num` */
    uint64_t config_num;
    unsigned leader;           /* index of the replica to ask first; < the group's address_count */
    bool leader_known;         /* it answered, or another replica named it */
    uint64_t forward_until_ms; /* until then the replicas are asked to pass requests on */
    UT_hash_handle hh;
};

/* A request that router_send_once sent. */
struct farewell {
    struct rpc_call rpc_call;
    struct router *router;
    struct farewell *prev, *next;
};

struct router {
    struct env *env;
    struct rpc *rpc;
    struct config *config; /* NULL: none yet */
    struct route *routes;
    struct router_call *calls;
    struct router_master *master_calls;
    struct router_waiter *waiters;
    struct farewell *farewells;
    struct env_timer tell_waiters; /* or ask again, for them */
    struct router_master fetch;    /* of the newest Config */
    char (*masters)[SF_ADDRESS_BYTES_MAX];
    size_t master_count;                      /* 0: the Config is fixed */
    unsigned master_next;                     /* index of the master to ask where none is known */
    char master_leader[SF_ADDRESS_BYTES_MAX]; /* "": unknown */
    uint64_t master_forward_until_ms; /* until then the masters are asked to pass requests on */
};

#define ROUTER_PAUSE_MS_MIN 10u
#define ROUTER_PAUSE_MS_MAX 1000u
#define ROUTER_TRY_MS_MIN 1000u /* patience with one replica; doubles with each silence */
#define ROUTER_TRY_MS_MAX 8000u
#define ROUTER_TRY_BYTES_PER_MS 512u /* and more of it where much has to be moved */
#define ROUTER_FORWARD_MS 10000u
#define ROUTER_REFUSED_MS 200u /* before a Config is asked for again that was refused */
#define ROUTER_NO_CONFIG UINT64_MAX

/* The pause after `attempt` others: 10 ms doubling to 1 s, of which a random half is taken off. */
uint64_t router_pause_ms(struct router *router, unsigned attempt);
/* How long to wait for one replica that has to take or give so many bytes, after so many silences;
 * at most until the deadline (which has not passed). */
uint64_t router_try_ms(struct router *router, unsigned silences, uint64_t bytes,
                       uint64_t deadline_ms);
/* `delay_ms`, cut where the deadline (0: none) comes first. */
uint64_t router_until_deadline_ms(struct router *router, uint64_t delay_ms, uint64_t deadline_ms);
bool router_is_past(struct router *router, uint64_t deadline_ms);

/* Starts a fetch unless one is under way. False: the Config is fixed and there is none to fetch. */
bool router_fetch(struct router *router);
/* What is known of the group, made on first use. */
struct route *router_route(struct router *router, const struct group *group);

/* A fetch ended: each call that waited for it goes on. */
void router_calls_placed(struct router *router);

#endif
