/* Suite 9: static shards, exactly once, linearizable (handout 004), on model T.
 *
 * N servers in a ring, N shards; shard s is replicated on servers s, s + 1, ... s + R - 1, a group
 * of their own. The original's servers call each other without a network; ours have the same one as
 * the clients, and stop_server cuts off clients alone, as theirs does.
 */
#include <inttypes.h>

#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/generic.h"
#include "suites/suite.h"

#define SERVERS_MAX 5u
#define CLIENTS_MAX 5u
#define KEYS 10u
#define ITERATIONS 3
#define RUN_MS 1000u
#define SILENCE_MS 2000u

struct ring {
    struct system *system;
    size_t servers, replicas;
    bool stopped[SERVERS_MAX];
};

static void ring_begin(struct ring *ring, size_t servers, size_t replicas, bool unreliable)
{
    const struct system_options options = {
        .model = NET_T, .shard_count = (uint32_t)servers, .routing = ROUTING_NUMBER};
    struct server *list[2 * SERVERS_MAX];
    *ring = (struct ring){.system = system_new(&options), .servers = servers, .replicas = replicas};
    net_unreliable(ring->system->net, unreliable);
    for (size_t i = 0; i < servers; i++)
        list[i] = list[i + servers] =
            system_add_server(ring->system, text("server-%zu", i), SERVER_KV, NEVER);
    for (size_t i = 0; i < servers; i++)
        (void)system_add_group(ring->system, i + 1, list + i, replicas);
    system_place(ring->system);
    for (size_t i = 0; i < servers; i++)
        server_start(list[i]);
}

static struct clerk *ring_clerk(struct ring *ring)
{
    struct clerk *clerk = clerk_new(ring->system);
    for (size_t i = 0; i < ring->servers; i++)
        clerk_link(clerk, &ring->system->servers[i], !ring->stopped[i]);
    return clerk;
}

/* -- generic runs -------------------------------------------------------------------------- */

struct run {
    struct ring ring;
    struct linear_history *history;
    bool stop;
};

struct user {
    struct run *run;
    struct fiber *fiber;
    size_t number, count;
    struct buffer built;
};

static void append_own(struct user *user, struct clerk *clerk)
{
    struct buffer own = {0}, old = {0};
    const char *key = text("%zu", user->number);
    buffer_set(&own, slice_str(append_element(user->number, user->count)));
    (void)clerk_append(clerk, key, buffer_slice(&own), &old);
    check(!slice_contains(buffer_slice(&old), buffer_slice(&own)),
          "element %zu of client %zu was appended twice", user->count, user->number);
    check(slice_equal(buffer_slice(&old), buffer_slice(&user->built)),
          "the old value before element %zu of client %zu is not what it built", user->count,
          user->number);
    buffer_append(&user->built, own.p, own.n);
    user->count++;
    buffer_deinit(&own);
    buffer_deinit(&old);
}

static void use(void *ctx)
{
    struct user *user = ctx;
    struct clerk *clerk = ring_clerk(&user->run->ring);
    clerk_note(clerk, user->run->history, (uint32_t)user->number + 1);
    clerk_put_text(clerk, text("%zu", user->number), "");
    user->count = 0;
    buffer_clear(&user->built);
    while (!user->run->stop) {
        if (suite_chance(50))
            append_own(user, clerk);
        else
            clerk_check(clerk, text("%zu", user->number), buffer_slice(&user->built));
    }
    clerk_free(clerk);
}

static void iterate(struct run *run, struct user *users, size_t clients, struct clerk *observer)
{
    struct buffer value = {0};
    run->stop = false;
    for (size_t i = 0; i < clients; i++)
        users[i].fiber = fiber_start(use, &users[i]);
    fiber_sleep_ms(RUN_MS);
    run->stop = true;
    for (size_t i = 0; i < clients; i++) {
        fiber_join(users[i].fiber);
        (void)clerk_get(observer, text("%zu", i), &value);
        appends_check(buffer_slice(&value), i, users[i].count);
    }
    buffer_deinit(&value);
}

static void run_generic(size_t clients, size_t servers, size_t replicas, bool unreliable)
{
    struct run run = {.history = linear_history_new()};
    struct user users[CLIENTS_MAX] = {0};
    ring_begin(&run.ring, servers, replicas, unreliable);
    struct clerk *observer = ring_clerk(&run.ring);
    clerk_note(observer, run.history, 0);
    for (size_t i = 0; i < clients; i++) {
        users[i].run = &run;
        users[i].number = i;
    }
    for (int i = 0; i < ITERATIONS; i++)
        iterate(&run, users, clients, observer);
    check_history(run.history);
    for (size_t i = 0; i < clients; i++)
        buffer_deinit(&users[i].built);
    linear_history_free(run.history);
}

static void one_client(void)
{
    run_generic(1, 1, 1, false);
}

static void many_clients(void)
{
    run_generic(5, 1, 1, false);
}

static void unreliable(void)
{
    run_generic(5, 1, 1, true);
}

static void unreliable_sharded(void)
{
    run_generic(5, 5, 3, true);
}

static void append_same_key(void)
{
    struct ring ring;
    ring_begin(&ring, 1, 1, true);
    solo_append_to_one_key(ring.system, true);
}

/* -- static shards ------------------------------------------------------------------------- */

/* Ten keys, and how many of them are answered. */
struct keys {
    struct ring ring;
    struct clerk *clerk;
    struct buffer values[KEYS];
    size_t answered;
    struct asker {
        struct keys *keys;
        size_t key;
        struct fiber *fiber;
    } askers[KEYS];
};

static void keys_check(struct keys *keys)
{
    for (size_t i = 0; i < KEYS; i++)
        clerk_check(keys->clerk, text("%zu", i), buffer_slice(&keys->values[i]));
}

static void keys_begin(struct keys *keys)
{
    ring_begin(&keys->ring, 3, 2, false);
    keys->clerk = ring_clerk(&keys->ring);
    for (size_t i = 0; i < KEYS; i++) {
        random_letters(&keys->values[i], 20);
        clerk_put(keys->clerk, text("%zu", i), buffer_slice(&keys->values[i]));
    }
    keys_check(keys);
}

static void keys_end(struct keys *keys)
{
    for (size_t i = 0; i < KEYS; i++)
        buffer_deinit(&keys->values[i]);
}

/* Each key is asked for by one client; 20 / 3 of them, or one more or less, must be answered. Ours
 * are exactly the seven that server 0 holds as first or as second replica. */
static void count_answers(struct keys *keys, void (*ask)(void *ctx))
{
    size_t before;
    for (size_t i = 0; i < KEYS; i++) {
        keys->askers[i] = (struct asker){.keys = keys, .key = i};
        keys->askers[i].fiber = fiber_start(ask, &keys->askers[i]);
    }
    do {
        before = keys->answered;
        fiber_sleep_ms(SILENCE_MS);
    } while (keys->answered > before);
    check(keys->answered == 7, "%zu keys are answered", keys->answered);
}

static void get_key(void *ctx)
{
    const struct asker *asker = ctx;
    struct keys *keys = asker->keys;
    struct clerk *clerk = ring_clerk(&keys->ring);
    clerk_check(clerk, text("%zu", asker->key), buffer_slice(&keys->values[asker->key]));
    keys->answered++;
    clerk_free(clerk);
}

static void set_stopped(struct keys *keys, size_t server, bool stopped)
{
    keys->ring.stopped[server] = stopped;
    for (struct clerk *clerk = keys->ring.system->clerks; clerk != NULL; clerk = clerk_next(clerk))
        clerk_link(clerk, &keys->ring.system->servers[server], !stopped);
}

static void static_shards(void)
{
    struct keys keys = {0};
    keys_begin(&keys);
    set_stopped(&keys, 1, true);
    set_stopped(&keys, 2, true);
    count_answers(&keys, get_key);
    set_stopped(&keys, 1, false);
    set_stopped(&keys, 2, false);
    keys_check(&keys);
    for (size_t i = 0; i < KEYS; i++)
        fiber_join(keys.askers[i].fiber);
    check(keys.answered == KEYS, "%zu keys are answered in the end", keys.answered);
    keys_end(&keys);
}

/* -- rejection ----------------------------------------------------------------------------- */

/* A client that believes server 0 to have every shard. It names the group that the shard belongs
 * to, and in turn one that server 0 does have. */
static void ask_server_0(void *ctx)
{
    const struct asker *asker = ctx;
    struct keys *keys = asker->keys;
    struct system *system = keys->ring.system;
    const char *key = text("%zu", asker->key);
    struct clerk *clerk = ring_clerk(&keys->ring);
    struct buffer key_bytes = {0}, value = {0};
    buffer_set(&key_bytes, slice_str(key));
    uint32_t shard = (uint32_t)(asker->key % keys->ring.servers);
    for (size_t tries = 0;; tries++) {
        const struct group *group = &system->groups[tries % 2 == 0 ? shard : 0].group;
        const struct kv_request request = {.target = {.gid = group->gid,
                                                      .group_identity = group_identity(group),
                                                      .shard = shard,
                                                      .forward = true},
                                           .op = {.kind = KV_GET, .key = buffer_slice(&key_bytes)}};
        int status = clerk_ask(clerk, &system->servers[0], &request, &value);
        if (status == SF_OK)
            break;
        check(status == SF_WRONG_GROUP || status == SF_NOT_LEADER, "key %zu: %s", asker->key,
              sf_error_text(status));
        fiber_sleep_ms(10);
    }
    check(slice_equal(buffer_slice(&value), buffer_slice(&keys->values[asker->key])),
          "key %zu has another value", asker->key);
    keys->answered++;
    buffer_deinit(&key_bytes);
    buffer_deinit(&value);
    clerk_free(clerk);
}

static void rejection(void)
{
    struct keys keys = {0};
    keys_begin(&keys);
    count_answers(&keys, ask_server_0);
    keys_check(&keys);
    keys_end(&keys);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Test: one client", .script = one_client},
    {.name = "Test: many clients", .script = many_clients},
    {.name = "Test: unreliable net, many clients", .script = unreliable},
    {.name = "Test: concurrent append to same key, unreliable", .script = append_same_key},
    {.name = "static 3-way sharding", .script = static_shards},
    {.name = "Test: rejection", .script = rejection},
    {.name = "Test: unreliable net, sharded, many clients", .script = unreliable_sharded},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "kvsrv",
                                .engines = SUITE_BOTH,
                                .limit_ms = 120000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
