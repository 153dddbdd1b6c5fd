/* The events of a history stand in a list in the order of time. An operation whose call stands
 * before the first return may come next: it is tried on the state, and if the model allows it, its
 * call and return are lifted out of the list. Where the walk meets a return, that operation should
 * have been done by now: the last choice is taken back, and the walk goes on behind it. The search
 * has succeeded when no return is left.
 *
 * An operation that never returned may be done or left out, and n of them would make 2^n sets of what
 * is done. So what was searched from a configuration in vain is not searched from one that differs
 * only in having done more of them: it has the same state and fewer choices. Most histories are
 * explained soonest by taking all calls as they come; but some by taking those that never returned
 * only where none of the others leads on, and then few in a row. Each of these orders has a part of
 * the budget. */
#include "search.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"

struct event {
    struct event *prev, *next;
    struct event *match; /* of a call: its return, or NULL where it never came; of a return: NULL */
    size_t op;
    size_t position; /* in the history, from 0 */
    bool is_return;
};

/* A configuration that was reached: which operations are done, and the state after them. */
struct configuration {
    uint64_t hash;
    void *state;
    struct configuration *next; /* another one with this hash */
    size_t lost_in_row;
    UT_hash_handle hh;
    uint64_t done[];
};

struct choice {
    struct event *call;
    void *state; /* before it */
    size_t lost_in_row;
    bool is_read;
};

struct search {
    const struct linear_op *const *ops;
    size_t op_count;
    const struct linear_model *model;
    uint64_t *steps_left;
    bool lost_last;       /* what never returned is tried after all others, */
    size_t lost_max;      /* and at most so many of it in a row */
    size_t lost_in_row;   /* as of now */
    struct event *events; /* a call for each op, a return for each that returned */
    struct event head;    /* of the list of what is not done */
    size_t returns_left;
    void *state;
    uint64_t *done;     /* bit set of ops */
    uint64_t *returned; /* likewise: those that did */
    size_t done_words;
    uint64_t done_hash;     /* of those that returned */
    struct choice *choices; /* the order chosen so far */
    size_t choice_count;
    struct configuration *seen;
    bool has_stuck; /* a return was met that could not be passed: the furthest one so far */
    size_t stuck_position;
    struct search_result *out;
};

/* -- the list -------------------------------------------------------------------------------- */

struct moment {
    uint64_t time_ns, sequence;
    size_t op;
    bool is_return;
};

static int compare_moments(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static size_t collect_moments(const struct search *s, struct moment *moments)
{
    size_t count = 0;
    for (size_t i = 0; i < s->op_count; i++) {
        const struct linear_op *op = s->ops[i];
        moments[count++] = (struct moment){op->call_ns, op->call_sequence, i, false};
        if (op->returned)
            moments[count++] = (struct moment){op->return_ns, op->return_sequence, i, true};
    }
    return count;
}

static void build_list(struct search *s)
{
    struct moment *moments = sf_malloc(2 * s->op_count * sizeof(*moments));
    struct event **calls = sf_calloc(s->op_count, sizeof(struct event *));
    struct event *last = &s->head;
    size_t count = collect_moments(s, moments);
    qsort(moments, count, sizeof(*moments), compare_moments);
    s->events = sf_calloc(count, sizeof(*s->events));
    for (size_t i = 0; i < count; i++) {
        struct event *event = &s->events[i];
        *event = (struct event){
            .prev = last, .op = moments[i].op, .position = i, .is_return = moments[i].is_return};
        last->next = event;
        last = event;
        if (event->is_return) {
            sf_assert(calls[event->op] != NULL); /* nothing returns before it is called */
            calls[event->op]->match = event;
            s->returns_left++;
        } else {
            calls[event->op] = event;
        }
    }
    free(calls);
    free(moments);
}

static void unlink_event(struct event *event)
{
    event->prev->next = event->next;
    if (event->next != NULL)
        event->next->prev = event->prev;
}

static void relink_event(struct event *event)
{
    event->prev->next = event;
    if (event->next != NULL)
        event->next->prev = event;
}

static void lift(struct search *s, struct event *call)
{
    unlink_event(call);
    if (call->match == NULL)
        return;
    unlink_event(call->match);
    s->returns_left--;
}

static void unlift(struct search *s, struct event *call)
{
    if (call->match != NULL) {
        relink_event(call->match);
        s->returns_left++;
    }
    relink_event(call);
}

/* -- configurations -------------------------------------------------------------------------- */

static uint64_t op_hash(size_t op)
{
    uint64_t x = (op + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 27);
}

static void flip_done(struct search *s, size_t op)
{
    s->done[op / 64] ^= UINT64_C(1) << (op % 64);
    if (s->ops[op]->returned)
        s->done_hash ^= op_hash(op);
}

/* Has it done the same as c, and perhaps more of what never returned? */
static bool has_fewer_choices(const struct search *s, const struct configuration *c)
{
    if (s->lost_in_row < c->lost_in_row && s->lost_max != SIZE_MAX)
        return false;
    for (size_t i = 0; i < s->done_words; i++) {
        uint64_t more = s->done[i] ^ c->done[i];
        if ((more & s->returned[i]) != 0 || (more & c->done[i]) != 0)
            return false;
    }
    return true;
}

/* Remembers the set of done operations with `state`. False: it was here before, or one from which
 * all could be done that can be done from here. */
static bool configuration_is_new(struct search *s, void *state)
{
    uint64_t hash = s->done_hash ^ (s->model->hash(state) * 0xff51afd7ed558ccdu);
    size_t done_bytes = s->done_words * sizeof(*s->done);
    struct configuration *first;
    HASH_FIND(hh, s->seen, &hash, sizeof(hash), first);
    for (const struct configuration *c = first; c != NULL; c = c->next) {
        if (has_fewer_choices(s, c) && s->model->equal(c->state, state))
            return false;
    }
    struct configuration *added = sf_calloc(1, sizeof(*added) + done_bytes);
    added->hash = hash;
    added->state = state;
    added->lost_in_row = s->lost_in_row;
    s->model->ref(state);
    memcpy(added->done, s->done, done_bytes);
    if (first != NULL) {
        added->next = first->next;
        first->next = added;
    } else {
        HASH_ADD(hh, s->seen, hash, sizeof(added->hash), added);
    }
    return true;
}

static void free_configurations(struct search *s)
{
    struct configuration *first, *next_first;
    HASH_ITER(hh, s->seen, first, next_first)
    {
        HASH_DEL(s->seen, first);
        while (first != NULL) {
            struct configuration *next = first->next;
            s->model->unref(first->state);
            free(first);
            first = next;
        }
    }
}

/* -- the walk -------------------------------------------------------------------------------- */

static bool is_read(const struct linear_model *model, const struct linear_op *op)
{
    return op->returned && model->is_read != NULL && model->is_read(op);
}

/* Does the operation of this call now, if that leads anywhere new. */
static bool try_call(struct search *s, struct event *call)
{
    const struct linear_op *op = s->ops[call->op];
    if (!op->returned && s->lost_in_row == s->lost_max)
        return false;
    void *state = s->model->step(s->state, op);
    (*s->steps_left)--;
    if (state == NULL)
        return false;
    const struct choice choice = {call, s->state, s->lost_in_row, is_read(s->model, op)};
    /* One that never returned and changes nothing might as well not have happened. */
    bool idle = !op->returned && s->model->equal(state, s->state);
    flip_done(s, call->op);
    s->lost_in_row = op->returned ? 0 : s->lost_in_row + 1;
    if (idle || !configuration_is_new(s, state)) {
        flip_done(s, call->op);
        s->lost_in_row = choice.lost_in_row;
        s->model->unref(state);
        return false;
    }
    s->choices[s->choice_count++] = choice;
    s->state = state;
    lift(s, call);
    return true;
}

static void take_back(struct search *s)
{
    const struct choice *last = &s->choices[--s->choice_count];
    s->model->unref(s->state);
    s->state = last->state;
    s->lost_in_row = last->lost_in_row;
    flip_done(s, last->call->op);
    unlift(s, last->call);
}

/* Takes the last choice back of those that might have been another: a read is done as soon as it can
 * be, for it bars no way. Returns the call behind which the walk goes on. NULL: there was none. */
static struct event *go_back(struct search *s)
{
    while (s->choice_count > 0) {
        const struct choice *last = &s->choices[s->choice_count - 1];
        take_back(s);
        if (!last->is_read)
            return last->call;
    }
    return NULL;
}

/* The furthest return counts, and of the orders that lead to it the shortest: it is the easiest to
 * read. */
static void note_stuck(struct search *s, const struct event *ret)
{
    if (s->has_stuck && ret->position < s->stuck_position)
        return;
    if (s->has_stuck && ret->position == s->stuck_position &&
        s->choice_count >= s->out->order_count)
        return;
    s->has_stuck = true;
    s->stuck_position = ret->position;
    s->out->stuck = ret->op;
    s->out->order_count = s->choice_count;
    for (size_t i = 0; i < s->choice_count; i++)
        s->out->order[i] = s->choices[i].call->op;
}

static bool is_its_turn(const struct search *s, const struct event *call, bool at_last)
{
    return !s->lost_last || (call->match == NULL) == at_last;
}

static enum linear_verdict walk(struct search *s)
{
    struct event *event = s->head.next;
    bool at_last = false; /* it tries those that never returned, having tried the others */
    while (s->returns_left > 0) {
        if (*s->steps_left == 0)
            return LINEAR_EXHAUSTED;
        sf_assert(event != NULL); /* a return is left, and the walk does not pass it */
        if (event->is_return && s->lost_last && !at_last) {
            at_last = true;
            event = s->head.next;
        } else if (event->is_return) {
            note_stuck(s, event);
            struct event *call = go_back(s);
            if (call == NULL)
                return LINEAR_ILLEGAL;
            at_last = call->match == NULL;
            event = call->next;
        } else if (is_its_turn(s, event, at_last) && try_call(s, event)) {
            at_last = false;
            event = s->head.next;
        } else {
            event = event->next;
        }
    }
    return LINEAR_LEGAL;
}

static void search_in_order(struct search *s)
{
    size_t count = s->op_count;
    *s->out = (struct search_result){.order = sf_calloc(count, sizeof(size_t))};
    s->done_words = (count + 63) / 64;
    s->done = sf_calloc(s->done_words, sizeof(*s->done));
    s->returned = sf_calloc(s->done_words, sizeof(*s->returned));
    for (size_t i = 0; i < count; i++)
        s->returned[i / 64] |= (uint64_t)s->ops[i]->returned << (i % 64);
    s->choices = sf_calloc(count, sizeof(*s->choices));
    s->state = s->model->init();
    build_list(s);
    s->out->verdict = walk(s);
    while (s->choice_count > 0)
        take_back(s);
    s->model->unref(s->state);
    free_configurations(s);
    free(s->choices);
    free(s->returned);
    free(s->done);
    free(s->events);
}

static size_t count_lost(const struct linear_op *const *ops, size_t count)
{
    size_t lost = 0;
    for (size_t i = 0; i < count; i++)
        lost += !ops[i]->returned;
    return lost;
}

void search_run(const struct linear_op *const *ops, size_t count, const struct linear_model *model,
                uint64_t *steps_left, struct search_result *out)
{
    static const struct {
        bool lost_last;
        size_t lost_max;
    } orders[] = {{false, SIZE_MAX}, {true, 1}, {true, 3}, {true, SIZE_MAX}};
    /* Where nothing was lost they are all the same. */
    size_t order_count = count_lost(ops, count) > 0 ? sizeof orders / sizeof orders[0] : 1;
    *out = (struct search_result){.verdict = LINEAR_EXHAUSTED};
    for (size_t i = 0; i < order_count && out->verdict == LINEAR_EXHAUSTED; i++) {
        uint64_t steps = *steps_left / (order_count - i), kept = *steps_left - steps;
        struct search s = {.ops = ops,
                           .op_count = count,
                           .model = model,
                           .steps_left = &steps,
                           .lost_last = orders[i].lost_last,
                           .lost_max = orders[i].lost_max,
                           .out = out};
        free(out->order);
        search_in_order(&s);
        *steps_left = kept + steps;
        if (out->verdict == LINEAR_ILLEGAL && s.lost_max != SIZE_MAX)
            out->verdict = LINEAR_EXHAUSTED; /* not all was tried */
    }
}
