/* Transactions as a program sees them that knows shardfs/clerk.h alone: two groups of three real
 * servers each.
 *
 *   txn_clerk_test [TEST...]
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shardfs/clerk.h>

#include "process/stage.h"

#define ACCOUNTS 16u
#define MOVES 300u

static void must(int status, int expected, const char *what)
{
    if (status != expected)
        stage_fail("%s: %s, not %s", what, clerk_error_name(status),
                   expected == SF_OK ? "OK" : clerk_error_name(expected));
}

static void must_hold(bool holds, const char *what)
{
    if (!holds)
        stage_fail("%s", what);
}

static struct clerk *open_clerk(struct stage *stage, const char *name)
{
    struct clerk *clerk;
    stage_open(stage, name, NULL);
    must(clerk_open(stage->masters, NULL, &clerk), SF_OK, "open");
    return clerk;
}

static void value_is(struct clerk *clerk, const char *key, const char *value)
{
    struct clerk_result result;
    int status = clerk_get(clerk, clerk_text(key), &result);
    must(status, value ? SF_OK : SF_NOT_FOUND, key);
    must_hold(strcmp(result.data, value ? value : "") == 0, "another value was expected");
    clerk_result_free(&result);
}

static struct clerk_request change(enum clerk_kind kind, const char *key, const char *data)
{
    return (struct clerk_request){
        .kind = kind, .key = clerk_text(key), .data = clerk_text(data), .wants_old = true};
}

/* Keys enough that they lie in many shards and both groups. */
static void all_of_it_happens_or_nothing(struct clerk *clerk)
{
    struct clerk_request ops[5] = {change(CLERK_PUT, "a", "1"), change(CLERK_APPEND, "b", "2"),
                                   change(CLERK_PUT, "c", "3"), change(CLERK_SET_RANGE, "d", "4"),
                                   change(CLERK_PUT_HASH, "e", "5")};
    struct clerk_transaction t = {.ops = ops, .op_count = 5};
    struct clerk_result result;
    must(clerk_transact(clerk, &t, &result), SF_OK, "five changes");
    must_hold(result.part_count == 5, "each change has an answer");
    for (size_t i = 0; i < 5; i++)
        must_hold(result.parts[i].stat.version != 0, "with a version");
    uint64_t version = result.parts[2].stat.version;
    clerk_result_free(&result);
    value_is(clerk, "a", "1");
    value_is(clerk, "d", "4");

    struct clerk_check checks[2] = {{clerk_text("c"), {CLERK_IF_VERSION, version}},
                                    {clerk_text("f"), {CLERK_IF_EXISTS, 0}}};
    t = (struct clerk_transaction){.checks = checks, .check_count = 2, .ops = ops, .op_count = 2};
    must(clerk_transact(clerk, &t, &result), SF_PRECONDITION, "there is no f");
    must_hold(result.failed == 1 && result.stat.version == 0, "which is told");
    clerk_result_free(&result);
    value_is(clerk, "b", "2");

    checks[1].condition.kind = CLERK_IF_ABSENT;
    must(clerk_transact(clerk, &t, &result), SF_OK, "checked");
    must_hold(strcmp(result.parts[1].data, "2") == 0, "the old value of b");
    clerk_result_free(&result);
    value_is(clerk, "b", "22");
    ops[1] = change(CLERK_DELETE, "nothing", "");
    must(clerk_transact(clerk, &t, &result), SF_NOT_FOUND, "nothing to delete");
    must_hold(result.failed == 3, "which is the fourth part");
    clerk_result_free(&result);
}

static void what_is_no_transaction_is_refused(struct clerk *clerk)
{
    struct clerk_request ops[SF_MINI_OPS_MAX + 1];
    struct clerk_transaction t = {.ops = ops, .op_count = SF_MINI_OPS_MAX + 1};
    for (size_t i = 0; i < SF_MINI_OPS_MAX + 1; i++)
        ops[i] = change(CLERK_PUT, "a", "x");
    must(clerk_transact(clerk, &t, NULL), SF_TOO_BIG, "too many parts");
    t.op_count = 0;
    must(clerk_transact(clerk, &t, NULL), SF_INVALID, "no parts");
    t.op_count = 1;
    ops[0].kind = CLERK_GET;
    must(clerk_transact(clerk, &t, NULL), SF_INVALID, "a read");
    ops[0].kind = CLERK_PUT;
    ops[0].condition.kind = (enum clerk_condition_kind)77;
    must(clerk_transact(clerk, &t, NULL), SF_INVALID, "an unknown condition");
}

static void test_calls(void)
{
    struct stage stage;
    struct clerk *clerk = open_clerk(&stage, "calls");
    all_of_it_happens_or_nothing(clerk);
    what_is_no_transaction_is_refused(clerk);
    clerk_close(clerk);
    stage_close(&stage);
}

/* -- money moves while servers are killed --------------------------------------------------- */

struct account {
    char key[16], text[16];
    uint64_t version;
    long money;
};

static void name(struct account *account, unsigned i)
{
    *account = (struct account){.version = 0};
    snprintf(account->key, sizeof account->key, "account-%u", i);
}

static void look(struct clerk *clerk, struct account *account)
{
    struct clerk_result result;
    must(clerk_get(clerk, clerk_text(account->key), &result), SF_OK, "get");
    account->version = result.stat.version;
    account->money = strtol(result.data, NULL, 10);
    clerk_result_free(&result);
}

static struct clerk_request set(struct account *account, long change_by)
{
    snprintf(account->text, sizeof account->text, "%ld", account->money + change_by);
    struct clerk_request request = change(CLERK_PUT, account->key, account->text);
    request.condition = (struct clerk_condition){CLERK_IF_VERSION, account->version};
    return request;
}

static void move_money(struct clerk *clerk, unsigned from, unsigned to)
{
    struct account a, b;
    name(&a, from);
    name(&b, to);
    look(clerk, &a);
    look(clerk, &b);
    struct clerk_request ops[2] = {set(&a, -1), set(&b, 1)};
    struct clerk_transaction t = {.ops = ops, .op_count = 2};
    must(clerk_transact(clerk, &t, NULL), SF_OK, "a move");
}

static void open_accounts(struct clerk *clerk)
{
    static char keys[ACCOUNTS][16];
    struct clerk_request ops[ACCOUNTS];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(keys[i], sizeof keys[i], "account-%u", i);
        ops[i] = change(CLERK_PUT, keys[i], "100");
        ops[i].condition.kind = CLERK_IF_ABSENT;
    }
    struct clerk_transaction t = {.ops = ops, .op_count = ACCOUNTS};
    must(clerk_transact(clerk, &t, NULL), SF_OK, "accounts are opened");
}

static void sum_is_what_it_was(struct clerk *clerk)
{
    long sum = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct account account;
        name(&account, i);
        look(clerk, &account);
        sum += account.money;
    }
    must_hold(sum == 100 * (long)ACCOUNTS, "the sum has changed");
}

static void test_kills(void)
{
    static const char *const victims[] = {"group-100-1", "group-101-2", "group-100-3"};
    struct stage stage;
    struct clerk *clerk = open_clerk(&stage, "kills");
    open_accounts(clerk);
    for (unsigned i = 0; i < MOVES * stage_rounds(); i++) {
        if (i % 100 == 50)
            stage_kill(&stage, victims[i / 100 % 3]);
        if (i % 100 == 99)
            stage_up(&stage);
        move_money(clerk, i % ACCOUNTS, (i * 7 + 3) % ACCOUNTS);
    }
    sum_is_what_it_was(clerk);
    clerk_close(clerk);
    stage_close(&stage);
}

/* -- a loop of one's own -------------------------------------------------------------------- */

struct many {
    unsigned answered, done;
};

static void on_done(void *ctx, const struct clerk_result *result)
{
    struct many *many = ctx;
    many->answered++;
    must(result->status, SF_OK, "one of many");
    many->done += result->part_count == 2;
}

/* All of them want the same two keys, and none fails for it. */
static void test_many(void)
{
    struct stage stage;
    struct clerk *clerk = open_clerk(&stage, "many");
    struct many many = {.answered = 0};
    struct clerk_request ops[2] = {change(CLERK_APPEND, "left", "x"),
                                   change(CLERK_APPEND, "right", "y")};
    struct clerk_transaction t = {.ops = ops, .op_count = 2};
    for (unsigned i = 0; i < 20; i++)
        (void)clerk_start_transaction(clerk, &t, on_done, &many);
    struct clerk_call *cancelled = clerk_start_transaction(clerk, &t, on_done, &many);
    clerk_cancel(cancelled);
    while (many.answered < 20)
        clerk_wait(clerk);
    must_hold(many.done == 20, "each has two answers");
    value_is(clerk, "left", "xxxxxxxxxxxxxxxxxxxx");
    value_is(clerk, "right", "yyyyyyyyyyyyyyyyyyyy");
    (void)clerk_start_transaction(clerk, &t, on_done, &many); /* ends with the clerk */
    clerk_close(clerk);
    stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"calls", test_calls}, {"many", test_many}, {"kills", test_kills}};
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 240);
}
