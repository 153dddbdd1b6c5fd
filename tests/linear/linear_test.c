/* Known histories, legal and illegal, and a large one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "linear.h"
#include "shardfs/error.h"

/* A history as a table: who did what from when to when with what result. A NULL result of GET and
 * DELETE means that the key was absent. */
struct row {
    uint32_t client, kind, flags;
    uint64_t call, ret; /* ret NEVER: it never returned */
    const char *argument, *result;
    uint64_t number;
    const char *key; /* NULL: "k" */
};

#define NEVER UINT64_MAX
#define ROWS_MAX 16u

static enum linear_verdict judge(const struct row *rows, uint64_t steps_max, struct buffer *report)
{
    struct linear_history *history = linear_history_new();
    /* Events are recorded in the order of time; at equal times returns first, so that an operation
     * that begins when another one ends comes after it. */
    size_t numbers[ROWS_MAX];
    for (uint64_t time = 0; time < 100; time++) {
        for (size_t i = 0; rows[i].kind != 0; i++) {
            const struct row *row = &rows[i];
            bool absent =
                row->result == NULL && (row->kind == LINEAR_GET || row->kind == LINEAR_DELETE);
            struct linear_return ret = {.time_ns = time,
                                        .status = absent ? SF_NOT_FOUND : SF_OK,
                                        .result = slice_str(row->result != NULL ? row->result : ""),
                                        .number = row->number};
            if (row->ret == time)
                linear_returned(history, numbers[i], &ret);
        }
        for (size_t i = 0; rows[i].kind != 0; i++) {
            const struct row *row = &rows[i];
            struct linear_call call = {.client = row->client,
                                       .kind = row->kind,
                                       .flags = row->flags,
                                       .time_ns = time,
                                       .key = slice_str(row->key != NULL ? row->key : "k"),
                                       .argument =
                                           slice_str(row->argument != NULL ? row->argument : "")};
            if (row->call == time)
                numbers[i] = linear_called(history, &call);
        }
    }
    enum linear_verdict verdict = linear_check(history, &linear_register, steps_max, report);
    linear_history_free(history);
    return verdict;
}

#define JUDGE(...) judge((const struct row[]){__VA_ARGS__, {.kind = 0}}, 0, NULL)
#define PUT(client, call, ret, value)                                                              \
    {                                                                                              \
        client, LINEAR_PUT, 0, call, ret, value, NULL, 0, NULL                                     \
    }
#define GET(client, call, ret, value)                                                              \
    {                                                                                              \
        client, LINEAR_GET, 0, call, ret, NULL, value, 0, NULL                                     \
    }
#define APPEND(client, call, ret, value)                                                           \
    {                                                                                              \
        client, LINEAR_APPEND, 0, call, ret, value, NULL, 0, NULL                                  \
    }
#define DELETE(client, call, ret, found)                                                           \
    {                                                                                              \
        client, LINEAR_DELETE, 0, call, ret, NULL, found, 0, NULL                                  \
    }

static void an_empty_history_is_legal(void **state)
{
    (void)state;
    struct linear_history *history = linear_history_new();
    assert_int_equal(linear_check(history, &linear_register, 0, NULL), LINEAR_LEGAL);
    linear_history_free(history);
}

static void one_after_the_other_each_sees_the_last(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(GET(1, 0, 1, NULL), PUT(1, 2, 3, "a"), GET(2, 4, 5, "a"),
                           APPEND(1, 6, 7, "b"), GET(2, 8, 9, "ab"), DELETE(1, 10, 11, ""),
                           GET(2, 12, 13, NULL), DELETE(1, 14, 15, NULL)),
                     LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, ""), GET(1, 2, 3, "")), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, ""), GET(1, 2, 3, NULL)), LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(DELETE(1, 0, 1, "")), LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), DELETE(1, 2, 3, NULL)), LINEAR_ILLEGAL);
}

static void a_stale_read_is_illegal(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), PUT(1, 2, 3, "b"), GET(2, 4, 5, "a")),
                     LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), GET(2, 2, 3, NULL)), LINEAR_ILLEGAL);
    /* It may have been read before the return of what it misses. */
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), PUT(1, 2, 5, "b"), GET(2, 4, 6, "a")), LINEAR_LEGAL);
}

static void what_overlaps_may_come_in_either_order(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(PUT(1, 0, 10, "a"), PUT(2, 0, 10, "b"), GET(3, 11, 12, "a")),
                     LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 10, "a"), PUT(2, 0, 10, "b"), GET(3, 11, 12, "b")),
                     LINEAR_LEGAL);
    assert_int_equal(
        JUDGE(PUT(1, 0, 10, "a"), PUT(2, 0, 10, "b"), GET(3, 11, 12, "b"), GET(3, 13, 14, "a")),
        LINEAR_ILLEGAL);
}

static void two_readers_may_not_see_two_orders(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(PUT(1, 0, 20, "a"), PUT(2, 0, 20, "b"), GET(3, 1, 5, "a"),
                           GET(3, 6, 10, "b"), GET(4, 1, 5, "b"), GET(4, 6, 10, "a")),
                     LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 20, "a"), PUT(2, 0, 20, "b"), GET(3, 1, 5, "a"),
                           GET(3, 6, 10, "b"), GET(4, 1, 5, "a"), GET(4, 6, 10, "b")),
                     LINEAR_LEGAL);
    /* Once the new value was seen, the old one is not seen again, though the Put still runs. */
    assert_int_equal(JUDGE(PUT(1, 0, 20, "a"), GET(2, 1, 2, "a"), GET(3, 3, 4, NULL)),
                     LINEAR_ILLEGAL);
}

static void what_never_returned_may_have_happened_or_not(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(PUT(1, 0, NEVER, "a"), GET(2, 1, 2, "a")), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, NEVER, "a"), GET(2, 1, 2, NULL)), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, NEVER, "a"), GET(2, 1, 2, NULL), GET(2, 50, 60, "a")),
                     LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, NEVER, "a"), GET(2, 1, 2, "a"), GET(2, 3, 4, NULL)),
                     LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 5, NEVER, "a"), GET(2, 1, 2, "a")), LINEAR_ILLEGAL);
    /* Once, not twice. */
    assert_int_equal(JUDGE(APPEND(1, 0, NEVER, "a"), GET(2, 1, 2, "aa")), LINEAR_ILLEGAL);
    assert_int_equal(
        JUDGE(APPEND(1, 0, NEVER, "a"), PUT(2, 1, 2, "b"), GET(2, 3, 4, "b"), GET(2, 5, 6, "ba")),
        LINEAR_LEGAL);
}

static void an_append_happens_exactly_once(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(APPEND(1, 0, 5, "x"), APPEND(2, 0, 5, "y"), GET(3, 6, 7, "yx")),
                     LINEAR_LEGAL);
    assert_int_equal(JUDGE(APPEND(1, 0, 5, "x"), APPEND(2, 0, 5, "y"), GET(3, 6, 7, "x")),
                     LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(APPEND(1, 0, 5, "x"), APPEND(2, 0, 5, "y"), GET(3, 6, 7, "xyx")),
                     LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(APPEND(1, 0, 1, "x"), APPEND(2, 2, 3, "y"), GET(3, 6, 7, "yx")),
                     LINEAR_ILLEGAL);
}

static void the_results_of_writes_are_judged_where_they_are_known(void **state)
{
    (void)state;
    struct row old = {1, LINEAR_APPEND, LINEAR_HAS_OLD, 2, 3, "b", "a", 0, NULL};
    struct row wrong_old = {1, LINEAR_APPEND, LINEAR_HAS_OLD, 2, 3, "b", "", 0, NULL};
    struct row length = {1, LINEAR_APPEND, LINEAR_HAS_LENGTH, 2, 3, "b", NULL, 2, NULL};
    struct row wrong_length = {1, LINEAR_APPEND, LINEAR_HAS_LENGTH, 2, 3, "b", NULL, 1, NULL};
    struct row swapped = {1, LINEAR_PUT, LINEAR_HAS_OLD, 2, 3, "b", "a", 0, NULL};
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), old), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), wrong_old), LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), length), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), wrong_length), LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), swapped), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "b"), swapped), LINEAR_ILLEGAL);
}

static void keys_are_judged_apart(void **state)
{
    (void)state;
    struct row other = {2, LINEAR_GET, 0, 2, 3, NULL, NULL, 0, "other"};
    struct row wrong = {2, LINEAR_GET, 0, 4, 5, NULL, "a", 0, "other"};
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), other, GET(2, 4, 5, "a")), LINEAR_LEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 1, "a"), other, wrong), LINEAR_ILLEGAL);
}

static void events_at_equal_times_count_as_they_came(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(PUT(1, 0, 5, "a"), GET(2, 5, 6, NULL)), LINEAR_ILLEGAL);
    assert_int_equal(JUDGE(PUT(1, 0, 6, "a"), GET(2, 5, 6, NULL)), LINEAR_LEGAL);
}

static void what_is_forgotten_does_not_count(void **state)
{
    (void)state;
    struct linear_history *history = linear_history_new();
    struct linear_call put = {
        .kind = LINEAR_PUT, .key = slice_str("k"), .argument = slice_str("a")};
    struct linear_call get = {.kind = LINEAR_GET, .time_ns = 1, .key = slice_str("k")};
    struct linear_return got = {.time_ns = 2, .result = slice_str("a")};
    size_t first = linear_called(history, &put);
    linear_returned(history, linear_called(history, &get), &got);
    assert_int_equal(linear_check(history, &linear_register, 0, NULL), LINEAR_LEGAL);
    linear_forget(history, first);
    assert_int_equal(linear_check(history, &linear_register, 0, NULL), LINEAR_ILLEGAL);
    assert_int_equal(linear_op_count(history), 2);
    linear_history_free(history);
}

static void a_report_shows_what_fits_nowhere(void **state)
{
    (void)state;
    struct buffer report = {0};
    const struct row rows[] = {PUT(1, 0, 1, "first"),   PUT(2, 2, 3, "second"),
                               GET(3, 4, 9, "first"),   APPEND(4, 5, 20, "x\n\"y"),
                               GET(5, 30, 31, "later"), {.kind = 0}};
    assert_int_equal(judge(rows, 0, &report), LINEAR_ILLEGAL);
    buffer_put_u8(&report, 0);
    const char *text = (const char *)report.p;
    assert_non_null(
        strstr(text, "key \"k\" (5 operations): not linearizable\n2 operations can be"));
    assert_non_null(strstr(text, "put \"second\" -> OK\nafter which the state is \"second\"\n"));
    assert_non_null(strstr(text, "this one fits nowhere:\n  client 3"));
    assert_non_null(strstr(text, "get -> OK \"first\"\nneither before nor after"));
    assert_non_null(strstr(text, "append \"x\\x0a\\x22y\" -> OK\n"));
    assert_null(strstr(text, "later"));
    buffer_deinit(&report);
}

/* Appends that overlap, and a value that shows none of them: every order would have to be tried. */
static void to_run_out_of_steps_is_no_pass(void **state)
{
    (void)state;
    struct row rows[ROWS_MAX] = {{.kind = 0}};
    struct buffer report = {0};
    for (uint32_t i = 0; i < 12; i++)
        rows[i] = (struct row)APPEND(i, 0, 50, "ab");
    rows[12] = (struct row)GET(12, 60, 61, "nothing of it");
    for (uint32_t i = 0; i < 12; i++)
        rows[i].argument = &"abcdefghijkl"[i];
    assert_int_equal(judge(rows, 1000, &report), LINEAR_EXHAUSTED);
    buffer_put_u8(&report, 0);
    assert_non_null(strstr((const char *)report.p, "exhausted"));
    buffer_deinit(&report);
}

/* What makes the cache worth it: Puts that overlap by the dozen. Without it there are 12! orders.
 */
static void overlapping_puts_are_cheap(void **state)
{
    (void)state;
    static const char *const values[] = {"a", "b", "c", "d", "e", "f",
                                         "g", "h", "i", "j", "k", "l"};
    struct row rows[ROWS_MAX] = {{.kind = 0}};
    for (uint32_t i = 0; i < 12; i++)
        rows[i] = (struct row)PUT(i, 0, 50, values[i]);
    rows[12] = (struct row)GET(12, 60, 61, "z");
    assert_int_equal(judge(rows, 500000, NULL), LINEAR_ILLEGAL);
}

/* 16 clients, 20,000 operations on 8 keys, each happening at a random moment between its call and
 * its return; one in a hundred never returns. */
static void a_large_history_is_judged_in_few_steps(void **state)
{
    (void)state;
    enum { CLIENTS = 16, KEYS = 8 };
    struct linear_history *history = linear_history_new();
    struct buffer values[KEYS] = {{0}};
    struct {
        size_t op, key;
        bool open, done;
        uint32_t kind;
        char text[16];
        struct buffer result;
    } clients[CLIENTS] = {{0}};
    uint64_t random = 88172645463325252u;
    for (uint64_t now = 1; linear_op_count(history) < 20000; now++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t i = random % CLIENTS;
        struct buffer *value = &values[clients[i].key];
        struct linear_call call = {.client = (uint32_t)i, .time_ns = now};
        if (!clients[i].open) {
            clients[i].key = random >> 20 & 7;
            call.key = slice_of(&clients[i].key, sizeof(clients[i].key));
            call.kind = clients[i].kind = (uint32_t)(1 + (random >> 30) % 3);
            snprintf(clients[i].text, sizeof(clients[i].text), "%u.", (unsigned)now);
            if (call.kind != LINEAR_GET)
                call.argument = slice_str(clients[i].text);
            clients[i].op = linear_called(history, &call);
            clients[i].open = true;
        } else if (!clients[i].done) {
            buffer_set(&clients[i].result, buffer_slice(value));
            if (clients[i].kind == LINEAR_PUT || value->n > 200)
                buffer_clear(value);
            if (clients[i].kind != LINEAR_GET)
                buffer_append(value, clients[i].text, strlen(clients[i].text));
            clients[i].done = true;
        } else {
            struct linear_return ret = {.time_ns = now, .result = buffer_slice(&clients[i].result)};
            if (clients[i].kind == LINEAR_GET && ret.result.n == 0)
                ret.status = SF_NOT_FOUND;
            if (random >> 40 & 127)
                linear_returned(history, clients[i].op, &ret);
            clients[i].open = clients[i].done = false;
        }
    }
    assert_int_equal(linear_check(history, &linear_register, 3000000, NULL), LINEAR_LEGAL);
    linear_history_free(history);
    for (size_t i = 0; i < CLIENTS; i++)
        buffer_deinit(&clients[i].result);
    for (size_t i = 0; i < KEYS; i++)
        buffer_deinit(&values[i]);
}

/* -- a model of one's own: a version that a conditional write has to name --------------------- */

static void *version_init(void)
{
    return sf_calloc(1, 2 * sizeof(uint64_t)); /* references - 1, version */
}

static void version_ref(void *state)
{
    ++*(uint64_t *)state;
}

static void version_unref(void *state)
{
    if ((*(uint64_t *)state)-- == 0)
        free(state);
}

static void *version_step(void *state, const struct linear_op *op)
{
    const uint64_t *version = (const uint64_t *)state + 1;
    bool fits = op->number == *version;
    if (op->returned && op->status != (fits ? SF_OK : SF_PRECONDITION))
        return NULL;
    if (!fits) {
        version_ref(state);
        return state;
    }
    uint64_t *next = version_init();
    next[1] = *version + 1;
    return next;
}

static bool version_equal(const void *a, const void *b)
{
    return ((const uint64_t *)a)[1] == ((const uint64_t *)b)[1];
}

static uint64_t version_hash(const void *state)
{
    return ((const uint64_t *)state)[1];
}

static void version_describe_op(const struct linear_op *op, struct buffer *out)
{
    buffer_put_u8(out, (uint8_t)('0' + op->number % 10));
}

static void version_describe_state(const void *state, struct buffer *out)
{
    buffer_put_u8(out, (uint8_t)('0' + version_hash(state) % 10));
}

static const struct linear_model version_model = {
    version_init, version_ref,         version_unref,          version_step, version_equal,
    version_hash, version_describe_op, version_describe_state, NULL};

static void a_model_of_ones_own(void **state)
{
    (void)state;
    static const struct {
        int first, second;
        enum linear_verdict verdict;
    } cases[] = {{SF_OK, SF_PRECONDITION, LINEAR_LEGAL},
                 {SF_PRECONDITION, SF_OK, LINEAR_LEGAL},
                 {SF_OK, SF_OK, LINEAR_ILLEGAL},
                 {SF_PRECONDITION, SF_PRECONDITION, LINEAR_ILLEGAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct linear_history *history = linear_history_new();
        struct linear_call call = {.key = slice_str("v")};
        size_t first = linear_called(history, &call), second = linear_called(history, &call);
        linear_returned(history, first, &(struct linear_return){.status = cases[i].first});
        linear_returned(history, second, &(struct linear_return){.status = cases[i].second});
        assert_int_equal(linear_check(history, &version_model, 0, NULL), cases[i].verdict);
        linear_history_free(history);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_history_is_legal),
        cmocka_unit_test(one_after_the_other_each_sees_the_last),
        cmocka_unit_test(a_stale_read_is_illegal),
        cmocka_unit_test(what_overlaps_may_come_in_either_order),
        cmocka_unit_test(two_readers_may_not_see_two_orders),
        cmocka_unit_test(what_never_returned_may_have_happened_or_not),
        cmocka_unit_test(an_append_happens_exactly_once),
        cmocka_unit_test(the_results_of_writes_are_judged_where_they_are_known),
        cmocka_unit_test(keys_are_judged_apart),
        cmocka_unit_test(events_at_equal_times_count_as_they_came),
        cmocka_unit_test(what_is_forgotten_does_not_count),
        cmocka_unit_test(a_report_shows_what_fits_nowhere),
        cmocka_unit_test(to_run_out_of_steps_is_no_pass),
        cmocka_unit_test(overlapping_puts_are_cheap),
        cmocka_unit_test(a_large_history_is_judged_in_few_steps),
        cmocka_unit_test(a_model_of_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
