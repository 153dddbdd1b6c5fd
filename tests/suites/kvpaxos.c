/* Suite 2: a key/value service on one group (handout 002, as of 2013: PutHash; and the case of 2015
 * that appends), on model P. There are no restarts; every other seed cuts the logs often.
 */
#include <inttypes.h>
#include <string.h>

#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/generic.h"
#include "suites/suite.h"

#define SERVERS_MAX 5u
#define LOG_LIMIT 1000

struct stage {
    struct system *system;
    struct clerk *clerk;              /* knows all servers */
    struct clerk *bound[SERVERS_MAX]; /* each knows one */
};

static struct clerk *bound_clerk(struct system *system, size_t server)
{
    struct clerk *clerk = clerk_new(system);
    clerk_link_only(clerk, (struct server *[]){&system->servers[server]}, 1);
    return clerk;
}

static void set_unreliable(struct system *system, bool unreliable)
{
    for (size_t i = 0; i < system->server_count; i++)
        net_node_unreliable(system->net, system->servers[i].node, unreliable);
}

static void begin_limited(struct stage *stage, size_t servers, bool unreliable, int64_t log_limit)
{
    *stage = (struct stage){.system = solo_new(servers, log_limit, NET_P)};
    set_unreliable(stage->system, unreliable);
    stage->clerk = clerk_new(stage->system);
    for (size_t i = 0; i < servers; i++)
        stage->bound[i] = bound_clerk(stage->system, i);
}

static void begin(struct stage *stage, size_t servers, bool unreliable)
{
    begin_limited(stage, servers, unreliable, suite_seed() % 2 == 0 ? LOG_LIMIT : NEVER);
}

/* -- basics -------------------------------------------------------------------------------- */

static void put_and_check(struct stage *stage)
{
    clerk_put_text(stage->clerk, "a", "aa");
    clerk_check_text(stage->clerk, "a", "aa");
    clerk_put_text(stage->bound[1], "a", "aaa");
    clerk_check_text(stage->bound[2], "a", "aaa");
    clerk_check_text(stage->bound[1], "a", "aaa");
    clerk_check_text(stage->clerk, "a", "aaa");
}

static void basic_on(struct stage *stage)
{
    struct buffer old = {0};
    clerk_put_hash(stage->clerk, "a", slice_str("x"), &old);
    check(old.n == 0, "PutHash of a new key gives an old value of %zu bytes", old.n);
    buffer_deinit(&old);
    put_and_check(stage);
}

static void basic(void)
{
    struct stage stage;
    begin(&stage, 3, false);
    basic_on(&stage);
}

/* -- many clients -------------------------------------------------------------------------- */

#define ROUNDS 20
#define CLIENTS 15u

struct client {
    struct stage *stage;
    struct fiber *fiber;
    size_t number;
    bool knows_all; /* else one server, at random */
    bool stop;
    struct buffer value;
};

static void put_or_get_b(void *ctx)
{
    const struct client *client = ctx;
    struct system *system = client->stage->system;
    struct clerk *clerk = client->knows_all
                              ? clerk_new(system)
                              : bound_clerk(system, suite_random_below(system->server_count));
    if (suite_chance(50))
        clerk_put_text(clerk, "b", random_decimal());
    else
        (void)clerk_get(clerk, "b", NULL);
    clerk_free(clerk);
}

/* All servers give the same value. */
static void check_same(struct stage *stage, const char *key)
{
    struct buffer first = {0};
    (void)clerk_get(stage->bound[0], key, &first);
    for (size_t i = 1; i < stage->system->server_count; i++)
        clerk_check(stage->bound[i], key, buffer_slice(&first));
    buffer_deinit(&first);
}

static void concurrent_on(struct stage *stage, bool knows_all)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct client clients[CLIENTS];
        for (size_t i = 0; i < CLIENTS; i++) {
            clients[i] = (struct client){.stage = stage, .knows_all = knows_all};
            clients[i].fiber = fiber_start(put_or_get_b, &clients[i]);
        }
        for (size_t i = 0; i < CLIENTS; i++)
            fiber_join(clients[i].fiber);
        check_same(stage, "b");
    }
    fiber_sleep_ms(1000);
}

static void concurrent(void)
{
    struct stage stage;
    begin(&stage, 3, false);
    basic_on(&stage);
    concurrent_on(&stage, false);
}

static void hash_thrice(struct client *client, struct clerk *clerk)
{
    static const char *const values[] = {"0", "1", "2"};
    struct buffer old = {0};
    (void)clerk_get(clerk, text("%zu", client->number), &client->value);
    for (size_t i = 0; i < 3; i++) {
        clerk_put_hash(clerk, text("%zu", client->number), slice_str(values[i]), &old);
        check(slice_equal(buffer_slice(&old), buffer_slice(&client->value)),
              "PutHash %zu of client %zu gives an old value that is not the last", i,
              client->number);
        put_hash_on(&client->value, slice_str(values[i]));
    }
    buffer_deinit(&old);
}

static void put_sequence(void *ctx)
{
    struct client *client = ctx;
    struct clerk *clerk = clerk_new(client->stage->system);
    hash_thrice(client, clerk);
    fiber_sleep_ms(100);
    for (int i = 0; i < 2; i++)
        clerk_check(clerk, text("%zu", client->number), buffer_slice(&client->value));
    buffer_deinit(&client->value);
    clerk_free(clerk);
}

static void sequences_on(struct stage *stage)
{
    enum { SEQUENCES = 5 };
    for (int round = 0; round < 6; round++) {
        struct client clients[SEQUENCES];
        for (size_t i = 0; i < SEQUENCES; i++) {
            clients[i] = (struct client){.stage = stage, .number = i};
            clients[i].fiber = fiber_start(put_sequence, &clients[i]);
        }
        for (size_t i = 0; i < SEQUENCES; i++)
            fiber_join(clients[i].fiber);
    }
}

static void append_to_one(void *ctx)
{
    const struct client *client = ctx;
    struct clerk *clerk = clerk_new(client->stage->system);
    for (size_t j = 0; j < 5; j++)
        clerk_append_text(clerk, "k", append_element(client->number, j));
    clerk_free(clerk);
}

static void append_same_key_on(struct stage *stage)
{
    enum { APPENDERS = 5 };
    struct client clients[APPENDERS];
    struct buffer value = {0};
    clerk_put_text(stage->clerk, "k", "");
    for (size_t i = 0; i < APPENDERS; i++) {
        clients[i] = (struct client){.stage = stage, .number = i};
        clients[i].fiber = fiber_start(append_to_one, &clients[i]);
    }
    for (size_t i = 0; i < APPENDERS; i++)
        fiber_join(clients[i].fiber);
    (void)clerk_get(stage->clerk, "k", &value);
    for (size_t i = 0; i < APPENDERS; i++)
        appends_check(buffer_slice(&value), i, 5);
    check_same(stage, "k");
    buffer_deinit(&value);
}

/* Each case runs those before it on its cluster. */
static void run_unreliable(size_t count)
{
    struct stage stage;
    begin(&stage, 3, true);
    put_and_check(&stage);
    if (count >= 2)
        sequences_on(&stage);
    if (count >= 3)
        concurrent_on(&stage, true);
    if (count >= 4)
        append_same_key_on(&stage);
}

static void basic_unreliable(void)
{
    run_unreliable(1);
}

static void sequences_unreliable(void)
{
    run_unreliable(2);
}

static void concurrent_unreliable(void)
{
    run_unreliable(3);
}

static void append_same_key(void)
{
    run_unreliable(4);
}

/* -- memory -------------------------------------------------------------------------------- */

#define VALUE_BYTES 1000000u
#define MEMORY_LIMIT (4 << 20) /* of the log in this case */

/* What the servers hold of values: entries in memory, and the store. */
static uint64_t bytes_held(const struct system *system)
{
    uint64_t total = 0;
    for (size_t i = 0; i < system->server_count; i++) {
        struct consensus_status status;
        replica_consensus_status(server_replica(&system->servers[i]), &status);
        total += status.log_bytes + server_store_bytes(&system->servers[i]);
    }
    return total;
}

static void put_ten_large(struct stage *stage)
{
    struct buffer value = {0};
    for (size_t i = 0; i < 10; i++) {
        buffer_clear(&value);
        for (size_t k = 0; k < VALUE_BYTES; k++)
            buffer_put_u8(&value, (uint8_t)suite_random_between(1, 100));
        clerk_put(stage->clerk, text("%zu", i), buffer_slice(&value));
        clerk_check(stage->bound[i % 3], text("%zu", i), buffer_slice(&value));
    }
    buffer_deinit(&value);
}

static void frees_log_memory(void)
{
    struct stage stage;
    begin_limited(&stage, 3, false, MEMORY_LIMIT);
    clerk_put_text(stage.clerk, "a", "aa");
    clerk_check_text(stage.clerk, "a", "aa");
    uint64_t before = bytes_held(stage.system);
    for (int i = 0; i < 2; i++)
        put_ten_large(&stage);
    for (int i = 0; i < 2; i++) {
        for (size_t s = 0; s < 3; s++) {
            clerk_put_text(stage.bound[s], "a", "aa");
            clerk_check_text(stage.bound[s], "a", "aa");
        }
    }
    fiber_sleep_ms(1000);
    uint64_t after = bytes_held(stage.system);
    check(after <= before + 3ull * 10 * VALUE_BYTES * 2,
          "the servers hold %" PRIu64 " bytes, %" PRIu64 " before", after, before);
    check(after >= before + 3ull * 10 * VALUE_BYTES, "not all values are held");
}

/* -- partitions ---------------------------------------------------------------------------- */

/* Bits of a side: servers 0 to 4. */
#define SIDE_01 3u
#define SIDE_1 2u
#define SIDE_34 24u

static void no_partition_on(struct stage *stage)
{
    begin(stage, 5, false);
    clerk_put_text(stage->bound[0], "1", "12");
    clerk_put_text(stage->bound[2], "1", "13");
    clerk_check_text(stage->bound[3], "1", "13");
}

static void majority_on(struct stage *stage)
{
    solo_partition(stage->system, SIDE_01);
    clerk_put_text(stage->bound[2], "1", "14");
    clerk_check_text(stage->bound[4], "1", "14");
}

/* Two that wait in the minority. */
struct waiting {
    struct stage *stage;
    struct fiber *put, *get;
};

static void put_15(void *ctx)
{
    const struct waiting *waiting = ctx;
    struct clerk *clerk = bound_clerk(waiting->stage->system, 0);
    clerk_put_text(clerk, "1", "15");
}

static void get_1(void *ctx)
{
    const struct waiting *waiting = ctx;
    struct clerk *clerk = bound_clerk(waiting->stage->system, 1);
    (void)clerk_get(clerk, "1", NULL);
}

static void minority_on(struct waiting *waiting)
{
    struct stage *stage = waiting->stage;
    waiting->put = fiber_start(put_15, waiting);
    waiting->get = fiber_start(get_1, waiting);
    fiber_sleep_ms(1000);
    check(!fiber_has_ended(waiting->put), "a Put was done in the minority");
    check(!fiber_has_ended(waiting->get), "a Get was done in the minority");
    clerk_check_text(stage->bound[4], "1", "14");
    clerk_put_text(stage->bound[3], "1", "16");
    clerk_check_text(stage->bound[4], "1", "16");
}

static bool ends_within(const struct fiber *fiber, uint64_t ms)
{
    uint64_t end_ms = suite_now_ms() + ms;
    while (!fiber_has_ended(fiber) && suite_now_ms() < end_ms)
        fiber_sleep_ms(1);
    return fiber_has_ended(fiber);
}

static void heal_on(struct waiting *waiting)
{
    struct stage *stage = waiting->stage;
    solo_partition(stage->system, SIDE_1);
    check(ends_within(waiting->put, 3000), "the Put is not done 3 s after the heal");
    check(!fiber_has_ended(waiting->get), "a Get was done in the minority");
    clerk_check_text(stage->bound[4], "1", "15");
    clerk_check_text(stage->bound[0], "1", "15");
    solo_partition(stage->system, SIDE_34);
    check(ends_within(waiting->get, 10000), "the Get is not done 10 s after the heal");
    clerk_check_text(stage->bound[1], "1", "15");
}

static void run_partitions(size_t count)
{
    struct stage stage;
    struct waiting waiting = {.stage = &stage};
    no_partition_on(&stage);
    if (count >= 2)
        majority_on(&stage);
    if (count >= 3)
        minority_on(&waiting);
    if (count >= 4)
        heal_on(&waiting);
}

static void no_partition(void)
{
    run_partitions(1);
}

static void progress_in_majority(void)
{
    run_partitions(2);
}

static void no_progress_in_minority(void)
{
    run_partitions(3);
}

static void completion_after_heal(void)
{
    run_partitions(4);
}

/* -- holes --------------------------------------------------------------------------------- */

#define HOLE_CLIENTS 10u
#define HOLE_ROUNDS 5
#define HOLE_MS 3000u

static void put_or_get_own(struct client *client, struct clerk *clerk)
{
    const char *key = text("%zu", client->number);
    if (suite_chance(50)) {
        buffer_set(&client->value, slice_str(random_decimal()));
        clerk_put(clerk, key, buffer_slice(&client->value));
    } else {
        clerk_check(clerk, key, buffer_slice(&client->value));
    }
}

static void use_0_or_1(void *ctx)
{
    struct client *client = ctx;
    struct clerk *clerks[2] = {bound_clerk(client->stage->system, 0),
                               bound_clerk(client->stage->system, 1)};
    clerk_put_text(clerks[0], text("%zu", client->number), "");
    while (!client->stop)
        put_or_get_own(client, clerks[suite_random_below(2)]);
    buffer_deinit(&client->value);
    clerk_free(clerks[0]);
    clerk_free(clerks[1]);
}

static void make_holes(struct stage *stage)
{
    struct client clients[HOLE_CLIENTS];
    solo_partition(stage->system, 0);
    clerk_put_text(stage->bound[2], "q", "q");
    for (size_t i = 0; i < HOLE_CLIENTS; i++) {
        clients[i] = (struct client){.stage = stage, .number = i};
        clients[i].fiber = fiber_start(use_0_or_1, &clients[i]);
    }
    fiber_sleep_ms(HOLE_MS);
    solo_partition(stage->system, SIDE_01);
    clerk_check_text(stage->bound[2], "q", "q");
    clerk_put_text(stage->bound[2], "q", "qq");
    clerk_check_text(stage->bound[2], "q", "qq");
    solo_partition(stage->system, 0);
    for (size_t i = 0; i < HOLE_CLIENTS; i++)
        clients[i].stop = true;
    for (size_t i = 0; i < HOLE_CLIENTS; i++)
        fiber_join(clients[i].fiber);
    clerk_check_text(stage->bound[2], "q", "qq");
}

static void tolerates_holes(void)
{
    struct stage stage;
    begin(&stage, 5, false);
    for (int round = 0; round < HOLE_ROUNDS; round++)
        make_holes(&stage);
}

/* -- changing partitions ------------------------------------------------------------------- */

#define CHANGING_CLIENTS 10u
#define CHANGING_MS 20000u

struct partitioner {
    struct system *system;
    bool stop;
};

static void partition_for_ever(void *ctx)
{
    struct partitioner *partitioner = ctx;
    struct system *system = partitioner->system;
    while (!partitioner->stop) {
        size_t part[SERVERS_MAX];
        for (size_t i = 0; i < system->server_count; i++) {
            part[i] = suite_random_below(3);
            for (size_t k = 0; k < i; k++)
                server_link(&system->servers[i], &system->servers[k], part[i] == part[k]);
        }
        fiber_sleep_ms(suite_random_below(200));
    }
}

static void hash_or_get_own(struct client *client, struct clerk *clerk)
{
    const char *key = text("%zu", client->number);
    if (!suite_chance(50)) {
        clerk_check(clerk, key, buffer_slice(&client->value));
        return;
    }
    struct buffer old = {0}, value = {0};
    buffer_set(&value, slice_str(random_decimal()));
    clerk_put_hash(clerk, key, buffer_slice(&value), &old);
    check(slice_equal(buffer_slice(&old), buffer_slice(&client->value)),
          "PutHash of client %zu gives an old value that is not the last", client->number);
    put_hash_on(&client->value, buffer_slice(&value));
    buffer_deinit(&old);
    buffer_deinit(&value);
}

static void use_own(void *ctx)
{
    struct client *client = ctx;
    struct clerk *clerk = clerk_new(client->stage->system);
    clerk_put_text(clerk, text("%zu", client->number), "");
    while (!client->stop)
        hash_or_get_own(client, clerk);
    buffer_deinit(&client->value);
    clerk_free(clerk);
}

static void changing_partitions(void)
{
    struct stage stage;
    struct client clients[CHANGING_CLIENTS];
    begin(&stage, 5, true);
    struct partitioner partitioner = {.system = stage.system};
    struct fiber *fiber = fiber_start(partition_for_ever, &partitioner);
    for (size_t i = 0; i < CHANGING_CLIENTS; i++) {
        clients[i] = (struct client){.stage = &stage, .number = i};
        clients[i].fiber = fiber_start(use_own, &clients[i]);
    }
    fiber_sleep_ms(CHANGING_MS);
    partitioner.stop = true;
    fiber_join(fiber);
    solo_partition(stage.system, 0);
    for (size_t i = 0; i < CHANGING_CLIENTS; i++)
        clients[i].stop = true;
    for (size_t i = 0; i < CHANGING_CLIENTS; i++)
        fiber_join(clients[i].fiber);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Basic put/puthash/get", .script = basic},
    {.name = "Concurrent clients", .script = concurrent},
    {.name = "server frees Paxos log memory", .script = frees_log_memory},
    {.name = "No partition", .script = no_partition},
    {.name = "Progress in majority", .script = progress_in_majority},
    {.name = "No progress in minority", .script = no_progress_in_minority},
    {.name = "Completion after heal", .script = completion_after_heal},
    {.name = "Basic put/get, unreliable", .script = basic_unreliable},
    {.name = "Sequence of puts, unreliable", .script = sequences_unreliable},
    {.name = "Concurrent clients, unreliable", .script = concurrent_unreliable},
    {.name = "Concurrent Append to same key, unreliable", .script = append_same_key},
    {.name = "Tolerates holes in paxos sequence", .script = tolerates_holes},
    {.name = "Many clients, changing partitions", .script = changing_partitions},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "kvpaxos",
                                .engines = SUITE_BOTH,
                                .limit_ms = 600000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
