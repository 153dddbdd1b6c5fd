/* The extents of long values go when the values do, on the whole stack: a client writes and
 * replaces, the leader removes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/client.h"
#include "env/memory.h"
#include "replica/stage.h"
#include "shardkv/keys.h"
#include "shardkv/shardkv.h"

#define SHARDS 3u
#define VALUE_BYTES (3 * SF_EXTENT_BYTES + 5)

static struct config *placement;
static uint8_t value[VALUE_BYTES];

static struct machine *make_machine(struct stage_node *node)
{
    struct shardkv_options options = {.config = placement};
    node->extra = shardkv_new(node->env, host_rpc(node->host), &options);
    return shardkv_machine_new(node->extra, 100);
}

static void halting(struct stage_node *node)
{
    shardkv_free(node->extra);
    node->extra = NULL;
}

/* A client that performs one step after the other. */
struct user {
    struct sim_node *node;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct value_call value;
    struct client_call call;
    struct kv_op op;
    bool done;
};

static void on_value(struct value_call *call, int status, const struct kv_stat *stat,
                     struct slice data)
{
    (void)stat;
    (void)data;
    assert_int_equal(status, SF_OK);
    container_of(call, struct user, value)->done = true;
}

static void on_call(struct client_call *call, int status, const struct kv_reply *reply)
{
    (void)reply;
    assert_int_equal(status, SF_OK);
    container_of(call, struct user, call)->done = true;
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct user *user = ctx;
    struct rpc_options options = {.role = "client"};
    (void)node;
    user->rpc = rpc_new(env, &options);
    user->router = router_new_static(env, user->rpc, placement);
    user->client = client_new(env, user->router);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct user *user = ctx;
    (void)node;
    client_free(user->client);
    router_free(user->router);
    rpc_free(user->rpc);
}

static bool is_done(void *ctx)
{
    return ((struct user *)ctx)->done;
}

static void put(struct stage *stage, struct user *user, size_t bytes)
{
    user->done = false;
    user->value = (struct value_call){.on_done = on_value,
                                      .kind = VALUE_PUT,
                                      .key = slice_str("long"),
                                      .data = slice_of(value, bytes)};
    value_submit(user->client, &user->value);
    assert_true(sim_run_until(stage->sim, is_done, user, 60 * ENV_SECOND_NS));
}

static void write_at(struct stage *stage, struct user *user, uint64_t offset, size_t bytes)
{
    user->done = false;
    user->value = (struct value_call){.on_done = on_value,
                                      .kind = VALUE_WRITE,
                                      .key = slice_str("long"),
                                      .offset = offset,
                                      .data = slice_of(value, bytes)};
    value_submit(user->client, &user->value);
    assert_true(sim_run_until(stage->sim, is_done, user, 60 * ENV_SECOND_NS));
}

static void delete_it(struct stage *stage, struct user *user)
{
    user->done = false;
    user->op = (struct kv_op){.kind = KV_DELETE, .key = slice_str("long")};
    user->call = (struct client_call){.on_done = on_call, .op = &user->op};
    client_submit(user->client, &user->call);
    assert_true(sim_run_until(stage->sim, is_done, user, 60 * ENV_SECOND_NS));
}

/* Store keys of a section in all shards. */
static size_t count_keys(const struct stage *stage, char section)
{
    const struct space *space = replica_space(stage->nodes[0].replica);
    struct slice all = slice_of(NULL, 0);
    size_t count = 0;
    assert_int_equal(replica_settle(stage->nodes[0].replica), SF_OK);
    struct store_iter *iter = store_iter_new(space, NULL, all, all);
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        struct slice key = store_iter_key(iter);
        count += key.n > KEYS_COPY_BYTES && key.p[0] == 'S' && key.p[KEYS_COPY_BYTES] == section;
    }
    store_iter_free(iter);
    return count;
}

/* One server, and a client of it. */
static struct stage *begin(struct user *user)
{
    struct stage_options options = {
        .count = 1, .make = make_machine, .halting = halting, .shard_count = SHARDS};
    struct stage *stage = stage_new(1, &options);
    struct sim_program program = {.boot = boot, .halt = halt, .ctx = user};
    struct config *none = config_new(SHARDS, ROUTING_HASH);
    group_id which = 0;
    *user = (struct user){0};
    assert_int_equal(config_join(none, &stage->group, 1, &placement, &which), SF_OK);
    config_free(none);
    memset(value, 'v', sizeof(value));
    stage_start_all(stage);
    user->node = sim_node_new(stage->sim, "client", &program);
    sim_node_start(user->node);
    return stage;
}

static void end(struct stage *stage)
{
    stage_free(stage);
    config_free(placement);
}

static void extents_go_with_their_value(void **state)
{
    (void)state;
    struct user user;
    struct stage *stage = begin(&user);
    put(stage, &user, VALUE_BYTES);
    assert_int_equal(count_keys(stage, 'r'), 4);
    put(stage, &user, VALUE_BYTES);
    assert_int_equal(count_keys(stage, 't'), 1);
    delete_it(stage, &user);
    assert_int_equal(count_keys(stage, 't'), 2);
    assert_int_equal(count_keys(stage, 'r'), 6);
    sim_run_ns(stage->sim, 30 * ENV_SECOND_NS); /* who still reads has a minute */
    assert_int_equal(count_keys(stage, 'r'), 6);
    sim_run_ns(stage->sim, 300 * ENV_SECOND_NS);
    assert_int_equal(count_keys(stage, 't'), 0);
    assert_int_equal(count_keys(stage, 'r'), 0);
    assert_int_equal(count_keys(stage, 'b'), 0);
    end(stage);
}

/* Two bytes a gibibyte apart, and two more far beyond. */
static void holes_hide_no_extent_and_cost_no_entries(void **state)
{
    (void)state;
    struct user user;
    struct stage *stage = begin(&user);
    put(stage, &user, 2);
    write_at(stage, &user, 1000 * SF_EXTENT_BYTES, 2);
    write_at(stage, &user, 3 * SF_EXTENT_BYTES, 2);
    write_at(stage, &user, 2000 * SF_EXTENT_BYTES, 2);
    assert_int_equal(count_keys(stage, 'r'), 4);
    delete_it(stage, &user);
    uint64_t before = replica_applied(stage->nodes[0].replica);
    sim_run_ns(stage->sim, 300 * ENV_SECOND_NS);
    assert_int_equal(count_keys(stage, 't'), 0);
    assert_int_equal(count_keys(stage, 'r'), 0);
    assert_in_range(replica_applied(stage->nodes[0].replica) - before, 4, 20);
    end(stage);
}

/* A writer that dies at any moment leaves nothing that its value does not name. */
static void what_a_dead_writer_left_goes_too(void **state)
{
    (void)state;
    struct user user;
    struct stage *stage = begin(&user);
    for (unsigned events = 10; events < 130; events += 10) {
        put(stage, &user, 2);
        user.value = (struct value_call){.on_done = on_value,
                                         .kind = VALUE_WRITE,
                                         .key = slice_str("long"),
                                         .offset = 2 * SF_EXTENT_BYTES,
                                         .data = slice_of(value, VALUE_BYTES)};
        value_submit(user.client, &user.value);
        for (unsigned i = 0; i < events; i++)
            (void)sim_step(stage->sim);
        sim_node_stop(user.node);
        sim_node_start(user.node);
        delete_it(stage, &user);
        sim_run_ns(stage->sim, 300 * ENV_SECOND_NS);
        assert_int_equal(count_keys(stage, 't'), 0);
        assert_int_equal(count_keys(stage, 'r'), 0);
    }
    end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(extents_go_with_their_value),
                                       cmocka_unit_test(holes_hide_no_extent_and_cost_no_entries),
                                       cmocka_unit_test(what_a_dead_writer_left_goes_too)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
