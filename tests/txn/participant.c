#include "txn/participant.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OTHER_SHARD 9u

struct kv_number participant_number(uint64_t sequence)
{
    return (struct kv_number){.shard = bench.copy.shard,
                              .session = bench.session.session,
                              .sequence = sequence,
                              .first_incomplete = 1};
}

static struct answer apply(const struct kv_session *session, const struct kv_op *op)
{
    const struct kv_reply *reply = bench_apply(&bench, session, op);
    return (struct answer){reply->status, reply->fate};
}

struct answer participant_prepare(uint64_t sequence, const struct wish *wish)
{
    struct kv_number numbers[2] = {participant_number(sequence),
                                   {.shard = OTHER_SHARD, .session = 4, .sequence = sequence}};
    struct kv_op op = {.kind = KV_PREPARE,
                       .flags = wish->flags,
                       .checks = wish->checks,
                       .check_count = wish->check_count,
                       .ops = wish->ops,
                       .op_count = wish->op_count,
                       .numbers = numbers,
                       .number_count = 2};
    struct kv_session session = {bench.session.session, sequence, 1};
    return apply(&session, &op);
}

struct answer participant_put(uint64_t sequence, const char *key, const char *value)
{
    struct kv_op put = bench_put_op(key, value);
    return participant_prepare(sequence, &(struct wish){.ops = &put, .op_count = 1});
}

static struct answer about(enum kv_kind kind, unsigned flags, uint64_t sequence)
{
    struct kv_number number = participant_number(sequence);
    struct kv_op op = {.kind = kind, .flags = flags, .numbers = &number, .number_count = 1};
    return apply(&(struct kv_session){0}, &op);
}

struct answer participant_outcome(uint64_t sequence, bool commits)
{
    return about(KV_OUTCOME, commits ? KV_COMMITS : 0, sequence);
}

struct answer participant_ask(uint64_t sequence)
{
    return about(KV_ASK, 0, sequence);
}

void participant_forget(uint64_t sequence)
{
    assert_int_equal(about(KV_FORGET, 0, sequence).status, SF_OK);
}

int participant_other(const struct kv_op *op)
{
    static uint64_t sequence;
    struct kv_op open = {.kind = KV_SESSION_OPEN, .data = slice_str("somebody else...")};
    sequence++; /* never twice, in whichever test */
    struct kv_session session = {.first_incomplete = sequence, .sequence = sequence};
    session.session = bench_apply(&bench, &(struct kv_session){0}, &open)->session;
    return bench_apply(&bench, &session, op)->status;
}

int participant_other_put(const char *key)
{
    struct kv_op put = bench_put_op(key, "other");
    return participant_other(&put);
}

bool participant_has_locks(void)
{
    struct txn_table *table;
    assert_int_equal(txn_tables_at(bench.txns, &bench.space, bench.copy, &table), SF_OK);
    return txn_table_has_locks(table);
}

size_t participant_records(void)
{
    return bench_count(&bench, 'p');
}
