/* Exactly once under faults: clients append, count and move records while replicas crash, the
 * network loses, repeats and reorders, and leadership changes. The stage compares the whole store
 * of every replica after every entry.
 *
 *   shardkv_storm_test [--seeds N] [--seed FIRST] [--engine raft|paxos]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/client.h"
#include "env/memory.h"
#include "replica/stage.h"
#include "shardkv/shardkv.h"
#include "sim/seeds.h"

#define CLIENTS 3
#define PAUSE_MS_MAX 60u
#define SHARDS 10u
#define STEPS_MAX 4096u /* of one client */
#define STORM_MS 40000u
#define APPENDS_MIN 5u /* of each client, after the storm where it let nothing through */
#define FINISH_NS (300ull * ENV_SECOND_NS)

/* -- servers ------------------------------------------------------------------------------- */

static struct config *placement;

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

/* -- clients ------------------------------------------------------------------------------- */

/* One client: appends its marks to one shared key, and counts each in another, one after the other.
 */
struct worker {
    unsigned number;
    struct rpc *rpc;
    struct router *router;
    struct client *client;
    struct client_call call;
    struct kv_op op;
    char text[32];
    struct env_timer pause;
    unsigned appended;     /* marks that were tried to an end */
    bool maybe[STEPS_MAX]; /* the fate of this mark is not known */
    unsigned counts_max;   /* adds to its slot, */
    unsigned counts_min;   /* and those that are certain */
    bool counting, idle;
};

static bool stopping; /* the storm is over: finish what was begun */

/* A full disk refuses, without a trace. But this network delivers a message twice now and then, and
 * the second copy of one that was refused may be admitted later: its fate is as open as that of
 * UNKNOWN. */
static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *worker = container_of(call, struct worker, call);
    (void)reply;
    assert_true(status == SF_OK || status == SF_NO_SPACE || status == SF_UNKNOWN);
    if (worker->counting) {
        worker->counts_max++;
        worker->counts_min += status == SF_OK;
    } else {
        assert_true(worker->appended < STEPS_MAX);
        worker->maybe[worker->appended++] = status != SF_OK;
    }
    worker->counting = !worker->counting;
    env_timer_start_ms(&worker->pause, env_random_below(worker->pause.env, PAUSE_MS_MAX));
}

static void next_step(struct env_timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, pause);
    if (stopping && !worker->counting && worker->appended >= APPENDS_MIN) {
        worker->idle = true;
        return;
    }
    worker->op = (struct kv_op){.kind = KV_APPEND, .key = slice_str("marks")};
    snprintf(worker->text, sizeof(worker->text), "x %u %u y", worker->number, worker->appended);
    worker->op.data = slice_str(worker->text);
    if (worker->counting) {
        worker->op = (struct kv_op){.kind = KV_ADD, .key = slice_str("count"), .add_count = 1};
        worker->op.adds[0] = (struct kv_add){.slot = worker->number, .value = 1};
    }
    worker->call = (struct client_call){.on_done = on_done, .op = &worker->op};
    client_submit(worker->client, &worker->call);
}

/* The record of the counts, which must be there before they can be added to. */
static void make_counts(struct worker *worker);

static void on_counts_made(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct worker *worker = container_of(call, struct worker, call);
    (void)reply;
    if (status == SF_OK || status == SF_PRECONDITION)
        next_step(&worker->pause);
    else
        make_counts(worker);
}

static void make_counts(struct worker *worker)
{
    worker->op =
        (struct kv_op){.kind = KV_PUT, .key = slice_str("count"), .pre = {KV_PRE_ABSENT, 0}};
    worker->call = (struct client_call){.on_done = on_counts_made, .op = &worker->op};
    client_submit(worker->client, &worker->call);
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct worker *worker = ctx;
    struct rpc_options options = {.role = "client"};
    (void)node;
    worker->rpc = rpc_new(env, &options);
    worker->router = router_new_static(env, worker->rpc, placement);
    worker->client = client_new(env, worker->router);
    env_timer_init(env, &worker->pause, next_step);
    make_counts(worker);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct worker *worker = ctx;
    (void)node;
    env_timer_stop(&worker->pause);
    client_free(worker->client);
    router_free(worker->router);
    rpc_free(worker->rpc);
}

/* -- the end ------------------------------------------------------------------------------- */

struct outcome {
    struct worker *workers;
    struct client_call call;
    struct kv_op op;
    unsigned read;
};

static bool all_are_done(void *ctx)
{
    const struct worker *workers = ctx;
    for (unsigned i = 0; i < CLIENTS; i++)
        if (!workers[i].idle)
            return false;
    return true;
}

/* Every mark stands there once, or at most once where its fate is unknown, and those of one client
 * in their order. */
static void check_marks(const struct worker *workers, struct slice value)
{
    size_t expected = 0;
    char text[32];
    char *all = sf_calloc(1, value.n + 1);
    if (value.n > 0)
        memcpy(all, value.p, value.n);
    for (unsigned client = 0; client < CLIENTS; client++) {
        const char *at = all;
        for (unsigned i = 0; i < workers[client].appended; i++) {
            snprintf(text, sizeof(text), "x %u %u y", client, i);
            const char *found = strstr(at, text);
            assert_true(found != NULL || workers[client].maybe[i]);
            if (found == NULL)
                continue;
            assert_null(strstr(found + 1, text));
            at = found + strlen(text);
            expected += strlen(text);
        }
    }
    assert_int_equal(value.n, expected);
    free(all);
}

static void check_counts(const struct worker *workers, struct slice slots)
{
    struct reader r = reader_of(slots);
    for (unsigned client = 0; client < CLIENTS; client++)
        assert_in_range(reader_u64(&r), workers[client].counts_min, workers[client].counts_max);
    assert_true(reader_done(&r));
}

static void on_read(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct outcome *outcome = container_of(call, struct outcome, call);
    if (outcome->read++ == 0) { /* where the disk was full all the time, no mark came in */
        assert_true(status == SF_OK || status == SF_NOT_FOUND);
        check_marks(outcome->workers, reply->data);
    } else {
        assert_int_equal(status, SF_OK);
        check_counts(outcome->workers, reply->data);
    }
}

static void read_key(struct stage *stage, struct outcome *outcome, const char *key)
{
    unsigned before = outcome->read;
    outcome->op = (struct kv_op){.kind = KV_GET, .key = slice_str(key)};
    outcome->call = (struct client_call){.on_done = on_read, .op = &outcome->op};
    client_submit(outcome->workers[0].client, &outcome->call);
    while (outcome->read == before)
        assert_true(sim_step(stage->sim));
}

static void run_seed(uint64_t seed)
{
    struct worker workers[CLIENTS] = {0};
    struct stage_options options = {.count = 3,
                                    .make = make_machine,
                                    .halting = halting,
                                    .flush_ms = 500,
                                    .slack_bytes = 2000,
                                    .chunk_bytes = 500,
                                    .shard_count = SHARDS};
    struct stage *stage = stage_new(seed, &options);
    struct config *none = config_new(SHARDS, ROUTING_HASH);
    group_id which = 0;
    assert_int_equal(config_join(none, &stage->group, 1, &placement, &which), SF_OK);
    stage_start_all(stage);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        struct sim_program program = {.boot = boot, .halt = halt, .ctx = &workers[i]};
        snprintf(name, sizeof(name), "c%u", i);
        workers[i].number = i;
        sim_node_start(sim_node_new(stage->sim, name, &program));
    }
    stopping = false;
    stage_storm(stage, STORM_MS);
    stopping = true;
    assert_true(sim_run_until(stage->sim, all_are_done, workers, FINISH_NS));
    struct outcome outcome = {.workers = workers};
    print_message("  %u, %u, %u appends; %llu entries applied\n", workers[0].appended,
                  workers[1].appended, workers[2].appended, (unsigned long long)stage->entries);
    read_key(stage, &outcome, "marks");
    read_key(stage, &outcome, "count");
    stage_free(stage);
    config_free(placement);
    config_free(none);
}

static struct seeds seeds;

static void every_mutation_happens_once(void **state)
{
    (void)state;
    seeds_each(&seeds, run_seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mutation_happens_once)};
    seeds = seeds_parse(argc, argv, 200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
