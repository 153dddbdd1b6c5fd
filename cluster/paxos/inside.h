/* inside: what the files of a member share. */
#ifndef PAXOS_INSIDE_H
#define PAXOS_INSIDE_H

#include <stdlib.h>

#define uthash_fatal(message) abort()
#include <uthash.h>
#include <utlist.h>

#include "paxos/journal.h"
#include "paxos/member.h"
#include "rpc/rpc.h"

/* An instance and what this member has under way for it. */
struct agreement {
    struct instance instance;
    struct member *member;
    struct env_timer rest; /* armed while an attempt rests */
    struct ask_call *calls;
    struct journal_place state_place; /* the promise, and whether `value_place` is decided */
    struct journal_place value_place;
    bool value_follows; /* while the journal is read: it is decided, its value stands further on */
    UT_hash_handle hh;  /* by instance.seq */
};

enum call_state { CALL_RESTING, CALL_WAITING, CALL_UNDER_WAY };

/* A request to another member. */
struct ask_call {
    struct rpc_call call;
    struct agreement *agreement;
    struct ask_call *prev, *next; /* in its agreement's list */
    enum call_state state;
    struct ask_call *wait_prev, *wait_next; /* in its way's list, while it waits */
    struct request request;                 /* with a reference of its value */
    struct env_timer again;                 /* DECIDED: it failed */
    unsigned tries;
};

/* To one other member. */
struct way {
    size_t bytes; /* of the values under way */
    struct ask_call *waiting;
};

/* Waits until what it rests on is durable. */
struct held {
    struct held *prev, *next;
    uint64_t position;           /* of the journal */
    struct rpc_request *request; /* NULL: the own acceptor's answer to the own attempt */
    enum ask ask;
    int64_t seq;
    uint64_t ballot;
    struct answer answer;
};

struct member {
    struct env *env;
    struct rpc *rpc;
    struct journal *journal; /* NULL: nothing is kept */
    char addresses[SF_REPLICAS_MAX][SF_ADDRESS_BYTES_MAX];
    size_t count, self;
    struct agreement *agreements; /* by seq */
    struct done done;             /* M1 */
    struct journal_place done_place;
    int64_t min, max;
    struct way ways[SF_REPLICAS_MAX];
    struct held *held; /* by position */
    bool warned;       /* that requests for another member come here */
};

/* -- member.c ------------------------------------------------------------------------------ */

struct agreement *member_find(const struct member *m, int64_t seq); /* NULL: not held */
/* Finds or makes it. seq >= min. */
struct agreement *member_hold(struct member *m, int64_t seq);
/* What another one knows; agreements may be freed by it. */
void member_hear_done(struct member *m, const struct done *done);
/* The same, of what is read from the journal. */
void member_restore_done(struct member *m, const struct done *done);
#define TOLD_ALL UINT32_MAX
/* The value is decided. told: bits of the members who know; the others are told where this member
 * had an attempt of its own. */
void member_learn(struct agreement *a, struct payload *value, uint32_t told);

/* -- answers.c: what comes from others ----------------------------------------------------- */

void answers_register(struct member *m);
/* The own acceptor is asked by the own attempt; its answer comes when it is durable, perhaps at
 * once. */
void answers_ask_self(struct agreement *a, enum ask ask, struct payload *value);
void answers_release(struct member *m, uint64_t position);
void answers_deinit(struct member *m);

/* -- attempts.c: what this member proposes ------------------------------------------------- */

void attempts_init(struct agreement *a);
void attempts_begin(struct agreement *a); /* a new attempt, now */
/* The own acceptor's answer, durable. The agreement may be freed. */
void attempts_note_self(struct member *m, const struct held *held);
/* The answer to a request of this member's; NULL: none comes. */
void attempts_note_answer(struct member *m, const struct request *request,
                          const struct answer *answer);
void attempts_tell(struct agreement *a, uint32_t told); /* DECIDED to all whose bit is not set */
void attempts_deinit(struct agreement *a);

/* -- calls.c: requests to others ----------------------------------------------------------- */

/* To all others but those whose bit is set. A reference of the value (NULL: none) is taken. */
void calls_ask_others(struct agreement *a, enum ask ask, struct payload *value, uint32_t but);
void calls_deinit(struct agreement *a);

/* -- records.c: what is kept --------------------------------------------------------------- */

SF_MUST_CHECK int records_open(struct member *m, const struct member_options *o, char **why);
void records_init(struct agreement *a);
void records_promise(struct agreement *a);
void records_accept(struct agreement *a);
/* Before instance_learn: `value` is about to be known as decided. */
void records_decide(struct agreement *a, struct payload *value);
void records_done(struct member *m);
void records_forget(struct agreement *a);
/* What is durable when this position is. 0 where nothing is kept. */
uint64_t records_position(const struct member *m);

#endif
