/* What the files of hand-off share: the leader's tasks, and how a question travels to another
 * group.
 *
 *   handoff.c          life, the list of tasks, one question's way to another group's leader
 *   handoff_pull.c     a row that is PULLING: whom to ask, chunks
 *   handoff_custody.c  a row that is COPIED; duties
 *   handoff_source.c   the answers to other groups' questions
 *   master_poll.c      the next Config, and earlier ones that the walk back needs
 *
 * A task exists for each row that is PULLING or COPIED and for each duty, while this replica leads.
 * It knows its row by name, never by address, and looks it up for every step:
 *
 *   IDLE --ask--> ASKING --answer--> PROPOSED --applied--> IDLE     (the row is another now)
 *     ^              |                   |
 *     +---- RESTING <+-- not yet, or no answer; not proposed
 *
 *  T1  Exactly one of {call, proposal, timer} is open, as the phase says; none in IDLE.
 *  T2  A task whose row or duty is gone is freed when it is IDLE, at the next kick.
 *  T3  At most HANDOFF_ASKS_MAX tasks are ASKING or PROPOSED for one other group, so that one that
 *      does not answer holds up nobody else's shards, and memory is bounded.
 */
#ifndef SHARDKV_HANDOFF_INSIDE_H
#define SHARDKV_HANDOFF_INSIDE_H

#include <uthash.h>

#include "shardkv/config_history.h"
#include "shardkv/handoff.h"
#include "shardkv/shards_entry.h"

#define HANDOFF_ASKS_MAX 4u
#define HANDOFF_REST_MS_MIN 20u
#define HANDOFF_COPY_REST_MS_MAX 500u
#define HANDOFF_DUTY_REST_MS_MAX 5000u

struct task;

enum task_kind { TASK_COPY, TASK_DUTY };
enum task_phase { TASK_IDLE, TASK_ASKING, TASK_PROPOSED, TASK_RESTING };

/* The other group's answer; what follows status and leader is in `rest`. */
typedef void task_answered(struct task *task, int status, struct cursor *rest);

/* What a task is about. */
struct task_name {
    uint64_t kind; /* enum task_kind */
    uint64_t shard;
    uint64_t number;        /* COPY: home of the row; DUTY: gained of the duty */
    uint64_t gid, identity; /* DUTY: the owner to be told; COPY: 0 */
};

/* A group to which questions are under way. */
struct asked {
    struct asked *next;
    group_id gid;
    uint64_t identity;
    unsigned count; /* of tasks ASKING or PROPOSED; T3 */
};

struct task {
    struct handoff *handoff;
    struct task_name name;
    UT_hash_handle hh;
    enum task_phase phase;
    struct asked *asked; /* ASKING, PROPOSED: set; else NULL */
    struct rpc_call call;
    struct replica_proposal proposal;
    struct env_timer timer;
    task_answered *answered;
    unsigned replica;                  /* index of the address to ask, modulo their count */
    char leader[SF_ADDRESS_BYTES_MAX]; /* to ask next instead; "": none was named */
    unsigned rests;                    /* in a row without progress */
    /* PULLING: earlier owners to ask, newest first; a longer version of the row's chain. */
    struct chain chain;
    size_t at;              /* the one that is asked */
    uint64_t at_since_ms;   /* since when without an answer that helps */
    struct owner_walk walk; /* where the chain goes on; at == 0: nowhere */
    bool again;         /* the source has another copy than the one begun: from the first pair */
    struct buffer from; /* the cursor that was sent */
};

/* The question for the next Config, and for earlier ones. */
struct poll {
    struct router_master call;
    struct env_timer timer;
    struct replica_proposal proposal;
    uint64_t asked;   /* number asked for, while call.open */
    uint64_t scanned; /* before the group begins: Configs up to here do not name it */
    uint64_t wanted;  /* an earlier Config that somebody needs; 0: none */
};

/* A custody or settled question that waits for its entry. */
struct answer {
    struct handoff *handoff;
    struct answer *prev, *next;
    struct rpc_request *request;
    struct replica_proposal proposal;
    bool settled; /* else custody */
    uint32_t shard;
    uint64_t lost;
    struct taker taker;
};

struct handoff {
    struct handoff_options options;
    struct config *fixed; /* options.fixed, copied */
    struct shards *shards;
    struct history *history;
    struct replica *replica; /* NULL before handoff_restored */
    bool leads;
    struct task *tasks; /* hash by name, in order of arrival */
    struct asked *asked;
    struct answer *answers;
    struct env_timer kick; /* armed: look at all tasks soon */
    uint64_t seen_version; /* of the table, at the last kick */
    struct poll poll;
};

/* -- tasks (handoff.c) --------------------------------------------------------------------- */

void handoff_kick(struct handoff *handoff);
/* May this group be asked now (T3)? If so the task's place is taken, and task_ask must follow. */
bool task_may_ask(struct task *task, const struct owner *owner);
/* Packs what every question begins with; `more` params are to follow. gained: of the tenure that
 * asks; lost: number of the owner's. */
void task_pack(struct task *task, struct buffer *params, const char *method, size_t more,
               const struct owner *owner, uint64_t lost, uint64_t gained);
/* params: taken. */
void task_ask(struct task *task, const struct owner *owner, const char *method,
              struct buffer *params, task_answered *answered);
/* Proposes an entry (its buffer is emptied); rests where that is not possible. */
void task_propose(struct task *task, struct buffer *body);
void task_rest(struct task *task); /* longer from time to time without progress */
void task_idle(struct task *task); /* there was progress: go on at the next kick */
const struct row *task_row(const struct task *task);   /* of a COPY; NULL: gone */
const struct duty *task_duty(const struct task *task); /* of a DUTY; NULL: done */
uint64_t handoff_now_ms(const struct handoff *handoff);

/* -- one step of a task that is IDLE ------------------------------------------------------- */

void pull_step(struct task *task, const struct row *row);
void custody_step(struct task *task, const struct row *row);
void duty_step(struct task *task, const struct duty *duty);

/* -- the others ---------------------------------------------------------------------------- */

void answers_end(struct handoff *handoff, bool reply); /* reply: NOT_LEADER; else nothing */
void poll_init(struct handoff *handoff);
void poll_start(struct handoff *handoff);
void poll_stop(struct handoff *handoff);
void poll_want(struct handoff *handoff, uint64_t num); /* fetch this Config into the history */

#endif
