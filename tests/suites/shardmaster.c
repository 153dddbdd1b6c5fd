/* Suite 7: the shardmaster (handout 001, Lab 4A), on a reliable model L. */
#include <inttypes.h>

#include "suites/fiber.h"
#include "suites/masters.h"
#include "suites/suite.h"

#define CLERKS 10u
#define NEWCOMERS 5u

static const group_id newcomers[NEWCOMERS] = {11, 12, 13, 14, 15};

struct stage {
    struct system *system;
    struct clerk *clerk;
    struct config *saved[6];
};

static void begin(struct stage *stage)
{
    *stage = (struct stage){.system = masters_new(NET_L)};
    stage->clerk = clerk_new(stage->system);
}

/* -- the first cluster --------------------------------------------------------------------- */

static void leave_and_join(struct stage *stage)
{
    const group_id one = 1, two = 2, both[] = {1, 2};
    struct clerk *clerk = stage->clerk;
    stage->saved[0] = clerk_query(clerk, -1);
    masters_check(clerk, NULL, 0);
    masters_join_one(clerk, 1, "x y z");
    masters_check(clerk, &one, 1);
    stage->saved[1] = clerk_query(clerk, -1);
    masters_join_one(clerk, 2, "a b c");
    masters_check(clerk, both, 2);
    stage->saved[2] = clerk_query(clerk, -1);
    stage->saved[3] = clerk_query(clerk, 0); /* the original leaves this place all zero */
    masters_check_addresses(clerk, 1, "x y z");
    masters_check_addresses(clerk, 2, "a b c");
    masters_leave_one(clerk, 1);
    masters_check(clerk, &two, 1);
    stage->saved[4] = clerk_query(clerk, -1);
    masters_leave_one(clerk, 2);
    masters_check(clerk, NULL, 0);
    stage->saved[5] = clerk_query(clerk, -1);
}

static void check_saved(struct stage *stage)
{
    for (size_t i = 0; i < 6; i++) {
        struct config *config = clerk_query(stage->clerk, (int64_t)stage->saved[i]->num);
        masters_check_equal(stage->saved[i], config);
        config_free(config);
    }
}

static void history(struct stage *stage)
{
    for (size_t i = 0; i < MASTERS; i++) {
        server_crash(&stage->system->servers[i]);
        check_saved(stage);
        server_start(&stage->system->servers[i]);
    }
}

struct joiner {
    struct fiber *fiber;
    struct system *system;
    group_id gid;
    group_id passing[2]; /* these join, too, and leave again */
    size_t passing_count;
};

static void join_and_leave(void *ctx)
{
    struct joiner *joiner = ctx;
    struct clerk *clerk = clerk_new(joiner->system);
    masters_join_one(clerk, joiner->passing[0], text("s%" PRIu64 "a", joiner->gid));
    masters_join_one(clerk, joiner->gid, text("s%" PRIu64 "b", joiner->gid));
    masters_leave(clerk, joiner->passing, 1);
    clerk_free(clerk);
}

static void join_and_leave_many(void *ctx)
{
    struct joiner *joiner = ctx;
    struct clerk *clerk = clerk_new(joiner->system);
    group_id gid = joiner->gid;
    const struct named_group groups[] = {
        {gid, text("%" PRIu64 "a %" PRIu64 "b %" PRIu64 "c", gid, gid, gid)},
        {joiner->passing[0], text("%" PRIu64 "a", gid + 1000)},
        {joiner->passing[1], text("%" PRIu64 "a", gid + 2000)}};
    masters_join(clerk, groups, 3);
    masters_leave(clerk, joiner->passing, 2);
    clerk_free(clerk);
}

/* Ten at once; their groups stay. */
static void concurrently(struct stage *stage, group_id first, group_id step, void (*run)(void *ctx))
{
    struct joiner joiners[CLERKS];
    group_id gids[CLERKS];
    for (size_t i = 0; i < CLERKS; i++) {
        group_id gid = gids[i] = first + step * i;
        joiners[i] = (struct joiner){
            .system = stage->system, .gid = gid, .passing = {gid + 1000, gid + 2000}};
        joiners[i].fiber = fiber_start(run, &joiners[i]);
    }
    for (size_t i = 0; i < CLERKS; i++)
        fiber_join(joiners[i].fiber);
    masters_check(stage->clerk, gids, CLERKS);
}

/* The original compares groups 1 to 10, which are not there; we compare all that were. */
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
    for (size_t i = 0; i < NEWCOMERS; i++)
        masters_join_one(clerk, newcomers[i],
                         text("%" PRIu64 "a %" PRIu64 "b", newcomers[i], newcomers[i]));
}

static void leave_newcomers(struct clerk *clerk)
{
    for (size_t i = 0; i < NEWCOMERS; i++)
        masters_leave_one(clerk, newcomers[i]);
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
        concurrently(&stage, 100, 10, join_and_leave);
    if (count >= 5)
        check_moves(&stage, join_newcomers);
    if (count >= 6)
        check_moves(&stage, leave_newcomers);
    for (size_t i = 0; i < 6; i++)
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

static void minimal_after_joins(void)
{
    run_first(5);
}

static void minimal_after_leaves(void)
{
    run_first(6);
}

/* -- the second cluster -------------------------------------------------------------------- */

static void many_at_once(struct stage *stage)
{
    const struct named_group two_groups[] = {{1, "x y z"}, {2, "a b c"}};
    const group_id all[] = {1, 2, 3}, odd[] = {1, 3}, two = 2;
    struct clerk *clerk = stage->clerk;
    masters_join(clerk, two_groups, 2);
    masters_check(clerk, all, 2);
    masters_join_one(clerk, 3, "j k l");
    masters_check(clerk, all, 3);
    masters_check_addresses(clerk, 1, "x y z");
    masters_check_addresses(clerk, 2, "a b c");
    masters_check_addresses(clerk, 3, "j k l");
    masters_leave(clerk, odd, 2);
    masters_check(clerk, &two, 1);
    masters_check_addresses(clerk, 2, "a b c");
    masters_leave_one(clerk, 2);
}

static void join_newcomers_at_once(struct clerk *clerk)
{
    struct named_group groups[NEWCOMERS];
    for (size_t i = 0; i < NEWCOMERS; i++)
        groups[i] = (struct named_group){
            newcomers[i], text("%" PRIu64 "a %" PRIu64 "b", newcomers[i], newcomers[i])};
    masters_join(clerk, groups, NEWCOMERS);
}

static void leave_newcomers_at_once(struct clerk *clerk)
{
    masters_leave(clerk, newcomers, NEWCOMERS);
}

static void run_second(size_t count)
{
    struct stage stage;
    begin(&stage);
    many_at_once(&stage);
    if (count >= 2)
        concurrently(&stage, 1000, 1, join_and_leave_many);
    if (count >= 3)
        check_moves(&stage, join_newcomers_at_once);
    if (count >= 4)
        check_moves(&stage, leave_newcomers_at_once);
}

static void multi_join_leave(void)
{
    run_second(1);
}

static void concurrent_multi_leave_join(void)
{
    run_second(2);
}

static void minimal_after_multijoins(void)
{
    run_second(3);
}

static void minimal_after_multileaves(void)
{
    run_second(4);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Basic leave/join", .script = basic_leave_join},
    {.name = "Historical queries", .script = historical_queries},
    {.name = "Move", .script = move},
    {.name = "Concurrent leave/join", .script = concurrent_leave_join},
    {.name = "Minimal transfers after joins", .script = minimal_after_joins},
    {.name = "Minimal transfers after leaves", .script = minimal_after_leaves},
    {.name = "Multi-group join/leave", .script = multi_join_leave},
    {.name = "Concurrent multi leave/join", .script = concurrent_multi_leave_join},
    {.name = "Minimal transfers after multijoins", .script = minimal_after_multijoins},
    {.name = "Minimal transfers after multileaves", .script = minimal_after_multileaves},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "shardmaster",
                                .engines = SUITE_BOTH,
                                .limit_ms = 120000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
