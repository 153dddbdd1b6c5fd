/* instance: one agreement as one member sees it: an acceptor, perhaps a proposer's attempt, and what
 * is known to be decided. Pure: it is told what came, and says what to answer or to do next.
 *
 *                  own promise is durable      majority promised        majority accepted
 *   ATTEMPT_PROMISING -----------> ATTEMPT_PREPARING -------> ATTEMPT_ACCEPTING -------> (decided)
 *        ^                                 |                        |
 *        |        refused or not heard by so many that no majority is left
 *        +---- a while later ---- ATTEMPT_RESTING <-----------------+
 *
 * Invariants
 *  I1  A1 to A4 of consensus/acceptor.h, for this instance alone.
 *  I2  accepted.ballot <= acceptor.promised.
 *  I3  Once decided is set it never changes, and nothing is promised, accepted or proposed any more.
 *  I4  While an attempt is not resting, its ballot is the member's own, above every ballot heard of
 *      when it began.
 */
#ifndef PAXOS_INSTANCE_H
#define PAXOS_INSTANCE_H

#include "consensus/acceptor.h"

enum verdict {
    VERDICT_YES = 1,   /* promised; accepted; noted */
    VERDICT_NO,        /* a higher ballot was promised: `ballot` */
    VERDICT_DECIDED,   /* the instance is: `value` */
    VERDICT_FORGOTTEN, /* the member has freed it: all are done with it */
};

/* What a member answers. */
struct answer {
    enum verdict verdict;
    uint64_t ballot;       /* NO: the promise. YES to a prepare: that of `value`; 0: none */
    struct payload *value; /* DECIDED; YES to a prepare; a reference of its own, or NULL */
};

void answer_deinit(struct answer *answer);

enum attempt_state {
    ATTEMPT_NONE,      /* this member does not propose */
    ATTEMPT_PROMISING, /* the own promise is on its way to the disk */
    ATTEMPT_PREPARING,
    ATTEMPT_ACCEPTING,
    ATTEMPT_RESTING, /* it failed; another one follows */
};

struct attempt {
    enum attempt_state state;
    uint64_t ballot;
    struct payload *own;   /* what the program proposed; NULL in NONE */
    struct proposal found; /* what was accepted already, of those who promised */
    unsigned failures;     /* attempts that failed */
    unsigned silences;     /* of them, those in which somebody did not answer */
    uint32_t yes, no;      /* bits 1 << member, of this phase */
    uint32_t silent;       /* of `no`, those who did not answer */
};

struct instance {
    int64_t seq;
    struct acceptor acceptor;
    struct proposal accepted;
    struct payload *decided; /* NULL: not known */
    uint64_t ballot_heard;   /* the highest */
    struct attempt attempt;
};

void instance_init(struct instance *instance, int64_t seq);
void instance_deinit(struct instance *instance);
size_t instance_bytes(const struct instance *instance); /* of the values that it holds */

/* -- the acceptor -------------------------------------------------------------------------- */

/* Where these say YES and *changed, it must be durable before the answer leaves. */
struct answer instance_prepare(struct instance *instance, uint64_t ballot, bool *changed);
struct answer instance_accept(struct instance *instance, uint64_t ballot, struct payload *value,
                              bool *changed);
/* The value is decided: takes a reference of its own. An attempt ends. False: that was known. */
bool instance_learn(struct instance *instance, struct payload *value);

/* -- the proposer -------------------------------------------------------------------------- */

/* Keeps what is to be proposed; one reference is taken. False: it is decided, or this member
 * proposes already. */
bool instance_propose(struct instance *instance, struct payload *value);
/* A new attempt; its ballot is `owner`'s. The own acceptor is to be asked first. */
void attempt_begin(struct instance *instance, replica_id owner);
void attempt_prepare(struct instance *instance); /* the own promise is durable */

enum attempt_step {
    ATTEMPT_WAITS,
    ATTEMPT_ACCEPTS, /* a majority has promised: attempt_value is to be accepted */
    ATTEMPT_WINS,    /* a majority has accepted: attempt_value is decided */
    ATTEMPT_FAILS,   /* no majority is left; it rests */
};

/* Member `from` of `count` answers to a prepare (or accept) of `ballot`; NULL: no answer will come.
 * What belongs to another phase or ballot only tells of higher ballots. Not for DECIDED, FORGOTTEN. */
enum attempt_step attempt_note(struct instance *instance, bool to_prepare, uint64_t ballot,
                               size_t from, size_t count, const struct answer *answer);
struct payload *attempt_value(const struct instance *instance); /* borrowed */

#endif
