/* What the files of the load share. */
#ifndef TESTS_STORM_LOAD_INSIDE_H
#define TESTS_STORM_LOAD_INSIDE_H

#include "client/lock.h"
#include "client/scan.h"
#include "linear/linear.h"
#include "storm/load.h"
#include "witness/kv_model.h"

#define PARTS_MAX 5u /* of a minitransaction */
#define LOAD_KEY_BYTES 40u

struct worker;

/* What a worker does. */
struct role {
    uint64_t pause_ms;               /* up to so much longer than others it rests after each */
    void (*act)(struct worker *w);   /* begins an operation */
    void (*check)(struct worker *w); /* reads what it wrote once more: begins as act does. NULL */
};

struct load_client {
    struct load *load;
    uint64_t life; /* no two ever had the same */
    struct sim_node *node;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    unsigned fenced; /* how often it learnt that its locks are lost */
};

/* Of a worker that locks: its round. */
#define LOCK_FILES_MAX 3u
#define LOCK_KEY_BYTES 9u
struct locking {
    enum kv_lock_type has[LOCK_FILES_MAX][KV_MODEL_LOCK_BYTES]; /* what it believes */
    bool unsure[LOCK_FILES_MAX];                                /* it may have more */
    bool lost, ends;                                            /* all is lost; it gives back all */
    bool repeats;                                               /* the same write once more */
    unsigned steps, fenced; /* left; the client's when it began */
    uint64_t rounds, owner, holder, unsettled;
    /* The call under way. */
    struct lock_call call;
    unsigned file, first, last;
    uint8_t key[LOCK_KEY_BYTES];
    struct env_timer pause, patience;
};

/* Of a large worker: what its value is. */
struct large {
    bool known;         /* else the next operation writes all of it */
    uint32_t keys_left; /* what a client that died had under way may be done at any time later */
    uint64_t seed;      /* the bytes are those of this stream, */
    uint64_t bytes;     /* so many */
    uint64_t appended;  /* seed of what is appended after them */
    uint64_t appended_bytes;
    enum value_kind kind; /* of the operation under way */
    uint64_t new_seed, new_bytes;
    struct buffer data;
    struct value_call call;
};

/* What load_log.c's workers share: the records of one value. */
#define LOG_RECORDS_MAX 1000u
struct logged {
    enum { LOGGED_OPEN, LOGGED_DONE, LOGGED_NEVER } fate;
    uint32_t bytes;
    uint64_t at;        /* DONE: where in the value */
    bool may_be_cut;    /* a cut to `at` or below began when it was there; or some cut was
                        under way while it was appended */
    unsigned cut_count; /* of the log, when it began */
    bool seen;          /* in the end */
};
struct log {
    struct logged records[LOG_RECORDS_MAX];
    size_t count;
    const struct worker *cutter;
    bool cuts;          /* a cut is under way, or may be */
    unsigned cut_count; /* begun */
};

struct worker {
    struct load *load;
    struct load_client *client;
    const struct role *role;
    uint32_t number;
    uint64_t count; /* of operations */
    struct env_timer pause;
    bool busy;
    /* The operation under way. */
    struct client_call call;
    struct scan_call scan;
    struct kv_op op;
    struct kv_op parts[PARTS_MAX]; /* of a minitransaction */
    char part_keys[PARTS_MAX][LOAD_KEY_BYTES];
    char key[LOAD_KEY_BYTES], text[48];
    size_t event;       /* registers: number of the operation in the history */
    struct buffer data; /* wide */
    uint64_t seen_version, seen_created;
    uint64_t hold;      /* wide: the number that it used last */
    struct large large; /* log: its call alone */
    uint32_t logged;    /* log: the number of its last record */
    struct locking locking;
};

struct load {
    struct cluster *cluster;
    struct load_options options;
    /* options.clients, then those that lock */
    struct load_client clients[LOAD_CLIENTS_MAX + LOAD_LOCK_CLIENTS_MAX];
    unsigned client_count;
    uint64_t lives;
    struct worker workers[LOAD_WORKERS_MAX];
    unsigned worker_count;
    struct log log;
    struct linear_history *history;
    uint64_t answered;
    bool running;
};

extern const struct role load_register, load_wide, load_large, load_log, load_lock;

uint64_t worker_random(struct worker *w, uint64_t limit); /* of its client's process */
/* A deadline, as the options want it; 0: none. */
uint64_t worker_timeout_ms(struct worker *w);
/* The operation under way is over. */
void worker_done(struct worker *w);
/* Of who locks: when his client's process begins and ends. */
void locking_boot(struct worker *w, struct env *env);
void locking_halt(struct worker *w);
/* One operation of the registers. */
void register_submit(struct worker *w, uint32_t key, enum kv_kind kind, uint64_t timeout_ms);

#endif
