#include "txn/bank_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "shardfs/error.h"
#include "txn/bank.h"

struct state {
    unsigned references;
    uint64_t tokens[BANK_ACCOUNTS]; /* 0: there is no such account yet */
};

static void *init(void)
{
    struct state *state = sf_calloc(1, sizeof *state);
    state->references = 1;
    return state;
}

static void ref(void *p)
{
    struct state *state = p;
    state->references++;
}

static void unref(void *p)
{
    struct state *state = p;
    if (--state->references == 0)
        free(state);
}

static void *unchanged(struct state *state)
{
    ref(state);
    return state;
}

static void *look(struct state *state, const struct linear_op *op)
{
    struct reader result = reader_of(buffer_slice(&op->result));
    if (op->returned && reader_u64(&result) != state->tokens[op->argument.p[0]])
        return NULL;
    return unchanged(state);
}

/* Does it find what it says? Then *after is what it leaves. */
static bool moves(const struct state *state, const struct linear_op *op, struct state *after)
{
    struct reader r = reader_of(buffer_slice(&op->argument));
    bool fits = true;
    *after = (struct state){.references = 1};
    memcpy(after->tokens, state->tokens, sizeof after->tokens);
    while (reader_left(&r) > 0) {
        uint8_t account = reader_u8(&r);
        uint64_t before = reader_u64(&r);
        fits = fits && state->tokens[account] == before;
        after->tokens[account] = reader_u64(&r);
    }
    return fits;
}

static void *step(void *p, const struct linear_op *op)
{
    struct state *state = p, after;
    if (op->kind == BANK_LOOK)
        return look(state, op);
    if (!moves(state, op, &after))
        return op->returned ? NULL : unchanged(state);
    struct state *next = init();
    *next = after;
    return next;
}

static bool equal(const void *a, const void *b)
{
    const struct state *x = a, *y = b;
    return memcmp(x->tokens, y->tokens, sizeof x->tokens) == 0;
}

static uint64_t hash(const void *p)
{
    const struct state *state = p;
    return bytes_hash(slice_of(state->tokens, sizeof state->tokens));
}

static void print(struct buffer *out, const char *before, uint64_t value)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%s%" PRIx64, before, value & 0xffff);
    buffer_append(out, text, (size_t)n);
}

static void describe_op(const struct linear_op *op, struct buffer *out)
{
    struct reader r = reader_of(buffer_slice(&op->argument));
    print(out, op->kind == BANK_LOOK ? "look " : "move ", op->client);
    while (reader_left(&r) > 0) {
        print(out, "; account ", reader_u8(&r));
        if (op->kind == BANK_LOOK)
            break;
        print(out, " ", reader_u64(&r));
        print(out, " -> ", reader_u64(&r));
    }
    struct reader result = reader_of(buffer_slice(&op->result));
    if (op->kind == BANK_LOOK && op->returned)
        print(out, " = ", reader_u64(&result));
    if (!op->returned)
        print(out, " ? ", 0);
}

static void describe_state(const void *p, struct buffer *out)
{
    const struct state *state = p;
    for (size_t i = 0; i < BANK_ACCOUNTS; i++)
        print(out, " ", state->tokens[i]);
}

const struct linear_model bank_model = {.init = init,
                                        .ref = ref,
                                        .unref = unref,
                                        .step = step,
                                        .equal = equal,
                                        .hash = hash,
                                        .describe_op = describe_op,
                                        .describe_state = describe_state};
