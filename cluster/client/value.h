/* value: what the flows of level 2 share: one operation on a value, and its four kinds of step: a
 * request to the head, a minitransaction of the head and some extents, a run over extents, a fresh
 * id.
 *
 * Each flow (value_read.c, value_write.c, value_append.c, value_put.c, value_truncate.c) is a chain
 * of functions: each starts one step and names the function that goes on. Invariants:
 *
 *  V1  At most one request to the head or minitransaction, one run and one wait for an id are open
 *      at a time.
 *  V2  `changed` is set before anybody could see what the operation did, so a deadline is answered
 *      with UNKNOWN exactly if something may be visible.
 *  V3  A write to an extent is sent, and sent again, only within VALUE_SEND_MS of a moment at which
 *      its id was alive: a head showed it, or the intent of a fresh one stood. Who needs longer
 *      asks the head again meanwhile (value_fan_write_run). Extents are removed a minute after
 *      their id has died (shardkv/trash.h): so nothing is written that is removed already. What is
 *      written in one minitransaction with the head needs no time: the head shows its id then.
 *  V4  Success is answered only after a reply of the head that shows the ids under which the bytes
 *      were written or read.
 */
#ifndef CLIENT_VALUE_H
#define CLIENT_VALUE_H

#include "client/fan.h"
#include "client/head_cache.h"
#include "client/inner.h"
#include "client/touch.h"

#define VALUE_HINT_MS 10000u /* writes trust what was seen of a head for so long */
#define VALUE_SEND_MS 30000u /* V3 */
#define VALUE_LATE_MS 30000u /* an extent's answer so long after its head's is no good */
#define VALUE_HEAD_BYTES ((uint64_t)SF_VALUE_BYTES_MAX)
#define VALUE_COPIES_MAX 3u /* extents that one minitransaction puts under another id */

struct value_mini;

/* What an extent was when it was read, to be put under another id. */
struct value_copy {
    uint64_t extent;
    uint64_t version; /* 0: it was not there */
    struct buffer bytes;
};

struct value_op {
    struct client *client;
    struct value_call *call;
    uint64_t deadline_ms; /* 0: none */
    struct kv_pre pre;    /* of the next request to the head */
    bool changed;         /* V2 */
    int failure;          /* what value_fail_soon answers */
    struct env_timer timer;
    void (*timer_then)(struct value_op *op);

    /* The head as last seen, by an answer or as a hint. */
    struct kv_stat stat; /* attr stands in `attr`; of a hint only version, created, length */
    struct buffer attr;
    struct tail tail;
    uint64_t head_ms;  /* when its answer came */
    uint64_t alive_ms; /* V3: then or later its ids, or the intent, stood */
    bool is_hint;

    /* The request to the head. */
    struct client_call head_call;
    struct kv_op head_op;
    bool head_open;
    uint64_t head_asked_ms;
    void (*head_then)(struct value_op *op, int status, const struct kv_reply *reply);
    void (*create_then)(struct value_op *op);
    struct value_mini *mini; /* the minitransaction that head_call carries; NULL: none so far */

    /* The run over extents. */
    struct fan *fan;
    struct tail fan_tail;  /* the ids that it works under */
    struct tail copy_tail; /* truncate: the ids that it copies to */
    struct value_copy copies[VALUE_COPIES_MAX];
    size_t copy_count;
    bool fan_open;
    bool fan_hidden; /* nobody sees what it writes before the head says so */
    void (*fan_then)(struct value_op *op);
    void (*fan_ask)(struct value_op *op); /* asks the head whether the ids are alive; or NULL */
    struct env_timer fan_timer;           /* when it is time for that */
    uint64_t fan_last_ms;                 /* read: when the last extent's answer came */

    /* A fresh id. */
    struct client_id id_request;
    void (*id_then)(struct value_op *op, uint64_t id);

    /* The bytes [offset, end) of the value that the operation is about. */
    uint64_t offset, end;
    uint64_t covered;    /* read, write: the last run went up to here */
    struct buffer bytes; /* read: what was read of [offset, ...), zeros where nothing came */
    bool head_done;      /* write: the head's own bytes were sent */
    bool head_seen;      /* write: the head answered after the last run */
    bool head_changed;   /* write: and so it knows the time */
    uint64_t fresh_id;   /* 0: none yet */
    uint64_t merge_id;   /* truncate: a second one; 0: none */
    uint64_t merge_from, merge_at, merge_end; /* truncate: the extents it is for, and those done */
    bool appends;                             /* append: past the head */
    bool waits_turn;                          /* append: for another of this client */
    unsigned conflicts;                       /* append: tries that met others */

    struct value_op *prev, *next; /* in client->values */
};

/* -- the flows ------------------------------------------------------------------------------- */

/* Each starts its first step; nothing ends before it returns. */
void value_read_begin(struct value_op *op);  /* GET, READ */
void value_write_begin(struct value_op *op); /* WRITE, PUNCH */
void value_append_begin(struct value_op *op);
void value_put_begin(struct value_op *op);
void value_truncate_begin(struct value_op *op);
void value_grow_begin(struct value_op *op);
void value_seek_begin(struct value_op *op);
void value_stat_begin(struct value_op *op);

/* -- ends ------------------------------------------------------------------------------------ */

/* Answers with op->stat and its attr, and frees. data is borrowed until return. */
void value_finish(struct value_op *op, struct slice data);
/* Answers with an error: TIMEOUT or UNKNOWN by what may have been changed. Frees. */
void value_fail(struct value_op *op, int status);
void value_fail_soon(struct value_op *op,
                     int status); /* the same from a timer: for begin functions */

/* -- steps ----------------------------------------------------------------------------------- */

/* Sends op->head_op (kind, flags, offset, length, data, tails and so on are filled in; key and
 * precondition are not). What a stat shows is learnt before `then` is called. */
void value_head_send(struct value_op *op,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *reply));
/* Such a request was answered, or the head's part of a minitransaction: what is learnt from it. */
void value_head_answered(struct value_op *op, int status, const struct kv_reply *reply);
/* A barrier read of the head alone. */
void value_head_stat(struct value_op *op,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *reply));
/* Makes the key with an empty value where it is absent, and learns what is there. */
void value_head_create(struct value_op *op, void (*then)(struct value_op *op));
/* Runs over [from, end) under op->fan_tail; from >= VALUE_HEAD_BYTES. An error ends the operation.
 */
void value_fan_run(struct value_op *op, const struct fan_work *work, uint64_t from, uint64_t end,
                   void (*then)(struct value_op *op));
/* The same for writes (V3): every now and then `ask` starts a request to the head, and whoever gets
 * the answer says value_fan_go_on or value_fan_stop. The end of the run cancels that request. */
void value_fan_write_run(struct value_op *op, const struct fan_work *work, uint64_t from,
                         uint64_t end, void (*then)(struct value_op *op),
                         void (*ask)(struct value_op *op));
void value_fan_go_on(struct value_op *op); /* op->alive_ms is new */
void value_fan_stop(struct value_op *op);
/* A minitransaction is begun, gets its parts, and is sent. A part is to be filled in: all but space
 * and key, and of the head, precondition. At most VALUE_COPIES_MAX checks (of extents), and twice as
 * many operations. */
void value_mini_begin(struct value_op *op);
struct kv_op *value_mini_check(struct value_op *op, uint64_t data_id, uint64_t extent);
struct kv_op *value_mini_extent(struct value_op *op, uint64_t data_id, uint64_t extent);
struct kv_op *value_mini_head(struct value_op *op);
/* head: what the head answered last, or that it was what failed; else NULL. What it shows is learnt.
 *   answers_conflict  as in client_call */
void value_mini_send(struct value_op *op, bool answers_conflict,
                     void (*then)(struct value_op *op, int status, const struct kv_reply *head));
void value_mini_free(struct value_op *op);
/* An error ends the operation. */
void value_id_get(struct value_op *op, void (*then)(struct value_op *op, uint64_t id));

/* -- what is known --------------------------------------------------------------------------- */

/* The head as the cache has it, if it is of the right file. Sets stat, tail, head_ms, is_hint. */
bool value_take_hint(struct value_op *op, uint64_t age_ms_max);
/* Does the precondition itself hold for this stat? Tells it from KV_IF_TAIL. */
bool value_pre_holds(const struct value_op *op, const struct kv_stat *stat);
/* The head was seen, by a hint or a STAT: a precondition that any file meets is from now on that it
 * is this very file, so that the steps of one operation never go to two. */
void value_pin(struct value_op *op);
/* The file was replaced or deleted since it was seen, and the caller's precondition is one that the
 * next file may meet: it is asked for again. False: then the caller's own does not hold. */
bool value_may_start_again(struct value_op *op, int status, const struct kv_reply *reply);
/* The value's kind allows it; else the operation has failed. */
bool value_is_plain(struct value_op *op, const struct kv_stat *stat);
/* Copies a tail into head_op's new or expected tail, with its flag. */
void value_set_tail(struct value_op *op, const struct tail *tail);
void value_set_if_tail(struct value_op *op, const struct tail *tail);
/* The same of a part. */
void value_part_set_tail(struct kv_op *part, const struct tail *tail);
void value_part_set_if_tail(struct kv_op *part, const struct tail *tail);
/* An append has ended: the next one of this client begins. */
void value_append_left(struct value_op *op);
/* How long the operation may still take, for a step; 0: for ever. */
uint64_t value_left_ms(const struct value_op *op);
uint64_t value_now_ms(const struct value_op *op);

extern const struct fan_work
    value_fan_write; /* call->data, by place in the value from op->offset */

#endif
