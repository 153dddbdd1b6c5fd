/* Histories, their division by key, and the report about one that is not linearizable. */
#include "linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "search.h"

#define STEPS_DEFAULT 20000000u
#define REPORTED_OPS_MAX 12u /* of the order that was found, and of what is concurrent */

struct linear_history {
    struct linear_op *ops;
    bool *forgotten;
    size_t count, cap;
    uint64_t sequence;
};

/* -- recording ------------------------------------------------------------------------------- */

struct linear_history *linear_history_new(void)
{
    return sf_calloc(1, sizeof(struct linear_history));
}

void linear_history_free(struct linear_history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        buffer_deinit(&history->ops[i].key);
        buffer_deinit(&history->ops[i].argument);
        buffer_deinit(&history->ops[i].result);
    }
    free(history->ops);
    free(history->forgotten);
    free(history);
}

size_t linear_called(struct linear_history *history, const struct linear_call *call)
{
    if (history->count == history->cap) {
        history->cap = history->cap == 0 ? 64 : history->cap * 2;
        history->ops = sf_realloc(history->ops, history->cap * sizeof(*history->ops));
        history->forgotten =
            sf_realloc(history->forgotten, history->cap * sizeof(*history->forgotten));
    }
    struct linear_op *op = &history->ops[history->count];
    *op = (struct linear_op){.client = call->client,
                             .kind = call->kind,
                             .flags = call->flags,
                             .call_ns = call->time_ns,
                             .call_sequence = history->sequence++};
    buffer_set(&op->key, call->key);
    buffer_set(&op->argument, call->argument);
    history->forgotten[history->count] = false;
    return history->count++;
}

void linear_returned(struct linear_history *history, size_t number, const struct linear_return *ret)
{
    sf_assert(number < history->count);
    struct linear_op *op = &history->ops[number];
    sf_assert(!op->returned && !history->forgotten[number]);
    sf_assert(ret->time_ns >= op->call_ns);
    op->returned = true;
    op->return_ns = ret->time_ns;
    op->return_sequence = history->sequence++;
    op->status = ret->status;
    op->number = ret->number;
    buffer_set(&op->result, ret->result);
}

void linear_forget(struct linear_history *history, size_t number)
{
    sf_assert(number < history->count);
    history->forgotten[number] = true;
}

size_t linear_op_count(const struct linear_history *history)
{
    return history->count;
}

/* -- reports --------------------------------------------------------------------------------- */

/* The operations of one key. */
struct part {
    const struct linear_op *const *ops;
    size_t count;
    const struct linear_model *model;
};

static void add_text(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

static void report_op(const struct part *part, size_t position, struct buffer *out)
{
    const struct linear_op *op = part->ops[position];
    char text[96];
    snprintf(text, sizeof(text), "  client %-3u [%12.6f .. ", op->client,
             (double)op->call_ns / 1e9);
    add_text(out, text);
    if (op->returned)
        snprintf(text, sizeof(text), "%12.6f] ", (double)op->return_ns / 1e9);
    else
        snprintf(text, sizeof(text), "%12s] ", "never");
    add_text(out, text);
    part->model->describe_op(op, out);
    add_text(out, "\n");
}

static void report_order(const struct part *part, const struct search_result *result,
                         struct buffer *out)
{
    char text[128];
    size_t skipped = 0;
    if (result->order_count > REPORTED_OPS_MAX)
        skipped = result->order_count - REPORTED_OPS_MAX;
    snprintf(text, sizeof(text), "%zu operations can be explained so far, in an order that ends:\n",
             result->order_count);
    add_text(out, text);
    for (size_t i = skipped; i < result->order_count; i++)
        report_op(part, result->order[i], out);
}

static void report_state(const struct part *part, const struct search_result *result,
                         struct buffer *out)
{
    void *state = part->model->init();
    for (size_t i = 0; i < result->order_count; i++) {
        void *next = part->model->step(state, part->ops[result->order[i]]);
        sf_assert(next != NULL);
        part->model->unref(state);
        state = next;
    }
    add_text(out, "after which the state is ");
    part->model->describe_state(state, out);
    add_text(out, "\n");
    part->model->unref(state);
}

static bool is_in_order(const struct search_result *result, size_t position)
{
    for (size_t i = 0; i < result->order_count; i++) {
        if (result->order[i] == position)
            return true;
    }
    return false;
}

/* What else was under way when the operation that fits nowhere returned, and is not in the order.
 */
static void report_concurrent(const struct part *part, const struct search_result *result,
                              struct buffer *out)
{
    uint64_t until_ns = part->ops[result->stuck]->return_ns;
    size_t shown = 0;
    for (size_t i = 0; i < part->count && shown < REPORTED_OPS_MAX; i++) {
        if (i == result->stuck || part->ops[i]->call_ns > until_ns || is_in_order(result, i))
            continue;
        if (shown++ == 0)
            add_text(out, "neither before nor after any of these, which were under way:\n");
        report_op(part, i, out);
    }
}

static void report_part(const struct part *part, const struct search_result *result,
                        struct buffer *out)
{
    char text[128];
    const struct buffer *key = &part->ops[0]->key;
    snprintf(text, sizeof(text), "key \"%.*s\" (%zu operations): %s\n",
             (int)(key->n < 40 ? key->n : 40), key->n > 0 ? (const char *)key->p : "", part->count,
             linear_verdict_name(result->verdict));
    add_text(out, text);
    if (result->verdict != LINEAR_ILLEGAL)
        return;
    report_order(part, result, out);
    report_state(part, result, out);
    add_text(out, "this one fits nowhere:\n");
    report_op(part, result->stuck, out);
    report_concurrent(part, result, out);
}

const char *linear_verdict_name(enum linear_verdict verdict)
{
    switch (verdict) {
    case LINEAR_LEGAL:
        return "linearizable";
    case LINEAR_ILLEGAL:
        return "not linearizable";
    case LINEAR_EXHAUSTED:
        return "undecided, the budget of steps is exhausted";
    }
    return "?";
}

/* -- judging --------------------------------------------------------------------------------- */

static int compare_ops(const void *left, const void *right)
{
    const struct linear_op *a = *(const struct linear_op *const *)left;
    const struct linear_op *b = *(const struct linear_op *const *)right;
    int order = slice_compare(buffer_slice(&a->key), buffer_slice(&b->key));
    if (order != 0)
        return order;
    return a->call_sequence < b->call_sequence ? -1 : 1;
}

/* All that count, those of one key side by side. */
static const struct linear_op **sort_by_key(const struct linear_history *history, size_t *count)
{
    const struct linear_op **ops = sf_calloc(history->count, sizeof(struct linear_op *));
    *count = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (!history->forgotten[i])
            ops[(*count)++] = &history->ops[i];
    }
    if (*count > 0)
        qsort(ops, *count, sizeof(*ops), compare_ops);
    return ops;
}

static enum linear_verdict check_part(const struct part *part, uint64_t *steps_left,
                                      struct buffer *report)
{
    struct search_result result;
    search_run(part->ops, part->count, part->model, steps_left, &result);
    if (result.verdict != LINEAR_LEGAL && report != NULL)
        report_part(part, &result, report);
    free(result.order);
    return result.verdict;
}

enum linear_verdict linear_check(const struct linear_history *history,
                                 const struct linear_model *model, uint64_t steps_max,
                                 struct buffer *report)
{
    uint64_t steps_left = steps_max > 0 ? steps_max : STEPS_DEFAULT;
    enum linear_verdict verdict = LINEAR_LEGAL;
    size_t count, first = 0;
    const struct linear_op **ops = sort_by_key(history, &count);
    while (first < count && verdict == LINEAR_LEGAL) {
        struct part part = {ops + first, 1, model};
        while (first + part.count < count &&
               slice_equal(buffer_slice(&ops[first]->key),
                           buffer_slice(&ops[first + part.count]->key)))
            part.count++;
        verdict = check_part(&part, &steps_left, report);
        first += part.count;
    }
    free(ops);
    return verdict;
}
