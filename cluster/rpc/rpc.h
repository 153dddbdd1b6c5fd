/* rpc: MessagePack-RPC over env's connections: [0, id, method, params], [1, id, error, result],
 * [2, method, params].
 *
 * A struct rpc is one process's endpoint: it may listen, it dials addresses on demand and keeps one
 * outgoing connection an address, and it is symmetric: requests and notifications may come from
 * either side of a connection. The first request that rpc sends on a connection of its own is
 * `hello` where a cluster id is set; a mismatch is refused and closes it.
 *
 * What cannot be decoded or breaks a limit closes that connection only, and is counted.
 *
 * The happy path of a call: rpc_call -> connected already or dialled -> sent at the turn's end ->
 * reply matched by id -> on_done. It can fail by: dial refused, connection lost, time over, an
 * error reply. An address that could not be dialled fails at once for the next 75 ms.
 *
 * At most conns_max connections that came in are kept: a new one takes the place of the one that
 * was silent longest and has nothing under way, and is turned away where there is none.
 *
 * A connection on which something is awaited and nothing is heard for 3 s is closed, after a hello
 * that would have made a live peer answer: the next call dials anew. A peer with 1,024 unanswered
 * requests on one connection is not read until half of them are answered.
 *
 * Unfinished messages of clients are bounded over all connections: intake.c. Who says hello as a
 * server of the same cluster and role is no client.
 *
 * hello: params and answer are [protocol version, cluster id (0: any), role].
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <uthash.h>

#include "env/env.h"
#include "proto/pack.h"

struct rpc;
struct rpc_request; /* a request that came in and was not answered yet */

/* Another process by the connection it came on: stays valid as a number after it closed. */
typedef uint64_t rpc_peer;

struct rpc_options {
    uint64_t cluster_id;     /* 0: any (a client, a tool): then no connection begins with hello */
    const char *role;        /* "shardkv", "shardmaster", "client"; borrowed for ever (static) */
    size_t conns_max;        /* connections that came in; 0: 512 */
    size_t in_bytes_max;     /* for unfinished messages of all clients, beyond which all but one of
                               those who send long ones are not read; 0: 4 MiB */
    size_t queue_bytes_max;  /* outgoing bytes a connection may hold before notifications to it are
                               dropped and requests on it fail SF_OVERLOADED; a peer that leaves
                               twice as much unread is cut off; 0: 16 MiB */
    size_t unread_bytes_max; /* answers that clients have not read, in all: beyond it
                                rpc_request_is_crowded, beyond half as much again who takes nothing
                                for a second is cut off, and beyond twice as much who leaves most;
                                0: 6 MiB */
};

struct rpc *rpc_new(struct env *env, const struct rpc_options *options);
/* Closes everything; open calls end without on_done; unanswered requests are dropped. */
void rpc_free(struct rpc *rpc);
/* SF_ADDRESS, SF_IN_USE, SF_PERMISSION, SF_IO. */
SF_MUST_CHECK int rpc_listen(struct rpc *rpc, const char *address);
const char *rpc_address(const struct rpc *rpc); /* the real one it listens on; NULL: none */

/* -- serving ------------------------------------------------------------------------------- */

/* Called for each request of a method. params is borrowed until return; the request is answered
 * exactly once, now or later, by rpc_reply or rpc_reply_error. */
typedef void rpc_handler(void *ctx, struct rpc_request *request, const msgpack_object *params);
typedef void rpc_notified(void *ctx, rpc_peer from, const msgpack_object *params);

/* method: static text. */
void rpc_on_request(struct rpc *rpc, const char *method, rpc_handler *handler, void *ctx);
void rpc_on_notification(struct rpc *rpc, const char *method, rpc_notified *handler, void *ctx);
/* result: one packed object, taken (the buffer is emptied). The connection may be gone: then
 * dropped. */
void rpc_reply(struct rpc_request *request, struct buffer *result);
/* The error field becomes [code, text]; text NULL: the error's own. */
void rpc_reply_error(struct rpc_request *request, int error, const char *text);
rpc_peer rpc_request_peer(const struct rpc_request *request);
/* Should a large answer not be given now, because unread_bytes_max wait already to be read by this
 * client and the others? For who may say SF_BUSY instead. A client that has read everything is
 * refused only where half as much again waits. */
bool rpc_request_is_crowded(const struct rpc_request *request);
/* Notifies over the connection that `peer` came on; dropped where that is closed. */
void rpc_notify_peer(struct rpc *rpc, rpc_peer peer, const char *method, struct buffer *params);

/* -- calling ------------------------------------------------------------------------------- */

/* An outgoing call in its caller's storage. Not moved, not freed, while it is open. All-zero before
 * its first use. */
struct rpc_call {
    /* status: SF_OK (result is borrowed until return); SF_UNREACHABLE, SF_OVERLOADED, SF_TOO_BIG
     * (it never left); SF_UNKNOWN (sent, no answer: the connection closed or the time was over);
     * SF_PROTOCOL (an answer that says nothing); SF_MISMATCH (another cluster answers there); or
     * the code of the error reply (SF_NO_METHOD, ...). */
    void (*on_done)(struct rpc_call *call, int status, const msgpack_object *result);
    struct rpc *rpc;
    struct rpc_call *prev, *next; /* in its connection's list, or the list of failing ones */
    struct env_timer timer;
    void *conn;    /* rpc's own; NULL: failing */
    void *waiting; /* rpc's own: the message, until the connection is open */
    uint32_t id;   /* on the wire; while failing: the round in which on_done is due */
    int status;    /* while failing: what on_done will get */
    bool open, sent;
    UT_hash_handle hh; /* by id, while on a connection */
};

/* params: one packed array, taken. timeout_ms 0: none. on_done never fires before return, and may
 * start, cancel and free any call, this one too. */
void rpc_call_start(struct rpc *rpc, struct rpc_call *call, const char *address, const char *method,
                    struct buffer *params, uint64_t timeout_ms,
                    void (*on_done)(struct rpc_call *call, int status,
                                    const msgpack_object *result));
/* The same, over a connection that is there, whoever dialled it. SF_UNREACHABLE where it is not. */
void rpc_call_start_peer(struct rpc *rpc, struct rpc_call *call, rpc_peer peer, const char *method,
                         struct buffer *params, uint64_t timeout_ms,
                         void (*on_done)(struct rpc_call *call, int status,
                                         const msgpack_object *result));
/* on_done will not fire; what has not left yet never will. Also where it is not open. */
void rpc_call_cancel(struct rpc_call *call);
/* A notification to an address; dialled if needed; dropped without a trace where that fails or too
 * many bytes wait. */
void rpc_notify(struct rpc *rpc, const char *address, const char *method, struct buffer *params);

/* on_lost is told of each connection to an address that was open and ended, whatever the reason,
 * in a later turn: what was sent on it may be lost. Set once. */
void rpc_on_lost(struct rpc *rpc, void (*on_lost)(void *ctx, const char *address), void *ctx);

/* The connection by which the process at `address` is to be reached: one that was dialled to it and
 * is open; while there is none, `back`, by which it came itself, if that is still there; else the
 * dial that is under way, or 0. Where nothing was dialled, that is begun. So two processes talk as
 * long as one of them can reach the other. */
rpc_peer rpc_way_to(struct rpc *rpc, const char *address, rpc_peer back);

/* -- large messages ------------------------------------------------------------------------ */

/* Optional: leaves room for the message's head at the front of an empty buffer, so that what is
 * packed after it is sent from where it stands. Without, it is moved once. The method must be the
 * one that the buffer is sent with. For rpc_call_start; rpc_notify and rpc_notify_peer; rpc_reply.
 */
void rpc_begin_request(struct buffer *b, const char *method);
void rpc_begin_notification(struct buffer *b, const char *method);
void rpc_begin_reply(struct buffer *b);

struct rpc_stats {
    uint64_t requests, replies, notifications; /* received */
    uint64_t bad_messages;                     /* connections closed for what came on them */
    uint64_t dropped;                          /* notifications dropped on the way out */
    uint64_t slow_peers;                       /* connections closed for what they left unread */
    uint64_t crowded_out;                      /* closed or turned away for want of room */
    uint64_t held_back;  /* times that a connection was not read, as others' messages came first */
    uint64_t stalled;    /* connections closed as others waited for their messages' ends */
    uint64_t flooded;    /* connections closed as all clients together sent too much unfinished */
    size_t in_bytes;     /* of unfinished messages of clients, now */
    size_t unread_bytes; /* of answers that clients have not read, now */
};
void rpc_stats(const struct rpc *rpc, struct rpc_stats *out);

#endif
