/* Suite 6: a key/value service on one group (handout 001, Lab 3), on model L.
 *
 * "Never a snapshot" of the original means here that no server flushes its store, which then comes
 * back from the log, and that no log is ever cut.
 */
#include <inttypes.h>

#include "suites/fiber.h"
#include "suites/generic.h"
#include "suites/suite.h"

#define LIMIT 1000

/* -- 3A: one partition --------------------------------------------------------------------- */

struct split {
    struct system *system;
    struct clerk *observer;
    struct clerk *a, *b, *c; /* of the majority, and two of the minority */
    struct fiber *put, *get;
};

/* The leader goes to the minority. */
static void make_partition(struct split *split)
{
    struct server *minority[2], *majority[3];
    size_t few = 1, many = 0;
    const struct server *leader = group_leader(&split->system->groups[0]);
    check(leader != NULL, "there is no leader");
    minority[0] = &split->system->servers[leader->number];
    unsigned side = 1u << leader->number;
    for (size_t i = 0; i < 5; i++) {
        if (i == leader->number)
            continue;
        if (few < 2) {
            side |= 1u << i;
            minority[few++] = &split->system->servers[i];
        } else {
            majority[many++] = &split->system->servers[i];
        }
    }
    solo_partition(split->system, side);
    split->a = clerk_new(split->system);
    split->b = clerk_new(split->system);
    split->c = clerk_new(split->system);
    clerk_link_only(split->a, majority, many);
    clerk_link_only(split->b, minority, few);
    clerk_link_only(split->c, minority, few);
}

static void progress(struct split *split)
{
    split->system = solo_new(5, NEVER, NET_L);
    split->observer = clerk_new(split->system);
    clerk_put_text(split->observer, "1", "13");
    make_partition(split);
    clerk_put_text(split->a, "1", "14");
    clerk_check_text(split->a, "1", "14");
}

static void put_15(void *ctx)
{
    struct split *split = ctx;
    clerk_put_text(split->b, "1", "15");
}

static void get_1(void *ctx)
{
    struct split *split = ctx;
    (void)clerk_get(split->c, "1", NULL);
}

static void no_progress(struct split *split)
{
    split->put = fiber_start(put_15, split);
    split->get = fiber_start(get_1, split);
    fiber_sleep_ms(1000);
    check(!fiber_has_ended(split->put), "a Put was done in the minority");
    check(!fiber_has_ended(split->get), "a Get was done in the minority");
    clerk_check_text(split->a, "1", "14");
    clerk_put_text(split->a, "1", "16");
    clerk_check_text(split->a, "1", "16");
}

static void completion(struct split *split)
{
    solo_partition(split->system, 0);
    for (size_t i = 0; i < 5; i++) {
        clerk_link(split->b, &split->system->servers[i], true);
        clerk_link(split->c, &split->system->servers[i], true);
    }
    fiber_sleep_ms(1000);
    uint64_t end_ms = suite_now_ms() + 3000;
    while (!fiber_has_ended(split->put) && suite_now_ms() < end_ms)
        fiber_sleep_ms(1);
    check(fiber_has_ended(split->put), "the Put is not done 4 s after the heal");
    clerk_check_text(split->observer, "1", "15");
}

static void progress_in_majority(void)
{
    struct split split;
    progress(&split);
}

static void no_progress_in_minority(void)
{
    struct split split;
    progress(&split);
    no_progress(&split);
}

static void completion_after_heal(void)
{
    struct split split;
    progress(&split);
    no_progress(&split);
    completion(&split);
}

static void append_same_key(void)
{
    struct system *system = solo_new(3, NEVER, NET_L);
    net_unreliable(system->net, true);
    solo_append_to_one_key(system, false);
}

/* -- 3B: snapshots ------------------------------------------------------------------------- */

static void check_texts(struct clerk *clerk, const char *const *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        clerk_check_text(clerk, pairs[2 * i], pairs[2 * i + 1]);
}

static void install_snapshot(void)
{
    static const char *const before[] = {"a", "A", "b", "B", "1", "1", "49", "49"};
    static const char *const after[] = {"c", "C", "e", "E", "1", "1"};
    struct system *system = solo_new(3, LIMIT, NET_L);
    struct server *servers = system->servers;
    struct clerk *clerk = clerk_new(system);
    struct clerk *first = clerk_new(system), *second = clerk_new(system);
    clerk_put_text(clerk, "a", "A");
    clerk_check_text(clerk, "a", "A");

    solo_partition(system, 4);
    clerk_link_only(first, (struct server *[]){&servers[0], &servers[1]}, 2);
    for (int i = 0; i < 50; i++)
        clerk_put_text(first, text("%d", i), text("%d", i));
    fiber_sleep_ms(1000);
    clerk_put_text(first, "b", "B");
    solo_check_sizes(system, LIMIT);

    solo_partition(system, 2);
    clerk_link_only(second, (struct server *[]){&servers[0], &servers[2]}, 2);
    clerk_put_text(second, "c", "C");
    clerk_put_text(second, "d", "D");
    check_texts(second, before, 4);

    solo_partition(system, 0);
    clerk_put_text(clerk, "e", "E");
    check_texts(clerk, after, 3);
}

static void snapshot_size(void)
{
    struct system *system = solo_new(3, LIMIT, NET_L);
    struct clerk *clerk = clerk_new(system);
    for (int i = 0; i < 200; i++) {
        clerk_put_text(clerk, "x", "0");
        clerk_check_text(clerk, "x", "0");
        clerk_put_text(clerk, "x", "1");
        clerk_check_text(clerk, "x", "1");
    }
    solo_check_sizes(system, LIMIT);
    check(solo_snapshot_bytes(system) > 0, "there is no snapshot");
    check(solo_snapshot_bytes(system) <= 500, "a snapshot has %" PRIu64 " bytes",
          solo_snapshot_bytes(system));
}

/* -- generic runs -------------------------------------------------------------------------- */

#define GENERIC(name, ...)                                                                         \
    static void name(void)                                                                         \
    {                                                                                              \
        generic_run(&(struct generic){__VA_ARGS__});                                               \
    }

GENERIC(one_client, .servers = 5, .clients = 1, .log_limit = NEVER)
GENERIC(many_clients, .servers = 5, .clients = 5, .log_limit = NEVER)
GENERIC(unreliable, .servers = 5, .clients = 5, .unreliable = true, .log_limit = NEVER)
GENERIC(partitions_one, .servers = 5, .clients = 1, .partitions = true, .log_limit = NEVER)
GENERIC(partitions_many, .servers = 5, .clients = 5, .partitions = true, .log_limit = NEVER)
GENERIC(restarts_one, .servers = 5, .clients = 1, .restarts = true, .log_limit = NEVER)
GENERIC(restarts_many, .servers = 5, .clients = 5, .restarts = true, .log_limit = NEVER)
GENERIC(unreliable_restarts, .servers = 5, .clients = 5, .unreliable = true, .restarts = true,
        .log_limit = NEVER)
GENERIC(restarts_partitions, .servers = 5, .clients = 5, .restarts = true, .partitions = true,
        .log_limit = NEVER)
GENERIC(all_failures, .servers = 5, .clients = 5, .unreliable = true, .restarts = true,
        .partitions = true, .log_limit = NEVER)
GENERIC(all_failures_linear, .servers = 7, .clients = 15, .unreliable = true, .restarts = true,
        .partitions = true, .linear = true, .log_limit = NEVER)
GENERIC(snapshots_one, .servers = 5, .clients = 1, .restarts = true, .log_limit = LIMIT)
GENERIC(snapshots_many, .servers = 5, .clients = 20, .restarts = true, .log_limit = LIMIT)
GENERIC(snapshots_unreliable, .servers = 5, .clients = 5, .unreliable = true, .log_limit = LIMIT)
GENERIC(snapshots_unreliable_restarts, .servers = 5, .clients = 5, .unreliable = true,
        .restarts = true, .log_limit = LIMIT)
GENERIC(snapshots_all_failures, .servers = 5, .clients = 5, .unreliable = true, .restarts = true,
        .partitions = true, .log_limit = LIMIT)
GENERIC(snapshots_all_failures_linear, .servers = 7, .clients = 15, .unreliable = true,
        .restarts = true, .partitions = true, .linear = true, .log_limit = LIMIT)

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Test: one client (3A)", .script = one_client},
    {.name = "Test: many clients (3A)", .script = many_clients},
    {.name = "Test: unreliable net, many clients (3A)", .script = unreliable},
    {.name = "Test: concurrent append to same key, unreliable (3A)", .script = append_same_key},
    {.name = "Test: progress in majority (3A)", .script = progress_in_majority},
    {.name = "Test: no progress in minority (3A)", .script = no_progress_in_minority},
    {.name = "Test: completion after heal (3A)", .script = completion_after_heal},
    {.name = "Test: partitions, one client (3A)", .script = partitions_one},
    {.name = "Test: partitions, many clients (3A)", .script = partitions_many},
    {.name = "Test: restarts, one client (3A)", .script = restarts_one},
    {.name = "Test: restarts, many clients (3A)", .script = restarts_many},
    {.name = "Test: unreliable net, restarts, many clients (3A)", .script = unreliable_restarts},
    {.name = "Test: restarts, partitions, many clients (3A)", .script = restarts_partitions},
    {.name = "Test: unreliable net, restarts, partitions, many clients (3A)",
     .script = all_failures},
    {.name = "Test: unreliable net, restarts, partitions, many clients, linearizability checks "
             "(3A)",
     .script = all_failures_linear},
    {.name = "Test: InstallSnapshot RPC (3B)", .script = install_snapshot},
    {.name = "Test: snapshot size is reasonable (3B)", .script = snapshot_size},
    {.name = "Test: restarts, snapshots, one client (3B)", .script = snapshots_one},
    {.name = "Test: restarts, snapshots, many clients (3B)", .script = snapshots_many},
    {.name = "Test: unreliable net, snapshots, many clients (3B)", .script = snapshots_unreliable},
    {.name = "Test: unreliable net, restarts, snapshots, many clients (3B)",
     .script = snapshots_unreliable_restarts},
    {.name = "Test: unreliable net, restarts, partitions, snapshots, many clients (3B)",
     .script = snapshots_all_failures},
    {.name = "Test: unreliable net, restarts, partitions, snapshots, many clients, "
             "linearizability checks (3B)",
     .script = snapshots_all_failures_linear},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "kvraft",
                                .engines = SUITE_BOTH,
                                .limit_ms = 120000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
