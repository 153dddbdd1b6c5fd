/* Suite 8: the sharded service (handout 001, Lab 4B), on model L.
 *
 * A log limit of 1 means that a server flushes its store whenever it has applied anything.
 */
#include <inttypes.h>

#include "linear/linear.h"
#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/generic.h"
#include "suites/sharded.h"
#include "suites/suite.h"

static void check_logs(struct sharded *stage)
{
    for (size_t i = 0; i < SHARD_GROUPS; i++) {
        for (size_t k = 0; k < stage->groups[i]->group.address_count; k++) {
            const struct server *server = stage->groups[i]->servers[k];
            if (stage->log_limit == NEVER)
                check(server_snapshot_bytes(server) == 0, "%s has cut its log", server->address);
            else
                check(server_log_bytes(server) <= 8 * (uint64_t)stage->log_limit,
                      "the log of %s has %" PRIu64 " bytes", server->address,
                      server_log_bytes(server));
        }
    }
}

static void crash_all(struct sharded *stage)
{
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        group_crash(stage->groups[i]);
}

static void start_all(struct sharded *stage)
{
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        group_start(stage->groups[i]);
}

/* -- without failures ---------------------------------------------------------------------- */

static void static_shards(void)
{
    struct sharded stage;
    struct getters getters;
    sharded_begin(&stage, NET_L, NEVER);
    sharded_join(&stage, 1);
    sharded_join(&stage, 2);
    sharded_put(&stage, 10, 20);
    sharded_check(&stage);
    group_crash(stage.groups[1]);
    check_logs(&stage);
    getters_begin(&getters, &stage);
    size_t answered = getters_count(&getters);
    check(answered == 5, "%zu keys are served by one of two groups", answered);
    group_start(stage.groups[1]);
    sharded_check(&stage);
    getters_join(&getters);
    sharded_end(&stage);
}

static void join_then_leave(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, NEVER);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 5);
    sharded_check(&stage);
    sharded_join(&stage, 2);
    sharded_check_and_append(&stage, 5);
    sharded_leave(&stage, 1);
    sharded_check_and_append(&stage, 5);
    fiber_sleep_ms(1000);
    check_logs(&stage);
    group_crash(stage.groups[0]);
    sharded_check(&stage);
    sharded_end(&stage);
}

static void snapshots(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 1000);
    sharded_join(&stage, 1);
    sharded_put(&stage, 30, 20);
    sharded_check(&stage);
    sharded_join(&stage, 2);
    sharded_join(&stage, 4);
    sharded_leave(&stage, 1);
    sharded_check_and_append(&stage, 20);
    sharded_leave(&stage, 2);
    sharded_join(&stage, 1);
    sharded_check_and_append(&stage, 20);
    fiber_sleep_ms(1000);
    sharded_check(&stage);
    fiber_sleep_ms(1000);
    check_logs(&stage);
    crash_all(&stage);
    start_all(&stage);
    sharded_check(&stage);
    sharded_end(&stage);
}

/* -- servers that are away ----------------------------------------------------------------- */

static void crash_each(struct sharded *stage, size_t server)
{
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        server_crash(stage->groups[i]->servers[server]);
}

static void start_each(struct sharded *stage, size_t server)
{
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        server_start(stage->groups[i]->servers[server]);
}

static void missed_changes(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 1000);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 20);
    sharded_check(&stage);
    sharded_join(&stage, 2);
    crash_each(&stage, 0);
    sharded_join(&stage, 4);
    sharded_leave(&stage, 2);
    sharded_leave(&stage, 1);
    sharded_check_and_append(&stage, 20);
    sharded_join(&stage, 2);
    sharded_check_and_append(&stage, 20);
    start_each(&stage, 0);
    sharded_check_and_append(&stage, 20);
    fiber_sleep_ms(2000);
    crash_each(&stage, 1);
    sharded_join(&stage, 1);
    sharded_leave(&stage, 4);
    sharded_check_and_append(&stage, 20);
    start_each(&stage, 1);
    sharded_check(&stage);
    sharded_end(&stage);
}

/* -- under load ---------------------------------------------------------------------------- */

static void concurrent_puts(void)
{
    struct sharded stage;
    struct appenders appenders;
    sharded_begin(&stage, NET_L, 100);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 5);
    appenders_begin(&appenders, &stage, 5, 10);
    fiber_sleep_ms(150);
    sharded_join(&stage, 2);
    fiber_sleep_ms(500);
    sharded_join(&stage, 4);
    fiber_sleep_ms(500);
    sharded_leave(&stage, 1);
    group_crash(stage.groups[0]);
    fiber_sleep_ms(100);
    group_crash(stage.groups[1]);
    fiber_sleep_ms(100);
    group_crash(stage.groups[2]);
    sharded_leave(&stage, 4);
    fiber_sleep_ms(100);
    start_all(&stage);
    fiber_sleep_ms(100);
    sharded_join(&stage, 1);
    sharded_leave(&stage, 2);
    fiber_sleep_ms(500);
    sharded_join(&stage, 2);
    fiber_sleep_ms(1000);
    appenders_end(&appenders);
    sharded_check(&stage);
    sharded_end(&stage);
}

static void more_concurrent_puts(void)
{
    struct sharded stage;
    struct appenders appenders;
    sharded_begin(&stage, NET_L, NEVER);
    sharded_join(&stage, 2);
    sharded_join(&stage, 1);
    sharded_join(&stage, 4);
    sharded_put(&stage, 10, 1);
    appenders_begin(&appenders, &stage, 1, 50);
    sharded_leave(&stage, 1);
    sharded_leave(&stage, 4);
    fiber_sleep_ms(3000);
    sharded_join(&stage, 1);
    sharded_join(&stage, 4);
    sharded_leave(&stage, 2);
    fiber_sleep_ms(3000);
    sharded_join(&stage, 2);
    sharded_leave(&stage, 1);
    sharded_leave(&stage, 4);
    fiber_sleep_ms(3000);
    group_crash(stage.groups[1]);
    group_crash(stage.groups[2]);
    fiber_sleep_ms(1000);
    group_start(stage.groups[1]);
    group_start(stage.groups[2]);
    fiber_sleep_ms(2000);
    appenders_end(&appenders);
    sharded_check(&stage);
    sharded_end(&stage);
}

static void concurrent_restarts(void)
{
    struct sharded stage;
    struct appenders appenders;
    sharded_begin(&stage, NET_L, 300);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 1);
    appenders_begin(&appenders, &stage, 1, 0);
    uint64_t end_ms = suite_now_ms() + 12000;
    while (suite_now_ms() < end_ms) {
        sharded_join(&stage, 4);
        sharded_join(&stage, 2);
        fiber_sleep_ms(suite_random_below(900));
        crash_all(&stage);
        start_all(&stage);
        fiber_sleep_ms(suite_random_below(900));
        sharded_leave(&stage, 2);
        sharded_leave(&stage, 4);
        fiber_sleep_ms(suite_random_below(900));
    }
    fiber_sleep_ms(2000);
    appenders_end(&appenders);
    sharded_check(&stage);
    sharded_end(&stage);
}

/* -- unreliable ---------------------------------------------------------------------------- */

static void unreliable_1(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 100);
    net_unreliable(stage.system->net, true);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 5);
    sharded_join(&stage, 2);
    sharded_join(&stage, 4);
    sharded_leave(&stage, 1);
    sharded_check_and_append(&stage, 5);
    sharded_check_and_append(&stage, 5);
    sharded_join(&stage, 1);
    sharded_leave(&stage, 2);
    sharded_check(&stage);
    sharded_check(&stage);
    sharded_end(&stage);
}

/* What 2 and 3 do while their clients work. */
static void reconfigure_unreliably(struct sharded *stage)
{
    fiber_sleep_ms(150);
    sharded_join(stage, 2);
    fiber_sleep_ms(500);
    sharded_join(stage, 4);
    fiber_sleep_ms(500);
    sharded_leave(stage, 1);
    fiber_sleep_ms(500);
    sharded_leave(stage, 2);
    fiber_sleep_ms(500);
    sharded_join(stage, 2);
    sharded_join(stage, 1);
    fiber_sleep_ms(2000);
}

static void unreliable_2(void)
{
    struct sharded stage;
    struct appenders appenders;
    sharded_begin(&stage, NET_L, 100);
    net_unreliable(stage.system->net, true);
    sharded_join(&stage, 1);
    sharded_put(&stage, 10, 5);
    appenders_begin(&appenders, &stage, 5, 0);
    reconfigure_unreliably(&stage);
    appenders.stop = true;
    net_unreliable(stage.system->net, false);
    appenders_end(&appenders);
    sharded_check(&stage);
    sharded_end(&stage);
}

#define MIXERS 10u

/* Clients that do anything to any key. */
struct mixer {
    struct sharded *stage;
    struct linear_history *history;
    struct fiber *fiber;
    const bool *stop;
    size_t number;
};

static void mix(void *ctx)
{
    const struct mixer *mixer = ctx;
    struct clerk *clerk = clerk_new(mixer->stage->system);
    clerk_note(clerk, mixer->history, (uint32_t)mixer->number);
    for (size_t j = 0; !*mixer->stop; j++) {
        const char *key = text("%" PRIu64, suite_random_below(MIXERS));
        const char *value = append_element(mixer->number, j);
        if (suite_chance(50))
            clerk_append_text(clerk, key, value);
        else if (suite_chance(10))
            clerk_put_text(clerk, key, value);
        else
            (void)clerk_get(clerk, key, NULL);
    }
    clerk_free(clerk);
}

static void unreliable_3(void)
{
    struct sharded stage;
    struct mixer mixers[MIXERS];
    bool stop = false;
    sharded_begin(&stage, NET_L, 100);
    struct linear_history *history = linear_history_new();
    net_unreliable(stage.system->net, true);
    sharded_join(&stage, 1);
    clerk_note(stage.clerk, history, MIXERS);
    sharded_put(&stage, 10, 5);
    for (size_t i = 0; i < MIXERS; i++) {
        mixers[i] = (struct mixer){.stage = &stage, .history = history, .stop = &stop, .number = i};
        mixers[i].fiber = fiber_start(mix, &mixers[i]);
    }
    reconfigure_unreliably(&stage);
    stop = true;
    net_unreliable(stage.system->net, false);
    for (size_t i = 0; i < MIXERS; i++)
        fiber_join(mixers[i].fiber);
    check_history(history);
    linear_history_free(history);
    sharded_end(&stage);
}

/* -- challenges ---------------------------------------------------------------------------- */

static void check_thrice(struct sharded *stage)
{
    for (size_t i = 0; i < 3; i++)
        clerk_check(stage->clerk, text("%zu", i), buffer_slice(&stage->values[i]));
}

static uint64_t persisted_bytes(const struct sharded *stage)
{
    uint64_t total = 0;
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        for (size_t k = 0; k < stage->groups[i]->group.address_count; k++)
            total += server_log_bytes(stage->groups[i]->servers[k]) +
                     server_snapshot_bytes(stage->groups[i]->servers[k]);
    return total;
}

static void shard_deletion(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 1);
    sharded_join(&stage, 1);
    sharded_put(&stage, 30, 1000);
    check_thrice(&stage);
    for (int i = 0; i < 2; i++) {
        sharded_join(&stage, 2);
        sharded_leave(&stage, 1);
        sharded_join(&stage, 4);
        fiber_sleep_ms(3000);
        check_thrice(&stage);
        sharded_leave(&stage, 2);
        sharded_join(&stage, 1);
        sharded_leave(&stage, 4);
        fiber_sleep_ms(3000);
        check_thrice(&stage);
    }
    sharded_join(&stage, 2);
    sharded_join(&stage, 4);
    for (int i = 0; i < 3; i++) {
        fiber_sleep_ms(1000);
        check_thrice(&stage);
    }
    uint64_t bytes = persisted_bytes(&stage);
    check(bytes <= 117000, "all servers together persist %" PRIu64 " bytes", bytes);
    sharded_check(&stage);
    sharded_end(&stage);
}

static void put_all(struct sharded *stage, const char *value)
{
    stage->key_count = 10;
    for (size_t i = 0; i < 10; i++) {
        buffer_set(&stage->values[i], slice_str(value));
        clerk_put_text(stage->clerk, text("%zu", i), value);
    }
}

static void put_one(struct sharded *stage, size_t key, const char *value)
{
    clerk_put_text(stage->clerk, text("%zu", key), value);
    clerk_check_text(stage->clerk, text("%zu", key), value);
}

static void unaffected_shards(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 100);
    net_unreliable(stage.system->net, true);
    sharded_join(&stage, 1);
    put_all(&stage, "100");
    sharded_join(&stage, 2);
    unsigned owned = sharded_of_group(&stage, 1);
    check(owned != 0, "group 101 owns nothing");
    fiber_sleep_ms(1000);
    for (size_t i = 0; i < 10; i++)
        if (owned >> shard_of_key(text("%zu", i)) & 1u)
            put_one(&stage, i, "101");
    group_crash(stage.groups[0]);
    sharded_leave(&stage, 1);
    fiber_sleep_ms(1000);
    for (size_t i = 0; i < 10; i++) {
        if (!(owned >> shard_of_key(text("%zu", i)) & 1u))
            continue;
        clerk_check_text(stage.clerk, text("%zu", i), "101");
        put_one(&stage, i, "101-1");
    }
    sharded_end(&stage);
}

static void partial_migration(void)
{
    struct sharded stage;
    sharded_begin(&stage, NET_L, 100);
    net_unreliable(stage.system->net, true);
    sharded_join(&stage, 7);
    fiber_sleep_ms(1000);
    put_all(&stage, "100");
    unsigned owned = sharded_of_group(&stage, 2);
    check(owned != 0, "group 102 owns nothing");
    group_crash(stage.groups[0]);
    sharded_leave(&stage, 5);
    fiber_sleep_ms(1000);
    for (size_t i = 0; i < 10; i++) {
        if (!(owned >> shard_of_key(text("%zu", i)) & 1u))
            continue;
        clerk_check_text(stage.clerk, text("%zu", i), "100");
        put_one(&stage, i, "100-2");
    }
    sharded_end(&stage);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "static shards", .script = static_shards},
    {.name = "join then leave", .script = join_then_leave},
    {.name = "snapshots, join, and leave", .script = snapshots},
    {.name = "servers miss configuration changes", .script = missed_changes},
    {.name = "concurrent puts and configuration changes", .script = concurrent_puts},
    {.name = "more concurrent puts and configuration changes", .script = more_concurrent_puts},
    {.name = "unreliable 1", .script = unreliable_1},
    {.name = "unreliable 2", .script = unreliable_2},
    {.name = "shard deletion (challenge 1)", .script = shard_deletion},
    {.name = "concurrent configuration change and restart (challenge 1)",
     .script = concurrent_restarts},
    {.name = "unaffected shard access (challenge 2)", .script = unaffected_shards},
    {.name = "partial migration shard access (challenge 2)", .script = partial_migration},
    {.name = "unreliable 3", .script = unreliable_3},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "shardkv",
                                .engines = SUITE_BOTH,
                                .limit_ms = 120000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
