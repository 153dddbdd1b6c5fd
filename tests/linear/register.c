/* The model of one key of a key/value store: a string of bytes, or nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "linear.h"
#include "shardfs/error.h"

struct value {
    size_t references;
    bool present;
    size_t n; /* 0 where absent */
    uint8_t bytes[];
};

static struct value *value_new(bool present, struct slice head, struct slice tail)
{
    struct value *value = sf_malloc(sizeof(*value) + head.n + tail.n);
    *value = (struct value){.references = 1, .present = present, .n = head.n + tail.n};
    if (head.n > 0)
        memcpy(value->bytes, head.p, head.n);
    if (tail.n > 0)
        memcpy(value->bytes + head.n, tail.p, tail.n);
    return value;
}

static struct slice bytes_of(const struct value *value)
{
    return slice_of(value->bytes, value->n);
}

static void *register_init(void)
{
    return value_new(false, slice_of(NULL, 0), slice_of(NULL, 0));
}

static void register_ref(void *state)
{
    struct value *value = state;
    value->references++;
}

static void register_unref(void *state)
{
    struct value *value = state;
    if (--value->references == 0)
        free(value);
}

/* Could op have returned what it did, where the value is this one? */
static bool result_is_possible(const struct value *value, const struct linear_op *op)
{
    struct slice before = bytes_of(value), result = buffer_slice(&op->result);
    if (!op->returned)
        return true;
    if (op->kind == LINEAR_GET || op->kind == LINEAR_DELETE) {
        if (op->status != (value->present ? SF_OK : SF_NOT_FOUND))
            return false;
        return op->kind == LINEAR_DELETE || slice_equal(result, before);
    }
    if (op->status != SF_OK)
        return false;
    if ((op->flags & LINEAR_HAS_OLD) != 0 && !slice_equal(result, before))
        return false;
    return (op->flags & LINEAR_HAS_LENGTH) == 0 || op->number == before.n + op->argument.n;
}

static void *register_step(void *state, const struct linear_op *op)
{
    struct value *value = state;
    struct slice nothing = slice_of(NULL, 0), argument = buffer_slice(&op->argument);
    if (!result_is_possible(value, op))
        return NULL;
    switch ((enum linear_register_kind)op->kind) {
    case LINEAR_GET:
        register_ref(value);
        return value;
    case LINEAR_PUT:
        return value_new(true, argument, nothing);
    case LINEAR_APPEND:
        return value_new(true, bytes_of(value), argument);
    case LINEAR_DELETE:
        return value_new(false, nothing, nothing);
    }
    sf_assert_failed("a kind of linear_register_kind", __FILE__, __LINE__);
}

/* A DELETE that found nothing, too. */
static bool register_is_read(const struct linear_op *op)
{
    return op->kind == LINEAR_GET || (op->kind == LINEAR_DELETE && op->status != SF_OK);
}

static bool register_equal(const void *a, const void *b)
{
    const struct value *left = a, *right = b;
    return left->present == right->present && slice_equal(bytes_of(left), bytes_of(right));
}

static uint64_t register_hash(const void *state)
{
    const struct value *value = state;
    return bytes_hash_seed(bytes_of(value), value->present);
}

/* -- text ------------------------------------------------------------------------------------ */

#define SHOWN_BYTES_MAX 24u

static void add_text(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

/* The beginning and the end of long ones: what was appended last is at the end. */
static void add_bytes(struct buffer *out, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.n > 2 * SHOWN_BYTES_MAX && i == SHOWN_BYTES_MAX) {
            add_text(out, "...");
            i = bytes.n - SHOWN_BYTES_MAX;
        }
        uint8_t c = bytes.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            buffer_put_u8(out, c);
        } else {
            add_text(out, "\\x");
            buffer_put_u8(out, (uint8_t)digits[c >> 4]);
            buffer_put_u8(out, (uint8_t)digits[c & 15]);
        }
    }
    buffer_put_u8(out, '"');
}

static const char *const kind_names[] = {[LINEAR_GET] = "get",
                                         [LINEAR_PUT] = "put",
                                         [LINEAR_APPEND] = "append",
                                         [LINEAR_DELETE] = "delete"};

static void register_describe_op(const struct linear_op *op, struct buffer *out)
{
    add_text(out, kind_names[op->kind]);
    if (op->kind == LINEAR_PUT || op->kind == LINEAR_APPEND) {
        add_text(out, " ");
        add_bytes(out, buffer_slice(&op->argument));
    }
    if (!op->returned)
        return;
    add_text(out, " -> ");
    add_text(out, op->status == SF_OK ? "OK" : sf_error_name(op->status));
    if (op->status == SF_OK && (op->kind == LINEAR_GET || (op->flags & LINEAR_HAS_OLD) != 0)) {
        add_text(out, " ");
        add_bytes(out, buffer_slice(&op->result));
    }
    if ((op->flags & LINEAR_HAS_LENGTH) != 0) {
        char text[32];
        snprintf(text, sizeof(text), " length %llu", (unsigned long long)op->number);
        add_text(out, text);
    }
}

static void register_describe_state(const void *state, struct buffer *out)
{
    const struct value *value = state;
    if (value->present)
        add_bytes(out, bytes_of(value));
    else
        add_text(out, "absent");
}

const struct linear_model linear_register = {
    .init = register_init,
    .ref = register_ref,
    .unref = register_unref,
    .step = register_step,
    .is_read = register_is_read,
    .equal = register_equal,
    .hash = register_hash,
    .describe_op = register_describe_op,
    .describe_state = register_describe_state,
};
