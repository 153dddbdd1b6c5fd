/* linear: is a history of operations linearizable?
 *
 * A test records for each operation when it was called and when and with what it returned. The
 * check looks for an order in which the operations could have happened one at a time, each between
 * its call and its return, so that a sequential model gives every one of them the result that it
 * had. An operation that never returned may have happened at any time after its call, or never.
 *
 * Operations on different keys are judged apart (linearizability is local: Herlihy and Wing, 1990).
 * The search is Wing and Gong's (1993) with Lowe's cache of configurations already seen (2017), a
 * configuration being the set of operations done and the state after them. It takes exponential
 * time at worst, so it has a budget; to run out of it is not a pass.
 *
 * Ownership: a history copies what it is given. The model is borrowed. */
#ifndef TESTS_LINEAR_LINEAR_H
#define TESTS_LINEAR_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/bytes.h"

struct linear_op {
    uint32_t client;
    uint32_t kind;  /* the model's */
    uint32_t flags; /* the model's */
    bool returned;
    uint64_t call_ns, return_ns; /* on one clock for the whole history; return_ns where returned */
    struct buffer key, argument;
    /* Where it returned: */
    int status;
    struct buffer result;
    uint64_t number;
    /* The history's own: order among equal times. */
    uint64_t call_sequence, return_sequence;
};

/* A sequential specification. States are immutable and counted. */
struct linear_model {
    void *(*init)(void); /* the first state of a key; one reference, the caller's */
    void (*ref)(void *state);
    void (*unref)(void *state);
    /* The state after op, with a reference for the caller (it may be `state` itself), or NULL where
     * op cannot have its result in `state`. An op that did not return can have any. */
    void *(*step)(void *state, const struct linear_op *op);
    bool (*equal)(const void *a, const void *b);
    uint64_t (*hash)(const void *state);
    /* Append one line's worth of text, without a newline; for reports. */
    void (*describe_op)(const struct linear_op *op, struct buffer *out);
    void (*describe_state)(const void *state, struct buffer *out);
    /* Does this op, which returned as it did, change no state whatever? NULL: of none one can tell, and
     * the search may take longer. */
    bool (*is_read)(const struct linear_op *op);
};

/* -- recording ------------------------------------------------------------------------------- */

struct linear_history;

struct linear_call {
    uint32_t client, kind, flags;
    uint64_t time_ns;
    struct slice key, argument; /* copied */
};

struct linear_return {
    uint64_t time_ns;
    int status;
    struct slice result; /* copied */
    uint64_t number;
};

struct linear_history *linear_history_new(void);
void linear_history_free(struct linear_history *history);
/* An operation begins; its number, for the other two. Events at equal times count as they came. */
size_t linear_called(struct linear_history *history, const struct linear_call *call);
void linear_returned(struct linear_history *history, size_t op, const struct linear_return *ret);
/* It certainly had no effect, and its result says nothing: it is as if it had not been called. */
void linear_forget(struct linear_history *history, size_t op);
size_t linear_op_count(const struct linear_history *history);

/* -- judging --------------------------------------------------------------------------------- */

enum linear_verdict { LINEAR_LEGAL, LINEAR_ILLEGAL, LINEAR_EXHAUSTED };

/* steps_max bounds the calls of model->step for the whole history; 0: 20 million. *report (may be
 * NULL) gets text for a person where the verdict is not LINEAR_LEGAL: of an illegal key the longest
 * part of the history that can be explained, and the operation that fits nowhere. */
enum linear_verdict linear_check(const struct linear_history *history,
                                 const struct linear_model *model, uint64_t steps_max,
                                 struct buffer *report);
const char *linear_verdict_name(enum linear_verdict verdict);

/* -- a register of bytes --------------------------------------------------------------------- */

/* status is SF_OK or SF_NOT_FOUND (the key was absent; of GET and DELETE only). */
enum linear_register_kind {
    LINEAR_GET = 1, /* result: the value */
    LINEAR_PUT,     /* argument: the value */
    LINEAR_APPEND,  /* argument: what is appended; an absent key counts as empty */
    LINEAR_DELETE,
};

enum linear_register_flag {
    LINEAR_HAS_OLD = 1,    /* APPEND and PUT: result is the value before (empty where absent) */
    LINEAR_HAS_LENGTH = 2, /* APPEND: number is the length after */
};

extern const struct linear_model linear_register;

#endif
