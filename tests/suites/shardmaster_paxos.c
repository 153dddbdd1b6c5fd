/* Suite 3: the shardmaster of the Paxos generation (handout 000), on model P.
 *
 * The clerks of those handouts name no client; ours do, so an operation that is sent again is done
 * once. A repeated Join and a Leave of a group that is not there are refused here, and change
 * nothing.
 */
#include <inttypes.h>

#include "replica/replica.h"
#include "suites/fiber.h"
#include "suites/masters.h"
#include "suites/suite.h"

#define SAVED 6u
#define THREADS 10u
#define FAILURE_THREADS 20u
#define NEWCOMERS 5u

struct stage {
    struct system *system;
    struct clerk *clerk;
    struct clerk *bound[MASTERS]; /* each knows one server only */
    struct config *saved[SAVED];
};

static struct clerk *bound_clerk(struct system *system, size_t server)
{
    struct clerk *clerk = clerk_new(system);
    clerk_link_only(clerk, (struct server *[]){&system->servers[server]}, 1);
    return clerk;
}

static void begin(struct stage *stage)
{
    *stage = (struct stage){.system = masters_new(NET_P)};
    stage->clerk = clerk_new(stage->system);
    for (size_t i = 0; i < MASTERS; i++)
        stage->bound[i] = bound_clerk(stage->system, i);
}

/* -- one cluster --------------------------------------------------------------------------- */

static void save(struct stage *stage, size_t place, const group_id *gids, size_t count)
{
    masters_check(stage->clerk, gids, count);
    stage->saved[place] = clerk_query(stage->clerk, -1);
}

static void join_again(struct clerk *clerk, group_id gid)
{
    const struct named_group group = {gid, "a b c"};
    int status = masters_try_join(clerk, &group, 1);
    check(status == SF_GROUP_EXISTS, "a second Join: %s", sf_error_text(status));
}

static void leave_and_join(struct stage *stage)
{
    const group_id one = 1, two = 2, both[] = {1, 2};
    struct clerk *clerk = stage->clerk;
    save(stage, 0, NULL, 0);
    masters_join_one(clerk, 1, "x y z");
    save(stage, 1, &one, 1);
    masters_join_one(clerk, 2, "a b c");
    save(stage, 2, both, 2);
    join_again(clerk, 2);
    save(stage, 3, both, 2);
    masters_check_addresses(clerk, 1, "x y z");
    masters_check_addresses(clerk, 2, "a b c");
    masters_leave_one(clerk, 1);
    save(stage, 4, &two, 1);
    int status = clerk_leave(clerk, &one, 1);
    check(status == SF_NO_GROUP, "a second Leave: %s", sf_error_text(status));
    save(stage, 5, &two, 1);
}

static void history(struct stage *stage)
{
    for (size_t i = 0; i < SAVED; i++) {
        struct config *config = clerk_query(stage->clerk, (int64_t)stage->saved[i]->num);
        masters_check_equal(stage->saved[i], config);
        config_free(config);
    }
}

struct thread {
    struct fiber *fiber;
    struct stage *stage;
    size_t number;
};

static void join_and_leave(void *ctx)
{
    const struct thread *thread = ctx;
    struct system *system = thread->stage->system;
    group_id gid = thread->number + 1, passing = gid + 1000;
    struct clerk *clerk = bound_clerk(system, thread->number % MASTERS);
    struct clerk *next = bound_clerk(system, (thread->number + 1) % MASTERS);
    masters_join_one(clerk, passing, "a b c");
    if (gid == 2) /* it is there from the first case on */
        join_again(clerk, gid);
    else
        masters_join_one(clerk, gid, "a b c");
    masters_leave_one(next, passing);
    clerk_free(clerk);
    clerk_free(next);
}

static void run_threads(struct stage *stage, size_t count, void (*run)(void *ctx))
{
    struct thread threads[FAILURE_THREADS];
    group_id gids[FAILURE_THREADS];
    for (size_t i = 0; i < count; i++) {
        gids[i] = i + 1;
        threads[i] = (struct thread){.stage = stage, .number = i};
        threads[i].fiber = fiber_start(run, &threads[i]);
    }
    for (size_t i = 0; i < count; i++)
        fiber_join(threads[i].fiber);
    masters_check(stage->clerk, gids, count);
}

/* 1 + the lowest index that this server knows all replicas to have. Our engines tell that to who
 * leads; another server knows of itself. */
static uint64_t min_of(const struct server *server)
{
    struct consensus_status status;
    uint64_t lowest = replica_applied(server_replica(server));
    replica_consensus_status(server_replica(server), &status);
    for (size_t i = 0; i < status.peer_count && status.leads; i++)
        lowest = status.peers[i].match < lowest ? status.peers[i].match : lowest;
    return lowest + 1;
}

static void check_min(struct stage *stage)
{
    check(group_leader(&stage->system->groups[0]) != NULL, "nobody knows of all");
    for (size_t i = 0; i < MASTERS; i++) {
        const struct server *server = &stage->system->servers[i];
        struct consensus_status status;
        check(min_of(server) > 1, "server %zu does not know that all have something", i);
        replica_consensus_status(server_replica(server), &status);
        check(server->log_limit == NEVER || status.first > 1,
              "the log of server %zu still begins with its first entry", i);
    }
}

static void check_moves(struct stage *stage, void (*change)(struct clerk *clerk))
{
    struct config *before = clerk_query(stage->clerk, -1);
    change(stage->clerk);
    struct config *after = clerk_query(stage->clerk, -1);
    masters_check_minimal(before, after);
    config_free(before);
    config_free(after);
}

static void join_newcomers(struct clerk *clerk)
{
    for (group_id gid = 11; gid < 11 + NEWCOMERS; gid++)
        masters_join_one(clerk, gid, "a b c");
}

static void leave_newcomers(struct clerk *clerk)
{
    for (group_id gid = 11; gid < 11 + NEWCOMERS; gid++)
        masters_leave_one(clerk, gid);
}

/* Each case runs those before it on its cluster. */
static void run_first(size_t count)
{
    struct stage stage;
    begin(&stage);
    leave_and_join(&stage);
    if (count >= 2)
        history(&stage);
    if (count >= 3)
        masters_move_case(stage.clerk);
    if (count >= 4)
        run_threads(&stage, THREADS, join_and_leave);
    if (count >= 5)
        check_min(&stage);
    if (count >= 6)
        check_moves(&stage, join_newcomers);
    if (count >= 7)
        check_moves(&stage, leave_newcomers);
    for (size_t i = 0; i < SAVED; i++)
        config_free(stage.saved[i]);
}

static void basic_leave_join(void)
{
    run_first(1);
}

static void historical_queries(void)
{
    run_first(2);
}

static void move(void)
{
    run_first(3);
}

static void concurrent_leave_join(void)
{
    run_first(4);
}

static void min_advances(void)
{
    run_first(5);
}

static void minimal_after_joins(void)
{
    run_first(6);
}

static void minimal_after_leaves(void)
{
    run_first(7);
}

/* -- failures ------------------------------------------------------------------------------ */

/* Each operation by server 1 or 2. */
static struct clerk *any_of_two(struct system *system)
{
    return bound_clerk(system, 1 + suite_random_below(2));
}

static void join_and_leave_and_deafen(void *ctx)
{
    const struct thread *thread = ctx;
    struct system *system = thread->stage->system;
    group_id gid = thread->number + 1;
    struct clerk *clerks[3];
    for (size_t i = 0; i < 3; i++)
        clerks[i] = any_of_two(system);
    masters_join_one(clerks[0], gid + 1000, "a b c");
    masters_join_one(clerks[1], gid, "a b c");
    masters_leave_one(clerks[2], gid + 1000);
    net_deaf(system->net, system->servers[0].node);
    for (size_t i = 0; i < 3; i++)
        clerk_free(clerks[i]);
}

static void concurrent_failure(void)
{
    struct stage stage;
    begin(&stage);
    run_threads(&stage, FAILURE_THREADS, join_and_leave_and_deafen);
}

static void latest_configuration(void)
{
    struct stage stage;
    begin(&stage);
    struct server *servers = stage.system->servers;
    if (suite_chance(50))
        masters_check(stage.clerk, NULL, 0); /* there is a leader, perhaps server 0 */
    for (size_t i = 1; i < MASTERS; i++)
        net_link(stage.system->net, servers[i].node, servers[0].node, false);
    masters_join_one(stage.bound[1], 1001, "a b c");
    struct config *config = clerk_query(stage.bound[0], -1);
    check(config_find_group(config, 1001) != NULL, "server 0 does not know of the Join");
    config_free(config);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Basic leave/join", .script = basic_leave_join},
    {.name = "Historical queries", .script = historical_queries},
    {.name = "Move", .script = move},
    {.name = "Concurrent leave/join", .script = concurrent_leave_join},
    {.name = "Min advances after joins", .script = min_advances},
    {.name = "Minimal transfers after joins", .script = minimal_after_joins},
    {.name = "Minimal transfers after leaves", .script = minimal_after_leaves},
    {.name = "Concurrent leave/join, failure", .script = concurrent_failure},
    {.name = "Query() returns latest configuration", .script = latest_configuration},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "shardmaster-paxos",
                                .engines = SUITE_BOTH,
                                .limit_ms = 600000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
