/* Suite 4: the sharded service of the Paxos generation (handout 000), on model P. The masters are
 * always reliable. Where the handouts of 2013 have PutHash and those of 2015 Append, both are done.
 *
 * Every other seed cuts the logs often.
 */
#include <inttypes.h>
#include <string.h>

#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/sharded.h"
#include "suites/suite.h"

#define LOG_LIMIT 1000
#define MOVERS 11u
#define KEYS 10u

static void begin(struct sharded *stage)
{
    sharded_begin(stage, NET_P, suite_seed() % 2 == 0 ? LOG_LIMIT : NEVER);
}

/* -- joining and leaving ------------------------------------------------------------------- */

/* Random keys, beside those of the stage. */
struct pairs {
    struct sharded *stage;
    struct buffer keys[KEYS]; /* each ends with a 0 */
    struct buffer values[KEYS];
};

static const char *key_at(const struct pairs *pairs, size_t i)
{
    return (const char *)pairs->keys[i].p;
}

static void overwrite(struct pairs *pairs, size_t i)
{
    buffer_set(&pairs->values[i], slice_str(random_decimal()));
    clerk_put(pairs->stage->clerk, key_at(pairs, i), buffer_slice(&pairs->values[i]));
}

static void pairs_begin(struct pairs *pairs, struct sharded *stage)
{
    *pairs = (struct pairs){.stage = stage};
    for (size_t i = 0; i < KEYS; i++) {
        const char *key = random_decimal();
        buffer_append(&pairs->keys[i], key, strlen(key) + 1);
        overwrite(pairs, i);
    }
}

static void pairs_end(struct pairs *pairs)
{
    for (size_t i = 0; i < KEYS; i++) {
        buffer_deinit(&pairs->keys[i]);
        buffer_deinit(&pairs->values[i]);
    }
}

static void check_and_overwrite(struct pairs *pairs)
{
    for (size_t i = 0; i < KEYS; i++) {
        clerk_check(pairs->stage->clerk, key_at(pairs, i), buffer_slice(&pairs->values[i]));
        overwrite(pairs, i);
    }
}

static void change_values(struct clerk *clerk)
{
    struct buffer value = {0}, old = {0};
    clerk_put_text(clerk, "a", "x");
    clerk_append_text(clerk, "a", "b");
    clerk_check_text(clerk, "a", "xb");
    clerk_put_text(clerk, "h", "x");
    clerk_put_hash(clerk, "h", slice_str("b"), &old);
    check(slice_equal(buffer_slice(&old), slice_str("x")), "PutHash gives another old value");
    buffer_set(&value, slice_str("x"));
    put_hash_on(&value, slice_str("b"));
    clerk_check(clerk, "h", buffer_slice(&value));
    buffer_deinit(&value);
    buffer_deinit(&old);
}

static void basic_join_leave(void)
{
    struct sharded stage;
    struct pairs pairs;
    begin(&stage);
    sharded_join(&stage, 1);
    change_values(stage.clerk);
    pairs_begin(&pairs, &stage);
    for (unsigned g = 1; g < SHARD_GROUPS; g++) {
        sharded_join(&stage, 1u << g);
        fiber_sleep_ms(1000);
        check_and_overwrite(&pairs);
    }
    for (unsigned g = 0; g < SHARD_GROUPS - 1; g++) {
        sharded_leave(&stage, 1u << g);
        fiber_sleep_ms(1000);
        check_and_overwrite(&pairs);
    }
    pairs_end(&pairs);
    sharded_end(&stage);
}

static void shards_really_move(void)
{
    struct sharded stage;
    struct getters getters;
    begin(&stage);
    sharded_join(&stage, 1);
    stage.key_count = KEYS;
    for (size_t i = 0; i < KEYS; i++) {
        buffer_set(&stage.values[i], slice_str(text("%zu", i)));
        clerk_put(stage.clerk, text("%zu", i), buffer_slice(&stage.values[i]));
    }
    sharded_join(&stage, 2);
    fiber_sleep_ms(5000);
    sharded_check(&stage);
    for (size_t i = 0; i < stage.groups[0]->group.address_count; i++)
        net_deaf(stage.system->net, stage.groups[0]->servers[i]->node);
    getters_begin(&getters, &stage);
    fiber_sleep_ms(10000);
    check(getters.answered > KEYS / 3 && getters.answered < 2 * (KEYS / 3),
          "%zu keys are served by one of two groups", getters.answered);
    sharded_end(&stage);
}

static void dead_replicas(void)
{
    struct sharded stage;
    struct pairs pairs;
    begin(&stage);
    sharded_join(&stage, 1);
    clerk_put_text(stage.clerk, "a", "b");
    clerk_check_text(stage.clerk, "a", "b");
    for (size_t g = 0; g < SHARD_GROUPS; g++)
        server_crash(stage.groups[g]->servers[suite_random_below(3)]);
    pairs_begin(&pairs, &stage);
    for (unsigned g = 1; g < SHARD_GROUPS; g++) {
        sharded_join(&stage, 1u << g);
        fiber_sleep_ms(1000);
        check_and_overwrite(&pairs);
    }
    for (unsigned g = 0; g < SHARD_GROUPS - 1; g++) {
        sharded_leave(&stage, 1u << g);
        fiber_sleep_ms(2000);
        group_crash(stage.groups[g]);
        check_and_overwrite(&pairs);
    }
    pairs_end(&pairs);
    sharded_end(&stage);
}

/* -- moves --------------------------------------------------------------------------------- */

struct mover {
    struct sharded *stage;
    struct fiber *fiber;
    size_t number;
    struct buffer appended, hashed; /* what its two keys hold */
};

static void append_own(struct mover *mover, struct clerk *clerk)
{
    const char *more = random_decimal();
    buffer_append(&mover->appended, more, strlen(more));
    clerk_append_text(clerk, text("%zu", mover->number), more);
    clerk_check(clerk, text("%zu", mover->number), buffer_slice(&mover->appended));
}

static void hash_own(struct mover *mover, struct clerk *clerk)
{
    struct buffer old = {0}, value = {0};
    buffer_set(&value, slice_str(random_decimal()));
    clerk_put_hash(clerk, text("%zuh", mover->number), buffer_slice(&value), &old);
    check(slice_equal(buffer_slice(&old), buffer_slice(&mover->hashed)),
          "PutHash of client %zu gives an old value that is not its last", mover->number);
    put_hash_on(&mover->hashed, buffer_slice(&value));
    clerk_check(clerk, text("%zuh", mover->number), buffer_slice(&mover->hashed));
    buffer_deinit(&old);
    buffer_deinit(&value);
}

static void move_around(void *ctx)
{
    struct mover *mover = ctx;
    struct clerk *clerk = clerk_new(mover->stage->system);
    struct clerk *mover_of_shards = clerk_new(mover->stage->system);
    for (int i = 0; i < 3; i++) {
        append_own(mover, clerk);
        hash_own(mover, clerk);
        group_id gid = mover->stage->groups[suite_random_below(SHARD_GROUPS)]->group.gid;
        int status = clerk_move(mover_of_shards, (uint32_t)suite_random_below(SHARD_COUNT), gid);
        check(status == SF_OK, "Move: %s", sf_error_text(status));
        fiber_sleep_ms(suite_random_below(30));
    }
    clerk_free(clerk);
    clerk_free(mover_of_shards);
}

static void concurrent_moves(bool unreliable)
{
    struct sharded stage;
    struct mover movers[MOVERS];
    begin(&stage);
    for (size_t g = 0; g < SHARD_GROUPS && unreliable; g++)
        for (size_t i = 0; i < stage.groups[g]->group.address_count; i++)
            net_node_unreliable(stage.system->net, stage.groups[g]->servers[i]->node, true);
    for (unsigned g = 0; g < SHARD_GROUPS; g++)
        sharded_join(&stage, 1u << g);
    for (size_t i = 0; i < MOVERS; i++) {
        movers[i] = (struct mover){.stage = &stage, .number = i};
        movers[i].fiber = fiber_start(move_around, &movers[i]);
    }
    for (size_t i = 0; i < MOVERS; i++) {
        fiber_join(movers[i].fiber);
        buffer_deinit(&movers[i].appended);
        buffer_deinit(&movers[i].hashed);
    }
    sharded_end(&stage);
}

static void concurrent_reliable(void)
{
    concurrent_moves(false);
}

static void concurrent_unreliable(void)
{
    concurrent_moves(true);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Basic Join/Leave", .script = basic_join_leave},
    {.name = "Shards really move", .script = shards_really_move},
    {.name = "Reconfiguration with some dead replicas", .script = dead_replicas},
    {.name = "Concurrent Put/Get/Move", .script = concurrent_reliable},
    {.name = "Concurrent Put/Get/Move (unreliable)", .script = concurrent_unreliable},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "shardkv-paxos",
                                .engines = SUITE_BOTH,
                                .limit_ms = 600000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
