/* Where requests go: processes with replicas of several groups, asked by a client that knows
 * nothing but addresses.
 *
 *   process   replicas of the groups
 *   s1        1, 3, 4
 *   s2        2, 4
 *   s3        4
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/log.h"
#include "env/memory.h"
#include "shardkv/shardkv.h"
#include "sim/sim.h"

#define SITES 3
#define GROUPS 4
#define SHARDS 64u

struct site {
    struct sim_node *node;
    char address[SF_ADDRESS_BYTES_MAX];
    struct env *env;
    struct store *store;
    struct host *host;
    struct shardkv *shardkv;
};

struct world {
    struct sim *sim;
    struct site sites[SITES];
    struct group groups[GROUPS];
    struct config *placement;
    /* The client: one call at a time. */
    struct sim_node *asker;
    struct rpc *rpc;
    struct rpc_call call;
    bool answered;
    int error;             /* of the call itself */
    struct kv_reply reply; /* its slices are not looked at */
    struct buffer data;    /* reply.data */
};

static struct world *world;

static const char *const members[GROUPS] = {"1", "2", "1", "123"}; /* sites of each group */

/* -- processes ----------------------------------------------------------------------------- */

static void add_replica(struct site *site, size_t g)
{
    struct replica *replica;
    char *why = NULL;
    const struct replica_options options = {
        .group = world->groups[g],
        .address = site->address,
        .engine = CONSENSUS_RAFT,
        .shard_count = SHARDS,
        .routing = ROUTING_HASH,
        .machine = shardkv_machine_new(site->shardkv, world->groups[g].gid)};
    assert_int_equal(host_add(site->host, &options, &replica, &why), SF_OK);
}

static void boot_site(void *ctx, struct sim_node *node, struct env *env)
{
    struct site *site = ctx;
    char *why = NULL;
    struct shardkv_options placement = {.config = world->placement};
    site->env = env;
    site->store = store_memory_open(sim_node_image(node));
    const struct host_options options = {.dir = "data",
                                         .listen = site->address,
                                         .role = "shardkv",
                                         .cluster_id = 7,
                                         .create = true,
                                         .store = site->store,
                                         .wal = {.segment_bytes = 64u << 10}};
    assert_int_equal(host_new(env, &options, &site->host, &why), SF_OK);
    site->shardkv = shardkv_new(env, host_rpc(site->host), &placement);
    for (size_t g = 0; g < GROUPS; g++)
        if (strchr(members[g], '1' + (int)(site - world->sites)) != NULL)
            add_replica(site, g);
    host_start(site->host);
}

static void halt_site(void *ctx, struct sim_node *node)
{
    struct site *site = ctx;
    (void)node;
    shardkv_free(site->shardkv);
    host_free(site->host);
    store_close(site->store);
}

static void boot_asker(void *ctx, struct sim_node *node, struct env *env)
{
    struct rpc_options options = {.role = "client"};
    (void)ctx;
    (void)node;
    world->rpc = rpc_new(env, &options);
}

static void halt_asker(void *ctx, struct sim_node *node)
{
    (void)ctx;
    (void)node;
    rpc_free(world->rpc);
}

static void make_group(size_t g)
{
    struct group *group = &world->groups[g];
    *group = (struct group){.gid = g + 1, .address_count = strlen(members[g])};
    group->addresses = sf_calloc(group->address_count, sizeof(*group->addresses));
    for (size_t i = 0; i < group->address_count; i++)
        memcpy(group->addresses[i], world->sites[members[g][i] - '1'].address,
               sizeof(group->addresses[i]));
}

/* Only groups 1 and 2 own shards: two groups of a Config may not have an address in common. */
static void make_placement(void)
{
    group_id which = 0;
    struct config *none = config_new(SHARDS, ROUTING_HASH);
    assert_int_equal(config_join(none, world->groups, 2, &world->placement, &which), SF_OK);
    config_free(none);
}

static int setup(void **state)
{
    (void)state;
    log_level_min = LOG_LEVEL_ERROR;
    world = sf_calloc(1, sizeof(*world));
    world->sim = sim_new(1);
    for (size_t i = 0; i < SITES; i++)
        snprintf(world->sites[i].address, sizeof(world->sites[i].address), "s%zu:1", i + 1);
    for (size_t g = 0; g < GROUPS; g++)
        make_group(g);
    make_placement();
    for (size_t i = 0; i < SITES; i++) {
        char name[8];
        struct sim_program program = {
            .boot = boot_site, .halt = halt_site, .ctx = &world->sites[i]};
        snprintf(name, sizeof(name), "s%zu", i + 1);
        world->sites[i].node = sim_node_new(world->sim, name, &program);
        sim_node_start(world->sites[i].node);
    }
    struct sim_program program = {.boot = boot_asker, .halt = halt_asker};
    world->asker = sim_node_new(world->sim, "asker", &program);
    sim_node_start(world->asker);
    sim_run_ns(world->sim, 10 * ENV_SECOND_NS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_free(world->sim);
    for (size_t g = 0; g < GROUPS; g++)
        free(world->groups[g].addresses);
    config_free(world->placement);
    buffer_deinit(&world->data);
    free(world);
    return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

static void on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct kv_reply reply;
    (void)call;
    world->answered = true;
    world->error = status;
    if (status != SF_OK)
        return;
    assert_int_equal(kv_reply_unpack(result, &reply), SF_OK);
    buffer_set(&world->data, reply.data);
    world->reply = reply;
    world->reply.data = buffer_slice(&world->data);
    kv_reply_free(&reply);
    world->reply.entries = NULL;
    world->reply.replies = NULL;
}

static bool is_answered(void *ctx)
{
    (void)ctx;
    return world->answered;
}

static void call(size_t site, const char *method, struct buffer *params)
{
    world->answered = false;
    world->reply = (struct kv_reply){0};
    rpc_call_start(world->rpc, &world->call, world->sites[site].address, method, params, 20000,
                   on_done);
    assert_true(sim_run_until(world->sim, is_answered, NULL, 60 * ENV_SECOND_NS));
}

/* The status of the answer. */
static int ask(size_t site, const struct kv_request *request)
{
    struct buffer params = {0};
    kv_request_pack(&params, request);
    call(site, kv_method_name(request->op.kind), &params);
    return world->error != SF_OK ? world->error : world->reply.status;
}

/* A Get of a key that group `gid` serves. */
static struct kv_request get_request(group_id gid, char *key, size_t size)
{
    struct kv_request request = {.target.gid = gid, .op.kind = KV_GET};
    for (unsigned i = 0;; i++) {
        snprintf(key, size, "key %u", i);
        request.op.key = slice_str(key);
        request.target.shard = kv_op_shard(&request.op, ROUTING_HASH, SHARDS);
        if (world->placement->shards[request.target.shard] == gid)
            return request;
    }
}

/* -- tests --------------------------------------------------------------------------------- */

static void the_owner_answers(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    assert_int_equal(ask(0, &request), SF_NOT_FOUND);
    request.target.group_identity = group_identity(&world->groups[0]);
    assert_int_equal(ask(0, &request), SF_NOT_FOUND);
    request = get_request(2, key, sizeof(key));
    assert_int_equal(ask(1, &request), SF_NOT_FOUND);
}

static void others_say_that_they_are_not(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    assert_int_equal(ask(1, &request), SF_WRONG_GROUP); /* no replica of group 1 there */
    request.target.group_identity = 99;
    assert_int_equal(ask(0, &request), SF_WRONG_GROUP); /* another group of the same number */
    request = get_request(2, key, sizeof(key));
    request.target.gid = 1;
    assert_int_equal(ask(0, &request), SF_WRONG_GROUP); /* the shard is not group 1's */
    assert_int_equal(world->reply.config_num, 1);
    request.op.kind = KV_PUT;
    assert_int_equal(ask(0, &request), SF_WRONG_GROUP);
}

static void a_key_of_another_shard_is_refused(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    request.target.shard = (request.target.shard + 1) % SHARDS;
    assert_int_equal(ask(0, &request), SF_INVALID);
    request.target.shard = SHARDS;
    assert_int_equal(ask(0, &request), SF_INVALID);
}

static void what_is_too_large_is_refused_by_name(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    uint8_t *big = sf_calloc(1, SF_VALUE_BYTES_MAX + 1);
    request.op.kind = KV_PUT;
    request.op.data = slice_of(big, SF_VALUE_BYTES_MAX + 1);
    assert_int_equal(ask(0, &request), SF_TOO_BIG);
    free(big);
    request.op = (struct kv_op){.kind = KV_GET, .key = slice_str(key)};
    assert_int_equal(ask(0, &request), SF_NOT_FOUND);
}

/* [key] and nothing else, to any process. */
static int ask_plainly(size_t site, const char *key)
{
    struct buffer params = {0};
    pack_array(&params, 1);
    pack_bin(&params, slice_str(key));
    call(site, "kv.get", &params);
    return world->error != SF_OK ? world->error : world->reply.status;
}

/* A mutation under a session of its own. */
static int put(size_t site, struct kv_request request, const char *value)
{
    struct kv_op put = request.op;
    request.op = (struct kv_op){.kind = KV_SESSION_OPEN, .data = slice_str("0123456789abcdef")};
    assert_int_equal(ask(site, &request), SF_OK);
    request.session = (struct kv_session){world->reply.session, 1, 1};
    request.op = put;
    request.op.kind = KV_PUT;
    request.op.data = slice_str(value);
    return ask(site, &request);
}

static void a_plain_get_finds_its_group(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(2, key, sizeof(key));
    assert_int_equal(put(1, request, "far"), SF_OK);
    for (size_t site = 0; site < SITES; site++) {
        assert_int_equal(ask_plainly(site, key), SF_OK);
        assert_true(slice_equal(world->reply.data, slice_str("far")));
    }
}

/* Group 4 serves nothing, but a SESSION_OPEN shows who leads: NOT_LEADER, else WRONG_GROUP. */
static void a_follower_names_the_leader_or_passes_on(void **state)
{
    unsigned followers = 0;
    (void)state;
    struct kv_request request = {
        .target = {.gid = 4, .shard = 1},
        .op = {.kind = KV_SESSION_OPEN, .data = slice_str("0123456789abcdef")}};
    for (size_t site = 0; site < SITES; site++) {
        request.target.forward = false;
        int status = ask(site, &request);
        if (status == SF_NOT_LEADER) {
            followers++;
            assert_true(world->reply.leader[0] == 's');
            assert_string_not_equal(world->reply.leader, world->sites[site].address);
            request.target.forward = true;
            status = ask(site, &request);
        }
        assert_int_equal(status, SF_WRONG_GROUP);
    }
    assert_int_equal(followers, SITES - 1);
}

static void a_process_that_restarts_has_everything(void **state)
{
    char key[32];
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    assert_int_equal(put(0, request, "kept"), SF_OK);
    sim_node_crash(world->sites[0].node);
    sim_node_start(world->sites[0].node);
    sim_run_ns(world->sim, 10 * ENV_SECOND_NS);
    int status = ask(0, &request);
    if (status == SF_UNKNOWN ||
        status == SF_UNREACHABLE) /* the old connection broke, or was lost */
        status = ask(0, &request);
    assert_int_equal(status, SF_OK);
    assert_true(slice_equal(world->reply.data, slice_str("kept")));
}

/* -- many large answers at once ------------------------------------------------------------ */

#define MANY 100u

static struct rpc_call many[MANY];
static unsigned many_left, many_read, many_refused;

static void on_many_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct kv_reply reply;
    (void)call;
    assert_int_equal(status, SF_OK);
    assert_int_equal(kv_reply_unpack(result, &reply), SF_OK);
    assert_true(reply.status == SF_OK || reply.status == SF_BUSY);
    many_read += reply.status == SF_OK;
    many_refused += reply.status == SF_BUSY;
    kv_reply_free(&reply);
    many_left--;
}

static bool many_are_done(void *ctx)
{
    (void)ctx;
    return many_left == 0;
}

/* 100 MiB that nobody has read yet would stand in the server's memory. */
static void large_answers_wait_their_turn(void **state)
{
    char key[32];
    char *value = sf_calloc(1, SF_VALUE_BYTES_MAX + 1);
    (void)state;
    struct kv_request request = get_request(1, key, sizeof(key));
    memset(value, 'v', SF_VALUE_BYTES_MAX);
    assert_int_equal(put(0, request, value), SF_OK);
    many_left = MANY;
    for (size_t i = 0; i < MANY; i++) {
        struct buffer params = {0};
        kv_request_pack(&params, &request);
        rpc_call_start(world->rpc, &many[i], world->sites[0].address, "kv.get", &params, 0,
                       on_many_done);
    }
    assert_true(sim_run_until(world->sim, many_are_done, NULL, 60 * ENV_SECOND_NS));
    assert_in_range(many_read, 5, 16);
    assert_int_equal(many_read + many_refused, MANY);
    free(value);
}

/* -- instead of shardmasters ------------------------------------------------------------------ */

struct asked {
    struct router_master call;
    bool done;
    int status;
    struct config *config;
};

static void on_asked(struct router_master *call, int status, const struct config *config,
                     const struct master_reply *reply)
{
    struct asked *asked = container_of(call, struct asked, call);
    (void)reply;
    asked->done = true;
    asked->status = status;
    asked->config = config != NULL ? config_copy(config) : NULL;
}

static bool is_asked(void *ctx)
{
    return ((struct asked *)ctx)->done;
}

/* One question to the third process, which has a replica of the last group alone. */
static int ask_masters(int64_t num, const struct master_op *op, struct config **out)
{
    const char *address = world->sites[2].address;
    struct asked asked = {.call = {.on_done = on_asked, .num = num, .op = op}};
    struct router *router = router_new(sim_node_env(world->asker), world->rpc, &address, 1);
    router_master_send(router, &asked.call);
    assert_true(sim_run_until(world->sim, is_asked, &asked, 10 * ENV_SECOND_NS));
    router_free(router);
    *out = asked.config;
    return asked.status;
}

/* Any process tells the whole placement, Config 0 is empty, and nothing changes it. */
static void a_server_answers_for_the_masters(void **state)
{
    static const int64_t newest[] = {-1, 1, 7};
    struct config *config;
    group_id gid = 2;
    const struct master_op leave = {
        .kind = MASTER_LEAVE, .client_lo = 1, .sequence = 1, .gids = &gid, .gid_count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof newest / sizeof newest[0]; i++) {
        assert_int_equal(ask_masters(newest[i], NULL, &config), SF_OK);
        assert_true(config_equal(config, world->placement));
        config_free(config);
    }
    assert_int_equal(ask_masters(0, NULL, &config), SF_OK);
    assert_true(config->num == 0 && config->group_count == 0 && config->shard_count == SHARDS);
    config_free(config);
    assert_int_equal(ask_masters(0, &leave, &config), SF_UNSUPPORTED);
    assert_int_equal(ask_masters(-1, NULL, &config), SF_OK);
    assert_true(config_equal(config, world->placement));
    config_free(config);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_owner_answers),
        T(others_say_that_they_are_not),
        T(a_key_of_another_shard_is_refused),
        T(what_is_too_large_is_refused_by_name),
        T(a_plain_get_finds_its_group),
        T(a_follower_names_the_leader_or_passes_on),
        T(a_process_that_restarts_has_everything),
        T(large_answers_wait_their_turn),
        T(a_server_answers_for_the_masters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
