/* The client's side of a transaction: one test for each sentence of the design about it. What it
 * sends is read off the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/client.h"
#include "client/lease.h"
#include "env/memory.h"
#include "proto/pack.h"
#include "txn/asker.h"
#include "txn/bank.h"

#define SENT_MAX 200u
#define PATIENCE_MS 60000u

/* A request that the client sent. */
struct sent {
    char method[32];
    uint32_t shard;
    uint64_t at_ns;
};

struct transfer {
    struct client_call call;
    struct kv_op op, parts[3];
    bool answered;
    int status;
};

static struct {
    struct sim_node *node;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    char keys[3][4]; /* in ascending order of shards, of two groups at least */
} stage;

/* -- the stage ----------------------------------------------------------------------------- */

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    const struct rpc_options options = {.role = "client"};
    const char *const *masters = (const char *const *)asker.cluster->master_addresses;
    (void)ctx;
    (void)node;
    stage.env = env;
    stage.rpc = rpc_new(env, &options);
    stage.router = router_new(env, stage.rpc, masters, CLUSTER_MASTERS);
    stage.client = client_new(env, stage.router);
}

static void halt(void *ctx, struct sim_node *node)
{
    (void)ctx;
    (void)node;
    client_free(stage.client);
    router_free(stage.router);
    rpc_free(stage.rpc);
}

static void note(struct slice message)
{
    struct unpacked u = {0};
    struct sent *sent = &stage.sent[stage.sent_count];
    if (unpack_open(message, &u) != SF_OK)
        return;
    struct cursor c = unpack_root(&u);
    if (unpack_u64(&c, 2) == 0 && stage.sent_count < SENT_MAX) {
        unpack_skip(&c);
        unpack_str(&c, sent->method, sizeof sent->method);
        struct cursor params = unpack_array(&c, 100);
        unpack_skip(&params);
        unpack_skip(&params);
        sent->shard = (uint32_t)unpack_u64(&params, UINT32_MAX);
        sent->at_ns = sim_now_ns(asker.cluster->sim);
        stage.sent_count += unpack_ok(&params) && strncmp(sent->method, "kv.", 3) == 0;
    }
    unpack_close(&u);
}

/* Several requests may leave in one message. */
static struct sim_verdict judge(void *ctx, const struct sim_message *message)
{
    struct slice rest = message->bytes;
    (void)ctx;
    while (message->from == stage.node && rest.n > 0) {
        long n = pack_measure(rest);
        if (n <= 0)
            break;
        note(slice_of(rest.p, (size_t)n));
        rest = slice_of(rest.p + n, rest.n - (size_t)n);
    }
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct transfer *t = container_of(call, struct transfer, call);
    (void)reply;
    t->answered = true;
    t->status = status;
}

/* Appends to these keys. */
static void start(struct transfer *t, const char *const *keys, size_t count, uint64_t timeout_ms)
{
    *t = (struct transfer){.op = {.kind = KV_MINI, .op_count = count}};
    for (size_t i = 0; i < count; i++)
        t->parts[i] = ask_op(KV_APPEND, keys[i], "x");
    t->op.ops = t->parts;
    t->call = (struct client_call){.on_done = on_done, .op = &t->op, .timeout_ms = timeout_ms};
    client_submit(stage.client, &t->call);
}

static bool is_answered(void *ctx)
{
    const struct transfer *t = ctx;
    return t->answered;
}

static int finish(struct transfer *t)
{
    assert_true(sim_run_until(asker.cluster->sim, is_answered, t, PATIENCE_MS * ENV_MS_NS));
    return t->status;
}

static size_t count_of(const char *method)
{
    size_t count = 0;
    for (size_t i = 0; i < stage.sent_count; i++)
        count += strcmp(stage.sent[i].method, method) == 0;
    return count;
}

static const char *const *three_keys(void)
{
    static const char *keys[3] = {stage.keys[0], stage.keys[1], stage.keys[2]};
    return keys;
}

static int setup(void **state)
{
    struct transfer warm;
    const struct sim_program program = {.boot = boot, .halt = halt};
    (void)asker_setup(state);
    memset(&stage, 0, sizeof stage);
    stage.node = sim_node_new(asker.cluster->sim, "client", &program);
    sim_node_start(stage.node);
    cluster_run_ms(asker.cluster, 10);
    uint32_t second = asker_shard_beside(0, false), last = CLUSTER_SHARDS - 1;
    snprintf(stage.keys[0], sizeof stage.keys[0], "0");
    snprintf(stage.keys[1], sizeof stage.keys[1], "%u", second == last ? 1 : (unsigned)second);
    snprintf(stage.keys[2], sizeof stage.keys[2], "%u", (unsigned)last);
    start(&warm, three_keys(), 3, 0); /* sessions are open, leaders known */
    assert_int_equal(finish(&warm), SF_OK);
    cluster_run_ms(asker.cluster, 1000);
    sim_on_message(asker.cluster->sim, judge, NULL);
    return 0;
}

static int teardown(void **state)
{
    sim_on_message(asker.cluster->sim, NULL, NULL);
    return asker_teardown(state);
}

/* -- tests --------------------------------------------------------------------------------- */

static void prepare_goes_to_all_participants_at_once(void **state)
{
    (void)state;
    struct transfer t;
    start(&t, three_keys(), 3, 0);
    assert_int_equal(finish(&t), SF_OK);
    assert_int_equal(count_of("kv.prepare"), 3);
    assert_int_equal(count_of("kv.outcome"), 3);
    assert_int_equal(stage.sent_count, 6);
    assert_int_equal(stage.sent[0].at_ns, stage.sent[2].at_ns);
}

static void one_shard_stays_one_entry(void **state)
{
    (void)state;
    static const char *const keys[2] = {"0", "10"};
    struct transfer t;
    start(&t, keys, 2, 0);
    assert_int_equal(finish(&t), SF_OK);
    cluster_run_ms(asker.cluster, 1000);
    assert_int_equal(count_of("kv.mini"), 1);
    assert_int_equal(stage.sent_count, 1);
}

static void forget_is_batched(void **state)
{
    (void)state;
    struct transfer many[20];
    for (size_t i = 0; i < 20; i++)
        start(&many[i], three_keys(), 3, 0);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(finish(&many[i]), SF_OK);
    stage.sent_count = 0;
    cluster_run_ms(asker.cluster, 1000);
    assert_in_range(count_of("kv.forget"), 3, 6); /* of 60 numbers in three shards */
    assert_true(cluster_run_until(asker.cluster, bank_is_clean, 1000));
}

static void a_retry_prepares_in_shard_order_and_queues(void **state)
{
    (void)state;
    struct transfer t;
    struct plan other;
    const char *key = stage.keys[1];
    plan_make(&other, 5, &key, 1);
    assert_int_equal(plan_prepare_now(&other, 0, 0), KV_FATE_PREPARED);
    start(&t, three_keys(), 3, 0);
    cluster_run_ms(asker.cluster, 500);
    assert_int_equal(count_of("kv.prepare"), 5); /* three at once, then two: the second waits */
    assert_int_equal(plan_outcome(&other, 0, true), KV_FATE_COMMITTED);
    assert_int_equal(finish(&t), SF_OK);
    assert_int_equal(count_of("kv.prepare"), 6);
    const struct sent *last = NULL;
    size_t prepares = 0;
    for (size_t i = 0; i < stage.sent_count; i++) {
        if (strcmp(stage.sent[i].method, "kv.prepare") != 0 || prepares++ < 3)
            continue;
        assert_true(last == NULL || last->shard < stage.sent[i].shard);
        assert_true(last == NULL || last->at_ns < stage.sent[i].at_ns);
        last = &stage.sent[i];
    }
}

/* Nobody can know before the group is back; and what follows on the key waits for that. */
static void a_deadline_that_leaves_doubt_is_unknown(void **state)
{
    (void)state;
    struct transfer t, later;
    static const char *const key[1] = {"0"};
    struct cluster_group *away = asker_owner(CLUSTER_SHARDS - 1);
    if (away == asker_owner(0))
        away = asker_owner(asker_shard(stage.keys[1]));
    cluster_group_crash(away);
    start(&t, three_keys(), 3, 2000);
    assert_int_equal(finish(&t), SF_UNKNOWN);
    start(&later, key, 1, 0);
    cluster_run_ms(asker.cluster, 4000);
    assert_false(later.answered);
    cluster_group_start(away);
    assert_int_equal(finish(&later), SF_OK);
    assert_true(cluster_run_until(asker.cluster, bank_is_clean, PATIENCE_MS));
    ask_expect("0", "xx"); /* warm, later: asked, the one that was away said no */
}

/* A shard in which the client has no session yet. */
static uint32_t fresh_shard(void)
{
    uint32_t shard = 0;
    while (shard == asker_shard(stage.keys[0]) || shard == asker_shard(stage.keys[1]) ||
           shard == asker_shard(stage.keys[2]))
        shard++;
    return shard;
}

static void a_deadline_before_anything_was_sent_is_a_timeout(void **state)
{
    (void)state;
    struct transfer t;
    char fresh[4];
    const char *keys[2] = {"0", fresh};
    snprintf(fresh, sizeof fresh, "%u", (unsigned)fresh_shard());
    cluster_group_crash(asker_owner(fresh_shard()));
    start(&t, keys, 2, 300);
    assert_int_equal(finish(&t), SF_TIMEOUT);
    assert_int_equal(count_of("kv.prepare"), 0);
}

/* Of two shards of one group, beside many that wait for a group that is away. */
static void who_waits_for_a_lost_group_leaves_room_for_others(void **state)
{
    (void)state;
    static struct transfer stuck[SF_SESSION_OPEN_MAX];
    struct transfer here, plain;
    char beside[4];
    const char *near[2] = {"10", beside}, *far[2] = {"0", NULL}; /* 0 and 10 share a shard */
    struct cluster_group *away = asker_owner(CLUSTER_SHARDS - 1);
    if (away == asker_owner(0))
        away = asker_owner(asker_shard(stage.keys[1]));
    far[1] = stage.keys[away == asker_owner(CLUSTER_SHARDS - 1) ? 2 : 1];
    snprintf(beside, sizeof beside, "%u", (unsigned)asker_shard_beside(0, true));
    cluster_group_crash(away);
    for (size_t i = 0; i < SF_SESSION_OPEN_MAX; i++)
        start(&stuck[i], far, 2, 0);
    start(&plain, near, 1, 0);
    start(&here, near, 2, 0);
    assert_int_equal(finish(&plain), SF_OK);
    assert_int_equal(finish(&here), SF_OK);
    cluster_group_start(away);
    for (size_t i = 0; i < SF_SESSION_OPEN_MAX; i++)
        assert_int_equal(finish(&stuck[i]), SF_OK);
}

/* Who waits for room while the client is barred is not sent under its next name. */
static void who_waited_when_the_client_was_barred_is_never_sent(void **state)
{
    (void)state;
    struct transfer open[2], waits;
    const char *const *keys = three_keys();
    client_limit_window(stage.client, 8);
    cluster_group_crash(asker_owner(CLUSTER_SHARDS - 1));
    for (size_t i = 0; i < 2; i++)
        start(&open[i], keys, 3, 0);
    start(&waits, keys, 3, 0);
    cluster_run_ms(asker.cluster, 1000);
    lease_fenced(stage.client, stage.client->epoch);
    cluster_group_start(asker_owner(CLUSTER_SHARDS - 1));
    for (size_t i = 0; i < 2; i++)
        (void)finish(&open[i]);
    assert_int_equal(finish(&waits), SF_FENCED);
}

/* Whatever the order in which shards are named: nothing waits for what waits for it. */
static void full_windows_make_no_circle(void **state)
{
    (void)state;
    struct transfer many[60];
    client_limit_window(stage.client, 1);
    for (size_t i = 0; i < 60; i++) {
        const char *keys[2] = {stage.keys[i % 3], stage.keys[(i + 1) % 3]};
        start(&many[i], keys, i % 4 == 3 ? 1 : 2, 0);
    }
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(finish(&many[i]), SF_OK);
    assert_true(cluster_run_until(asker.cluster, bank_is_clean, PATIENCE_MS));
}

static void a_plain_prefix_cannot_be_checked_over_shards(void **state)
{
    (void)state;
    struct transfer t;
    struct kv_op check = ask_op(KV_STAT, "dir/", "");
    check.flags = KV_PREFIX_EMPTY;
    start(&t, three_keys(), 3, 0);
    client_cancel(&t.call);
    t.op.checks = &check;
    t.op.check_count = 1;
    t.answered = false;
    client_submit(stage.client, &t.call);
    assert_int_equal(finish(&t), SF_UNSUPPORTED);
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(prepare_goes_to_all_participants_at_once),
        STAGE_TEST(one_shard_stays_one_entry),
        STAGE_TEST(forget_is_batched),
        STAGE_TEST(a_retry_prepares_in_shard_order_and_queues),
        STAGE_TEST(a_deadline_that_leaves_doubt_is_unknown),
        STAGE_TEST(a_deadline_before_anything_was_sent_is_a_timeout),
        STAGE_TEST(who_waits_for_a_lost_group_leaves_room_for_others),
        STAGE_TEST(who_waited_when_the_client_was_barred_is_never_sent),
        STAGE_TEST(full_windows_make_no_circle),
        STAGE_TEST(a_plain_prefix_cannot_be_checked_over_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
