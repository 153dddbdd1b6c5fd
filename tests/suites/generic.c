#include "suites/generic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/suite.h"

#define ITERATIONS 3
#define CLIENTS_MAX 20u
#define RUN_MS 5000u
#define ELECTION_MS 1000u

/* -- one group ----------------------------------------------------------------------------- */

struct system *solo_new(size_t servers, int64_t log_limit, enum net_model model)
{
    const struct system_options options = {
        .model = model, .shard_count = 1, .routing = ROUTING_HASH};
    struct system *system = system_new(&options);
    struct server *list[SYSTEM_SERVERS_MAX];
    for (size_t i = 0; i < servers; i++)
        list[i] = system_add_server(system, text("server-%zu", i), SERVER_KV, log_limit);
    struct system_group *group = system_add_group(system, 1, list, servers);
    system_place(system);
    group_start(group);
    return system;
}

void solo_partition(struct system *system, unsigned side)
{
    for (size_t i = 0; i < system->server_count; i++)
        for (size_t k = 0; k < i; k++)
            server_link(&system->servers[i], &system->servers[k],
                        (side >> i & 1u) == (side >> k & 1u));
}

uint64_t solo_log_bytes(const struct system *system)
{
    uint64_t most = 0;
    for (size_t i = 0; i < system->server_count; i++) {
        uint64_t bytes = server_log_bytes(&system->servers[i]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

uint64_t solo_snapshot_bytes(const struct system *system)
{
    uint64_t most = 0;
    for (size_t i = 0; i < system->server_count; i++) {
        uint64_t bytes = server_snapshot_bytes(&system->servers[i]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

void solo_check_sizes(const struct system *system, int64_t log_limit)
{
    if (log_limit == NEVER)
        check(solo_snapshot_bytes(system) == 0,
              "a log was cut, and left a snapshot of %" PRIu64 " bytes",
              solo_snapshot_bytes(system));
    else
        check(solo_log_bytes(system) <= 8 * (uint64_t)log_limit,
              "a log of %" PRIu64 " bytes was not cut", solo_log_bytes(system));
}

/* -- clients ------------------------------------------------------------------------------- */

struct run {
    const struct generic *generic;
    struct system *system;
    struct linear_history *history;
    bool stop;
};

struct user {
    struct run *run;
    struct fiber *fiber;
    size_t number;
    size_t count; /* of elements that it appended */
    struct buffer built;
};

static void append_own(struct user *user, struct clerk *clerk)
{
    const char *element = append_element(user->number, user->count);
    buffer_append(&user->built, element, strlen(element));
    clerk_append_text(clerk, text("%zu", user->number), element);
    user->count++;
}

static void use_own_key(struct user *user, struct clerk *clerk)
{
    clerk_put_text(clerk, text("%zu", user->number), "");
    buffer_clear(&user->built);
    while (!user->run->stop) {
        if (suite_chance(50))
            append_own(user, clerk);
        else
            clerk_check(clerk, text("%zu", user->number), buffer_slice(&user->built));
    }
}

static void use_any_key(struct user *user, struct clerk *clerk)
{
    clerk_note(clerk, user->run->history, (uint32_t)user->number);
    while (!user->run->stop) {
        const char *key = text("%" PRIu64, suite_random_below(user->run->generic->clients));
        const char *value = append_element(user->number, user->count++);
        if (suite_chance(50))
            clerk_append_text(clerk, key, value);
        else if (suite_chance(10))
            clerk_put_text(clerk, key, value);
        else
            (void)clerk_get(clerk, key, NULL);
    }
}

static void use(void *ctx)
{
    struct user *user = ctx;
    struct clerk *clerk = clerk_new(user->run->system);
    if (user->run->generic->linear)
        use_any_key(user, clerk);
    else
        use_own_key(user, clerk);
    clerk_free(clerk);
}

/* -- failures ------------------------------------------------------------------------------ */

static void partition_for_ever(void *ctx)
{
    struct run *run = ctx;
    while (!run->stop) {
        solo_partition(run->system, (unsigned)suite_random_below(1u << run->generic->servers));
        fiber_sleep_ms(ELECTION_MS + suite_random_below(200));
    }
}

static void restart_all(struct system *system)
{
    for (size_t i = 0; i < system->server_count; i++)
        server_crash(&system->servers[i]);
    fiber_sleep_ms(ELECTION_MS);
    for (size_t i = 0; i < system->server_count; i++)
        server_start(&system->servers[i]);
}

static void disturb_and_stop(struct run *run)
{
    struct fiber *partitioner = NULL;
    if (run->generic->partitions) {
        fiber_sleep_ms(1000);
        partitioner = fiber_start(partition_for_ever, run);
    }
    fiber_sleep_ms(RUN_MS);
    run->stop = true;
    if (partitioner != NULL) {
        fiber_join(partitioner);
        solo_partition(run->system, 0);
        fiber_sleep_ms(ELECTION_MS);
    }
    if (run->generic->restarts)
        restart_all(run->system);
}

/* -- the run ------------------------------------------------------------------------------- */

static void check_appends(struct user *user, struct clerk *observer)
{
    struct buffer value = {0};
    (void)clerk_get(observer, text("%zu", user->number), &value);
    appends_check(buffer_slice(&value), user->number, user->count);
    buffer_deinit(&value);
}

static void iterate(struct run *run, struct user *users, struct clerk *observer)
{
    size_t clients = run->generic->clients;
    run->stop = false;
    for (size_t i = 0; i < clients; i++) {
        if (!run->generic->linear)
            users[i].count = 0;
        users[i].fiber = fiber_start(use, &users[i]);
    }
    disturb_and_stop(run);
    for (size_t i = 0; i < clients; i++) {
        fiber_join(users[i].fiber);
        if (!run->generic->linear)
            check_appends(&users[i], observer);
    }
    solo_check_sizes(run->system, run->generic->log_limit);
}

void check_history(const struct linear_history *history)
{
    struct buffer report = {0};
    enum linear_verdict verdict = linear_check(history, &linear_register, 0, &report);
    check(verdict == LINEAR_LEGAL, "the history is %s\n%.*s", linear_verdict_name(verdict),
          (int)report.n, (const char *)report.p);
    buffer_deinit(&report);
}

void generic_run(const struct generic *generic)
{
    struct run run = {.generic = generic};
    struct user users[CLIENTS_MAX] = {0};
    sf_assert(generic->clients <= CLIENTS_MAX);
    run.system = solo_new(generic->servers, generic->log_limit, NET_L);
    run.history = linear_history_new();
    net_unreliable(run.system->net, generic->unreliable);
    struct clerk *observer = clerk_new(run.system);
    for (size_t i = 0; i < generic->clients; i++) {
        users[i].run = &run;
        users[i].number = i;
    }
    for (int i = 0; i < ITERATIONS; i++)
        iterate(&run, users, observer);
    check_history(run.history);
    for (size_t i = 0; i < generic->clients; i++)
        buffer_deinit(&users[i].built);
    linear_history_free(run.history);
}

/* -- one key ------------------------------------------------------------------------------- */

#define SHARERS 5u
#define SHARER_APPENDS 10u

struct sharer {
    struct system *system;
    struct fiber *fiber;
    size_t number;
    bool want_old;
};

static void append_to_one_key(void *ctx)
{
    struct sharer *sharer = ctx;
    struct clerk *clerk = clerk_new(sharer->system);
    struct buffer old = {0};
    for (size_t j = 0; j < SHARER_APPENDS; j++) {
        const char *element = append_element(sharer->number, j);
        struct buffer own = {0};
        buffer_set(&own, slice_str(element));
        (void)clerk_append(clerk, "k", buffer_slice(&own), sharer->want_old ? &old : NULL);
        check(!slice_contains(buffer_slice(&old), buffer_slice(&own)),
              "client %zu gets its element %zu as part of the old value", sharer->number, j);
        buffer_deinit(&own);
    }
    buffer_deinit(&old);
    clerk_free(clerk);
}

void solo_append_to_one_key(struct system *system, bool want_old)
{
    struct sharer sharers[SHARERS];
    struct clerk *observer = clerk_new(system);
    struct buffer value = {0};
    clerk_put_text(observer, "k", "");
    for (size_t i = 0; i < SHARERS; i++) {
        sharers[i] = (struct sharer){.system = system, .number = i, .want_old = want_old};
        sharers[i].fiber = fiber_start(append_to_one_key, &sharers[i]);
    }
    for (size_t i = 0; i < SHARERS; i++)
        fiber_join(sharers[i].fiber);
    (void)clerk_get(observer, "k", &value);
    for (size_t i = 0; i < SHARERS; i++)
        appends_check(buffer_slice(&value), i, SHARER_APPENDS);
    buffer_deinit(&value);
}
