/* router: finds the group of a shard and the leader of a group, and sends a request until it is
 * answered.
 *
 * It caches the Config and each group's leader, follows NOT_LEADER hints, fetches a newer Config on
 * WRONG_GROUP, and backs off with jitter on OVERLOADED, LOCKED and silence. A request may be sent
 * several times: sessions make that safe for mutations.
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "proto/codec.h"
#include "proto/kv.h"
#include "rpc/rpc.h"

struct router;

/* A router on the masters' addresses (copied), or on one fixed Config (copied; no masters then).
 * rpc stays the caller's, and must be freed after the router. */
struct router *router_new(struct env *env, struct rpc *rpc, const char *const *masters,
                          size_t master_count);
struct router *router_new_static(struct env *env, struct rpc *rpc, const struct config *config);
void router_free(struct router *router); /* open calls end without on_done */

/* "A:1,B:2" -> array of addresses (free each, then the array). SF_ADDRESS; *bad (may be NULL)
 * points at the offending part within text. */
SF_MUST_CHECK int router_parse_addresses(const char *text, char ***out, size_t *count,
                                         const char **bad);

/* The newest Config known; NULL before the first answer. Until the next turn. */
const struct config *router_config(const struct router *router);

/* Tells once, in a later turn, that there is a Config; asks the masters for one if needed. */
struct router_waiter {
    void (*on_config)(struct router_waiter *waiter);
    struct router_waiter *prev, *next; /* router's own, as `waits` */
    bool waits;
};
void router_await_config(struct router *router, struct router_waiter *waiter);
void router_await_cancel(struct router *router, struct router_waiter *waiter);
/* Asks the masters for a newer Config, in the background: for those who saw that this one is too
 * old. */
void router_refresh(struct router *router);

/* -- kv requests --------------------------------------------------------------------------- */

enum router_call_state {
    ROUTER_CALL_IDLE,
    ROUTER_CALL_SENT,    /* rpc_call is open */
    ROUTER_CALL_PAUSED,  /* timer: the next try */
    ROUTER_CALL_PLACING, /* waits for a newer Config; timer: the deadline, if any */
    ROUTER_CALL_ENDING,  /* timer at once: on_done with `refusal` or `failure` */
};

struct router_call {
    /* status: SF_OK: a group answered, reply->status is its word (never NOT_LEADER, OVERLOADED;
     * WRONG_GROUP only where `gid` was given). SF_TIMEOUT: the deadline passed and it was never
     * sent. SF_UNKNOWN: it passed and some send may have arrived. SF_TOO_BIG, SF_PROTOCOL,
     * SF_NO_SHARD, SF_NO_GROUP (the Config does not have `gid`) and the codes of error replies:
     * refused; they too say nothing of earlier sends, so look at `sends`. reply is borrowed until
     * return; NULL unless SF_OK. */
    void (*on_done)(struct router_call *call, int status, const struct kv_reply *reply);
    /* Filled in by the caller before router_send; request.target is the router's to fill.
     * The slices in request are lent until on_done or cancel. */
    struct kv_request request;
    uint32_t shard;
    group_id gid;         /* 0: the owner of `shard`; else this group, as the Config has it */
    uint64_t deadline_ms; /* on env_now_ms; 0: none */
    unsigned sends; /* out: how often it left or may have; valid in on_done and after cancel */
    /* Before each send: may change request.session.first_incomplete. May be NULL. */
    void (*before_send)(struct router_call *call);
    /* Asked before each send: false: not now, but perhaps after a pause. May be NULL. */
    bool (*may_send)(struct router_call *call);
    /* router's own */
    struct router *router;
    struct rpc_call rpc_call;
    struct env_timer timer;
    struct router_call *prev, *next;
    enum router_call_state state;
    unsigned attempt;    /* pauses so far: the exponent of the next one */
    unsigned silences;   /* tries that were not answered: the exponent of the patience */
    unsigned misses;     /* tries since the last pause that found no leader */
    unsigned replica;    /* index in the group of the replica that was asked */
    uint64_t config_num; /* of the Config that the last try was made under */
    int failure, refusal;
    bool open;
};

void router_send(struct router *router, struct router_call *call);
void router_cancel(struct router_call *call); /* on_done will not fire; also where it is not open */

/* Sends a request once, to the presumed leader of the shard's group, and forgets it: for farewells.
 * Nothing happens where no leader is known. The request is borrowed until return. */
void router_send_once(struct router *router, const struct kv_request *request, uint32_t shard);
size_t router_once_count(const struct router *router); /* those not answered yet */

/* -- the masters --------------------------------------------------------------------------- */

struct router_master {
    /* query: config is borrowed until return (SF_OK). mutations: reply. SF_TIMEOUT (a query),
     * SF_UNKNOWN (a mutation that may have arrived), SF_UNREACHABLE (no master answers and the
     * deadline passed, or there are no masters), or the code of an error reply. */
    void (*on_done)(struct router_master *call, int status, const struct config *config,
                    const struct master_reply *reply);
    const struct master_op *op; /* NULL: a query of `num`; lent */
    int64_t num;                /* -1: the newest, linearizable */
    uint64_t deadline_ms;       /* on env_now_ms; 0: none */
    /* router's own */
    struct router *router;
    struct rpc_call rpc_call;
    struct env_timer timer; /* the next try, or the end */
    struct router_master *prev, *next;
    struct buffer params;               /* what is asked, packed */
    unsigned attempt, silences, misses; /* as above */
    char address[SF_ADDRESS_BYTES_MAX]; /* that was asked last */
    int failure;                        /* SF_OK, or what on_done gets when the timer fires */
    bool sent;                          /* some try may have arrived */
    bool open;
};
void router_master_send(struct router *router, struct router_master *call);
void router_master_cancel(struct router_master *call);

#endif
