/* client: the clerk's asynchronous core, on an env's loop. shardfs/clerk.h is its public face;
 * scan.h lists names over all groups.
 *
 * Level 1, client_submit: one operation, exactly once (sessions after RIFL: opened per shard on
 * first use, numbers, first-incomplete, expiry, abandon). Level 2, value_*: whole values and ranges
 * of any length, in a head record and extents.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "proto/kv.h"
#include "router/router.h"

struct client;

/* router stays the caller's and outlives the client. */
struct client *client_new(struct env *env, struct router *router);
/* Sends what is to be forgotten, and SESSION_CLOSE for its sessions without waiting for answers; open calls end without on_done.
 * Not from within a callback of the client. */
void client_free(struct client *client);
struct router *client_router(struct client *client);
/* So many mutations of a shard are sent before one has ended, others wait: 1..SF_SESSION_OPEN_MAX,
 * which is also what a new client does. A simulation makes it small. */
void client_limit_window(struct client *client, unsigned window);

/* -- level 1 ------------------------------------------------------------------------------- */

struct client_call {
    /* status: reply->status where a group answered (SF_OK or a result such as SF_NOT_FOUND,
     * SF_PRECONDITION), then reply is set and borrowed until return. Without a reply: SF_TIMEOUT
     * (nothing was changed), SF_UNKNOWN (it may have happened), SF_TOO_BIG, SF_INVALID, SF_NO_GROUP
     * (the Config has no `gid`), or another refusal that changed nothing. SF_WRONG_GROUP only where
     * `gid` was given. */
    void (*on_done)(struct client_call *call, int status, const struct kv_reply *reply);
    const struct kv_op *op; /* lent until on_done or cancel */
    uint64_t timeout_ms;    /* from submit; 0: none */
    group_id gid;           /* SCAN of a group's shards: that group; else 0 */
    /* A mutation of one shard is not sent from this moment on (env_now_ms), nor sent again: it
     * waits until its caller moves the moment, or gives up. Lent like op; NULL: no such moment. */
    const uint64_t *send_until_ms;
    /* MINI: where nothing but other transactions is in the way, it is not tried again but ends with
     * SF_CONFLICT: the caller will look again and make another one. */
    bool answers_conflict;
    void *state; /* the client's own */
};

/* Reads need no session. Mutations of one client to one shard may be in flight together and are
 * then not ordered: who depends on order waits for on_done. */
void client_submit(struct client *client, struct client_call *call);
/* Gives up: on_done will not fire. A mutation that was sent is abandoned in the background, and a
 * later mutation of the same key waits until its outcome is settled. */
void client_cancel(struct client_call *call);
bool client_call_was_sent(const struct client_call *call); /* it is a mutation and may have left */

/* What was sent and then given up (UNKNOWN, cancel) may be executed until it is settled, in the
 * background. Such operations are numbered, from 1 on: the last of those that are not settled; 0: all
 * are. */
uint64_t client_unsettled(const struct client *client);
/* Will none up to this one be executed from now on? */
bool client_is_settled(const struct client *client, uint64_t number);
/* Called whenever one was settled. One at most; NULL: nobody. */
void client_watch_settled(struct client *client, void (*on_settled)(void *ctx), void *ctx);

/* A fresh id for data (extents) or a directory; ids come in blocks from the cluster.
 * on_id fires later; status as in client_call. */
struct client_id {
    void (*on_id)(struct client_id *request, int status, uint64_t id);
    uint64_t timeout_ms; /* 0: none */
    /* the client's own */
    uint64_t deadline_ms, round;
    struct client_id *prev, *next;
    void *state;
};
void client_new_id(struct client *client, struct client_id *request);
void client_new_id_cancel(struct client_id *request);

/* -- level 2: values of any length --------------------------------------------------------- */

enum value_kind {
    VALUE_GET,      /* whole value (at most `length` bytes; 0: all up to VALUE_GET_MAX) -> data */
    VALUE_READ,     /* `length` bytes from `offset`, short only at the value's end -> data */
    VALUE_PUT,      /* whole value := data; attr where flags have KV_HAS_ATTR */
    VALUE_WRITE,    /* data at offset; extends; the gap is zeros */
    VALUE_APPEND,   /* data at the end as the server sees it -> old_length */
    VALUE_TRUNCATE, /* length := `length`; grows with zeros; NOT_FOUND where there is no value */
    VALUE_GROW,     /* length := max(present, `length`), with zeros; NOT_FOUND as above */
    VALUE_PUNCH,    /* `length` bytes at `offset` become zeros; length unchanged */
    VALUE_STAT,     /* nothing but stat, its mtime brought up to date */
    /* The first byte from `offset` on that is stored -> found; or where a hole begins. The end of the
     * value counts as a hole. A hole may be called data, and is where it is smaller than an extent,
     * in the first MiB, or far behind `offset` (4 GiB). */
    VALUE_SEEK_DATA,
    VALUE_SEEK_HOLE,
};
#define VALUE_GET_MAX (256u << 20)
#define VALUE_FOUND_NONE UINT64_MAX /* SEEK: offset is not below the length, or no data follows */

/* One operation on a value. Reads and writes over several extents are atomic by extent, not as a
 * whole. The head is a record of kind RECORD_VALUE. */
struct value_call {
    /* As client_call's. stat: the head after (or at) the operation, valid on SF_OK and on
     * SF_PRECONDITION; its attr is set for GET, READ and STAT only. data: borrowed until return. */
    void (*on_done)(struct value_call *call, int status, const struct kv_stat *stat,
                    struct slice data);
    enum value_kind kind;
    enum kv_space space;
    struct slice key;  /* lent until on_done or cancel, as data and attr */
    struct kv_pre pre; /* on the head, e.g. CREATED: this very file, else SF_PRECONDITION */
    struct slice data;
    struct slice attr;
    unsigned flags; /* KV_HAS_ATTR, KV_WANT_OLD */
    uint64_t offset, length;
    uint64_t timeout_ms; /* for the whole operation; 0: none */
    uint64_t old_length; /* out, APPEND */
    uint64_t found;      /* out, SEEK */
    void *state;         /* the client's own */
};

void value_submit(struct client *client, struct value_call *call);
void value_cancel(struct value_call *call);
bool value_call_was_sent(const struct value_call *call); /* something of it may have been changed */
/* Heads whose mtime is behind because an overwrite touched extents alone: brought up to date for
 * one key before this client answers a stat, at fsync and at close; by itself within a second. */
void value_sync_mtime(struct client *client, enum kv_space space, struct slice key,
                      void (*on_done)(void *ctx), void *ctx);

/* Deletes a record and nothing else happens to its extents: the shard's leader removes them. A
 * client_submit of KV_DELETE does that; there is no VALUE_DELETE. */

#endif
