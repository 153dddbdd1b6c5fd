#include "suites/raft_servers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "proto/pack.h"
#include "suites/clerk.h"
#include "suites/fiber.h"
#include "suites/suite.h"

#define PLACES 16u

/* The recording machine. Store: "n" -> u64, commands applied. */
struct recorder {
    struct machine base;
    size_t server;
    uint64_t count;     /* as of the newest entry in the store */
    bool staged;        /* the entry that is being applied is a command: */
    struct buffer body; /* this one */
};

static struct {
    struct system *system;
    struct system_group *group;
    size_t count;
    bool connected[RAFT_SERVERS_MAX];
    struct recorder *recorders[RAFT_SERVERS_MAX]; /* NULL while it is down */
    uint64_t applied[RAFT_SERVERS_MAX];           /* commands, ever; outlives restarts */
    struct buffer *commands;                      /* by index - 1 */
    size_t command_count, command_cap;
    size_t next; /* server that raft_one asks first */
} stage;

/* -- what is applied ----------------------------------------------------------------------- */

static void note_applied(size_t server, uint64_t index, struct slice cmd)
{
    check(index <= stage.applied[server] + 1, "server %zu applies %" PRIu64 " after %" PRIu64,
          server, index, stage.applied[server]);
    if (index > stage.applied[server])
        stage.applied[server] = index;
    if (index > stage.command_count) {
        if (stage.command_count == stage.command_cap) {
            stage.command_cap = stage.command_cap * 2 + 64;
            stage.commands = sf_realloc(stage.commands, stage.command_cap * sizeof *stage.commands);
        }
        stage.commands[stage.command_count] = (struct buffer){0};
        buffer_set(&stage.commands[stage.command_count], cmd);
        stage.command_count++;
    }
    check(slice_equal(buffer_slice(&stage.commands[index - 1]), cmd),
          "server %zu applies another command at %" PRIu64 " than others did", server, index);
}

size_t raft_applied(uint64_t index, struct slice *cmd)
{
    size_t count = 0;
    for (size_t i = 0; i < stage.count; i++)
        count += stage.applied[i] >= index;
    if (count > 0 && cmd != NULL)
        *cmd = buffer_slice(&stage.commands[index - 1]);
    return count;
}

bool raft_applied_is(uint64_t index, struct slice cmd)
{
    struct slice applied;
    return raft_applied(index, &applied) > 0 && slice_equal(applied, cmd);
}

/* -- the machine --------------------------------------------------------------------------- */

static struct recorder *recorder_of(struct machine *machine)
{
    return container_of(machine, struct recorder, base);
}

static void restored(struct machine *machine, const struct space *space, uint64_t applied)
{
    struct recorder *recorder = recorder_of(machine);
    struct store_value value;
    (void)applied;
    recorder->count = 0;
    if (store_get(space, NULL, slice_str("n"), &value) == SF_OK) {
        struct reader r = reader_of(value.bytes);
        recorder->count = reader_u64(&r);
        store_unpin(&value);
    }
    check(recorder->count <= stage.applied[recorder->server],
          "server %zu begins with %" PRIu64 " commands, after %" PRIu64, recorder->server,
          recorder->count, stage.applied[recorder->server]);
}

static void apply(struct machine *machine, const struct machine_entry *entry,
                  struct store_batch *batch, struct buffer *reply)
{
    struct recorder *recorder = recorder_of(machine);
    struct buffer count = {0};
    (void)reply;
    buffer_put_u64(&count, recorder->count + 1);
    store_batch_put(batch, slice_str("n"), buffer_slice(&count));
    buffer_deinit(&count);
    buffer_set(&recorder->body, entry->body);
    recorder->staged = true;
}

static void applied(struct machine *machine, uint64_t index)
{
    struct recorder *recorder = recorder_of(machine);
    (void)index;
    if (!recorder->staged)
        return;
    recorder->staged = false;
    recorder->count++;
    note_applied(recorder->server, recorder->count, buffer_slice(&recorder->body));
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

static void recorder_free(struct machine *machine)
{
    struct recorder *recorder = recorder_of(machine);
    stage.recorders[recorder->server] = NULL;
    buffer_deinit(&recorder->body);
    free(recorder);
}

static const struct machine_ops recorder_ops = {
    .restored = restored,
    .apply = apply,
    .applied = applied,
    .lead = lead,
    .status = status,
    .free = recorder_free,
};

static struct machine *recorder_new(void *ctx, size_t server)
{
    struct recorder *recorder = sf_calloc(1, sizeof *recorder);
    (void)ctx;
    recorder->base.ops = &recorder_ops;
    recorder->server = server;
    stage.recorders[server] = recorder;
    return &recorder->base;
}

/* -- life ---------------------------------------------------------------------------------- */

static void stage_deinit(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < stage.command_count; i++)
        buffer_deinit(&stage.commands[i]);
    free(stage.commands);
    memset(&stage, 0, sizeof stage);
}

void raft_begin(size_t count, bool unreliable)
{
    const struct system_options options = {
        .model = NET_L, .shard_count = 1, .routing = ROUTING_HASH, .make_machine = recorder_new};
    struct server *servers[RAFT_SERVERS_MAX];
    suite_at_end(stage_deinit, NULL);
    stage.system = system_new(&options);
    stage.count = count;
    net_long_delays(stage.system->net, true);
    net_unreliable(stage.system->net, unreliable);
    for (size_t i = 0; i < count; i++)
        servers[i] = system_add_server(stage.system, text("server-%zu", i), SERVER_OTHER, NEVER);
    stage.group = system_add_group(stage.system, 1, servers, count);
    for (size_t i = 0; i < count; i++) {
        raft_disconnect(i);
        server_start(servers[i]);
    }
    for (size_t i = 0; i < count; i++)
        raft_connect(i);
}

size_t raft_count(void)
{
    return stage.count;
}

struct net *raft_net(void)
{
    return stage.system->net;
}

static struct server *server_at(size_t server)
{
    return stage.group->servers[server];
}

uint64_t raft_requests(size_t server)
{
    return net_requests(raft_net(), server_at(server)->node);
}

static void set_links(size_t server, bool linked)
{
    stage.connected[server] = linked;
    for (size_t i = 0; i < stage.count; i++)
        if (i != server)
            server_link(server_at(server), server_at(i), linked && stage.connected[i]);
}

void raft_disconnect(size_t server)
{
    set_links(server, false);
}

void raft_connect(size_t server)
{
    set_links(server, true);
}

bool raft_is_connected(size_t server)
{
    return stage.connected[server];
}

void raft_crash(size_t server)
{
    raft_disconnect(server);
    server_crash(server_at(server));
}

void raft_restart(size_t server)
{
    if (server_is_up(server_at(server)))
        raft_crash(server);
    server_start(server_at(server));
}

bool raft_is_up(size_t server)
{
    return server_is_up(server_at(server));
}

/* -- commands ------------------------------------------------------------------------------ */

struct slice command(uint64_t number)
{
    static uint8_t places[PLACES][8];
    static size_t next;
    uint8_t *place = places[next++ % PLACES];
    for (int i = 0; i < 8; i++)
        place[i] = (uint8_t)(number >> (8 * i));
    return slice_of(place, 8);
}

struct slice random_command(void)
{
    return command(sim_random(suite_sim()));
}

/* It has applied its own no-op, so whatever is not applied yet is a command. */
static uint64_t command_index(size_t server, uint64_t log_index)
{
    uint64_t applied_index = replica_applied(server_replica(server_at(server)));
    return log_index - (applied_index - stage.recorders[server]->count);
}

struct started raft_start(size_t server, struct slice cmd)
{
    struct started started = {.leads = raft_leads(server)};
    struct replica_proposal proposal = {0};
    if (!started.leads)
        return started;
    int result = replica_propose(server_replica(server_at(server)), cmd, &proposal);
    started.leads = result == SF_OK;
    if (!started.leads)
        return started;
    started.term = proposal.term;
    started.index = command_index(server, proposal.index);
    replica_proposal_forget(&proposal);
    return started;
}

/* -- terms and leaders --------------------------------------------------------------------- */

uint64_t raft_term(size_t server)
{
    return replica_term(server_replica(server_at(server)));
}

bool raft_leads(size_t server)
{
    return raft_is_up(server) && replica_leads(server_replica(server_at(server)));
}

/* The leader of the highest term, or the count of servers. */
static size_t find_leader(void)
{
    size_t leader = stage.count;
    for (size_t i = 0; i < stage.count; i++) {
        if (!stage.connected[i] || !raft_leads(i))
            continue;
        for (size_t k = 0; k < i; k++)
            check(!stage.connected[k] || !raft_leads(k) || raft_term(k) != raft_term(i),
                  "servers %zu and %zu both lead in term %" PRIu64, k, i, raft_term(i));
        if (leader == stage.count || raft_term(i) > raft_term(leader))
            leader = i;
    }
    return leader;
}

size_t raft_check_one_leader(void)
{
    for (int tries = 0; tries < 10; tries++) {
        fiber_sleep_ms(suite_random_between(450, 549));
        size_t leader = find_leader();
        if (leader < stage.count)
            return leader;
    }
    check(false, "no leader");
    return 0;
}

uint64_t raft_check_terms(void)
{
    uint64_t term = 0;
    for (size_t i = 0; i < stage.count; i++) {
        if (!stage.connected[i])
            continue;
        check(term == 0 || term == raft_term(i),
              "servers disagree on the term: %" PRIu64 " and %" PRIu64, term, raft_term(i));
        term = raft_term(i);
    }
    return term;
}

void raft_check_no_leader(void)
{
    for (size_t i = 0; i < stage.count; i++)
        check(!stage.connected[i] || !raft_leads(i), "server %zu leads, of a minority", i);
}

/* -- agreement ----------------------------------------------------------------------------- */

#define ONE_MS 10000u
#define APPLIED_MS 2000u

static struct started offer(struct slice cmd)
{
    for (size_t i = 0; i < stage.count; i++) {
        size_t server = stage.next++ % stage.count;
        struct started started = {0};
        if (stage.connected[server])
            started = raft_start(server, cmd);
        if (started.leads)
            return started;
    }
    return (struct started){0};
}

static bool wait_applied(uint64_t index, struct slice cmd, size_t n)
{
    uint64_t begin_ms = suite_now_ms();
    while (suite_now_ms() - begin_ms < APPLIED_MS) {
        struct slice applied_cmd;
        if (raft_applied(index, &applied_cmd) >= n && slice_equal(applied_cmd, cmd))
            return true;
        fiber_sleep_ms(20);
    }
    return false;
}

uint64_t raft_one(struct slice cmd, size_t n, bool retry)
{
    uint64_t begin_ms = suite_now_ms();
    uint64_t index = 0;
    struct buffer own = {0};
    buffer_set(&own, cmd);
    while (index == 0 && suite_now_ms() - begin_ms < ONE_MS) {
        struct started started = offer(buffer_slice(&own));
        if (!started.leads)
            fiber_sleep_ms(50);
        else if (wait_applied(started.index, buffer_slice(&own), n))
            index = started.index;
        else
            check(retry, "a leader took the command, and %zu servers did not apply it", n);
    }
    buffer_deinit(&own);
    check(index != 0, "no agreement of %zu servers within %u s", n, ONE_MS / 1000);
    return index;
}

static bool term_has_passed(uint64_t term)
{
    for (size_t i = 0; i < stage.count; i++)
        if (raft_is_up(i) && raft_term(i) > term)
            return true;
    return false;
}

bool raft_wait(uint64_t index, size_t n, uint64_t term, struct slice *cmd)
{
    uint64_t pause_ms = 10;
    for (int i = 0; i < 30 && raft_applied(index, NULL) < n; i++) {
        fiber_sleep_ms(pause_ms);
        if (pause_ms < 1000)
            pause_ms *= 2;
        if (term != 0 && term_has_passed(term))
            return false;
    }
    check(raft_applied(index, cmd) >= n, "only %zu of %zu servers applied %" PRIu64,
          raft_applied(index, NULL), n, index);
    return true;
}
