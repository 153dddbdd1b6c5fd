/* endpoint: what the files of this room share: the endpoint, its connections, its open requests.
 *
 * A connection's states:
 *
 *   (dial) -> DIALING -> OPEN -> ENDED -> (freed)
 *                |        |       ^ ^
 *                |        v       | |
 *                |     REFUSED ---+ |
 *                +------------------+
 *   (accept) -> OPEN
 *
 *   state     env conn  in by_peer  in by_address       timer
 *   DIALING   yes       yes         yes                 gives up the dial
 *   OPEN      yes       yes         if outgoing         looks for silence (armed or not)
 *   REFUSED   yes       yes         no                  ends it
 *   ENDED     no        no          if it shall not be  frees it
 *                                   dialled at once
 *
 * REFUSED: an incoming one whose hello did not fit. What comes is thrown away; it lives on for a
 * second so that the peer gets the reason.
 *
 * Invariants
 *  R1  An open call is either in the calls of one connection (DIALING or OPEN) and in rpc->calls,
 *      or in rpc->failing.
 *  R2  No call's on_done runs but from a message that came or from a timer: never within a call
 *      into this room.
 *  R3  conn_end frees nothing: a connection outlives whatever is on the stack, and is freed by its
 *      timer.
 *  R4  Messages wait in `waiting` only while DIALING.
 *  R5  A request names its connection by peer number, so it may outlive it.
 */
#ifndef RPC_ENDPOINT_H
#define RPC_ENDPOINT_H

#include "rpc/frame.h"
#include "rpc/rpc.h"

#define DIAL_MS 3000u             /* a dial that takes longer has failed */
#define BACKOFF_MS 75u            /* an address that failed is not dialled again for so long */
#define MISMATCH_BACKOFF_MS 1000u /* nor one that belongs to another cluster */
#define PROBE_MS 1500u            /* of silence, then a hello goes out */
#define SILENCE_MS 3000u          /* of silence, then the connection is closed */
#define LINGER_MS 1000u           /* a refused peer may read the reason for so long */
#define HELLO_TIMEOUT_MS 1000u
#define FAIL_DELAY_MS 1u     /* so that a caller that tries again at once does not spin */
#define UNANSWERED_MAX 1024u /* requests of one connection */
#define IN_KEEP_BYTES 4096u  /* an idle connection's input buffer is at most this big */
#define IN_BYTES_DEFAULT (4u << 20)
#define UNREAD_BYTES_DEFAULT (6u << 20)
#define QUEUE_BYTES_DEFAULT (16u << 20)
#define UNREAD_PATIENCE_MS 1000u
#define UNREAD_SMALL_BYTES 16384u /* a connection with so little unread is not looked at */
#define CONNS_DEFAULT 512u        /* the usual limit of 1,024 files leaves room for the store's */
#define ROLE_BYTES_MAX 32u
#define PROTOCOL_VERSION 1u

struct rpc_method {
    const char *name;       /* static */
    rpc_handler *handler;   /* NULL: no requests of this name */
    rpc_notified *notified; /* NULL: no notifications of this name */
    void *handler_ctx, *notified_ctx;
    UT_hash_handle hh;
};

/* The unfinished messages of all clients: see intake.c. */
struct intake {
    size_t bytes;             /* of their connections' buffers */
    struct rpc_conn *waiting; /* those with long ones, in the order in which they began */
    size_t held_back;         /* of them: are not read just now */
    bool crowded;
    struct env_timer timer; /* armed while any is held back: the time of the first is over */
};

struct rpc {
    struct env *env;
    struct rpc_options options;    /* limits filled in */
    struct env_listener *listener; /* NULL: none */
    struct rpc_method *methods;
    void (*on_lost)(void *ctx, const char *address);
    void *on_lost_ctx;
    struct rpc_conn *conns;      /* all */
    size_t incoming_count;       /* of them: came in and have not ended */
    struct rpc_conn *by_address; /* what is dialled, or shall not be just now */
    struct rpc_conn *by_peer;
    struct rpc_call *calls;   /* by id: those on a connection */
    struct rpc_call *failing; /* on_done is due when failing_timer fires */
    struct env_timer failing_timer;
    uint32_t failing_round;        /* what fails from now on is due in this round */
    struct env_timer unread_timer; /* clients may have left too much unread */
    uint64_t unread_watched_ms;    /* while it is armed: since when clients are watched */
    struct rpc_request *requests;  /* unanswered */
    struct intake intake;
    struct unpacked message; /* the one that is being handled; keeps its memory */
    rpc_peer last_peer;
    uint32_t last_id;
    struct rpc_stats stats;
};

enum conn_state { CONN_DIALING = 1, CONN_OPEN, CONN_REFUSED, CONN_ENDED };

struct rpc_waiting {
    struct rpc_waiting *prev, *next;
    struct buffer message;
    struct rpc_call *call; /* NULL: a notification */
};

struct rpc_conn {
    struct rpc *rpc;
    enum conn_state state;
    struct env_conn *conn; /* NULL once ENDED */
    rpc_peer peer;
    char address[SF_ADDRESS_BYTES_MAX]; /* "" if it came in */
    bool incoming;
    bool opened; /* an outgoing one that was OPEN */
    bool in_by_address;
    uint64_t heard_ms;            /* when bytes came last */
    struct env_timer timer;       /* by state, see above */
    struct rpc_conn *prev, *next; /* in rpc->conns */
    UT_hash_handle hh_address, hh_peer;
    /* receiving */
    struct buffer in;      /* bytes not yet handled; begins with a message's first byte */
    struct pack_scan scan; /* of the first message in `in` */
    bool member;           /* it said hello as a server of our role and cluster */
    size_t in_counted;     /* the room of `in` that the intake knows of */
    bool in_intake;        /* in intake.waiting */
    bool held_back;        /* not read: others' messages come first */
    struct rpc_conn *intake_prev, *intake_next;
    size_t unanswered;       /* requests handed to handlers */
    bool paused;             /* not read: too many unanswered */
    struct env_timer resume; /* goes on with what is in `in` */
    /* sending */
    uint64_t sent_bytes; /* so far; some may be queued still */
    uint64_t taken_seen; /* what had left of them at unread_watched_ms */
    struct rpc_waiting *waiting;
    size_t waiting_bytes;
    struct rpc_call *calls;   /* open here */
    struct rpc_call hello;    /* the endpoint's own */
    uint64_t silent_since_ms; /* something is awaited since, and nothing was heard; 0: not so */
};

struct rpc_request {
    struct rpc *rpc;
    rpc_peer peer;
    uint32_t id;
    struct rpc_request *prev, *next; /* in rpc->requests */
};

/* -- conn.c -------------------------------------------------------------------------------- */

void conn_on_accept(void *rpc, struct env_conn *conn);
/* The connection to an address, dialled if there is none; NULL: it failed just now, or is no
 * address. */
struct rpc_conn *conn_to(struct rpc *rpc, const char *address);
struct rpc_conn *conn_find_peer(struct rpc *rpc, rpc_peer peer); /* NULL: gone */
/* Sends a whole message (taken). call: marked sent when it leaves; NULL: none. Ends a connection
 * whose peer leaves far too much unread. */
void conn_send(struct rpc_conn *conn, struct buffer *message, struct rpc_call *call);
bool conn_is_full(const struct rpc_conn *conn);        /* no requests, no notifications now */
size_t conn_queued_bytes(const struct rpc_conn *conn); /* sent, and not taken yet */
bool conn_is_clients(const struct rpc_conn *conn);     /* open, and no server's */
/* Answers that clients have not read, in all; *most: whose are the most (NULL: nothing is). */
size_t conn_unread_by_clients(const struct rpc *rpc, struct rpc_conn **most);
/* Is that half as much again as it should be? Then clients are watched: who takes nothing for a second
 * is cut off, one a second; and at twice as much, with the turn's end, who leaves most. */
bool conn_unread_is_too_much(struct rpc *rpc);
void conn_on_unread(struct env_timer *timer);
void conn_unqueue(struct rpc_conn *conn, struct rpc_waiting *waiting);
void conn_request_ended(struct rpc_conn *conn); /* one of its requests was answered */
void conn_read_or_not(struct rpc_conn *conn);   /* as paused and held_back say */
void conn_refuse(struct rpc_conn *conn);        /* reads no more, ends soon */
/* Its calls fail: those that left with `status`, the others SF_UNREACHABLE (SF_MISMATCH: all of
 * them so). For back_off_ms the address is not dialled again. */
void conn_end(struct rpc_conn *conn, int status, uint64_t back_off_ms);
void conn_free(struct rpc_conn *conn); /* for rpc_free: also where it did not end */

/* -- message.c ----------------------------------------------------------------------------- */

/* Handles one whole message. False: it breaks the protocol. */
bool message_handle(struct rpc_conn *conn, struct slice bytes);

/* -- call.c -------------------------------------------------------------------------------- */

/* Puts a call on this connection; as rpc_call_start. */
void call_start_on(struct rpc_conn *conn, struct rpc_call *call, const char *method,
                   struct buffer *params, uint64_t timeout_ms,
                   void (*on_done)(struct rpc_call *, int, const msgpack_object *));
void call_fail_later(struct rpc_call *call, int status); /* on no connection any more */
void call_detach(struct rpc_call *call);                 /* from wherever it is; stays open */
struct rpc_call *call_find(struct rpc *rpc, uint32_t id);
void call_finish(struct rpc_call *call, int status, const msgpack_object *result);
void call_on_failing(struct env_timer *timer);

/* -- request.c ----------------------------------------------------------------------------- */

void request_dispatch(struct rpc_conn *conn, uint32_t id, struct slice method,
                      const msgpack_object *params);
void request_free(struct rpc_request *request);

/* -- intake.c ------------------------------------------------------------------------------ */

void intake_init(struct rpc *rpc);
/* Before so many bytes more are put into conn->in. */
void intake_reserve(struct rpc_conn *conn, size_t more);
/* After something was put into conn->in, or taken from it. anew: what was its first message is
 * handled. May end the connection. */
void intake_note(struct rpc_conn *conn, bool anew);
void intake_forget(struct rpc_conn *conn); /* it ended, or is of no client */

/* -- hello.c ------------------------------------------------------------------------------- */

void hello_send(struct rpc_conn *conn); /* one is open already: nothing happens */
void hello_on_request(void *rpc, struct rpc_request *request, const msgpack_object *params);

/* -- rpc.c --------------------------------------------------------------------------------- */

struct rpc_method *method_find(struct rpc *rpc, struct slice name);

#endif
