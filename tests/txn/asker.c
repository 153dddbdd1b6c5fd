#include "txn/asker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"

#define PATIENCE_MS 60000u
#define SETTLE_MS 60000u

struct asker asker;

/* -- the stage ----------------------------------------------------------------------------- */

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct asker *a = ctx;
    const struct rpc_options options = {.role = "client"};
    (void)node;
    a->rpc = rpc_new(env, &options);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct asker *a = ctx;
    (void)node;
    rpc_free(a->rpc);
}

void asker_more(struct asker *more, const char *name)
{
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = more};
    more->cluster = asker.cluster;
    more->node = sim_node_new(asker.cluster->sim, name, &program);
    sim_node_start(more->node);
}

int asker_setup(void **state)
{
    (void)state;
    const struct cluster_options options = {
        .chunk_bytes = 256, .flush_ms = 100, .slack_bytes = 1000, .snapshot_bytes = 2000};
    asker = (struct asker){.cluster = cluster_new(1, &options)};
    cluster_start(asker.cluster, 3);
    sf_assert(cluster_join(asker.cluster, 3));
    sf_assert(cluster_run_until(asker.cluster, cluster_is_settled, SETTLE_MS));
    asker_more(&asker, "asker");
    cluster_run_ms(asker.cluster, 10);
    return 0;
}

int asker_teardown(void **state)
{
    (void)state;
    cluster_free(asker.cluster);
    return 0;
}

uint32_t asker_shard(const char *key)
{
    return (uint32_t)(strtoul(key, NULL, 10) % CLUSTER_SHARDS);
}

struct cluster_group *asker_owner(uint32_t shard)
{
    for (size_t i = 0; i < CLUSTER_GROUPS; i++)
        if (asker.cluster->groups[i].serving[shard])
            return &asker.cluster->groups[i];
    fail_msg("nobody serves shard %u", (unsigned)shard);
    return NULL;
}

uint32_t asker_shard_beside(uint32_t shard, bool same_group)
{
    for (uint32_t other = shard + 1; other < CLUSTER_SHARDS; other++)
        if ((asker_owner(other) == asker_owner(shard)) == same_group)
            return other;
    fail_msg("no such shard beside %u", (unsigned)shard);
    return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

static void on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct question *q = container_of(call, struct question, call);
    struct kv_reply reply;
    q->answered = true;
    q->answered_ns = sim_now_ns(asker.cluster->sim);
    q->status = status;
    if (status != SF_OK)
        return;
    assert_int_equal(kv_reply_unpack(result, &reply), SF_OK);
    q->status = reply.status;
    q->fate = reply.fate;
    q->session = reply.session;
    q->version = reply.stat.version;
    snprintf(q->text, sizeof q->text, "%.*s", (int)reply.data.n, (const char *)reply.data.p);
    kv_reply_free(&reply);
}

void ask(struct asker *from, struct question *q, uint32_t shard, const struct kv_session *session,
         const struct kv_op *op)
{
    const struct cluster_node *leader = cluster_leader(asker_owner(shard));
    struct kv_request request = {.target.shard = shard, .op = *op};
    struct buffer params = {0};
    if (leader == NULL) {
        fail_msg("nobody leads the group of shard %u", (unsigned)shard);
        return;
    }
    assert_int_equal(kv_op_check(op, NULL), SF_OK);
    request.target.gid = leader->group->group.gid;
    if (session != NULL)
        request.session = *session;
    *q = (struct question){.asked_ns = sim_now_ns(asker.cluster->sim)};
    kv_request_pack(&params, &request);
    rpc_call_start(from->rpc, &q->call, leader->address, kv_method_name(op->kind), &params,
                   PATIENCE_MS, on_done);
}

static bool is_answered(void *ctx)
{
    const struct question *q = ctx;
    return q->answered;
}

void ask_wait(const struct question *q)
{
    assert_true(sim_run_until(asker.cluster->sim, is_answered, (void *)(uintptr_t)q,
                              PATIENCE_MS * ENV_MS_NS));
}

void ask_all(const struct question *q, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ask_wait(&q[i]);
}

int ask_now(uint32_t shard, const struct kv_session *session, const struct kv_op *op,
            struct question *q)
{
    ask(&asker, q, shard, session, op);
    ask_wait(q);
    return q->status;
}

uint64_t ask_session(uint32_t shard, unsigned client)
{
    char id[KV_CLIENT_BYTES + 1];
    struct question q;
    snprintf(id, sizeof id, "client %9u", client);
    struct kv_op op = {.kind = KV_SESSION_OPEN, .data = slice_str(id)};
    assert_int_equal(ask_now(shard, NULL, &op, &q), SF_OK);
    assert_true(q.session != 0);
    return q.session;
}

struct kv_op ask_op(enum kv_kind kind, const char *key, const char *data)
{
    return (struct kv_op){.kind = kind, .key = slice_str(key), .data = slice_str(data)};
}

void ask_expect(const char *key, const char *value)
{
    struct kv_op get = ask_op(KV_GET, key, "");
    struct question q;
    int status = ask_now(asker_shard(key), NULL, &get, &q);
    assert_int_equal(status, value != NULL ? SF_OK : SF_NOT_FOUND);
    assert_string_equal(q.text, value != NULL ? value : "");
}

/* -- transactions -------------------------------------------------------------------------- */

void plan_make(struct plan *plan, unsigned client, const char *const *keys, size_t count)
{
    *plan = (struct plan){.count = count};
    for (size_t i = 0; i < count; i++) {
        uint32_t shard = asker_shard(keys[i]);
        plan->keys[i] = keys[i];
        plan->numbers[i] = (struct kv_number){.shard = shard,
                                              .session = ask_session(shard, client),
                                              .sequence = 1,
                                              .first_incomplete = 1};
    }
}

void plan_prepare(const struct plan *plan, size_t i, unsigned flags, const struct kv_op *op,
                  struct question *q)
{
    struct kv_op put = ask_op(KV_PUT, plan->keys[i], "moved");
    struct kv_session session = {plan->numbers[i].session, plan->numbers[i].sequence, 1};
    struct kv_op prepare = {.kind = KV_PREPARE,
                            .flags = flags,
                            .ops = op != NULL ? op : &put,
                            .op_count = 1,
                            .numbers = plan->numbers,
                            .number_count = plan->count};
    ask(&asker, q, plan->numbers[i].shard, &session, &prepare);
}

enum kv_fate plan_prepare_now(const struct plan *plan, size_t i, unsigned flags)
{
    struct question q;
    plan_prepare(plan, i, flags, NULL, &q);
    ask_wait(&q);
    return q.fate;
}

static enum kv_fate about(const struct plan *plan, size_t i, enum kv_kind kind, unsigned flags)
{
    struct question q;
    struct kv_op op = {
        .kind = kind, .flags = flags, .numbers = &plan->numbers[i], .number_count = 1};
    (void)ask_now(plan->numbers[i].shard, NULL, &op, &q);
    return q.fate;
}

enum kv_fate plan_outcome(const struct plan *plan, size_t i, bool commits)
{
    return about(plan, i, KV_OUTCOME, commits ? KV_COMMITS : 0);
}

enum kv_fate plan_ask(const struct plan *plan, size_t i)
{
    return about(plan, i, KV_ASK, 0);
}
