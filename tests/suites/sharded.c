#include "suites/sharded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/suite.h"

#define MASTERS 3u
#define REPLICAS 3u
#define GID_FIRST 100u
#define SILENCE_MS 2000u /* after which nobody else is expected to answer */

/* -- life ---------------------------------------------------------------------------------- */

static struct system_group *add_group(struct sharded *stage, size_t position)
{
    struct server *servers[REPLICAS];
    group_id gid = GID_FIRST + position;
    for (size_t i = 0; i < REPLICAS; i++)
        servers[i] = system_add_server(stage->system, text("server-%" PRIu64 "-%zu", gid, i),
                                       SERVER_KV, stage->log_limit);
    return system_add_group(stage->system, gid, servers, REPLICAS);
}

void sharded_begin(struct sharded *stage, enum net_model model, int64_t log_limit)
{
    const struct system_options options = {
        .model = model, .shard_count = SHARD_COUNT, .routing = ROUTING_FIRST_BYTE};
    struct server *servers[MASTERS];
    *stage = (struct sharded){.system = system_new(&options), .log_limit = log_limit};
    for (size_t i = 0; i < MASTERS; i++)
        servers[i] = system_add_server(stage->system, text("master-%zu", i), SERVER_MASTER, NEVER);
    stage->masters = system_add_group(stage->system, 0, servers, MASTERS);
    group_start(stage->masters);
    for (size_t i = 0; i < SHARD_GROUPS; i++) {
        stage->groups[i] = add_group(stage, i);
        group_start(stage->groups[i]);
    }
    stage->clerk = clerk_new(stage->system);
    stage->operator= clerk_new(stage->system);
}

void sharded_end(struct sharded *stage)
{
    for (size_t i = 0; i < SHARD_KEYS_MAX; i++)
        buffer_deinit(&stage->values[i]);
}

/* -- reconfiguration ----------------------------------------------------------------------- */

void sharded_join(struct sharded *stage, unsigned which)
{
    struct group groups[SHARD_GROUPS];
    size_t count = 0;
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        if (which >> i & 1u)
            groups[count++] = stage->groups[i]->group;
    int status = clerk_join(stage->operator, groups, count);
    check(status == SF_OK, "Join: %s", sf_error_text(status));
}

void sharded_leave(struct sharded *stage, unsigned which)
{
    group_id gids[SHARD_GROUPS];
    size_t count = 0;
    for (size_t i = 0; i < SHARD_GROUPS; i++)
        if (which >> i & 1u)
            gids[count++] = stage->groups[i]->group.gid;
    int status = clerk_leave(stage->operator, gids, count);
    check(status == SF_OK, "Leave: %s", sf_error_text(status));
}

unsigned sharded_of_group(struct sharded *stage, size_t group)
{
    unsigned owned = 0;
    struct config *config = clerk_query(stage->operator, - 1);
    for (uint32_t s = 0; s < SHARD_COUNT; s++)
        if (config->shards[s] == stage->groups[group]->group.gid)
            owned |= 1u << s;
    config_free(config);
    return owned;
}

unsigned shard_of_key(const char *key)
{
    return placement_shard(placement_route(ROUTING_FIRST_BYTE, slice_str(key)), SHARD_COUNT);
}

/* -- values -------------------------------------------------------------------------------- */

void sharded_put(struct sharded *stage, size_t count, size_t letters)
{
    sf_assert(count <= SHARD_KEYS_MAX);
    stage->key_count = count;
    for (size_t i = 0; i < count; i++) {
        random_letters(&stage->values[i], letters);
        clerk_put(stage->clerk, text("%zu", i), buffer_slice(&stage->values[i]));
    }
}

void sharded_check(struct sharded *stage)
{
    for (size_t i = 0; i < stage->key_count; i++)
        clerk_check(stage->clerk, text("%zu", i), buffer_slice(&stage->values[i]));
}

void sharded_append(struct sharded *stage, struct clerk *clerk, size_t key, size_t letters)
{
    struct buffer more = {0};
    random_letters(&more, letters);
    buffer_append(&stage->values[key], more.p, more.n);
    (void)clerk_append(clerk, text("%zu", key), buffer_slice(&more), NULL);
    buffer_deinit(&more);
}

void sharded_check_and_append(struct sharded *stage, size_t letters)
{
    for (size_t i = 0; i < stage->key_count; i++) {
        clerk_check(stage->clerk, text("%zu", i), buffer_slice(&stage->values[i]));
        sharded_append(stage, stage->clerk, i, letters);
    }
}

/* -- clients ------------------------------------------------------------------------------- */

static void append_for_ever(void *ctx)
{
    const struct appender *appender = ctx;
    const struct appenders *all = appender->all;
    struct clerk *clerk = clerk_new(all->stage->system);
    while (!all->stop) {
        sharded_append(all->stage, clerk, appender->key, all->letters);
        fiber_sleep_ms(all->pause_ms);
    }
    clerk_free(clerk);
}

void appenders_begin(struct appenders *appenders, struct sharded *stage, size_t letters,
                     uint64_t pause_ms)
{
    *appenders = (struct appenders){.stage = stage, .letters = letters, .pause_ms = pause_ms};
    for (size_t i = 0; i < stage->key_count; i++) {
        appenders->each[i] = (struct appender){.all = appenders, .key = i};
        appenders->each[i].fiber = fiber_start(append_for_ever, &appenders->each[i]);
    }
}

void appenders_end(struct appenders *appenders)
{
    appenders->stop = true;
    for (size_t i = 0; i < appenders->stage->key_count; i++)
        fiber_join(appenders->each[i].fiber);
}

static void get_once(void *ctx)
{
    const struct getter *getter = ctx;
    struct sharded *stage = getter->all->stage;
    struct clerk *clerk = clerk_new(stage->system);
    clerk_check(clerk, text("%zu", getter->key), buffer_slice(&stage->values[getter->key]));
    getter->all->answered++;
    clerk_free(clerk);
}

void getters_begin(struct getters *getters, struct sharded *stage)
{
    *getters = (struct getters){.stage = stage};
    for (size_t i = 0; i < stage->key_count; i++) {
        getters->each[i] = (struct getter){.all = getters, .key = i};
        getters->each[i].fiber = fiber_start(get_once, &getters->each[i]);
    }
}

size_t getters_count(struct getters *getters)
{
    size_t before;
    do {
        before = getters->answered;
        fiber_sleep_ms(SILENCE_MS);
    } while (getters->answered > before);
    return getters->answered;
}

void getters_join(struct getters *getters)
{
    for (size_t i = 0; i < getters->stage->key_count; i++)
        fiber_join(getters->each[i].fiber);
}
