/* Several replicas in one process: three processes, each with a replica of two groups, over one
 * port, one log and one store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/log.h"
#include "env/memory.h"
#include "replica/replica.h"
#include "sim/sim.h"

#define NODES 3u
#define GROUPS 2u

/* -- a machine that counts its entries ------------------------------------------------------ */

struct counter {
    struct machine machine;
    uint64_t count; /* as in the store */
};

static uint64_t read_count(const struct space *space)
{
    struct store_value value;
    int status = store_get(space, NULL, slice_str("count"), &value);
    if (status == SF_NOT_FOUND)
        return 0;
    assert_int_equal(status, SF_OK);
    struct reader r = reader_of(value.bytes);
    uint64_t count = reader_u64(&r);
    store_unpin(&value);
    return count;
}

static void restored(struct machine *machine, const struct space *space, uint64_t applied)
{
    (void)applied;
    container_of(machine, struct counter, machine)->count = read_count(space);
}

static void apply(struct machine *machine, const struct machine_entry *entry,
                  struct store_batch *batch, struct buffer *reply)
{
    struct counter *counter = container_of(machine, struct counter, machine);
    (void)entry;
    counter->count++;
    buffer_put_u64(reply, counter->count);
    store_batch_put(batch, slice_str("count"), buffer_slice(reply));
}

static void applied(struct machine *machine, uint64_t index)
{
    (void)machine;
    (void)index;
}

static void lead(struct machine *machine, bool leads, uint64_t term)
{
    (void)machine;
    (void)leads;
    (void)term;
}

static void status(struct machine *machine, struct buffer *out)
{
    (void)machine;
    pack_map(out, 0);
}

static void counter_free(struct machine *machine)
{
    free(container_of(machine, struct counter, machine));
}

static const struct machine_ops counter_ops = {.restored = restored,
                                               .apply = apply,
                                               .applied = applied,
                                               .lead = lead,
                                               .status = status,
                                               .free = counter_free};

static struct machine *counter_new(void)
{
    struct counter *counter = sf_calloc(1, sizeof *counter);
    counter->machine.ops = &counter_ops;
    return &counter->machine;
}

/* -- processes ----------------------------------------------------------------------------- */

struct process {
    struct sim_node *node;
    struct store *store;
    struct host *host;
    struct replica *replicas[GROUPS];
};

struct scene {
    struct sim *sim;
    struct process processes[NODES];
    size_t group_count; /* each process hosts these */
    bool create;
    char *refusal;
};

/* The groups' addresses stand in different orders, so that ids differ. */
static char addresses[GROUPS][NODES][SF_ADDRESS_BYTES_MAX] = {{"n1:1", "n2:1", "n3:1"},
                                                              {"n3:1", "n1:1", "n2:1"}};

static int add_group(struct scene *s, struct process *p, size_t g, const char *address)
{
    const struct replica_options options = {
        .group = {.gid = 10 + g, .address_count = NODES, .addresses = addresses[g]},
        .address = address,
        .engine = CONSENSUS_RAFT,
        .machine = counter_new()};
    return host_add(p->host, &options, &p->replicas[g], &s->refusal);
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct scene *s = ctx;
    struct process *p = s->processes;
    while (p->node != node)
        p++;
    const char *address = addresses[0][p - s->processes];
    p->store = store_memory_open(sim_node_image(node));
    const struct host_options options = {.dir = "data",
                                         .listen = address,
                                         .role = "counter",
                                         .cluster_id = 3,
                                         .create = s->create,
                                         .store = p->store,
                                         .wal = {.segment_bytes = 64u << 10},
                                         .flush_ms = 200,
                                         .slack_bytes = 64,
                                         .lag_bytes = 384};
    int result = host_new(env, &options, &p->host, &s->refusal);
    for (size_t g = 0; g < s->group_count && result == SF_OK; g++)
        result = add_group(s, p, g, address);
    if (result == SF_OK)
        host_start(p->host);
}

static void halt(void *ctx, struct sim_node *node)
{
    struct scene *s = ctx;
    struct process *p = s->processes;
    while (p->node != node)
        p++;
    if (p->host != NULL)
        host_free(p->host);
    store_close(p->store);
    *p = (struct process){.node = node};
}

static void scene_start(struct scene *s, size_t group_count)
{
    s->group_count = group_count;
    for (size_t i = 0; i < NODES; i++)
        sim_node_start(s->processes[i].node);
}

static void scene_crash(struct scene *s)
{
    for (size_t i = 0; i < NODES; i++)
        sim_node_crash(s->processes[i].node);
}

static struct scene *scene_new(size_t group_count)
{
    struct scene *s = sf_calloc(1, sizeof *s);
    const struct sim_program program = {.boot = boot, .halt = halt, .ctx = s};
    log_level_min = LOG_LEVEL_ERROR;
    s->sim = sim_new(1);
    s->create = true;
    for (size_t i = 0; i < NODES; i++) {
        char name[SF_ADDRESS_BYTES_MAX];
        snprintf(name, sizeof name, "n%zu", i + 1);
        s->processes[i].node = sim_node_new(s->sim, name, &program);
    }
    scene_start(s, group_count);
    return s;
}

static void scene_free(struct scene *s)
{
    sim_free(s->sim);
    free(s->refusal);
    free(s);
}

static struct replica *leader_of(struct scene *s, size_t g)
{
    for (int tries = 0; tries < 500; tries++) {
        for (size_t i = 0; i < NODES; i++) {
            struct replica *r = s->processes[i].replicas[g];
            if (r != NULL && replica_leads(r))
                return r;
        }
        sim_run_ns(s->sim, 20 * ENV_MS_NS);
    }
    return NULL;
}

static void count_up(struct scene *s, size_t g, int n)
{
    struct replica *leader = leader_of(s, g);
    assert_non_null(leader);
    for (int i = 0; i < n; i++)
        assert_int_equal(replica_propose(leader, slice_str("+"), NULL), SF_OK);
    sim_run_ns(s->sim, 300 * ENV_MS_NS);
}

static void check_counts(struct scene *s, size_t g, uint64_t count)
{
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(read_count(replica_space(s->processes[i].replicas[g])), count);
}

/* -- tests --------------------------------------------------------------------------------- */

static void groups_in_one_process_keep_apart(void **state)
{
    struct scene *s = scene_new(2);
    (void)state;
    count_up(s, 0, 30);
    count_up(s, 1, 7);
    count_up(s, 0, 3);
    check_counts(s, 0, 33);
    check_counts(s, 1, 7);
    scene_crash(s);
    s->create = false;
    scene_start(s, 2);
    assert_null(s->refusal);
    count_up(s, 1, 1);
    count_up(s, 0, 1);
    check_counts(s, 0, 34);
    check_counts(s, 1, 8);
    scene_free(s);
}

static void a_process_finds_its_replicas_by_group(void **state)
{
    struct scene *s = scene_new(2);
    struct process *p = &s->processes[0];
    (void)state;
    assert_ptr_equal(host_find(p->host, 10), p->replicas[0]);
    assert_ptr_equal(host_find(p->host, 11), p->replicas[1]);
    assert_null(host_find(p->host, 12));
    assert_int_equal(replica_gid(p->replicas[1]), 11);
    assert_int_equal(replica_shard_count(p->replicas[0]), SF_SHARDS_DEFAULT);
    assert_int_equal(replica_routing(p->replicas[0]), ROUTING_HASH);
    scene_free(s);
}

static void a_group_is_added_to_a_directory_only_with_create(void **state)
{
    struct scene *s = scene_new(1);
    (void)state;
    count_up(s, 0, 5);
    scene_crash(s);
    s->create = false;
    sim_node_start(s->processes[0].node);
    assert_int_equal(add_group(s, &s->processes[0], 1, "n1:1"), SF_MISMATCH);
    assert_string_equal(s->refusal, "data belongs to replica 1 of group 10 (n1:1), not to one of "
                                    "group 11: give another directory");
    sim_node_crash(s->processes[0].node);
    s->create = true;
    scene_start(s, 2);
    count_up(s, 1, 2);
    count_up(s, 0, 1);
    check_counts(s, 0, 6);
    check_counts(s, 1, 2);
    scene_free(s);
}

static void an_address_outside_the_group_is_refused(void **state)
{
    struct scene *s = scene_new(1);
    (void)state;
    assert_int_equal(add_group(s, &s->processes[0], 1, "n9:1"), SF_ADDRESS);
    assert_string_equal(s->refusal, "n9:1 is none of the addresses of group 11");
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_in_one_process_keep_apart),
        cmocka_unit_test(a_process_finds_its_replicas_by_group),
        cmocka_unit_test(a_group_is_added_to_a_directory_only_with_create),
        cmocka_unit_test(an_address_outside_the_group_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
